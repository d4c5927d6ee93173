//! "The mail key is never older than a year; its age today is ...": since when each secret is the same.
//!
//! What is kept of a secret is a keyed fingerprint: it tells a new value from the old one and nothing else.

use encryption::hash;
use kernel::{Failure, Secret, Time, Write};
use store::{Control, Receipt, Tx};

use super::sql;
use crate::Disclosure;

/// A secret that came from outside at this start: the setting's name (`mail`), and its value.
pub struct Setting {
    /// Name.
    pub name: String,
    /// Value.
    pub value: Secret,
}

/// Since when a secret is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Age {
    /// The setting's name.
    pub name: String,
    /// The first start with this value.
    pub since: Time,
}

impl Age {
    /// Whole days.
    #[must_use]
    pub const fn days(&self, now: Time) -> i64 {
        now.0.saturating_sub(self.since.0) / 86_400_000
    }
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
        let fresh: Vec<(String, Vec<u8>)> = settings
            .iter()
            .map(|s| (s.name.clone(), print(&s.value)))
            .filter(|(name, print)| !known.iter().any(|(n, p, _)| n == name && p == print))
            .collect();
        let gone = known.iter().filter(|(name, ..)| !settings.iter().any(|s| s.name == *name));
        let gone: Vec<String> = gone.map(|(name, ..)| name.clone()).collect();
        let since = |name: &str| known.iter().find(|(n, ..)| n == name).map_or(now, |(.., since)| *since);
        let age = |s: &Setting| {
            let new = fresh.iter().any(|(name, _)| *name == s.name);
            Age { name: s.name.clone(), since: if new { now } else { since(&s.name) } }
        };
        drop(self.ages.set(settings.iter().map(age).collect()));
        if fresh.is_empty() && gone.is_empty() {
            return Ok(None);
        }
        let mut batch = tx.batch::<Control>("secrets");
        for (name, print) in fresh {
            batch = batch.any(&sql::SECRET_SEEN, (name, print, now));
        }
        for name in gone {
            batch = batch.any(&sql::SECRET_GONE, (name,));
        }
        batch.commit().await.map(Some)
    }

    /// The age of a secret for people: "12 days".
    pub(crate) fn secret_age(&self, name: &str) -> Option<String> {
        let age = self.ages.get()?.iter().find(|age| age.name == name)?;
        let days = age.days(self.means.clock.now());
        Some(format!("{days} day{}", if days == 1 { "" } else { "s" }))
    }
}
