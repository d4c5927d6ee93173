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
    tenant_key::{Wrapped, unwrap, wrap_new},
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
    /// `proof`: the envelope of the house's database, if there is one. It tells which of two keys is the right one; no key is
    /// made, and none is written over another, before it has opened.
    ///
    /// # Errors
    /// Internal, with words for the log: no region, the key folder, another root key, keys of a region that is not served
    /// here. Those of the holders.
    pub async fn open(
        regions: Vec<Region>,
        folder: PathBuf,
        proof: Option<Envelope>,
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
        let mut found = Vec::new();
        for place in [&folder, &second] {
            found.extend(keyfile::read(place, id, 1)?);
        }
        if found.is_empty() {
            if proof.is_some() {
                let (keys, house) = (folder.display(), second.display());
                let words = format!(
                    "encryption: the house's key, which the data here lies under, is in neither {keys} nor {house}: put it back"
                );
                return Err(Failure::Internal(words.into()));
            }
            let none = || Failure::internal("encryption: no root key for this region");
            let holder = first.holders.last().ok_or_else(none)?;
            let binding = Binding { region: first.id, tenant: id, version: 1 };
            let (new, _) = wrap_new(binding, holder.as_ref(), clock.now(), rng.as_ref()).await?;
            // Never over another: a second server may be starting on this folder, one of which will be refused.
            let _the_first_stays = keyfile::write(&folder, &new);
            found.extend(keyfile::read(&folder, id, 1)?);
        }
        let (wrapped, key) = right(first, found, proof).await?;
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
        Wrapping::of(tenant, &region, version, kek)
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
        self.of(tenant, Some(blob.key_version())).await?.open(tenant, what, &blob)?.ok_or_else(unopened)
    }
}

impl Wrapping {
    fn of(tenant: TenantId, region: &str, version: u32, kek: &Secret) -> Result<Self, Failure> {
        let key = derive(kek, "bulk", region, &[tenant.to_string().as_bytes()])?;
        Ok(Self { region: region.to_owned(), version, key })
    }

    fn open(&self, tenant: TenantId, what: Bulk, blob: &Blob) -> Result<Option<Secret>, Failure> {
        let (id, kind, name) = place(tenant, what);
        blob.open(&self.key, &[&self.region, &id, kind, &name].map(|piece| piece.as_bytes()))
    }
}

/// The one of the house's keys, as they were found in two places, that opens what lies under it.
async fn right(region: &Region, found: Vec<Wrapped>, proof: Option<Envelope>) -> Result<(Wrapped, Secret), Failure> {
    let (mut fit, mut failed): (Vec<(Wrapped, Secret)>, _) = (Vec::new(), None);
    for wrapped in found {
        match unwrap(&wrapped, &region.holders).await {
            Ok(key) => fit.push((wrapped, key)),
            Err(failure) => failed = Some(failure),
        }
    }
    if let Some(envelope) = proof {
        let blob = Blob::parse(&envelope).ok_or_else(unopened)?;
        let mut proven = Vec::new();
        for (wrapped, key) in fit {
            let with = Wrapping::of(TenantId::HOUSE, region.id, 1, &key)?;
            if with.open(TenantId::HOUSE, Bulk::Database, &blob)?.is_some() {
                proven.push((wrapped, key));
            } else {
                let words = "encryption: a key of the house in keys/ or keys-house/ is not the one that its database lies \
                             under (control.key): put the right one back";
                failed = Some(Failure::internal(words));
            }
        }
        fit = proven;
    }
    let mut fit = fit.into_iter();
    match (fit.next(), fit.next()) {
        (Some(one), Some(other)) if one.1 != other.1 => Err(Failure::internal(
            "encryption: keys/ and keys-house/ hold two different keys of the house: take the wrong one away",
        )),
        (Some(one), _) => Ok(one),
        (None, _) => Err(failed.unwrap_or_else(unopened)),
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
        BulkKeys::open(regions, folder.join("keys"), None, Arc::new(OsRng), &Steered::at(Time(5))).await
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
    async fn a_wrong_key_of_the_house_never_takes_the_right_ones_place() {
        let place = tempfile::tempdir().unwrap();
        let at = |folder: &str| place.path().join(folder).join(format!("{}-1.json", house_of("eu")));
        let (key, envelope) =
            keys(place.path(), 1).await.unwrap().fresh(TenantId::HOUSE, Bulk::Database).await.unwrap();
        let right = std::fs::read(at("keys")).unwrap();
        let start = async |proof| {
            let regions = Region::local(vec![("eu", Secret::new([1; 32]))])?;
            let (clock, folder) = (Steered::at(Time(5)), place.path().join("keys"));
            BulkKeys::open(regions, folder, proof, Arc::new(OsRng), &clock)
                .await?
                .open(TenantId::HOUSE, Bulk::Database, envelope)
                .await
        };
        // Both are lost: none is made in their place while something lies under them.
        for folder in ["keys", "keys-house"] {
            std::fs::remove_dir_all(place.path().join(folder)).unwrap();
        }
        assert!(matches!(start(Some(envelope)).await, Err(Failure::Internal(words)) if words.contains("put it back")));
        assert!(!at("keys").exists() && !at("keys-house").exists());
        // Another one in both, of the same root: the start is refused.
        assert!(start(None).await.is_err());
        let wrong = std::fs::read(at("keys")).unwrap();
        assert!(matches!(start(Some(envelope)).await, Err(Failure::Internal(words)) if words.contains("control.key")));
        // The right one in either place: it is taken, and the wrong one replaced.
        for (good, bad) in [("keys", "keys-house"), ("keys-house", "keys")] {
            std::fs::write(at(good), &right).unwrap();
            std::fs::write(at(bad), &wrong).unwrap();
            assert!(matches!(start(None).await, Err(Failure::Internal(words)) if words.contains("two different")));
            assert_eq!(std::fs::read(at(bad)).unwrap(), wrong, "nothing is written before something opened");
            assert_eq!(start(Some(envelope)).await.unwrap(), key);
            assert_eq!(std::fs::read(at(bad)).unwrap(), right);
        }
    }

    #[tokio::test]
    async fn a_region_given_up_is_let_go_and_another_ones_data_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let node = async |region: &'static str| {
            let regions = Region::local(vec![(region, Secret::new([1; 32]))])?;
            BulkKeys::open(regions, place.path().join("keys"), None, Arc::new(OsRng), &Steered::at(Time(5)))
                .await
                .map(drop)
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
