//! "Keys rotate by themselves": a root's age, and its turn where a key service holds it.

use std::sync::{Arc, PoisonError};

use kernel::{DAY, Failure, Secret, TenantId, Time, Write};
use store::{Batch, Control, Tx};

use crate::{Vault, kms::Binding, sql, vault::house_of};

/// A region's root key and since when it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The region.
    pub region: String,
    /// Its public name.
    pub name: String,
    /// Its version, as a key service counts them; 0 elsewhere.
    pub version: u32,
    /// The first start that used it, or its last turn.
    pub since: Time,
    /// Whether it is turned where it is kept. If not, a person brings the next one.
    pub turns: bool,
}

impl Root {
    /// Whole days in force.
    #[must_use]
    pub const fn days(&self, now: Time) -> i64 {
        now.0.saturating_sub(self.since.0).div_euclid(DAY)
    }
    /// Whether it is older than it may be, `age` in milliseconds.
    #[must_use]
    pub const fn over(&self, now: Time, age: i64) -> bool {
        now.0.saturating_sub(self.since.0) > age
    }
}

impl Vault {
    /// The root in force of every region, and of them those that no start has seen before: to be noted.
    ///
    /// # Errors
    /// Those of the store, and of a key service that is asked for its version.
    pub async fn roots(&self) -> Result<(Vec<Root>, Vec<Root>), Failure> {
        let known = self.0.lookup.all(TenantId::HOUSE, &sql::SINCE, ()).await?;
        let (mut roots, mut fresh) = (Vec::new(), Vec::new());
        for region in self.regions() {
            let holder = Arc::clone(self.holder(region)?);
            let (name, turns) = (holder.name().to_owned(), holder.elsewhere());
            let row = known.iter().find(|(r, n, ..)| r == region && *n == name);
            let region = region.to_owned();
            if let Some((_, _, version, since)) = row {
                roots.push(Root { region, name, version: *version, since: Time(*since), turns });
                continue;
            }
            let args = (region.clone(), name.clone());
            let first = self.0.lookup.maybe(TenantId::HOUSE, &sql::FIRST, args).await?;
            let since = first.and_then(|(at,)| at).map_or(self.0.clock.now(), Time);
            let version = if turns { self.version_now(&region).await? } else { 0 };
            let root = Root { region, name, version, since, turns };
            fresh.push(root.clone());
            roots.push(root);
        }
        self.0.roots.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&roots);
        Ok((roots, fresh))
    }

    /// As [`Vault::roots`] last read them.
    #[must_use]
    pub fn roots_known(&self) -> Vec<Root> {
        self.0.roots.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The step that notes a root as it is.
    #[must_use]
    pub fn note(&self, batch: Batch<Control>, root: &Root) -> Batch<Control> {
        batch.any(&sql::NOTE, (root.region.clone(), root.name.clone(), root.version, root.since.0))
    }

    /// Which version of its root a key service wraps by now.
    async fn version_now(&self, region: &str) -> Result<u32, Failure> {
        let (holder, binding) = (self.holder(region)?, Binding { region, tenant: house_of(region), version: 1 });
        let nothing = Secret::new(self.0.rng.array::<32>());
        Ok(holder.version(&holder.wrap(&nothing, binding).await?))
    }

    /// Turns a root where it is kept, unless that was done there already. `None`: it cannot be.
    ///
    /// # Errors
    /// Those of the key service; Internal when it still wraps by the old version afterwards.
    pub async fn turn(&self, root: &Root) -> Result<Option<Root>, Failure> {
        if self.version_now(&root.region).await? <= root.version && !self.holder(&root.region)?.turn().await? {
            return Ok(None);
        }
        let version = self.version_now(&root.region).await?;
        if version <= root.version {
            return Err(Failure::internal(
                "encryption: the key service says it turned a root, and wraps by the old version",
            ));
        }
        Ok(Some(Root { version, since: self.0.clock.now(), ..root.clone() }))
    }

    /// Wraps the keys of up to 100 rows behind `after` anew that an older version of the root wrapped. Returns the last
    /// tenant looked at, for the next call, and how many were wrapped; none when there are no more.
    ///
    /// # Errors
    /// Those of the holders, the key folder and the store.
    pub async fn follow_root(
        &self,
        tx: Tx<Write>,
        root: &Root,
        after: &str,
    ) -> Result<Option<(String, usize)>, Failure> {
        let args = (root.region.clone(), root.name.clone(), after.to_owned());
        let mut rows = self.0.lookup.all(TenantId::HOUSE, &sql::UNDER, args).await?;
        let full = rows.len() >= 100;
        let Some(last) = rows.last().map(|row| row.0.clone()) else { return Ok(None) };
        // A page may end between two versions of one tenant's key: that tenant belongs to the next page.
        let split = full && rows.iter().any(|row| row.0 != last);
        if split {
            rows.retain(|row| row.0 != last);
        }
        let end = rows.last().map_or(last, |row| row.0.clone());
        let holder = Arc::clone(self.holder(&root.region)?);
        rows.retain(|(_, _, _, wrapped, _)| holder.version(wrapped) < root.version);
        let done = rows.len();
        if done > 0 {
            let batch = tx.batch::<Control>(format!("region/{}", root.region)).fact("keys", done.to_string());
            self.wrap_anew(batch, &root.region, rows).await?.commit().await?;
        }
        Ok(Some((end, done)))
    }
}
