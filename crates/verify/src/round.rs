//! What one run of the watcher tells the server that started it: verdicts of checks, on their way from one process to
//! another. Read under a cap, and believed only as far as its types go.

use kernel::Time;
use manifest::{CheckKind, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    checked::{Checked, Place},
    evidence::Finding,
    plan,
};

/// Longest text that is believed, in characters.
const LONGEST: usize = 600;
/// Longest round, in bytes.
pub const CAP: usize = 4 * 1024 * 1024;

/// One run over some checks: whoever reads it keeps the latest of each.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Round {
    /// Version of the program that judged.
    pub build: String,
    /// The app's id.
    pub app: String,
    /// When it began.
    pub began: Time,
    /// When it ended.
    pub ended: Time,
    /// Checks that were looked at.
    #[serde(deserialize_with = "known")]
    pub seen: Vec<Seen>,
    /// Canary tenants that wait on the server for the next round.
    #[serde(default)]
    pub waiting: Option<Value>,
}

/// What was seen of one check.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// The check's id.
    pub check: &'static str,
    /// Its own verdict; a promise is judged from those of all its checks ([`crate::verdict_of`]).
    #[serde(serialize_with = "word")]
    pub verdict: Verdict,
    /// Numbers, fixed words, hashes, version texts.
    pub evidence: Map<String, Value>,
    /// The same as speech.
    pub summary: String,
    /// What was found broken.
    pub finding: Option<Finding>,
    /// Why nothing could be told.
    pub note: String,
    /// On which server.
    #[serde(serialize_with = "place_word")]
    pub place: Place,
    /// Whether the clock was moved.
    pub steered: bool,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// When.
    pub at: Time,
}

fn word<S: serde::Serializer>(verdict: &Verdict, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(verdict.word())
}

fn place_word<S: serde::Serializer>(place: &Place, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(place.word())
}

/// [`Seen`] as it comes in.
#[derive(Deserialize)]
struct Told {
    check: String,
    verdict: String,
    evidence: Map<String, Value>,
    summary: String,
    finding: Option<Finding>,
    note: String,
    place: String,
    steered: bool,
    took_ms: u64,
    at: Time,
}

/// Checks that nobody knows, and verdicts that a probe cannot give, are dropped.
fn known<'d, D: serde::Deserializer<'d>>(from: D) -> Result<Vec<Seen>, D::Error> {
    Ok(Vec::<Told>::deserialize(from)?.into_iter().filter_map(believed).collect())
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

fn believed(told: Told) -> Option<Seen> {
    let check = manifest::check(&told.check)?.id;
    let verdict = Verdict::parse(&told.verdict)?;
    let probe = [
        Verdict::Failing,
        Verdict::Inconclusive,
        Verdict::Unproven,
        Verdict::Unsigned,
        Verdict::Expired,
        Verdict::Proven,
        Verdict::NotApplicable,
    ];
    if !probe.contains(&verdict) {
        return None;
    }
    let fact = |(name, value): (String, Value)| match value {
        Value::Number(_) | Value::Bool(_) => Some((short(&name), value)),
        Value::String(text) => Some((short(&name), short(&text).into())),
        _ => None,
    };
    let finding =
        told.finding.map(|f| Finding { did: short(&f.did), expected: short(&f.expected), saw: short(&f.saw) });
    Some(Seen {
        check,
        verdict,
        evidence: told.evidence.into_iter().filter_map(fact).collect(),
        summary: short(&told.summary),
        finding,
        note: short(&told.note),
        place: if told.place == Place::Live.word() { Place::Live } else { Place::Own },
        steered: told.steered,
        took_ms: told.took_ms,
        at: told.at,
    })
}

impl Round {
    /// Reads what a watcher wrote.
    #[must_use]
    pub fn read(json: &[u8]) -> Option<Self> {
        if json.len() > CAP { None } else { serde_json::from_slice(json).ok() }
    }
    /// As it is written.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

impl Seen {
    /// From what a run knows of a check.
    #[must_use]
    pub fn of(checked: &Checked, at: Time) -> Self {
        Self {
            check: checked.check,
            verdict: checked.verdict,
            evidence: checked.evidence.json(),
            summary: checked.evidence.to_string(),
            finding: checked.finding.clone(),
            note: checked.note.clone(),
            place: checked.place,
            steered: checked.steered,
            took_ms: u64::try_from(checked.took.as_millis()).unwrap_or(u64::MAX),
            at,
        }
    }
    /// What is known of a check that no run has looked at.
    #[must_use]
    pub fn nothing(check: &'static str, at: Time) -> Self {
        Self::of(&crate::run::unprobed(check), at)
    }
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> CheckKind {
        plan::kind(self.check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;

    fn checked(check: &'static str, verdict: Verdict) -> Checked {
        Checked {
            check,
            verdict,
            evidence: Evidence::new().count("ids", 96),
            finding: None,
            note: String::new(),
            took: std::time::Duration::from_millis(12),
            steered: false,
            place: Place::Live,
        }
    }

    fn round(seen: Vec<Seen>) -> Round {
        Round { build: "1".into(), app: "a".into(), began: Time(1), ended: Time(2), seen, waiting: None }
    }

    #[test]
    fn a_round_survives_the_way() {
        let seen = vec![
            Seen::of(&checked("edge.csp", Verdict::Proven), Time(5)),
            Seen::of(&checked("edge.hsts", Verdict::NotApplicable), Time(6)),
        ];
        let back = Round::read(round(seen).json().to_string().as_bytes()).unwrap();
        assert_eq!(back.seen.len(), 2);
        let first = &back.seen[0];
        assert_eq!((first.check, first.verdict, first.place), ("edge.csp", Verdict::Proven, Place::Live));
        assert_eq!((first.summary.as_str(), first.evidence["ids"].as_i64(), first.at), ("96 ids", Some(96), Time(5)));
    }

    #[test]
    fn only_what_a_probe_can_say_of_a_known_check_is_believed() {
        let mut json = round(vec![Seen::of(&checked("edge.csp", Verdict::Proven), Time(5)); 4]).json();
        json["seen"][0]["check"] = "edge.nothing".into();
        json["seen"][1]["verdict"] = "attested".into();
        json["seen"][2]["verdict"] = "green".into();
        json["seen"][3]["evidence"] = serde_json::json!({"x": {"deep": 1}, "y": "a\u{7}b".repeat(2000), "z": 1});
        let back = Round::read(json.to_string().as_bytes()).unwrap();
        assert_eq!(back.seen.len(), 1);
        let evidence = &back.seen[0].evidence;
        assert!(!evidence.contains_key("x") && evidence["z"] == 1);
        assert_eq!(evidence["y"].as_str().unwrap().len(), LONGEST);
        assert!(Round::read(b"{").is_none() && Round::read(&vec![b' '; CAP + 1]).is_none());
    }
}
