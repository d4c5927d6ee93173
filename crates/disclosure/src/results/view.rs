//! Everything the trust page and its formats show, read in one go and kept for a few seconds.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
};

use kernel::{DAY, Failure, Mode, Time};
use manifest::PageClaim;
use serde_json::{Value, json};
use store::Tx;

use super::{
    Verdict,
    judged::{Judged, State},
    publish::promise,
    sql,
    wording::{self, Wording},
};
use crate::Disclosure;

/// Days shown.
pub(crate) const DAYS: usize = 90;
/// Milliseconds that a reading is shown again: changes made here end it at once, those of other nodes after this time.
const FRESH: i64 = 5_000;

/// A day of one promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Day {
    pub worst: Verdict,
    pub proofs: i64,
    pub failures: i64,
}

/// A promise with all that is known of it.
pub(crate) struct Shown {
    /// Position on the page.
    pub at: usize,
    pub judged: Judged,
    /// What was found, in words.
    pub saw: String,
    /// A later look that told nothing: when, and why.
    pub tried: Option<(Time, String)>,
    /// Whether the deciding proof moved a clock.
    pub steered: bool,
    /// Whether anything of it was seen on an instance that the prober started, and not on this one.
    pub copied: bool,
    pub since: Option<Time>,
    /// The last 90 days, oldest first.
    pub days: Vec<Option<Day>>,
    /// How often it was seen to break, and when last.
    pub breaks: Option<(i64, Time)>,
    /// As `vouchsafe verify --format json` prints it.
    pub object: Value,
}

/// The last publication.
pub(crate) struct Run {
    pub began: Time,
    pub took: i64,
    pub at: Time,
    pub build: String,
    pub sha256: String,
    pub signature: String,
}

/// The page's content at a moment.
pub(crate) struct View {
    pub at: Time,
    pub claims: Vec<Shown>,
    /// Wordings that the page has no more.
    pub former: Vec<Wording>,
    pub run: Option<Run>,
    /// Thumbprint of the key that signs.
    pub kid: String,
}

impl View {
    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        self.claims.iter().filter(|c| c.judged.verdict == verdict).count()
    }
}

impl Disclosure {
    /// The present view.
    pub(crate) async fn view<M: Mode>(&self, tx: &Tx<M>) -> Result<Arc<View>, Failure> {
        let now = tx.permit().principal().at();
        let kept = self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(view) = kept.filter(|v| (0..FRESH).contains(&now.since(v.at))) {
            return Ok(view);
        }
        let view = Arc::new(self.read(tx, now).await?);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&view));
        Ok(view)
    }
    /// What the page shows has changed: it is read anew.
    pub fn forget(&self) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn read<M: Mode>(&self, tx: &Tx<M>, now: Time) -> Result<View, Failure> {
        let signer = self.key()?;
        let state = self.state(tx, &signer, now).await?;
        let first = now.0.div_euclid(DAY) - i64::try_from(DAYS).unwrap_or(0) + 1;
        let mut days: HashMap<String, Vec<Option<Day>>> = HashMap::new();
        for (claim, day, worst, proofs, failures) in tx.all(&sql::DAYS, (first,)).await? {
            let row = days.entry(claim).or_insert_with(|| vec![None; DAYS]);
            let slot = usize::try_from(day - first).ok().and_then(|at| row.get_mut(at));
            if let (Some(slot), Some(worst)) = (slot, Verdict::at(worst)) {
                *slot = Some(Day { worst, proofs, failures });
            }
        }
        let breaks: HashMap<String, (i64, Time)> =
            tx.all(&sql::BREAKS, ()).await?.into_iter().map(|(claim, times, last)| (claim, (times, last))).collect();
        let run = tx.maybe(&sql::LAST_RUN, ()).await?.map(|(_, began, took, at, build, sha256, signature)| Run {
            began,
            took,
            at,
            build,
            sha256,
            signature,
        });
        let shown = |(at, claim): (usize, &PageClaim)| {
            let days = days.remove(&claim.id).unwrap_or_else(|| vec![None; DAYS]);
            self.shown(&state, (at, claim), days, breaks.get(&claim.id).copied(), now)
        };
        let claims = self.means.page.claims.iter().enumerate().map(shown).collect();
        let former = wording::all(tx).await?.into_iter().filter(|w| w.until.is_some()).collect();
        Ok(View { at: now, claims, former, run, kid: signer.kid() })
    }

    fn shown(
        &self,
        state: &State,
        (at, claim): (usize, &PageClaim),
        days: Vec<Option<Day>>,
        breaks: Option<(i64, Time)>,
        now: Time,
    ) -> Shown {
        let judged = self.judge(state, claim, now);
        let known = || claim.checks.iter().filter_map(|c| state.known(c));
        let published = state.published.get(&claim.id);
        // Time may have changed the verdict since it was published.
        let since = match published {
            Some(p) if p.verdict == judged.verdict => Some(p.since),
            _ => judged.turned,
        };
        Shown {
            at,
            saw: state.words(claim, &judged),
            tried: known().filter_map(|k| k.tried.clone()).max_by_key(|t| t.0),
            steered: known().any(|k| k.steered),
            copied: known().any(|k| !k.place.is_empty() && k.place != super::known::LIVE),
            since,
            days,
            breaks,
            object: promise(state, claim, &judged),
            judged,
        }
    }

    pub(crate) fn claim(&self, id: &str) -> Result<&PageClaim, Failure> {
        self.means.page.claims.iter().find(|c| c.id == id).ok_or(Failure::NotFound)
    }

    /// A promise's words as they stand on the page now.
    pub(crate) fn words(&self, claim: &PageClaim) -> String {
        claim.text(&|name| Some(self.live(name)))
    }

    /// Whole days since, rounded up: an age that is not passed.
    fn aged(&self, since: Time) -> String {
        let days = (self.means.clock.now().since(since).max(0) + DAY - 1) / DAY;
        format!("{days} day{}", if days == 1 { "" } else { "s" })
    }

    /// A measured figure, or words that say there is none.
    pub(crate) fn live(&self, name: &str) -> String {
        let known = match name {
            "advisories" => self.advisories().map(|a| a.words(self.means.clock.now())),
            "key_age" => self.means.vault.oldest().map(|made| self.aged(made)),
            "root_age" => self.means.vault.roots_known().iter().map(|r| r.since).min().map(|since| self.aged(since)),
            _ => match name.strip_prefix("secret_age.") {
                Some(secret) => self.secret_age(secret),
                None => (self.means.live)(name),
            },
        };
        known.unwrap_or_else(|| "not measured yet".to_owned())
    }
}

/// A wording as JSON.
pub(crate) fn former(wording: &Wording) -> Value {
    json!({
        "id": wording.claim,
        "words": wording.words,
        "kind": wording.kind,
        "checks": wording.checks.split(',').collect::<Vec<_>>(),
        "from": wording.since.to_string(),
        "until": wording.until.map(|t| t.to_string()),
        "last_verdict": wording.last,
    })
}
