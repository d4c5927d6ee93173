//! Data keys of bulk objects (database files, stored objects): wrapped by the tenant's key, the house's by its region's house
//! key. It is made before the store, which needs it to open its first file, and knows the stored keys from then on.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use kernel::{Clock, Failure, Rng, Secret, TenantId};
use store::{Bulk, Envelope, Told};

use crate::{
    Region, Vault,
    blob::{self, Blob},
    derive::{Key, derive},
    keyfile::{self, Owner},
    kms::Binding,
    tenant_key::{unwrap, wrap_new},
    vault::{Inner, house_of, unopened},
};

/// A tenant's key for this purpose, and what it is bound to.
struct Wrapping {
    region: String,
    version: u32,
    key: Key,
}

/// Wraps and opens data keys.
pub struct BulkKeys {
    regions: Vec<Region>,
    folder: PathBuf,
    rng: Arc<dyn Rng>,
    /// The house's key, of the first region.
    house: (String, Secret),
    /// Keys read from the folder: what is asked for before the store is there.
    read: Mutex<HashMap<(TenantId, u32), (String, Secret)>>,
    /// The stored keys, once they can be asked for.
    vault: OnceLock<Weak<Inner>>,
}

impl BulkKeys {
    /// `folder`: where wrapped keys lie (`keys/` in the data folder). The house's key, made here when there is none yet, lies
    /// a second time beside that folder: with it the house's own database opens, and with that every other key is there.
    ///
    /// # Errors
    /// Internal, with words for the log: no region, the key folder, another root key, keys of a region that is not served
    /// here. Those of the holders.
    pub async fn open(
        regions: Vec<Region>,
        folder: PathBuf,
        rng: Arc<dyn Rng>,
        clock: &dyn Clock,
    ) -> Result<Self, Failure> {
        let first = regions.first().ok_or_else(|| Failure::internal("encryption: no root key"))?;
        let (id, second) = (house_of(first.id), beside(&folder));
        // Before anything is opened or sealed under the wrong house key.
        for place in [&folder, &second] {
            let mut other = foreign(&regions, keyfile::regions(place, Owner::House)?);
            // A region that was given up leaves its house key. What was opened by it, and tenants' data, need it.
            if !other.is_empty() && keyfile::read(place, id, 1)?.is_some() {
                other = foreign(&regions, keyfile::regions(place, Owner::Tenants)?);
            }
            if let Some(known) = other.first() {
                let words = format!(
                    "encryption: this folder holds keys of region {known}, which is not served here: give this node a \
                     folder of its own (VOUCHSAFE_REGION), or name the region in app.toml again"
                );
                return Err(Failure::Internal(words.into()));
            }
        }
        let stored = || -> Result<_, Failure> { Ok(keyfile::read(&folder, id, 1)?.or(keyfile::read(&second, id, 1)?)) };
        let wrapped = match stored()? {
            Some(found) => found,
            None => {
                let none = || Failure::internal("encryption: no root key for this region");
                let holder = first.holders.last().ok_or_else(none)?;
                let binding = Binding { region: first.id, tenant: id, version: 1 };
                let (new, _) = wrap_new(binding, holder.as_ref(), clock.now(), rng.as_ref()).await?;
                // Never over another: a second server may be starting on this folder, one of which will be refused.
                let _the_first_stays = keyfile::write(&folder, &new);
                stored()?.ok_or_else(|| Failure::internal("encryption: the key folder cannot be written"))?
            }
        };
        let key = unwrap(&wrapped, &first.holders).await?;
        for place in [&folder, &second] {
            match keyfile::read(place, id, 1)? {
                None => drop(keyfile::write(place, &wrapped)),
                // The root has changed since.
                Some(other) if other != wrapped => keyfile::replace(place, &wrapped)?,
                Some(_) => {}
            }
        }
        let house = (first.id.to_owned(), key);
        Ok(Self { regions, folder, rng, house, read: Mutex::default(), vault: OnceLock::new() })
    }

    /// From now on the stored keys are asked for.
    pub fn follow(&self, vault: &Vault) {
        let _the_first_stays = self.vault.set(Arc::downgrade(&vault.0));
    }

    fn wrapping(&self, tenant: TenantId, (region, version, kek): (String, u32, &Secret)) -> Result<Wrapping, Failure> {
        let key = derive(kek, "bulk", &region, &[tenant.to_string().as_bytes()])?;
        Ok(Wrapping { region, version, key })
    }

    /// The key of a version, or the one that seals now.
    async fn of(&self, tenant: TenantId, version: Option<u32>) -> Result<Wrapping, Failure> {
        if tenant == TenantId::HOUSE {
            let (region, key) = &self.house;
            return match version.unwrap_or(1) {
                1 => self.wrapping(tenant, (region.clone(), 1, key)),
                _ => Err(unopened()),
            };
        }
        if let Some(inner) = self.vault.get().and_then(Weak::upgrade) {
            let vault = Vault(inner);
            let mut ring = vault.current(tenant).await?;
            if version.is_some_and(|v| ring.key(v).is_none()) {
                ring = vault.load(tenant).await?;
            }
            let version = version.unwrap_or(ring.live);
            let kek = ring.key(version).ok_or_else(unopened)?;
            return self.wrapping(tenant, (ring.region.clone(), version, kek));
        }
        self.kept_in_folder(tenant, version).await
    }

    async fn kept_in_folder(&self, tenant: TenantId, version: Option<u32>) -> Result<Wrapping, Failure> {
        if let Some(version) = version {
            let read = self.read.lock().unwrap_or_else(PoisonError::into_inner).get(&(tenant, version)).cloned();
            if let Some((region, kek)) = read {
                return self.wrapping(tenant, (region, version, &kek));
            }
        }
        let found = match version {
            Some(version) => keyfile::read(&self.folder, tenant, version)?,
            None => keyfile::read_all(&self.folder, tenant)?.pop(),
        };
        let wrapped = found.ok_or_else(|| Failure::internal("encryption: the tenant has no key"))?;
        let region = self.regions.iter().find(|r| r.id == wrapped.region);
        let region = region.ok_or_else(|| Failure::internal("encryption: no root key for this region"))?;
        let kek = unwrap(&wrapped, &region.holders).await?;
        let wrapping = self.wrapping(tenant, (wrapped.region.clone(), wrapped.version, &kek))?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert((tenant, wrapped.version), (wrapped.region, kek));
        Ok(wrapping)
    }

    fn wrap(&self, tenant: TenantId, what: Bulk, with: &Wrapping, key: &[u8]) -> Result<Envelope, Failure> {
        let (id, kind, name) = place(tenant, what);
        let context = [&with.region, &id, kind, &name].map(|piece| piece.as_bytes());
        let blob = blob::seal(&with.key, with.version, &context, key, self.rng.as_ref())?;
        blob.try_into().map_err(|_| Failure::internal("encryption: not an envelope"))
    }

    async fn unwrap(&self, tenant: TenantId, what: Bulk, envelope: &Envelope) -> Result<Secret, Failure> {
        let blob = Blob::parse(envelope).ok_or_else(unopened)?;
        let with = self.of(tenant, Some(blob.key_version())).await?;
        let (id, kind, name) = place(tenant, what);
        blob.open(&with.key, &[&with.region, &id, kind, &name].map(|piece| piece.as_bytes()))?.ok_or_else(unopened)
    }
}

fn place(tenant: TenantId, what: Bulk) -> (String, &'static str, String) {
    match what {
        Bulk::Database => (tenant.to_string(), "database", String::new()),
        Bulk::Object(id) => (tenant.to_string(), "object", id.to_string()),
    }
}

/// Those of the regions that are not served here.
fn foreign(served: &[Region], mut known: Vec<String>) -> Vec<String> {
    known.retain(|known| served.iter().all(|region| region.id != *known));
    known
}

/// `keys` -> `keys-house`.
fn beside(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push("-house");
    folder.with_file_name(name)
}

impl store::Keys for BulkKeys {
    fn fresh(&self, tenant: TenantId, what: Bulk) -> Told<'_, (Secret, Envelope)> {
        Box::pin(async move {
            let with = self.of(tenant, None).await?;
            let key = Secret::new(self.rng.array::<32>());
            let envelope = self.wrap(tenant, what, &with, key.expose())?;
            Ok((key, envelope))
        })
    }
    fn open(&self, tenant: TenantId, what: Bulk, envelope: Envelope) -> Told<'_, Secret> {
        Box::pin(async move { self.unwrap(tenant, what, &envelope).await })
    }
    fn rewrap(&self, tenant: TenantId, what: Bulk, envelope: Envelope) -> Told<'_, Option<Envelope>> {
        Box::pin(async move {
            let key = self.unwrap(tenant, what, &envelope).await?;
            let with = self.of(tenant, None).await?;
            if self.version(&envelope) == with.version {
                return Ok(None);
            }
            self.wrap(tenant, what, &with, key.expose()).map(Some)
        })
    }
    fn version(&self, envelope: &Envelope) -> u32 {
        Blob::parse(envelope).map_or(0, |blob| blob.key_version())
    }
}

#[cfg(test)]
mod tests {
    use kernel::{Id, Steered, Time};
    use store::Keys as _;

    use super::*;
    use crate::OsRng;

    const OBJECT: Bulk = Bulk::Object(Id::from_bytes([3; 16]));

    fn tenant() -> TenantId {
        TenantId(Id::v7(Time(5), [7; 10]))
    }

    async fn keys(folder: &Path, root: u8) -> Result<BulkKeys, Failure> {
        let regions = Region::local(vec![("eu", Secret::new([root; 32])), ("us", Secret::new([9; 32]))])?;
        BulkKeys::open(regions, folder.join("keys"), Arc::new(OsRng), &Steered::at(Time(5))).await
    }

    async fn add(folder: &Path, version: u32, root: u8) {
        let regions = Region::local(vec![("eu", Secret::new([root; 32]))]).unwrap();
        let binding = Binding { region: "eu", tenant: tenant(), version };
        let (wrapped, _) = wrap_new(binding, regions[0].holders[0].as_ref(), Time(5), &OsRng).await.unwrap();
        keyfile::write(&folder.join("keys"), &wrapped).unwrap();
    }

    #[tokio::test]
    async fn an_envelope_opens_only_as_what_it_was_made_for() {
        let place = tempfile::tempdir().unwrap();
        let bulk = keys(place.path(), 1).await.unwrap();
        assert!(bulk.fresh(tenant(), Bulk::Database).await.is_err(), "a tenant without a key");
        add(place.path(), 1, 1).await;
        for owner in [tenant(), TenantId::HOUSE] {
            let (key, envelope) = bulk.fresh(owner, OBJECT).await.unwrap();
            assert_eq!((key.expose().len(), bulk.version(&envelope)), (32, 1));
            assert_eq!(bulk.open(owner, OBJECT, envelope).await.unwrap(), key);
            assert_ne!(bulk.fresh(owner, OBJECT).await.unwrap().0, key);
            assert!(bulk.open(owner, Bulk::Database, envelope).await.is_err());
            assert!(bulk.open(owner, Bulk::Object(Id::from_bytes([4; 16])), envelope).await.is_err());
            let other = if owner == TenantId::HOUSE { tenant() } else { TenantId::HOUSE };
            assert!(bulk.open(other, OBJECT, envelope).await.is_err());
            for bit in 0..envelope.len() * 8 {
                let mut bad = envelope;
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(bulk.open(owner, OBJECT, bad).await.is_err(), "bit {bit}");
            }
        }
    }

    #[tokio::test]
    async fn a_newer_key_takes_over_and_the_data_key_stays() {
        let place = tempfile::tempdir().unwrap();
        let bulk = keys(place.path(), 1).await.unwrap();
        add(place.path(), 1, 1).await;
        let (key, first) = bulk.fresh(tenant(), Bulk::Database).await.unwrap();
        assert_eq!(bulk.rewrap(tenant(), Bulk::Database, first).await.unwrap(), None);
        add(place.path(), 2, 1).await;
        let second = bulk.rewrap(tenant(), Bulk::Database, first).await.unwrap().unwrap();
        assert_eq!((bulk.version(&first), bulk.version(&second)), (1, 2));
        for envelope in [first, second] {
            assert_eq!(bulk.open(tenant(), Bulk::Database, envelope).await.unwrap(), key);
        }
        // Of a server that starts later.
        let later = keys(place.path(), 1).await.unwrap();
        assert_eq!(later.open(tenant(), Bulk::Database, second).await.unwrap(), key);
    }

    #[tokio::test]
    async fn the_houses_key_survives_the_loss_of_one_place_and_no_other_root_takes_it() {
        let place = tempfile::tempdir().unwrap();
        let (key, envelope) =
            keys(place.path(), 1).await.unwrap().fresh(TenantId::HOUSE, Bulk::Database).await.unwrap();
        let opened =
            async |root: u8| keys(place.path(), root).await?.open(TenantId::HOUSE, Bulk::Database, envelope).await;
        for lost in ["keys", "keys-house"] {
            std::fs::remove_dir_all(place.path().join(lost)).unwrap();
            assert_eq!(opened(1).await.unwrap(), key, "without {lost}");
            assert!(place.path().join(lost).is_dir());
        }
        assert!(matches!(opened(2).await, Err(Failure::Internal(words)) if words.contains("another root key")));
        assert_eq!(opened(1).await.unwrap(), key);
    }

    #[tokio::test]
    async fn a_region_given_up_is_let_go_and_another_ones_data_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let node = async |region: &'static str| {
            let regions = Region::local(vec![(region, Secret::new([1; 32]))])?;
            BulkKeys::open(regions, place.path().join("keys"), Arc::new(OsRng), &Steered::at(Time(5))).await.map(drop)
        };
        let write = async |of: TenantId| {
            let holder = &Region::local(vec![("us", Secret::new([9; 32]))]).unwrap()[0].holders[0];
            let binding = Binding { region: "us", tenant: of, version: 1 };
            let (key, _) = wrap_new(binding, holder.as_ref(), Time(5), &OsRng).await.unwrap();
            keyfile::write(&place.path().join("keys"), &key).unwrap();
        };
        let refused = |done: Result<(), Failure>, region: &str| match done {
            Err(Failure::Internal(words)) => words.contains(&format!("keys of region {region},")),
            _ => false,
        };
        node("eu").await.unwrap();
        // Another region's node has no house here; one that was declared and never used left its house key alone.
        assert!(refused(node("us").await, "eu"));
        write(house_of("us")).await;
        node("eu").await.unwrap();
        assert!(refused(node("us").await, "eu"), "the house's own database is under the other key");
        write(tenant()).await;
        assert!(refused(node("eu").await, "us"));
    }
}
