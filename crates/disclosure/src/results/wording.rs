//! "A sentence of this page can be changed, and cannot vanish." What the page says is stored at every start; what it used
//! to say stays beside it, with dates and with the verdict it had.

use encryption::hash::Sha256;
use kernel::{Failure, Mode, Time, Write};
use manifest::PageClaim;
use store::{Control, Receipt, Tx};

use super::{attestation::plain, sql};
use crate::Disclosure;

/// A promise's words for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wording {
    pub claim: String,
    pub since: Time,
    pub words: String,
    pub kind: String,
    pub checks: String,
    /// When the page stopped saying so.
    pub until: Option<Time>,
    /// Its verdict then.
    pub last: Option<String>,
}

/// Every wording there ever was, by promise and date.
pub(crate) async fn all<M: Mode>(tx: &Tx<M>) -> Result<Vec<Wording>, Failure> {
    let rows = tx.all(&sql::WORDINGS, ()).await?;
    let wording =
        |(claim, since, words, kind, checks, until, last)| Wording { claim, since, words, kind, checks, until, last };
    Ok(rows.into_iter().map(wording).collect())
}

fn same(kept: &Wording, claim: &PageClaim) -> bool {
    kept.words == plain(claim) && kept.kind == claim.kind.word() && kept.checks == claim.checks.join(",")
}

impl Disclosure {
    /// Compares the page with what it said last and stores what is new. `None`: nothing is. The permit's event is
    /// `page.published`. To be called at every start, before anything is served.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn compare(&self, tx: Tx<Write>) -> Result<Option<Receipt>, Failure> {
        let _turn = self.turn.lock().await;
        let now = tx.permit().principal().at();
        let kept = all(&tx).await?;
        let claims = &self.means.page.claims;
        let current = |claim: &PageClaim| kept.iter().find(|w| w.claim == claim.id && w.until.is_none());
        let fresh: Vec<&PageClaim> = claims.iter().filter(|c| !current(c).is_some_and(|w| same(w, c))).collect();
        let goes = |w: &&Wording| w.until.is_none() && !claims.iter().any(|c| c.id == w.claim && same(w, c));
        let gone: Vec<&Wording> = kept.iter().filter(goes).collect();
        if fresh.is_empty() && gone.is_empty() {
            return Ok(None);
        }
        let verdicts = tx.all(&sql::VERDICTS, ()).await?;
        let last = |claim: &str| verdicts.iter().find(|v| v.0 == claim).map(|v| v.1.clone());
        let mut hash = Sha256::new();
        for claim in claims {
            hash.framed(claim.id.as_bytes());
            hash.framed(plain(claim).as_bytes());
        }
        let reworded = fresh.iter().filter(|c| current(c).is_some()).count();
        let mut batch = tx
            .batch::<Control>(format!("page/{}", hex::encode(hash.finish())))
            .fact("added", (fresh.len() - reworded).to_string())
            .fact("reworded", reworded.to_string())
            .fact("removed", gone.len().saturating_sub(reworded).to_string());
        for wording in gone {
            let row = (wording.claim.clone(), wording.since, now, last(&wording.claim));
            batch = batch.any(&sql::END_WORDING, row);
        }
        for claim in fresh {
            // Two starts within a millisecond, or a clock set back: one wording after the other all the same.
            let last = kept.iter().filter(|w| w.claim == claim.id).map(|w| w.since.plus(1)).max();
            let since = last.map_or(now, |last| last.max(now));
            let row = (claim.id.clone(), since, plain(claim), claim.kind.word(), claim.checks.join(","));
            batch = batch.any(&sql::ADD_WORDING, row);
        }
        let receipt = batch.commit().await?;
        self.forget();
        Ok(Some(receipt))
    }
}
