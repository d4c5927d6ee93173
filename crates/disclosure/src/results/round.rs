//! What the prober's process printed: outcomes of checks. Taken as JSON, so that this crate shares no code with its judge.

use kernel::{Failure, Time};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};

use super::Verdict;

/// Longest text of one outcome, in bytes.
const LONGEST: usize = 2000;
/// Facts of one outcome.
const FACTS: usize = 64;

/// Outcomes of one run over some checks.
#[derive(Clone, Debug, Deserialize)]
pub struct Round {
    /// Version of the program that judged.
    pub build: String,
    /// App id.
    pub app: String,
    /// When it began: RFC 3339, or milliseconds.
    #[serde(deserialize_with = "moment")]
    pub began: Time,
    /// When it ended.
    #[serde(deserialize_with = "moment")]
    pub ended: Time,
    /// Outcomes.
    pub seen: Vec<Seen>,
}

/// Outcome of one check.
#[derive(Clone, Debug, Deserialize)]
pub struct Seen {
    /// Id in the catalogue.
    pub check: String,
    /// `proven`, `failing`, `inconclusive`, `unproven`, `unsigned`, `not applicable`.
    pub verdict: String,
    /// Facts: numbers, fixed words, hashes, version texts.
    #[serde(default)]
    pub evidence: Map<String, Value>,
    /// The same as speech.
    #[serde(default)]
    pub summary: String,
    /// What was found broken.
    #[serde(default)]
    pub finding: Option<Finding>,
    /// Why it could not tell, is unproven, or not applicable.
    #[serde(default)]
    pub note: String,
    /// `live`, or `own instance`.
    #[serde(default)]
    pub place: String,
    /// Whether the clock was moved for it.
    #[serde(default)]
    pub steered: bool,
    /// When.
    #[serde(deserialize_with = "moment")]
    pub at: Time,
}

/// What was promised and what happened instead.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
pub struct Finding {
    /// What the probe did.
    pub did: String,
    /// What keeps the promise.
    pub expected: String,
    /// What came.
    pub saw: String,
}

fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
    let time = match Value::deserialize(from)? {
        Value::Number(millis) => millis.as_i64().map(Time),
        Value::String(text) => Time::parse(&text),
        _ => None,
    };
    time.ok_or_else(|| D::Error::custom("a moment is RFC 3339 or milliseconds"))
}

impl Round {
    /// Reads it.
    ///
    /// # Errors
    /// `BadInput`: not a round.
    pub fn read(json: &[u8]) -> Result<Self, Failure> {
        serde_json::from_slice(json).map_err(|_| Failure::bad("this is no round of verdicts"))
    }
}

impl Seen {
    /// The verdict, when it is one that a program may come to: nobody is signed for by a probe.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        let verdict = Verdict::parse(&self.verdict)?;
        let probed = matches!(
            verdict,
            Verdict::Proven
                | Verdict::Failing
                | Verdict::Inconclusive
                | Verdict::Unproven
                | Verdict::Unsigned
                | Verdict::Expired
                | Verdict::NotApplicable
        );
        probed.then_some(verdict)
    }
    /// Whether it is of a size that may be kept for everybody to see.
    pub(crate) fn fits(&self) -> bool {
        let finding = self.finding.iter().flat_map(|f| [&f.did, &f.expected, &f.saw]);
        let texts = finding.chain([&self.summary, &self.note, &self.place]).all(|t| t.len() <= LONGEST);
        let plain = |v: &Value| match v {
            Value::String(text) => text.len() <= LONGEST,
            Value::Number(_) | Value::Bool(_) => true,
            _ => false,
        };
        texts && self.evidence.len() <= FACTS && self.evidence.values().all(plain)
    }
}
