//! Sealing and opening: the only place that holds keys.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicI64},
};

use futures_util::FutureExt as _;
use kernel::{Clock, Failure, Id, Rng, Secret, TenantId, Time};
use store::Lookup;

use crate::{
    Signer,
    blob::{self, Blob},
    derive::{Key, derive},
    hash,
    journal::Journal,
    keyfile,
    kms::{Binding, Kms, Local},
    ring::Cache,
    root::Root,
    sql,
    tenant_key::{Wrapped, unwrap, wrap_new},
};

/// Purposes this section keeps for itself.
const OWN_PURPOSES: [&str; 6] = ["wrap", "root-name", "house", "seal", "blind-index", "bulk"];

/// Where a sealed value stands: it opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Spot<'s> {
    /// The tenant whose key seals it.
    pub tenant: TenantId,
    /// The tenant's region.
    pub region: &'s str,
    /// Collection or table.
    pub collection: &'s str,
    /// Field or column.
    pub field: &'s str,
    /// The row's id.
    pub row: &'s str,
}

/// A region and who holds its root key: the present root first, then the one that is to follow it, if a change is under
/// way.
#[derive(Clone)]
pub struct Region {
    /// Its id.
    pub id: &'static str,
    /// Who wraps and unwraps.
    pub holders: Vec<Arc<dyn Kms>>,
}

impl Region {
    /// Regions whose root keys of 32 bytes are here.
    ///
    /// # Errors
    /// Internal, with words for the log: a root key that is not 32 bytes or stands for two regions.
    pub fn local(roots: Vec<(&'static str, Secret)>) -> Result<Vec<Self>, Failure> {
        let mut regions: Vec<Self> = Vec::new();
        let mut seen: Vec<Secret> = Vec::new();
        for (id, root) in roots {
            let local = Local::new(id, root)?;
            if seen.contains(local.root()) && !kernel::sabotage::off("vault.region_keys") {
                let words = format!("encryption: region {id} needs a root key of its own");
                return Err(Failure::Internal(words.into()));
            }
            seen.push(local.root().clone());
            regions.push(Self { id, holders: vec![Arc::new(local)] });
        }
        Ok(regions)
    }
}

/// Keys and what they do. Cheap to clone.
#[derive(Clone)]
pub struct Vault(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) lookup: Lookup,
    pub(crate) regions: Vec<Region>,
    pub(crate) folder: PathBuf,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cache: Mutex<Cache>,
    /// Each region's house key, once it is there.
    house: Mutex<BTreeMap<&'static str, Secret>>,
    openings: Mutex<BTreeMap<String, u64>>,
    pub(crate) journal: Journal,
    /// See [`Vault::oldest`]; the least number: not known.
    pub(crate) oldest: AtomicI64,
    /// Since when each region's root is in force, as last read.
    pub(crate) roots: Mutex<Vec<Root>>,
}

pub(crate) fn unopened() -> Failure {
    Failure::internal("encryption: a sealed value does not open: changed, moved, or of another key")
}

/// Under which id a region's house key is kept among the tenants' keys: no tenant's, since none was made in 1970.
pub(crate) fn house_of(region: &str) -> TenantId {
    let hash = hash::sha256(region.as_bytes());
    TenantId(Id::v7(Time(0), *hash.first_chunk().unwrap_or(&[0; 10])))
}

impl Vault {
    /// `roots`: each region's root key, 32 bytes, the first region first; `folder`: where wrapped keys lie a second time
    /// (`keys/` in the data folder).
    ///
    /// # Errors
    /// Internal, with words for the log: no region, or a root key that is not 32 bytes or stands for two regions.
    pub fn new(
        lookup: Lookup,
        roots: Vec<(&'static str, Secret)>,
        folder: PathBuf,
        rng: Arc<dyn Rng>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let regions = Region::local(roots)?;
        // Local roots answer at once.
        let opened = Self::held(lookup, regions, folder, rng, clock).now_or_never();
        opened.unwrap_or_else(|| Err(Failure::internal("encryption: a local root key did not answer")))
    }

    /// As [`Vault::new`], with roots that others may hold. Makes each region's house key, or takes it out of the folder.
    ///
    /// # Errors
    /// As [`Vault::new`]; those of the key folder and of the holders.
    pub async fn held(
        lookup: Lookup,
        regions: Vec<Region>,
        folder: PathBuf,
        rng: Arc<dyn Rng>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        if regions.is_empty() {
            return Err(Failure::internal("encryption: no root key"));
        }
        for (at, region) in regions.iter().enumerate() {
            let twice = regions.iter().take(at).any(|other| other.id == region.id);
            if twice || region.holders.is_empty() {
                let words = format!("encryption: region {} needs one root key of its own", region.id);
                return Err(Failure::Internal(words.into()));
            }
        }
        let journal = Journal::read(&folder)?;
        let (cache, house, openings) = (Mutex::default(), Mutex::default(), Mutex::default());
        let (oldest, roots) = (AtomicI64::new(i64::MIN), Mutex::default());
        let inner = Inner { lookup, regions, folder, rng, clock, cache, house, openings, journal, oldest, roots };
        let vault = Self(Arc::new(inner));
        for region in &vault.0.regions {
            vault.take_house_key(region).await?;
        }
        Ok(vault)
    }

    /// A key of another root is left where it is: [`Vault::check`] tells of it.
    async fn take_house_key(&self, region: &Region) -> Result<(), Failure> {
        let id = house_of(region.id);
        let key = match keyfile::read(&self.0.folder, id, 1)? {
            Some(found) if region.holders.iter().all(|h| h.name() != found.root) => return Ok(()),
            Some(found) => unwrap(&found, &region.holders).await?,
            None => {
                let binding = Binding { region: region.id, tenant: id, version: 1 };
                let holder = self.holder(region.id)?;
                let (wrapped, key) =
                    wrap_new(binding, holder.as_ref(), self.0.clock.now(), self.0.rng.as_ref()).await?;
                keyfile::write(&self.0.folder, &wrapped)?;
                key
            }
        };
        self.0.house.lock().unwrap_or_else(PoisonError::into_inner).insert(region.id, key);
        Ok(())
    }

    /// Whether the root keys are those that wrapped the stored keys, and takes the stored house keys. To be asked at
    /// start, before anything is served.
    ///
    /// # Errors
    /// Internal, with words for the log; those of the store.
    pub async fn check(&self) -> Result<(), Failure> {
        for (region, name, _) in self.0.lookup.all(TenantId::HOUSE, &sql::ROOTS, ()).await? {
            if self.holders(&region)?.iter().all(|holder| holder.name() != name) {
                let words =
                    format!("encryption: the root key of region {region} is not the one its keys were wrapped by");
                return Err(Failure::Internal(words.into()));
            }
        }
        for region in &self.0.regions {
            let id = house_of(region.id);
            let Some((row, _)) = self.rows(id).await?.into_iter().next() else { continue };
            let key = unwrap(&row, &region.holders).await?;
            if keyfile::read(&self.0.folder, id, 1)?.as_ref() != Some(&row) {
                keyfile::replace(&self.0.folder, &row)?;
            }
            self.0.house.lock().unwrap_or_else(PoisonError::into_inner).insert(region.id, key);
        }
        Ok(())
    }

    /// A new tenant's key, version 1, already durable in the key folder; [`Wrapped::put`] adds its row to the batch that
    /// makes the tenant. A key left over by a batch that did not commit is taken up again.
    ///
    /// # Errors
    /// Internal: unknown region, key folder. `DiskFull`.
    pub async fn new_tenant(&self, tenant: TenantId, region: &str) -> Result<Wrapped, Failure> {
        self.version(tenant, region, 1).await
    }

    /// A version of a tenant's key, durable in the key folder: one that was left there, or a new one.
    pub(crate) async fn version(&self, tenant: TenantId, region: &str, version: u32) -> Result<Wrapped, Failure> {
        let holders = self.holders(region)?;
        let inner = Arc::clone(&self.0);
        if let Some(left) = blocking(move || keyfile::read(&inner.folder, tenant, version)).await? {
            unwrap(&left, holders).await?;
            if left.region == region {
                return Ok(left);
            }
            return Err(Failure::internal("encryption: the tenant has a key in another region"));
        }
        let binding = Binding { region, tenant, version };
        let holder = self.holder(region)?;
        let (key, _) = wrap_new(binding, holder.as_ref(), self.0.clock.now(), self.0.rng.as_ref()).await?;
        let (inner, file) = (Arc::clone(&self.0), key.clone());
        blocking(move || keyfile::write(&inner.folder, &file)).await?;
        Ok(key)
    }

    /// Seals a field's value for its place. The nonce is drawn here.
    ///
    /// # Errors
    /// Internal: the tenant has no key here; those of the store.
    pub async fn seal(&self, spot: &Spot<'_>, plaintext: &[u8]) -> Result<Vec<u8>, Failure> {
        self.seal_as("seal", spot, plaintext).await
    }

    /// Opens what [`Vault::seal`] sealed for the same place.
    ///
    /// # Errors
    /// Internal: a bit was changed, it was sealed for another place, its key is gone; those of the store.
    pub async fn open(&self, spot: &Spot<'_>, blob: &[u8]) -> Result<Secret, Failure> {
        self.open_as("seal", spot, blob).await
    }

    /// As [`Vault::seal`], with the key of another purpose: `totp`, `webhook`.
    ///
    /// # Errors
    /// As [`Vault::seal`].
    pub async fn seal_as(&self, purpose: &str, spot: &Spot<'_>, plaintext: &[u8]) -> Result<Vec<u8>, Failure> {
        let ring = self.ring(spot.tenant, spot.region).await?;
        let (cipher, id) = (ring.cipher(ring.live, purpose, spot)?, spot.tenant.to_string());
        blob::seal_field(&cipher, ring.live, &place(spot, &id), plaintext, self.0.rng.as_ref())
    }

    /// Opens what [`Vault::seal_as`] sealed.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub async fn open_as(&self, purpose: &str, spot: &Spot<'_>, blob: &[u8]) -> Result<Secret, Failure> {
        let opened = self.opened(purpose, spot, blob).await?;
        self.count(purpose);
        Ok(opened)
    }

    /// Opens without counting: the sweeper's openings show nothing to anybody.
    pub(crate) async fn opened(&self, purpose: &str, spot: &Spot<'_>, stored: &[u8]) -> Result<Secret, Failure> {
        let (tag, bytes) = crate::blind::split(stored);
        let blob = Blob::parse(bytes).ok_or_else(unopened)?;
        let mut ring = self.ring(spot.tenant, spot.region).await?;
        if ring.key(blob.key_version()).is_none() {
            // Another node may have made a newer version since.
            ring = self.load(spot.tenant).await?;
        }
        let (cipher, id) = (ring.cipher(blob.key_version(), purpose, spot)?, spot.tenant.to_string());
        let place = place(spot, &id);
        let tagged = [place[0], place[1], place[2], place[3], place[4], tag.unwrap_or_default()];
        let bound: &[&[u8]] = if tag.is_some() { &tagged } else { &place };
        blob.open_field(&cipher, bound)?.ok_or_else(unopened)
    }

    fn count(&self, purpose: &str) {
        let mut openings = self.0.openings.lock().unwrap_or_else(PoisonError::into_inner);
        match openings.get_mut(purpose) {
            Some(n) => *n += 1,
            None => drop(openings.insert(purpose.to_owned(), 1)),
        }
    }

    /// How many sealed values were opened since the start, by purpose.
    #[must_use]
    pub fn openings(&self) -> BTreeMap<String, u64> {
        self.0.openings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Seals a payload of the house's own tables (control's outbox), by the first region's house key.
    ///
    /// # Errors
    /// Internal.
    pub fn seal_house(&self, purpose: &str, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        let region = self.first()?;
        let key = derive(&self.house_key(region)?, "house", region, &[purpose.as_bytes()])?;
        blob::seal(&key, 1, &[region.as_bytes(), purpose.as_bytes()], bytes, self.0.rng.as_ref())
    }

    /// Opens what [`Vault::seal_house`] sealed for the same purpose.
    ///
    /// # Errors
    /// Internal: a bit was changed, another purpose, another key.
    pub fn open_house(&self, purpose: &str, blob: &[u8]) -> Result<Secret, Failure> {
        let region = self.first()?;
        let key = derive(&self.house_key(region)?, "house", region, &[purpose.as_bytes()])?;
        let blob = Blob::parse(blob).filter(|blob| blob.key_version() == 1).ok_or_else(unopened)?;
        blob.open(&key, &[region.as_bytes(), purpose.as_bytes()])?.ok_or_else(unopened)
    }

    /// A 32-byte key of a region's house for one purpose and context: `session`, `refresh`.
    ///
    /// # Errors
    /// Internal: unknown region, or a purpose that belongs to this section.
    pub fn root_key(&self, region: &str, purpose: &str, context: &[&[u8]]) -> Result<Secret, Failure> {
        if OWN_PURPOSES.contains(&purpose) {
            return Err(Failure::internal("encryption: this purpose is the vault's own"));
        }
        Ok(Secret::new(derive(&self.house_key(region)?, purpose, region, context)?.as_slice()))
    }

    /// A signing key of a region's house for one purpose and context; no region: the first.
    ///
    /// # Errors
    /// As [`Vault::root_key`].
    pub fn signer(&self, region: Option<&str>, purpose: &str, context: &[&[u8]]) -> Result<Signer, Failure> {
        let region = match region {
            Some(region) => region,
            None => self.first()?,
        };
        Signer::from_seed(&self.root_key(region, purpose, context)?)
    }

    /// The regions, the first first.
    pub(crate) fn regions(&self) -> impl Iterator<Item = &'static str> {
        self.0.regions.iter().map(|r| r.id)
    }

    /// Everyone who may have wrapped a region's keys.
    pub(crate) fn holders(&self, region: &str) -> Result<&[Arc<dyn Kms>], Failure> {
        let found = if kernel::sabotage::off("vault.region_keys") {
            self.0.regions.first()
        } else {
            self.0.regions.iter().find(|r| r.id == region)
        };
        found.map(|r| r.holders.as_slice()).ok_or_else(|| Failure::internal("encryption: no root key for this region"))
    }

    /// Who wraps a region's new keys: the root that is to follow, if there is one.
    pub(crate) fn holder(&self, region: &str) -> Result<&Arc<dyn Kms>, Failure> {
        self.holders(region)?.last().ok_or_else(|| Failure::internal("encryption: no root key for this region"))
    }

    fn first(&self) -> Result<&'static str, Failure> {
        self.regions().next().ok_or_else(|| Failure::internal("encryption: no root key"))
    }

    fn house_key(&self, region: &str) -> Result<Secret, Failure> {
        let house = self.0.house.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = || Failure::internal("encryption: the region's house key does not open with the configured root");
        house.get(region).cloned().ok_or_else(missing)
    }
}

pub(crate) fn field_key(kek: &Secret, purpose: &str, spot: &Spot<'_>, tenant: &str) -> Result<Key, Failure> {
    let context: [&[u8]; 3] = [tenant.as_bytes(), spot.collection.as_bytes(), spot.field.as_bytes()];
    derive(kek, purpose, spot.region, &context)
}

pub(crate) fn place<'s>(spot: &Spot<'s>, tenant: &'s str) -> [&'s [u8]; 5] {
    [spot.region, tenant, spot.collection, spot.field, spot.row].map(str::as_bytes)
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|_| Err(Failure::internal("encryption: work on the key folder stopped")))
}

#[cfg(test)]
mod tests;
