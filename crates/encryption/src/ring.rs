//! A tenant's keys in memory, bounded, and never long behind what is stored.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use kernel::{Failure, Secret, TenantId, Time};

use crate::{
    Spot, Vault, keyfile, sql,
    tenant_key::{Wrapped, unwrap},
    vault::{blocking, field_key, unopened},
    xaes::Cipher,
};

/// Tenants whose keys are kept in memory.
pub(crate) const CACHED: usize = 1024;
/// How long a ring is believed before the newest version is asked for, in milliseconds: another node may have made one.
pub(crate) const BELIEVED: i64 = 5_000;

/// How long keys that a key service opened are used without it, in milliseconds. It is asked again after half of that; a
/// service that is down for longer than the other half stops what needs the tenant's key.
pub const KEPT: i64 = 3_600_000;
/// Between two tries while it does not answer, in milliseconds.
const PAUSE: i64 = 30_000;

/// One tenant's keys: (version, key), in order of version, and the version that seals.
pub(crate) struct Ring {
    pub(crate) region: String,
    pub(crate) keys: Vec<(u32, Secret)>,
    pub(crate) live: u32,
    /// How many are not retired.
    pub(crate) unretired: i64,
    pub(crate) checked: AtomicI64,
    /// When a key service opened them; none: the root is here.
    pub(crate) opened: Option<Time>,
    /// When it was asked for the last time.
    pub(crate) asked: AtomicI64,
    /// Ciphers of fields, made ready.
    pub(crate) ready: Mutex<Vec<Ready>>,
}

/// A field's cipher: key version, purpose, collection, field.
pub(crate) struct Ready {
    of: (u32, String, String, String),
    cipher: Arc<Cipher>,
}

/// Ciphers that a ring keeps: more fields than a tenant uses at once.
const READY: usize = 64;

impl Ring {
    pub(crate) fn key(&self, version: u32) -> Option<&Secret> {
        self.keys.iter().find(|(v, _)| *v == version).map(|(_, key)| key)
    }
    /// The cipher of a field under a version.
    pub(crate) fn cipher(&self, version: u32, purpose: &str, spot: &Spot<'_>) -> Result<Arc<Cipher>, Failure> {
        let same =
            |r: &&Ready| r.of.0 == version && r.of.3 == spot.field && r.of.2 == spot.collection && r.of.1 == purpose;
        if let Some(found) = self.ready.lock().unwrap_or_else(PoisonError::into_inner).iter().find(same) {
            return Ok(Arc::clone(&found.cipher));
        }
        let kek = self.key(version).ok_or_else(unopened)?;
        let key = field_key(kek, purpose, spot, &spot.tenant.to_string())?;
        let cipher = Arc::new(Cipher::new(&key)?);
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.len() >= READY {
            ready.remove(0);
        }
        let of = (version, purpose.to_owned(), spot.collection.to_owned(), spot.field.to_owned());
        ready.push(Ready { of, cipher: Arc::clone(&cipher) });
        Ok(cipher)
    }
    /// Whether the key service is to be asked again, and whether the ring may be used if it does not answer.
    fn stale(&self, now: Time) -> Option<bool> {
        let age = now.0.saturating_sub(self.opened?.0);
        let waited = now.0.saturating_sub(self.asked.load(Ordering::Relaxed)) >= PAUSE;
        (age >= KEPT || age >= KEPT / 2 && waited).then_some(age < KEPT)
    }
    fn fresh(&self, now: Time) -> bool {
        (0..BELIEVED).contains(&(now.0 - self.checked.load(Ordering::Relaxed)))
    }
}

#[derive(Default)]
pub(crate) struct Cache {
    pub(crate) rings: HashMap<TenantId, (u64, Arc<Ring>)>,
    turn: u64,
}

impl Cache {
    pub(crate) fn get(&mut self, tenant: TenantId) -> Option<Arc<Ring>> {
        self.turn += 1;
        let (used, ring) = self.rings.get_mut(&tenant)?;
        *used = self.turn;
        Some(Arc::clone(ring))
    }
    pub(crate) fn put(&mut self, tenant: TenantId, ring: Arc<Ring>) {
        self.turn += 1;
        if self.rings.len() >= CACHED && !self.rings.contains_key(&tenant) {
            let oldest = self.rings.iter().min_by_key(|(_, (used, _))| *used).map(|(tenant, _)| *tenant);
            oldest.map(|tenant| self.rings.remove(&tenant));
        }
        self.rings.insert(tenant, (self.turn, ring));
    }
}

impl Vault {
    /// The tenant's ring, as stored a few seconds ago at most.
    pub(crate) async fn ring(&self, tenant: TenantId, region: &str) -> Result<Arc<Ring>, Failure> {
        let ring = self.current(tenant).await?;
        if ring.region != region {
            return Err(Failure::internal("encryption: the tenant's keys belong to another region"));
        }
        Ok(ring)
    }

    /// As [`Vault::ring`], whichever the region is.
    pub(crate) async fn current(&self, tenant: TenantId) -> Result<Arc<Ring>, Failure> {
        let now = self.0.clock.now();
        let cached = self.0.cache.lock().unwrap_or_else(PoisonError::into_inner).get(tenant);
        if let Some((ring, usable)) = cached.as_ref().and_then(|ring| Some((ring, ring.stale(now)?))) {
            ring.asked.store(now.0, Ordering::Relaxed);
            return match self.load(tenant).await {
                Err(_) if usable => Ok(Arc::clone(ring)),
                other => other,
            };
        }
        let ring = match cached {
            Some(ring) if ring.fresh(now) => ring,
            Some(ring) => {
                let newest = self.0.lookup.maybe(TenantId::HOUSE, &sql::NEWEST, (tenant.to_string(),)).await?;
                // No row yet: the batch that makes the tenant is on its way.
                if matches!(newest, Some((version, n)) if n == 0 || version == Some(ring.live) && n == ring.unretired) {
                    ring.checked.store(now.0, Ordering::Relaxed);
                    ring
                } else {
                    // Another version, or one fewer: what is open already is not asked for again.
                    self.read(tenant, Some(&ring)).await?
                }
            }
            None => self.load(tenant).await?,
        };
        Ok(ring)
    }

    /// The tenant's keys as they are stored, and whether each is retired.
    pub(crate) async fn stored(&self, tenant: TenantId) -> Result<Vec<(Wrapped, bool)>, Failure> {
        let wrapped = self.rows(tenant).await?;
        if !wrapped.is_empty() {
            return Ok(wrapped);
        }
        let inner = Arc::clone(&self.0);
        let files = blocking(move || keyfile::read_all(&inner.folder, tenant)).await?;
        Ok(files.into_iter().map(|key| (key, false)).collect())
    }

    /// Writes again what the second place has lost. What differs there is left: a change of the root writes it first.
    async fn keep(&self, stored: &[(Wrapped, bool)]) -> Result<(), Failure> {
        let (inner, keys) = (Arc::clone(&self.0), stored.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>());
        let whole = move || {
            let lost = keys.iter().filter(|key| {
                !matches!(keyfile::read(&inner.folder, key.tenant, key.version), Ok(Some(kept)) if kept.version == key.version)
            });
            lost.into_iter().try_for_each(|key| keyfile::replace(&inner.folder, key))
        };
        blocking(whole).await
    }

    /// Reads the tenant's keys anew.
    pub(crate) async fn load(&self, tenant: TenantId) -> Result<Arc<Ring>, Failure> {
        self.read(tenant, None).await
    }

    /// As [`Vault::load`], with what a ring that is still usable has open.
    async fn read(&self, tenant: TenantId, open: Option<&Ring>) -> Result<Arc<Ring>, Failure> {
        let checked = self.0.clock.now().0;
        let wrapped = self.stored(tenant).await?;
        if open.is_none() {
            self.keep(&wrapped).await?;
        }
        let none = || Failure::internal("encryption: the tenant has no key");
        let (last, _) = wrapped.iter().rfind(|(_, retired)| !retired).ok_or_else(none)?;
        let mut keys = Vec::with_capacity(wrapped.len());
        let elsewhere = self.holders(&last.region)?.iter().any(|holder| holder.elsewhere());
        let mut opened = Time(checked);
        for (key, _) in &wrapped {
            let known = open.and_then(|ring| Some((ring.key(key.version)?.clone(), ring.opened)));
            let secret = match known {
                Some((secret, since)) => {
                    // The hour goes on from when it was opened.
                    opened = since.unwrap_or(opened).min(opened);
                    secret
                }
                None => unwrap(key, self.holders(&key.region)?).await?,
            };
            keys.push((key.version, secret));
        }
        let unretired = wrapped.iter().filter(|(_, retired)| !retired).count();
        let ring = Arc::new(Ring {
            region: last.region.clone(),
            keys,
            live: last.version,
            unretired: i64::try_from(unretired).unwrap_or(i64::MAX),
            checked: AtomicI64::new(checked),
            opened: elsewhere.then_some(opened),
            asked: AtomicI64::new(checked),
            ready: Mutex::default(),
        });
        self.0.cache.lock().unwrap_or_else(PoisonError::into_inner).put(tenant, Arc::clone(&ring));
        Ok(ring)
    }
}
