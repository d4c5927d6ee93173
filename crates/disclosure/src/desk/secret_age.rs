//! "When a colleague leaves, the keys they could have seen are replaced too." "The mail key is never older than a year; its
//! age today is ...": since when each secret is the same, and by when it must be another.
//!
//! What is kept of a secret is a keyed fingerprint: it tells a new value from the old one and nothing else. The key is the
//! house's own and stays when a root key is replaced, so that no age begins anew.

use encryption::hash;
use kernel::{DAY, Failure, Mode, Secret, Time, Write, sabotage::off};
use serde::Serialize;
use store::{Control, Receipt, Tx};

use super::{channel::stamp, sql};
use crate::Disclosure;

/// How long the team has to replace what somebody who left could have seen, in milliseconds.
pub const AFTER_LEAVING: i64 = 7 * DAY;
/// The oldest that a mail key may be where the manifest says nothing, in milliseconds.
pub const MAIL: i64 = 365 * DAY;

/// A secret that came from outside at this start.
pub struct Setting {
    /// The setting's name: `mail`, or `webhooks.in.stripe.secret`.
    pub name: String,
    /// Its value.
    pub value: Secret,
    /// How it is metered.
    pub rule: Rule,
}

/// What demands a new value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The oldest it may be, in milliseconds.
    pub max_age: Option<i64>,
    /// Whether it is replaced when somebody leaves.
    pub on_leaving: bool,
    /// Whether the page speaks of it: declared under `[secrets]`.
    pub declared: bool,
}

/// Since when a secret is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Age {
    /// The setting's name.
    pub name: String,
    /// The first start with this value.
    pub since: Time,
    /// How it is metered.
    pub rule: Rule,
}

/// How a secret stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing demands a new one.
    Fresh,
    /// A new one is due by then: somebody left, or it grows old.
    Due(Time),
    /// It should have been replaced by then.
    Overdue(Time),
}

impl Age {
    /// Whole days.
    #[must_use]
    pub const fn days(&self, now: Time) -> i64 {
        now.0.saturating_sub(self.since.0) / DAY
    }

    /// `left`: when people left, in any order. Whoever left before this value was first seen never saw it.
    pub(crate) fn standing(&self, left: &[Time], now: Time) -> Standing {
        let gone = left.iter().filter(|at| self.rule.on_leaving && **at >= self.since).min();
        let old = self.rule.max_age.map(|age| self.since.plus(age));
        match gone.map(|at| at.plus(AFTER_LEAVING)).into_iter().chain(old).min() {
            Some(by) if now > by && !off("gov.secret_age") => Standing::Overdue(by),
            Some(by) if gone.is_some() || by.since(now) < 30 * DAY => Standing::Due(by),
            _ => Standing::Fresh,
        }
    }

    fn told(&self, left: &[Time], now: Time) -> SecretAge {
        let standing = self.standing(left, now);
        let by = match standing {
            Standing::Fresh => self.rule.max_age.map(|age| self.since.plus(age)),
            Standing::Due(by) | Standing::Overdue(by) => Some(by),
        };
        SecretAge {
            name: self.name.clone(),
            since: stamp(self.since),
            days: self.days(now),
            state: standing.word(),
            replace_by: by.map(stamp),
            declared: self.rule.declared,
        }
    }
}

impl Standing {
    const fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Due(_) => "due",
            Self::Overdue(_) => "overdue",
        }
    }
}

/// A secret's age as it is told.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct SecretAge {
    /// The setting's name.
    pub(crate) name: String,
    /// The first start with this value.
    pub(crate) since: String,
    /// Whole days since.
    pub(crate) days: i64,
    /// `fresh`, `due`, `overdue`.
    pub(crate) state: &'static str,
    /// By when a new one is due.
    pub(crate) replace_by: Option<String>,
    #[serde(skip)]
    pub(crate) declared: bool,
}

impl Disclosure {
    /// Notes which secrets are new since the last start; `None`, when nothing changed.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn note_secrets(
        &self,
        tx: Tx<Write>,
        settings: &[Setting],
        now: Time,
    ) -> Result<Option<Receipt>, Failure> {
        let key = self.vault().root_key(self.app().regions.first().map_or("", |r| r.id), "secret-age", &[])?;
        let known: Vec<(String, Vec<u8>, Time)> = tx.all(&sql::SECRETS, ()).await?;
        let print = |value: &Secret| hash::hmac_sha256(key.expose(), value.expose()).to_vec();
        // A value that comes back is as old as it was: taking it out for a start makes nothing younger.
        let former: Vec<(String, Vec<u8>, Time)> = tx.all(&sql::FORMER, ()).await?;
        let began = |name: &str, print: &[u8]| {
            former.iter().find(|(n, p, _)| n == name && p == print).map_or(now, |(.., since)| *since)
        };
        let fresh: Vec<(String, Vec<u8>, Time)> = settings
            .iter()
            .map(|s| (s.name.clone(), print(&s.value)))
            .filter(|(name, print)| !known.iter().any(|(n, p, _)| n == name && p == print))
            .map(|(name, print)| {
                let since = began(&name, &print);
                (name, print, since)
            })
            .collect();
        let gone = known.iter().filter(|(name, ..)| !settings.iter().any(|s| s.name == *name));
        let gone: Vec<String> = gone.map(|(name, ..)| name.clone()).collect();
        let since = |name: &str| known.iter().find(|(n, ..)| n == name).map_or(now, |(.., since)| *since);
        let age = |s: &Setting| {
            let new = fresh.iter().find(|(name, ..)| *name == s.name).map(|(.., since)| *since);
            Age { name: s.name.clone(), since: new.unwrap_or_else(|| since(&s.name)), rule: s.rule }
        };
        drop(self.ages.set(settings.iter().map(age).collect()));
        if fresh.is_empty() && gone.is_empty() {
            return Ok(None);
        }
        let mut batch = tx.batch::<Control>("secrets");
        for (name, print, since) in fresh {
            batch = batch.any(&sql::SECRET_FORMER, (name.clone(),)).any(&sql::SECRET_SEEN, (name, print, since));
        }
        for name in gone {
            batch = batch.any(&sql::SECRET_FORMER, (name.clone(),)).any(&sql::SECRET_GONE, (name,));
        }
        batch.commit().await.map(Some)
    }

    /// Every secret with its age and how it stands.
    pub(crate) async fn secret_ages<M: Mode>(&self, tx: &Tx<M>, now: Time) -> Result<Vec<SecretAge>, Failure> {
        let left: Vec<Time> = tx.all(&sql::LEFT_AT, ()).await?.into_iter().map(|(at,)| at).collect();
        Ok(self.ages.get().into_iter().flatten().map(|age| age.told(&left, now)).collect())
    }

    /// The age of a secret for people: "12 days".
    pub(crate) fn secret_age(&self, name: &str) -> Option<String> {
        let age = self.ages.get()?.iter().find(|age| age.name == name)?;
        let days = age.days(self.means.clock.now());
        Some(format!("{days} day{}", if days == 1 { "" } else { "s" }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(since: i64, max_age: Option<i64>, on_leaving: bool) -> Age {
        Age { name: "mail".into(), since: Time(since), rule: Rule { max_age, on_leaving, declared: true } }
    }

    #[test]
    fn a_leaver_gives_a_week() {
        let (key, left) = (age(1_000, None, true), [Time(9 * DAY), Time(2 * DAY), Time(999)]);
        let by = Time(9 * DAY);
        assert_eq!(key.standing(&[], Time(900 * DAY)), Standing::Fresh);
        assert_eq!(key.standing(&[Time(999)], Time(900 * DAY)), Standing::Fresh);
        assert_eq!(key.standing(&left, by), Standing::Due(by));
        assert_eq!(key.standing(&left, by.plus(1)), Standing::Overdue(by));
        // Replaced after the first left, and before the second.
        assert_eq!(age(3 * DAY, None, true).standing(&left, by.plus(1)), Standing::Due(Time(16 * DAY)));
        assert_eq!(age(10 * DAY, None, true).standing(&left, Time(99 * DAY)), Standing::Fresh);
        assert_eq!(age(0, None, false).standing(&left, Time(99 * DAY)), Standing::Fresh);
    }

    #[test]
    fn what_is_too_old_is_overdue() {
        let key = age(0, Some(365 * DAY), false);
        assert_eq!(key.standing(&[], Time(300 * DAY)), Standing::Fresh);
        assert_eq!(key.standing(&[], Time(365 * DAY)), Standing::Due(Time(365 * DAY)));
        assert_eq!(key.standing(&[], Time(366 * DAY)), Standing::Overdue(Time(365 * DAY)));
        assert_eq!((key.days(Time(366 * DAY)), key.told(&[], Time(0)).state), (366, "fresh"));
        // Whichever comes first.
        let both = age(0, Some(365 * DAY), true);
        assert_eq!(both.standing(&[Time(DAY)], Time(9 * DAY)), Standing::Overdue(Time(8 * DAY)));
    }
}
