//! What a probe brings back. Evidence is an allow-list by type: numbers, fixed words, hashes and version texts, so that
//! no answer's content, address or token can slip into a public log.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One measured thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// How many.
    Count(u64),
    /// How long, in milliseconds.
    Millis(u64),
    /// A word the probe's author wrote.
    Word(&'static str),
    /// SHA-256.
    Hash([u8; 32]),
    /// Letters, digits and `.+-_`, at most 60: a version or a region's id.
    Version(String),
}

/// Facts by name, in the order they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence(Vec<(&'static str, Fact)>);

impl Evidence {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }
    /// So many of `what`.
    #[must_use]
    pub fn count(mut self, what: &'static str, number: usize) -> Self {
        self.0.push((what, Fact::Count(u64::try_from(number).unwrap_or(u64::MAX))));
        self
    }
    /// `what` took so long.
    #[must_use]
    pub fn millis(mut self, what: &'static str, time: std::time::Duration) -> Self {
        self.0.push((what, Fact::Millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))));
        self
    }
    /// `what` is this word.
    #[must_use]
    pub fn word(mut self, what: &'static str, word: &'static str) -> Self {
        self.0.push((what, Fact::Word(word)));
        self
    }
    /// `what` has this SHA-256.
    #[must_use]
    pub fn hash(mut self, what: &'static str, hash: [u8; 32]) -> Self {
        self.0.push((what, Fact::Hash(hash)));
        self
    }
    /// `what` calls itself this; characters that are not allowed are left out.
    #[must_use]
    pub fn version(mut self, what: &'static str, text: &str) -> Self {
        let fit = text.chars().filter(|c| c.is_ascii_alphanumeric() || ".+-_".contains(*c)).take(60).collect();
        self.0.push((what, Fact::Version(fit)));
        self
    }
    /// Both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// As a JSON object; a name met twice keeps its last value.
    #[must_use]
    pub fn json(&self) -> Map<String, Value> {
        let value = |fact: &Fact| match fact {
            Fact::Count(n) | Fact::Millis(n) => Value::from(*n),
            Fact::Word(word) => Value::from(*word),
            Fact::Hash(hash) => Value::from(hex::encode(hash)),
            Fact::Version(text) => Value::from(text.as_str()),
        };
        let name = |name: &str, fact: &Fact| match fact {
            Fact::Millis(_) => format!("{}_ms", name.replace(' ', "_")),
            _ => name.replace(' ', "_"),
        };
        self.0.iter().map(|(n, fact)| (name(n, fact), value(fact))).collect()
    }
}

/// "5 roles, 1,070 tries, 0 differences".
impl std::fmt::Display for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, (name, fact)) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            match fact {
                Fact::Count(n) => write!(f, "{} {name}", grouped(*n))?,
                Fact::Millis(n) => write!(f, "{name} {} ms", grouped(*n))?,
                Fact::Word(word) => write!(f, "{name} {word}")?,
                Fact::Hash(hash) => write!(f, "{name} {}", hex::encode(hash).get(..12).unwrap_or_default())?,
                Fact::Version(text) => write!(f, "{name} {text}")?,
            }
        }
        Ok(())
    }
}

/// 1070 -> "1,070".
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// What was promised and what happened instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What the probe did.
    pub did: String,
    /// What keeps the promise.
    pub expected: String,
    /// What came instead: statuses, counts, header names.
    pub saw: String,
}

/// Why a probe has no evidence that the promise is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// The promise is broken.
    Broken(Finding),
    /// The probe could not tell: time-out, 429, 503, a step before the question failed.
    Unclear(String),
    /// The promise is about something this app does not have.
    Absent(&'static str),
    /// The control or its surface is not built yet, so nothing was shown.
    Unbuilt(&'static str),
    /// Nothing a program can prove; shows what it looked at.
    Person(Evidence),
    /// What a person did was to be done again by now; shows how long ago it was.
    Lapsed(Evidence),
}

/// What a probe ends with.
pub type Outcome = Result<Evidence, Miss>;

/// Shorthand for a broken promise.
pub fn broken<T>(did: impl Into<String>, expected: impl Into<String>, saw: impl Into<String>) -> Result<T, Miss> {
    Err(Miss::Broken(Finding { did: did.into(), expected: expected.into(), saw: saw.into() }))
}

/// Shorthand for a probe that could not tell.
pub fn unclear<T>(why: impl Into<String>) -> Result<T, Miss> {
    Err(Miss::Unclear(why.into()))
}

impl From<std::io::Error> for Miss {
    fn from(e: std::io::Error) -> Self {
        Self::Unclear(format!("connection: {}", e.kind()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_prints_as_speech_and_as_json() {
        let e = Evidence::new()
            .count("tries", 1070)
            .count("differences", 0)
            .word("scheme", "argon2id")
            .version("build", "0.1.0+x<y");
        assert_eq!(e.to_string(), "1,070 tries, 0 differences, scheme argon2id, build 0.1.0+xy");
        assert_eq!(e.json().get("tries"), Some(&Value::from(1070)));
    }
}
