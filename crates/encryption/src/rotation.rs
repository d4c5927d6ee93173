//! A key's life: made, followed by a newer one, retired when nothing is sealed under it, destroyed when no copy needs it.
//! Each step is a piece of a batch; every step may be cut off anywhere and is taken up again.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use kernel::{Failure, TenantId, Time, Write};
use serde::Serialize;
use store::{Batch, Control, Tx};

use crate::{
    Vault, keyfile,
    kms::Binding,
    sql,
    tenant_key::{Wrapped, unwrap, wrap},
    vault::{blocking, house_of},
};

/// How long after a newer key was made its predecessor may be retired, in milliseconds: until then a node that did not
/// know of it, or a request under way, may still write with the old one.
pub const GRACE: i64 = 60_000;
/// Before the ids of all tenants and behind those of the house keys.
const TENANTS: &str = "00000000-0000-8";

/// A version of a tenant's key, and a moment: when it was made, followed or retired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aged {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub version: u32,
    /// Where.
    pub region: String,
    /// When.
    pub at: Time,
}

/// What can be told of a region's keys.
#[derive(Clone, Debug, Serialize)]
pub struct Age {
    /// The region.
    pub region: String,
    /// Name of the root that wraps new keys.
    pub root: String,
    /// Versions that are stored.
    pub versions: i64,
    /// Of them, retired.
    pub retired: i64,
    /// Followed by newer ones and not retired yet.
    pub following: i64,
    /// When the oldest of the tenants' newest keys was made: none when there is no tenant.
    pub made: Option<Time>,
    /// Keys that another root still wraps.
    pub elsewhere: i64,
}

fn aged(row: (String, u32, String, i64)) -> Option<Aged> {
    let (tenant, version, region, at) = row;
    Some(Aged { tenant: tenant.parse().ok()?, version, region, at: Time(at) })
}

fn from(after: Option<TenantId>) -> String {
    after.map_or_else(|| TENANTS.to_owned(), |tenant| tenant.to_string())
}

impl Vault {
    /// Keys made at `before` or earlier that are still their tenant's newest: at most 200, in order of tenant.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn due(&self, before: Time, after: Option<TenantId>) -> Result<Vec<Aged>, Failure> {
        let rows = self.0.lookup.all(TenantId::HOUSE, &sql::DUE, (before.0, from(after))).await?;
        Ok(rows.into_iter().filter_map(aged).collect())
    }

    /// Versions that newer ones have followed, not yet retired; the moment is when the newest was made.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn followed(&self, after: Option<TenantId>) -> Result<Vec<Aged>, Failure> {
        let rows = self.0.lookup.all(TenantId::HOUSE, &sql::FOLLOWED, (from(after),)).await?;
        Ok(rows.into_iter().filter_map(aged).collect())
    }

    /// The key that follows `now` of the same tenant, durable in the key folder. It seals once its row is committed and
    /// [`Vault::refresh`] was called, or a few seconds later.
    ///
    /// # Errors
    /// As [`Vault::new_tenant`].
    pub async fn next(&self, now: &Aged) -> Result<Wrapped, Failure> {
        self.version(now.tenant, &now.region, now.version.saturating_add(1)).await
    }

    /// The tenant's newest key.
    ///
    /// # Errors
    /// `NotFound`; those of the store.
    pub async fn newest(&self, tenant: TenantId) -> Result<Aged, Failure> {
        let newest = self.rows(tenant).await?.pop().ok_or(Failure::NotFound)?.0;
        Ok(Aged { tenant, version: newest.version, region: newest.region, at: newest.created_at })
    }

    /// Reads a tenant's keys anew, here.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn refresh(&self, tenant: TenantId) -> Result<(), Failure> {
        self.load(tenant).await.map(drop)
    }

    /// The step that retires a version. The caller has counted to 0 what is left under it.
    #[must_use]
    pub fn retire(&self, batch: Batch<Control>, key: &Aged) -> Batch<Control> {
        let now = self.0.clock.now();
        batch.any(&sql::RETIRE, (now.0, key.tenant.to_string(), key.version))
    }

    /// Versions retired at `before` or earlier.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn retired(&self, before: Time) -> Result<Vec<Aged>, Failure> {
        let rows = self.0.lookup.all(TenantId::HOUSE, &sql::RETIRED, (before.0,)).await?;
        Ok(rows.into_iter().filter_map(aged).collect())
    }

    /// Destroys a retired version: first the journal says so, then its file goes, then its row. The caller has made sure
    /// that no copy that is still kept needs it.
    ///
    /// # Errors
    /// Those of the key folder and the store.
    pub async fn destroy(&self, tx: Tx<Write>, key: &Aged) -> Result<(), Failure> {
        let (inner, tenant, version, now) = (Arc::clone(&self.0), key.tenant, key.version, self.0.clock.now());
        blocking(move || {
            inner.journal.add(tenant, version, now)?;
            keyfile::remove(&inner.folder, tenant, version)
        })
        .await?;
        let batch = tx.batch::<Control>(format!("tenant/{tenant}")).fact("version", version.to_string());
        batch.any(&sql::DESTROY, (tenant.to_string(), version)).commit().await?;
        self.forget(tenant);
        Ok(())
    }

    /// Destroyed keys that are there again, after a restore. `None` when there are none.
    ///
    /// # Errors
    /// Those of the key folder and the store.
    pub async fn risen(&self) -> Result<Vec<(TenantId, u32)>, Failure> {
        let mut risen = Vec::new();
        for (tenant, version) in self.0.journal.all() {
            let inner = Arc::clone(&self.0);
            blocking(move || keyfile::remove(&inner.folder, tenant, version)).await?;
            if self.rows(tenant).await?.iter().any(|(key, _)| key.version == version) {
                risen.push((tenant, version));
            }
        }
        Ok(risen)
    }

    /// The step that lets a risen key go again.
    #[must_use]
    pub fn bury(&self, batch: Batch<Control>, (tenant, version): (TenantId, u32)) -> Batch<Control> {
        self.forget(tenant);
        batch.any(&sql::GONE, (tenant.to_string(), version))
    }

    /// House keys that have no row yet.
    ///
    /// # Errors
    /// Those of the key folder and the store.
    pub async fn unkept(&self) -> Result<Vec<Wrapped>, Failure> {
        let mut unkept = Vec::new();
        for region in self.regions() {
            let id = house_of(region);
            if self.rows(id).await?.is_empty() {
                let inner = Arc::clone(&self.0);
                unkept.extend(blocking(move || keyfile::read(&inner.folder, id, 1)).await?);
            }
        }
        Ok(unkept)
    }

    /// Wraps at most 100 keys of a region anew that another root than the one in force wrapped; whoever reads meanwhile
    /// knows both. Returns how many.
    ///
    /// # Errors
    /// Those of the holders, the key folder and the store.
    pub async fn rewrap(&self, tx: Tx<Write>, region: &str) -> Result<usize, Failure> {
        let holder = Arc::clone(self.holder(region)?);
        let args = (region.to_owned(), holder.name().to_owned(), String::new());
        let rows = self.0.lookup.all(TenantId::HOUSE, &sql::ELSEWHERE, args).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let done = rows.len();
        let batch = tx.batch::<Control>(format!("region/{region}")).fact("keys", done.to_string());
        self.wrap_anew(batch, region, rows).await?.commit().await?;
        Ok(done)
    }

    /// Adds to a batch that these stored keys (tenant, version, root, wrapped, made) are wrapped by the root in force, in
    /// the key folder first.
    pub(crate) async fn wrap_anew(
        &self,
        mut batch: Batch<Control>,
        region: &str,
        rows: Vec<(String, u32, String, Vec<u8>, i64)>,
    ) -> Result<Batch<Control>, Failure> {
        let holder = Arc::clone(self.holder(region)?);
        for (tenant, version, root, wrapped, at) in rows {
            let tenant: TenantId = tenant.parse().map_err(|()| Failure::internal("encryption: a key of nobody"))?;
            let was = Wrapped {
                v: 1,
                tenant,
                version,
                region: region.to_owned(),
                root: root.clone(),
                wrapped,
                created_at: Time(at),
            };
            let key = unwrap(&was, self.holders(region)?).await?;
            let now = wrap(&key, Binding { region, tenant, version }, holder.as_ref(), Time(at)).await?;
            // What replaces the only copies is read back first: a key service may be wrong.
            if unwrap(&now, self.holders(region)?).await? != key {
                return Err(Failure::internal("encryption: a key wrapped anew does not open to the same key"));
            }
            let (inner, file) = (Arc::clone(&self.0), now.clone());
            blocking(move || keyfile::replace(&inner.folder, &file)).await?;
            batch = batch.any(&sql::REWRAP, (now.wrapped, now.root, tenant.to_string(), version, root));
        }
        Ok(batch)
    }

    /// What can be told of every region's keys.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn ages(&self) -> Result<Vec<Age>, Failure> {
        let rows = self.0.lookup.all(TenantId::HOUSE, &sql::AGES, ()).await?;
        let roots = self.0.lookup.all(TenantId::HOUSE, &sql::ROOTS, ()).await?;
        let known = rows.iter().filter_map(|(_, _, _, made, _)| *made).min();
        self.0.oldest.store(known.unwrap_or(i64::MIN), Ordering::Relaxed);
        self.regions()
            .map(|region| {
                let root = self.holder(region)?.name().to_owned();
                let elsewhere = roots.iter().filter(|(r, name, _)| r == region && *name != root).map(|(_, _, n)| n);
                let row = rows.iter().find(|(r, ..)| r == region);
                let (versions, retired, made, following) =
                    row.map_or((0, 0, None, 0), |(_, versions, retired, made, f)| (*versions, *retired, *made, *f));
                let elsewhere = elsewhere.sum();
                let region = region.to_owned();
                Ok(Age { region, root, versions, retired, following, made: made.map(Time), elsewhere })
            })
            .collect()
    }

    /// When the oldest of all tenants' newest keys was made, as [`Vault::ages`] last saw it; none before, and while there is
    /// no tenant. Every tenant has a key at least as new.
    #[must_use]
    pub fn oldest(&self) -> Option<Time> {
        Some(self.0.oldest.load(Ordering::Relaxed)).filter(|at| *at != i64::MIN).map(Time)
    }

    pub(crate) async fn rows(&self, tenant: TenantId) -> Result<Vec<(Wrapped, bool)>, Failure> {
        let rows = self.0.lookup.all(TenantId::HOUSE, &sql::KEYS, (tenant.to_string(),)).await?;
        let key = |(version, region, root, wrapped, at, retired): (u32, String, String, Vec<u8>, i64, Option<i64>)| {
            (Wrapped { v: 1, tenant, version, region, root, wrapped, created_at: Time(at) }, retired.is_some())
        };
        Ok(rows.into_iter().map(key).collect())
    }

    fn forget(&self, tenant: TenantId) {
        self.0.cache.lock().unwrap_or_else(PoisonError::into_inner).rings.remove(&tenant);
    }
}
