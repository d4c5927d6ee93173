//! "For each check behind this page, the build that serves you has a signed record of two runs: green with the control on,
//! red with the control off."
//!
//! The program with the switches and the one that serves are not the same bytes. What binds them is the digest of the sources
//! that both were built from: a record of other sources is refused, and after an upgrade an old one is no longer shown.

use std::collections::BTreeMap;

use kernel::{Failure, Mode, Time, sabotage::off};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::Tx;

use super::sql;
use crate::Disclosure;

/// Most checks in one record.
const MOST: usize = 1_000;

/// What the two runs of one check said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The verdict with the control on.
    pub on: String,
    /// The verdict with the control off.
    pub off: String,
    /// The app whose page was tested.
    pub app: String,
}

/// A record of test runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Runs {
    /// Version of the program.
    pub version: String,
    /// SHA-256 of its sources, in hex.
    pub sources: String,
    /// When the runs began (RFC 3339).
    pub began: String,
    /// When they ended.
    pub ended: String,
    /// By check.
    pub checks: BTreeMap<String, Pair>,
    /// Checks without a switch, and why.
    pub unswitched: BTreeMap<String, String>,
}

impl Runs {
    /// Reads a record.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let runs: Self = serde_json::from_slice(bytes).map_err(|_| "it is no record of test runs")?;
        runs.checked()
    }

    pub(super) fn checked(self) -> Result<Self, &'static str> {
        let known = |check: &String| manifest::check(check).is_some();
        let word = |text: &str| manifest::Verdict::parse(text).is_some();
        let line = |text: &str, most: usize| text.chars().count() <= most && !text.chars().any(char::is_control);
        let hex = self.sources.len() == 64 && self.sources.bytes().all(|b| b.is_ascii_hexdigit());
        let (began, ended) = (Time::parse(&self.began), Time::parse(&self.ended));
        if !hex || began.is_none() || ended.is_none() || began > ended || !line(&self.version, 60) {
            return Err("it does not say of which sources it is, or when the runs were");
        }
        if self.checks.len().max(self.unswitched.len()) > MOST
            || !self.checks.keys().chain(self.unswitched.keys()).all(known)
        {
            return Err("it names a check that there is not");
        }
        if !self.checks.values().all(|pair| word(&pair.on) && word(&pair.off) && line(&pair.app, 60)) {
            return Err("a run ended with a verdict that there is not");
        }
        if !self.unswitched.values().all(|why| line(why, 300)) {
            return Err("a reason is longer than 300 characters");
        }
        Ok(self)
    }

    /// Pairs that show what a pair is for.
    pub(super) fn kept(&self) -> usize {
        self.checks.values().filter(|pair| pair.proves()).count()
    }
}

impl Pair {
    /// Green with the control on, red with the control off.
    #[must_use]
    pub fn proves(&self) -> bool {
        self.on == "proven" && self.off == "failing"
    }
}

/// What is shown: the record of this build, who had it signed and when, and the last look at each check on this server.
pub(super) struct Known {
    pub(super) runs: Runs,
    pub(super) recorded: Option<(Time, String)>,
    pub(super) looked: BTreeMap<String, Value>,
}

impl Disclosure {
    pub(super) async fn runs<M: Mode>(&self, tx: &Tx<M>, now: Time) -> Result<Option<Known>, Failure> {
        let setup = self.setup()?;
        let kept = tx.maybe(&sql::RECORD, (setup.sources.to_owned(),)).await?;
        let (runs, recorded) = match kept {
            Some((at, name, text)) => {
                let runs = Runs::read(text.as_bytes()).map_err(|_| Failure::internal("disclosure: a kept record"))?;
                (runs, Some((at, name)))
            }
            None => match setup.runs.as_ref().filter(|runs| runs.sources == setup.sources || off("gov.security_tests"))
            {
                Some(runs) => (runs.clone(), None),
                None => return Ok(None),
            },
        };
        let state = self.state(tx, &self.key()?, now).await?;
        let looked = runs.checks.keys().filter_map(|check| {
            let known = state.checks.get(check)?;
            Some((
                check.clone(),
                json!({"at": known.at.to_string(), "place": known.place, "verdict": known.verdict.word()}),
            ))
        });
        let looked = looked.collect();
        Ok(Some(Known { runs, recorded, looked }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(edit: impl Fn(&mut Value)) -> Result<Runs, &'static str> {
        let mut value = json!({
            "version": "0.1.0", "sources": "a".repeat(64), "began": "2026-11-22T08:00:00Z", "ended": "2026-11-22T09:00:00Z",
            "checks": {"edge.csp": {"on": "proven", "off": "failing", "app": "kwestra"}, "edge.hsts": {"on": "proven", "off": "proven", "app": "kwestra"}},
            "unswitched": {"ops.topology": "a report"},
        });
        edit(&mut value);
        Runs::read(value.to_string().as_bytes())
    }

    #[test]
    fn a_record_is_read_or_refused() {
        assert_eq!(runs(|_| ()).unwrap().kept(), 1);
        for (pointer, wrong) in [
            ("/sources", json!("abc")),
            ("/began", json!("2026-11-23T08:00:00Z")),
            ("/ended", json!("soon")),
            ("/checks/edge.csp/on", json!("green")),
            ("/checks/edge.csp/app", json!("a\nb")),
            ("/unswitched/ops.topology", json!("x".repeat(301))),
            ("/unswitched", json!({"no.such_check": "why"})),
            ("/version", json!(1)),
        ] {
            assert!(runs(|v| *v.pointer_mut(pointer).unwrap() = wrong.clone()).is_err(), "{pointer}");
        }
        assert!(Runs::read(b"[]").is_err());
    }
}
