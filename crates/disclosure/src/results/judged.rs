//! A promise's verdict at a moment, from what is known of its checks and what people signed.

use std::collections::HashMap;

use kernel::{Failure, Mode, Time};
use manifest::{App, CheckKind, PageClaim};
use store::Tx;

use super::{Attestation, Finding, Verdict, attestation, known, known::Known, sql};

/// Everything verdicts follow from.
#[derive(Clone, Default)]
pub(crate) struct State {
    /// As probes saw them last.
    pub checks: HashMap<String, Known>,
    /// What this server's own meters say against them now.
    alarms: HashMap<&'static str, Known>,
    pub attestations: Vec<Attestation>,
    /// As published last.
    pub published: HashMap<String, Published>,
}

/// What a meter of this server says against a check.
#[derive(Clone, Debug)]
pub(crate) struct Alarm {
    pub check: &'static str,
    pub verdict: Verdict,
    pub finding: Option<Finding>,
    pub note: &'static str,
}

/// A promise's verdict as it was published last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    pub verdict: Verdict,
    pub since: Time,
}

/// A promise's verdict.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub verdict: Verdict,
    /// When the oldest of its checks was looked at.
    pub checked_at: Option<Time>,
    /// When time alone changed it: a proof grew old, a signature ended.
    pub turned: Option<Time>,
    /// Verdict of each check.
    pub checks: Vec<Verdict>,
    /// The signature under it that ends first.
    pub signed: Option<Attestation>,
}

impl State {
    pub(crate) async fn load<M: Mode>(tx: &Tx<M>, signer: &encryption::Signer) -> Result<Self, Failure> {
        let checks = tx.all(&sql::CHECKS, ()).await?;
        let published = tx.all(&sql::VERDICTS, ()).await?;
        let jws = tx.all(&sql::ATTESTATIONS, ()).await?;
        Ok(Self {
            checks: checks.into_iter().map(|k| (k.check.clone(), k)).collect(),
            alarms: HashMap::new(),
            attestations: jws.iter().filter_map(|(jws,)| Attestation::read(signer, jws)).collect(),
            published: published
                .into_iter()
                .filter_map(|(claim, word, since, _)| {
                    Some((claim, Published { verdict: Verdict::parse(&word)?, since }))
                })
                .collect(),
        })
    }

    /// With what the server's meters say: it is not kept, and ends with its reason.
    pub(crate) fn under(mut self, alarms: Vec<Alarm>, build: &str, now: Time) -> Self {
        let known = |alarm: Alarm| (alarm.check, Known::alarm(alarm, build, now));
        self.alarms = alarms.into_iter().map(known).collect();
        self
    }

    /// The worse of what a probe saw and what a meter says.
    pub(crate) fn known(&self, check: &str) -> Option<&Known> {
        let (seen, alarm) = (self.checks.get(check), self.alarms.get(check));
        match (seen, alarm) {
            // A probe that found nothing to test does not outrank a meter that found something wrong.
            (Some(seen), Some(alarm)) if seen.verdict <= alarm.verdict => Some(seen),
            (Some(seen), Some(alarm))
                if seen.verdict == Verdict::NotApplicable && alarm.verdict != Verdict::Failing =>
            {
                Some(seen)
            }
            (_, Some(alarm)) => Some(alarm),
            (seen, None) => seen,
        }
    }

    pub(crate) fn judge(&self, app: &App, claim: &PageClaim, now: Time) -> Judged {
        let mut turned: Option<Time> = None;
        let (mut checks, mut checked_at): (Vec<Verdict>, Option<Time>) = (Vec::new(), None);
        let (mut signatures, mut open): (Vec<&Attestation>, bool) = (Vec::new(), false);
        for check in &claim.checks {
            let known = self.known(check);
            let signature = attestation::of(&self.attestations, claim, check);
            let signed = signature.map(|s| s.verdict(now));
            let (verdict, old) = known::standing(app, check, known, signed, now);
            turned = turned.into_iter().chain(old).min();
            if let Some(known) = known.filter(|_| verdict != Verdict::NotApplicable) {
                checked_at = Some(checked_at.map_or(known.at, |at| at.min(known.at)));
            }
            let person = manifest::check(check).is_some_and(|c| c.kind == CheckKind::Attested);
            if person || claim.kind == CheckKind::Attested {
                signatures.extend(signature);
                open |= signature.is_none();
            }
            checks.push(verdict);
        }
        let signed = signatures.into_iter().min_by_key(|s| s.until()).cloned();
        let says = signed.as_ref().filter(|_| !open).map(|s| s.verdict(now));
        let verdict = manifest::verdict_of(claim.kind, &checks, says);
        if verdict == Verdict::Expired {
            turned = signed.as_ref().map(Attestation::until);
        }
        let turned = turned.filter(|_| matches!(verdict, Verdict::Stale | Verdict::Expired));
        Judged { verdict, checked_at, turned, checks, signed }
    }

    /// What was found, in words: of the check that decides, or of each that failed.
    pub(crate) fn words(&self, claim: &PageClaim, judged: &Judged) -> String {
        let all = || claim.checks.iter().zip(&judged.checks);
        let chosen: Vec<&&'static str> = match judged.verdict {
            Verdict::Failing => all().filter(|(_, v)| **v == Verdict::Failing).map(|(c, _)| c).collect(),
            Verdict::Proven | Verdict::Provider | Verdict::Stale => claim.checks.iter().collect(),
            _ => all().min_by_key(|(_, v)| **v).map(|(c, _)| c).into_iter().collect(),
        };
        let found = chosen.iter().filter_map(|c| self.known(c)).map(Known::words).filter(|w| !w.is_empty());
        found.collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(verdict: Verdict) -> Known {
        let alarm = Alarm { check: "gov.secret_age", verdict, finding: None, note: "" };
        Known::alarm(alarm, "0.1.0", Time(0))
    }

    /// A meter speaks against a proof, never for one, and falls silent with its reason.
    #[test]
    fn a_meter_only_makes_a_verdict_worse() {
        let seen = |verdict| State {
            checks: HashMap::from([("gov.secret_age".to_owned(), known(verdict))]),
            ..State::default()
        };
        let alarm = |verdict| vec![Alarm { check: "gov.secret_age", verdict, finding: None, note: "why" }];
        let after = |state: State, verdict| {
            state.under(alarm(verdict), "0.1.0", Time(9)).known("gov.secret_age").unwrap().verdict
        };
        for (was, says, becomes) in [
            (Verdict::Proven, Verdict::Failing, Verdict::Failing),
            (Verdict::Proven, Verdict::Unproven, Verdict::Unproven),
            (Verdict::Failing, Verdict::Unproven, Verdict::Failing),
            (Verdict::NotApplicable, Verdict::Unproven, Verdict::NotApplicable),
            (Verdict::NotApplicable, Verdict::Failing, Verdict::Failing),
        ] {
            assert_eq!(after(seen(was), says), becomes);
        }
        assert_eq!(after(State::default(), Verdict::Failing), Verdict::Failing);
        let quiet =
            seen(Verdict::Proven).under(alarm(Verdict::Failing), "0.1.0", Time(9)).under(Vec::new(), "", Time(9));
        assert_eq!(quiet.known("gov.secret_age").unwrap().verdict, Verdict::Proven);
    }
}
