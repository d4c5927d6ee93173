//! The verdicts as other languages take them: per check, with what time and signatures made of them.

use std::collections::BTreeMap;

use kernel::{Failure, Mode, Time};
use serde_json::{Map, Value};
use store::Tx;

use super::Finding;
use crate::Disclosure;

/// What is known of one check that the page names.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its id.
    pub check: &'static str,
    /// The word of its verdict now: a proof may have grown stale since it was seen, a signature have ended.
    pub verdict: &'static str,
    /// Facts.
    pub evidence: Map<String, Value>,
    /// The same as speech.
    pub summary: String,
    /// What was found broken.
    pub finding: Option<Finding>,
    /// Why nothing could be told.
    pub note: String,
    /// Whether it was seen on this server, and not on an instance of the prober's.
    pub live: bool,
    /// Whether the clock was moved.
    pub steered: bool,
    /// When it was seen; none: never.
    pub at: Option<Time>,
}

/// Everything for an export.
#[derive(Clone, Debug, Default)]
pub struct Exported {
    /// Checks, in the order of their ids.
    pub checks: Vec<Standing>,
    /// The word of each promise's verdict, by the promise.
    pub promises: BTreeMap<String, &'static str>,
}

impl Disclosure {
    /// What is known now.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn exported<M: Mode>(&self, tx: &Tx<M>) -> Result<Exported, Failure> {
        let now = tx.permit().principal().at();
        let state = self.state(tx, &self.key()?, now).await?;
        let mut out = Exported::default();
        let mut checks: BTreeMap<&'static str, Standing> = BTreeMap::new();
        for claim in &self.means.page.claims {
            let judged = self.judge(&state, claim, now);
            out.promises.insert(claim.id.clone(), judged.verdict.word());
            for (check, verdict) in claim.checks.iter().copied().zip(judged.checks) {
                let known = state.known(check).cloned();
                let at = known.as_ref().map(|k| k.at);
                checks.entry(check).or_insert_with(|| Standing {
                    check,
                    verdict: verdict.word(),
                    evidence: known.as_ref().map(|k| k.evidence.clone()).unwrap_or_default(),
                    summary: known.as_ref().map(|k| k.summary.clone()).unwrap_or_default(),
                    finding: known.as_ref().and_then(|k| k.finding.clone()),
                    note: known.as_ref().map(|k| k.note.clone()).unwrap_or_default(),
                    live: known.as_ref().is_some_and(|k| k.place == super::known::LIVE),
                    steered: known.as_ref().is_some_and(|k| k.steered),
                    at,
                });
            }
        }
        out.checks = checks.into_values().collect();
        Ok(out)
    }
}
