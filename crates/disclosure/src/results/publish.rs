//! From a round of outcomes to published verdicts: one batch, one leaf, one signed report. And from a signature.

use encryption::{Signer, hash::sha256};
use kernel::{DAY, Failure, Mode, Time, Write};
use manifest::PageClaim;
use serde_json::{Map, Value, json};
use store::{Batch, Control, Receipt, Tx};

use super::{
    Attestation, Round, Verdict, Wish, attestation,
    judged::{Judged, State},
    known::Known,
    signed, sql,
};
use crate::Disclosure;

/// Days that a promise's days are kept.
const KEPT: i64 = 400;
/// Days that a run is kept in which no verdict changed; its bytes go with the next run.
const RUNS: i64 = 7;

/// A change of one promise's verdict.
struct Turn {
    claim: String,
    at: Time,
    was: Option<Verdict>,
    became: Verdict,
    words: String,
}

impl Disclosure {
    /// Publishes a round: the latest of each check is kept, promises are judged anew, days and changes are noted, and the
    /// whole page's verdicts are signed. The permit's event is `verdicts.published`. `None`: the round says what was published
    /// a moment ago, so that nothing was.
    ///
    /// # Errors
    /// `BadInput`: a round of another app. Those of the store; then nothing was published.
    pub async fn publish(&self, tx: Tx<Write>, round: Round) -> Result<Option<Receipt>, Failure> {
        if round.app != self.means.app.id {
            return Err(Failure::bad("a round of another app"));
        }
        let _turn = self.turn.lock().await;
        let (now, signer) = (tx.permit().principal().at(), self.key()?);
        let old = self.state(&tx, &signer, now).await?;
        let (mut new, mut looked, mut news) = (old.clone(), Vec::new(), false);
        for seen in round.seen.iter().filter(|s| s.fits() && manifest::check(&s.check).is_some()) {
            let last = old.checks.get(&seen.check);
            if let Some(known) = Known::after(last, seen, &round.build, now) {
                news |= last.is_none_or(|last| known.is_news(last));
                looked.push(seen.check.as_str());
                new.checks.insert(seen.check.clone(), known);
            }
        }
        if !news {
            return Ok(None);
        }
        let judged = self.judge_all(&new, now);
        let run = self.means.rng.id(now).to_string();
        let turns = self.turns(&old, &new, &judged, now);
        let report = self.report(&new, &judged, &round, now);
        let hash = hex::encode(sha256(&report));
        let count = |v: Verdict| judged.iter().filter(|(_, j)| j.verdict == v).count();
        let (proven, failing) = (count(Verdict::Proven), count(Verdict::Failing));
        let mut batch = tx.batch::<Control>(format!("verdicts/{hash}"));
        for check in &looked {
            batch = match new.checks.get(*check) {
                Some(known) => batch.any(&sql::PUT_CHECK, known.values()),
                None => batch,
            };
        }
        let touched = |c: &PageClaim| c.checks.iter().any(|check| looked.contains(check));
        let days = judged.iter().filter(|(claim, _)| touched(claim));
        for (claim, judged) in days {
            batch = day(batch, &old, (claim, judged), self.judge(&old, claim, now).verdict, now);
        }
        batch = self.settle(batch, &old, &judged, &turns, (now, &run));
        let values = vec![
            run.into(),
            round.began.into(),
            round.ended.since(round.began).max(0).into(),
            now.into(),
            round.build.clone().into(),
            number(judged.len()).into(),
            number(proven).into(),
            number(failing).into(),
            number(turns.len()).into(),
            hash.clone().into(),
            signed::detached(&signer, &report).into(),
            report.into(),
        ];
        let receipt = batch
            .any(&sql::ADD_RUN, values)
            .any(&sql::EMPTY_RUNS, (now,))
            .any(&sql::DROP_RUNS, (now.plus(-RUNS * DAY),))
            .any(&sql::DROP_DAYS, (now.0.div_euclid(DAY) - KEPT,))
            .fact("build", round.build)
            .fact("report_sha256", hash)
            .fact("proven", proven.to_string())
            .fact("failing", failing.to_string())
            .fact("changed", turns.len().to_string())
            .commit()
            .await;
        self.forget();
        receipt.map(Some)
    }

    /// Stores a person's signature. The permit's event is `promise.attested`.
    ///
    /// # Errors
    /// `Invalid`: nobody signs this, a text or date does not fit. Those of the store.
    pub async fn attest(&self, tx: Tx<Write>, wish: Wish) -> Result<(Receipt, Attestation), Failure> {
        self.attest_with(tx, wish, |batch, _| batch).await
    }

    /// The same with what else is to be true once it is signed, in one batch.
    pub(crate) async fn attest_with(
        &self,
        tx: Tx<Write>,
        wish: Wish,
        more: impl FnOnce(Batch<Control>, &Attestation) -> Batch<Control>,
    ) -> Result<(Receipt, Attestation), Failure> {
        let _turn = self.turn.lock().await;
        let (now, signer) = (tx.permit().principal().at(), self.key()?);
        let made = attestation::sign(&signer, &self.means.app, &self.means.page, wish, now)?;
        let old = self.state(&tx, &signer, now).await?;
        let mut new = old.clone();
        new.attestations.push(made.clone());
        let judged = self.judge_all(&new, now);
        let turns = self.turns(&old, &new, &judged, now);
        let id = self.means.rng.id(now).to_string();
        let batch = tx.batch::<Control>(format!("attestation/{id}"));
        let batch = batch
            .any(&sql::ADD_ATTESTATION, (id, made.subject.clone(), now, made.signature.clone()))
            .fact("subject", made.subject.clone())
            .fact("name", made.name.clone())
            .fact("expires_at", made.expires_at.clone());
        let batch = self.settle(more(batch, &made), &old, &judged, &turns, (now, ""));
        let receipt = batch.commit().await;
        self.forget();
        Ok((receipt?, made))
    }

    /// Everything verdicts follow from, at a moment.
    pub(crate) async fn state<M: Mode>(&self, tx: &Tx<M>, signer: &Signer, now: Time) -> Result<State, Failure> {
        let state = State::load(tx, signer).await?;
        Ok(state.under(self.alarms(tx, now).await?, &self.means.build, now))
    }

    pub(crate) fn judge(&self, state: &State, claim: &PageClaim, now: Time) -> Judged {
        state.judge(&self.means.app, claim, now)
    }

    fn judge_all(&self, state: &State, now: Time) -> Vec<(&PageClaim, Judged)> {
        self.means.page.claims.iter().map(|c| (c, self.judge(state, c, now))).collect()
    }

    /// What changed since the verdicts were published last: by time alone, and then by what is new.
    fn turns(&self, old: &State, new: &State, judged: &[(&PageClaim, Judged)], now: Time) -> Vec<Turn> {
        let mut turns = Vec::new();
        for (claim, after) in judged {
            let mut was = old.published.get(&claim.id).map(|p| p.verdict);
            let before = self.judge(old, claim, now);
            if let (Some(published), Some(at)) = (was, before.turned)
                && published != before.verdict
            {
                let words = match before.verdict {
                    Verdict::Expired => "the signature ended".to_owned(),
                    _ => "nothing was seen in time".to_owned(),
                };
                turns.push(Turn { claim: claim.id.clone(), at, was, became: before.verdict, words });
                was = Some(before.verdict);
            }
            if was != Some(after.verdict) && (was.is_some() || told(after)) {
                let words = new.words(claim, after);
                turns.push(Turn { claim: claim.id.clone(), at: now, was, became: after.verdict, words });
            }
        }
        turns
    }

    /// Changes, and each promise's verdict where it is another than the one published last.
    fn settle(
        &self,
        mut batch: Batch<Control>,
        old: &State,
        judged: &[(&PageClaim, Judged)],
        turns: &[Turn],
        (now, run): (Time, &str),
    ) -> Batch<Control> {
        for turn in turns {
            let was = turn.was.map_or("", Verdict::word).to_owned();
            let id = self.means.rng.id(now).to_string();
            let (claim, words) = (turn.claim.clone(), turn.words.clone());
            batch = batch.any(&sql::ADD_CHANGE, (id, claim, turn.at, was, turn.became.word(), words, run.to_owned()));
        }
        for (claim, judged) in judged.iter().filter(|(claim, j)| old.published.contains_key(&claim.id) || told(j)) {
            let before = old.published.get(&claim.id);
            let since = before.filter(|p| p.verdict == judged.verdict).map_or(now, |p| p.since);
            let row = (claim.id.clone(), judged.verdict.word(), since, judged.checked_at);
            batch = batch.any(&sql::PUT_VERDICT, row);
        }
        batch
    }

    /// The whole page's verdicts, as they are signed and served.
    fn report(&self, state: &State, judged: &[(&PageClaim, Judged)], round: &Round, now: Time) -> Vec<u8> {
        let promises: Vec<Value> = judged.iter().map(|(claim, judged)| promise(state, claim, judged)).collect();
        let report = json!({
            "v": 1,
            "app": self.means.app.id,
            "name": self.means.app.name,
            "build": round.build,
            "began": round.began.to_string(),
            "took_ms": round.ended.since(round.began).max(0),
            "published_at": now.to_string(),
            "promises": promises,
        });
        serde_json::to_vec(&report).unwrap_or_default()
    }
}

/// Whether there is anything to tell of a promise: a check was looked at, or somebody signed.
const fn told(judged: &Judged) -> bool {
    judged.checked_at.is_some() || judged.signed.is_some()
}

/// One promise with its evidence: the object that `vouchsafe verify --format json` prints.
pub(crate) fn promise(state: &State, claim: &PageClaim, judged: &Judged) -> Value {
    let evidence: Map<String, Value> =
        claim.checks.iter().zip(&judged.checks).map(|(c, v)| ((*c).to_owned(), facts(state.known(c), *v))).collect();
    json!({
        "id": claim.id,
        "checks": claim.checks,
        "kind": claim.kind.word(),
        "verdict": judged.verdict.word(),
        "evidence": evidence,
        "checked_at": judged.checked_at.map(|at| at.to_string()),
    })
}

fn facts(known: Option<&Known>, verdict: Verdict) -> Value {
    let mut out = known.map(|k| k.evidence.clone()).unwrap_or_default();
    out.insert("verdict".to_owned(), verdict.word().into());
    let Some(known) = known else { return Value::Object(out) };
    let mut add = |name: &str, value: Value| drop(out.insert(name.to_owned(), value));
    add("checked_at", known.at.to_string().into());
    add("place", known.place.as_str().into());
    if known.steered {
        add("steered", true.into());
    }
    if !known.note.is_empty() {
        add("note", known.note.as_str().into());
    }
    if let Some(finding) = &known.finding {
        add("finding", json!(finding));
    }
    if let Some((at, why)) = &known.tried {
        add("tried", json!({"at": at.to_string(), "note": why}));
    }
    Value::Object(out)
}

/// One more look on a day. What was wrong until now counts for the day too.
fn day(
    batch: Batch<Control>,
    old: &State,
    (claim, judged): (&PageClaim, &Judged),
    before: Verdict,
    now: Time,
) -> Batch<Control> {
    let known = old.published.contains_key(&claim.id);
    let worst = if known && before.alarming() { before.min(judged.verdict) } else { judged.verdict };
    let (kept, failing) = (judged.verdict.kept(), judged.verdict == Verdict::Failing);
    let row = (claim.id.clone(), now.0.div_euclid(DAY), worst.rank(), i64::from(kept), i64::from(failing));
    batch.any(&sql::PUT_DAY, row)
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
