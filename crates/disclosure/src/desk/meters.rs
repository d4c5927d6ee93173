//! What this server measures of itself speaks before any probe's proof, and only ever against it: a probe shows that a
//! meter works, on a server of its own; that a secret here is too old, only this one knows.

use kernel::{DAY, Failure, Mode, Time};
use store::Tx;

use super::supply::Audit;
use crate::{
    Disclosure,
    results::{Alarm, Finding, Verdict},
};

/// What a key service may take to turn a root whose time has come, in milliseconds.
const GRACE: i64 = DAY;
const NO_LIST: &str = "this server has no list of known flaws to compare its build with (VOUCHSAFE_ADVISORIES)";

impl Disclosure {
    /// What does not hold on this server, by its own meters.
    pub(crate) async fn alarms<M: Mode>(&self, tx: &Tx<M>, now: Time) -> Result<Vec<Alarm>, Failure> {
        let promised = |check: &str| self.page().claims.iter().any(|claim| claim.checks.contains(&check));
        let mut alarms = Vec::new();
        if promised("gov.secret_age") {
            alarms.extend(overdue(self, tx, now).await?);
        }
        if promised("vault.rotation") {
            alarms.extend(self.old_root(now));
        }
        if promised("gov.dependency_audit") && self.desk.get().is_some() {
            alarms.extend(self.unaudited(now));
        }
        Ok(alarms)
    }

    /// A root that is older than keys may be, and that only a person can replace, or that its key service did not turn.
    fn old_root(&self, now: Time) -> Option<Alarm> {
        let age = self.app().encryption.rotate.0;
        let roots = self.vault().roots_known();
        let old = roots.iter().filter(|root| root.over(now, age + GRACE)).max_by_key(|root| root.days(now))?;
        let saw = format!("{} days in region {}", old.days(now), old.region);
        let expected = format!("{} days at most", age / DAY);
        Some(Alarm::failing("vault.rotation", "reading the age of this server's root keys", &expected, saw))
    }

    fn unaudited(&self, now: Time) -> Option<Alarm> {
        let Some(found) = self.advisories() else {
            return Some(Alarm::mute("gov.dependency_audit", Verdict::Unproven, NO_LIST));
        };
        let (expected, saw) = match found.audit(now) {
            Audit::Current => return None,
            Audit::Stale => ("a list of at most 7 days", format!("one of {} days", found.age(now))),
            Audit::Overdue => {
                ("no flaw open for more than 30 days", format!("one of {} days", found.oldest(now).unwrap_or_default()))
            }
        };
        Some(Alarm::failing("gov.dependency_audit", "comparing this build with the list of known flaws", expected, saw))
    }
}

async fn overdue<M: Mode>(d: &Disclosure, tx: &Tx<M>, now: Time) -> Result<Option<Alarm>, Failure> {
    let late = d.secret_ages(tx, now).await?.into_iter().filter(|age| age.state == "overdue");
    // The names of undeclared ones are nobody's business.
    let name = |declared: bool, name: String| if declared { name } else { "another".to_owned() };
    let names: Vec<String> =
        late.map(|age| format!("{} is {} days old", name(age.declared, age.name), age.days)).collect();
    if names.is_empty() {
        return Ok(None);
    }
    let expected = "each secret replaced within 7 days of a departure, and before its longest age";
    Ok(Some(Alarm::failing("gov.secret_age", "metering the secrets of this server", expected, names.join(", "))))
}

impl Alarm {
    fn mute(check: &'static str, verdict: Verdict, note: &'static str) -> Self {
        Self { check, verdict, finding: None, note }
    }
    fn failing(check: &'static str, did: &str, expected: &str, saw: String) -> Self {
        let finding = Finding { did: did.to_owned(), expected: expected.to_owned(), saw };
        Self { check, verdict: Verdict::Failing, finding: Some(finding), note: "" }
    }
}
