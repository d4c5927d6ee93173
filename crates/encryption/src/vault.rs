//! Sealing and opening: the only place that holds keys.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use kernel::{Clock, Failure, Rng, Secret, TenantId};
use store::Lookup;

use crate::{
    Signer,
    blob::{self, Blob},
    derive::{Key, derive},
    keyfile, sql,
    tenant_key::{Wrapped, root_name, unwrap, wrap_new},
};

/// Tenants whose keys are kept in memory.
const CACHED: usize = 1024;
/// Purposes this section keeps for itself.
const OWN_PURPOSES: [&str; 4] = ["wrap", "root-name", "house", "seal"];

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

/// Keys and what they do. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    lookup: Lookup,
    roots: Vec<(&'static str, Secret)>,
    folder: PathBuf,
    rng: Arc<dyn Rng>,
    clock: Arc<dyn Clock>,
    cache: Mutex<Cache>,
}

/// One tenant's keys: (version, key), in order of version, and the version that seals.
struct Ring {
    region: String,
    keys: Vec<(u32, Secret)>,
    live: u32,
}

impl Ring {
    fn key(&self, version: u32) -> Option<&Secret> {
        self.keys.iter().find(|(v, _)| *v == version).map(|(_, key)| key)
    }
}

#[derive(Default)]
struct Cache {
    rings: HashMap<TenantId, (u64, Arc<Ring>)>,
    turn: u64,
}

impl Cache {
    fn get(&mut self, tenant: TenantId) -> Option<Arc<Ring>> {
        self.turn += 1;
        let (used, ring) = self.rings.get_mut(&tenant)?;
        *used = self.turn;
        Some(Arc::clone(ring))
    }
    fn put(&mut self, tenant: TenantId, ring: Arc<Ring>) {
        self.turn += 1;
        if self.rings.len() >= CACHED && !self.rings.contains_key(&tenant) {
            let oldest = self.rings.iter().min_by_key(|(_, (used, _))| *used).map(|(tenant, _)| *tenant);
            oldest.map(|tenant| self.rings.remove(&tenant));
        }
        self.rings.insert(tenant, (self.turn, ring));
    }
}

fn unopened() -> Failure {
    Failure::internal("encryption: a sealed value does not open: changed, moved, or of another key")
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
        check_roots(&roots)?;
        let cache = Mutex::default();
        Ok(Self(Arc::new(Inner { lookup, roots, folder, rng, clock, cache })))
    }

    /// Whether the root keys are those that wrapped the stored keys. To be asked at start, before anything is served.
    ///
    /// # Errors
    /// Internal, with words for the log; those of the store.
    pub async fn check(&self) -> Result<(), Failure> {
        for (region, name) in self.0.lookup.all(TenantId::HOUSE, &sql::ROOTS, ()).await? {
            if root_name(&region, self.root(&region)?)? != name {
                let words =
                    format!("encryption: the root key of region {region} is not the one its keys were wrapped by");
                return Err(Failure::Internal(words.into()));
            }
        }
        Ok(())
    }

    /// A new tenant's key, version 1, already durable in the key folder; [`Wrapped::put`] adds its row to the batch that
    /// makes the tenant. A key left over by a batch that did not commit is taken up again.
    ///
    /// # Errors
    /// Internal: unknown region, key folder. `DiskFull`.
    pub async fn new_tenant(&self, tenant: TenantId, region: &str) -> Result<Wrapped, Failure> {
        let root = self.root(region)?.clone();
        let (inner, region) = (Arc::clone(&self.0), region.to_owned());
        blocking(move || {
            if let Some(left) = keyfile::read(&inner.folder, tenant, 1)? {
                unwrap(&left, &root)?;
                if left.region == region {
                    return Ok(left);
                }
                return Err(Failure::internal("encryption: the tenant has a key in another region"));
            }
            let key = wrap_new(tenant, 1, (&region, &root), inner.clock.now(), inner.rng.as_ref())?;
            keyfile::write(&inner.folder, &key)?;
            Ok(key)
        })
        .await
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
        let ring = self.ring(spot).await?;
        let kek = ring.key(ring.live).ok_or_else(unopened)?;
        let id = spot.tenant.to_string();
        blob::seal(&field_key(kek, purpose, spot, &id)?, ring.live, &place(spot, &id), plaintext, self.0.rng.as_ref())
    }

    /// Opens what [`Vault::seal_as`] sealed.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub async fn open_as(&self, purpose: &str, spot: &Spot<'_>, blob: &[u8]) -> Result<Secret, Failure> {
        let blob = Blob::parse(blob).ok_or_else(unopened)?;
        let mut ring = self.ring(spot).await?;
        if ring.key(blob.key_version()).is_none() {
            // Another node may have made a newer version since.
            ring = self.load(spot).await?;
        }
        let kek = ring.key(blob.key_version()).ok_or_else(unopened)?;
        let id = spot.tenant.to_string();
        blob.open(&field_key(kek, purpose, spot, &id)?, &place(spot, &id))?.ok_or_else(unopened)
    }

    /// Seals a payload of the house's own tables (control's outbox), by the first region's root.
    ///
    /// # Errors
    /// Internal.
    pub fn seal_house(&self, purpose: &str, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        let (region, root) = self.first()?;
        let key = derive(root, "house", region, &[purpose.as_bytes()])?;
        blob::seal(&key, 1, &[region.as_bytes(), purpose.as_bytes()], bytes, self.0.rng.as_ref())
    }

    /// Opens what [`Vault::seal_house`] sealed for the same purpose.
    ///
    /// # Errors
    /// Internal: a bit was changed, another purpose, another root.
    pub fn open_house(&self, purpose: &str, blob: &[u8]) -> Result<Secret, Failure> {
        let (region, root) = self.first()?;
        let key = derive(root, "house", region, &[purpose.as_bytes()])?;
        let blob = Blob::parse(blob).filter(|blob| blob.key_version() == 1).ok_or_else(unopened)?;
        blob.open(&key, &[region.as_bytes(), purpose.as_bytes()])?.ok_or_else(unopened)
    }

    /// A 32-byte key of a region's root for one purpose and context: `session`, `refresh`.
    ///
    /// # Errors
    /// Internal: unknown region, or a purpose that belongs to this section.
    pub fn root_key(&self, region: &str, purpose: &str, context: &[&[u8]]) -> Result<Secret, Failure> {
        if OWN_PURPOSES.contains(&purpose) {
            return Err(Failure::internal("encryption: this purpose is the vault's own"));
        }
        Ok(Secret::new(derive(self.root(region)?, purpose, region, context)?.as_slice()))
    }

    /// A signing key of a region's root for one purpose and context; no region: the first.
    ///
    /// # Errors
    /// As [`Vault::root_key`].
    pub fn signer(&self, region: Option<&str>, purpose: &str, context: &[&[u8]]) -> Result<Signer, Failure> {
        let region = match region {
            Some(region) => region,
            None => self.first()?.0,
        };
        Signer::from_seed(&self.root_key(region, purpose, context)?)
    }

    fn root(&self, region: &str) -> Result<&Secret, Failure> {
        let found = self.0.roots.iter().find(|(id, _)| *id == region).map(|(_, root)| root);
        found.ok_or_else(|| Failure::internal("encryption: no root key for this region"))
    }

    fn first(&self) -> Result<(&'static str, &Secret), Failure> {
        let first = self.0.roots.first().map(|(region, root)| (*region, root));
        first.ok_or_else(|| Failure::internal("encryption: no root key"))
    }

    async fn ring(&self, spot: &Spot<'_>) -> Result<Arc<Ring>, Failure> {
        let cached = self.0.cache.lock().unwrap_or_else(PoisonError::into_inner).get(spot.tenant);
        let ring = match cached {
            Some(ring) => ring,
            None => self.load(spot).await?,
        };
        if ring.region != spot.region {
            return Err(Failure::internal("encryption: the tenant's keys belong to another region"));
        }
        Ok(ring)
    }

    async fn load(&self, spot: &Spot<'_>) -> Result<Arc<Ring>, Failure> {
        let tenant = spot.tenant;
        let rows = self.0.lookup.all(TenantId::HOUSE, &sql::KEYS, (tenant.to_string(),)).await?;
        let mut wrapped: Vec<(Wrapped, bool)> = rows
            .into_iter()
            .map(|(version, region, root, wrapped, at, retired)| {
                let created_at = kernel::Time(at);
                (Wrapped { v: 1, tenant, version, region, root, wrapped, created_at }, retired.is_some())
            })
            .collect();
        if wrapped.is_empty() {
            let inner = Arc::clone(&self.0);
            let files = blocking(move || keyfile::read_all(&inner.folder, tenant)).await?;
            wrapped = files.into_iter().map(|key| (key, false)).collect();
        }
        let ring = Arc::new(self.unwrapped(&wrapped)?);
        self.0.cache.lock().unwrap_or_else(PoisonError::into_inner).put(tenant, Arc::clone(&ring));
        Ok(ring)
    }

    fn unwrapped(&self, wrapped: &[(Wrapped, bool)]) -> Result<Ring, Failure> {
        let none = || Failure::internal("encryption: the tenant has no key");
        let (last, _) = wrapped.iter().rfind(|(_, retired)| !retired).ok_or_else(none)?;
        let keys = wrapped.iter().map(|(key, _)| Ok((key.version, unwrap(key, self.root(&key.region)?)?)));
        Ok(Ring { region: last.region.clone(), keys: keys.collect::<Result<_, Failure>>()?, live: last.version })
    }
}

fn check_roots(roots: &[(&'static str, Secret)]) -> Result<(), Failure> {
    if roots.is_empty() {
        return Err(Failure::internal("encryption: no root key"));
    }
    for (at, (region, root)) in roots.iter().enumerate() {
        if root.expose().len() != 32 {
            let words = format!("encryption: the root key of region {region} must be 32 bytes");
            return Err(Failure::Internal(words.into()));
        }
        if roots.iter().take(at).any(|(other, key)| other == region || key == root) {
            let words = format!("encryption: region {region} needs a root key of its own");
            return Err(Failure::Internal(words.into()));
        }
    }
    Ok(())
}

fn field_key(kek: &Secret, purpose: &str, spot: &Spot<'_>, tenant: &str) -> Result<Key, Failure> {
    let context: [&[u8]; 3] = [tenant.as_bytes(), spot.collection.as_bytes(), spot.field.as_bytes()];
    derive(kek, purpose, spot.region, &context)
}

fn place<'s>(spot: &Spot<'s>, tenant: &'s str) -> [&'s [u8]; 5] {
    [spot.region, tenant, spot.collection, spot.field, spot.row].map(str::as_bytes)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|_| Err(Failure::internal("encryption: work on the key folder stopped")))
}

#[cfg(test)]
mod tests;
