//! How tenants begin, change and end: each a piece of a batch, so that whoever decides leaves the leaf.

use encryption::{Vault, Wrapped};
use kernel::{Failure, Mode, TenantId, Time};
use manifest::App;
use store::{Apply, Batch, Control, Revoke, Tx, Value};

use crate::{names, sql};

/// A tenant about to begin, checked.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its id.
    pub id: TenantId,
    /// Its slug.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Its region.
    pub region: &'static str,
    /// When it was asked for.
    pub at: Time,
    /// Until when its first owner must have confirmed their address; none: it is active at once.
    pub claim_by: Option<Time>,
    /// Made by the prober. Only billing, metrics, quotas, purge and outbound delivery may know.
    pub canary: bool,
}

impl Plan {
    /// Checks slug, name and region (none: the app's first).
    ///
    /// # Errors
    /// `Invalid`, naming the member.
    pub fn new(
        app: &App,
        id: TenantId,
        slug: &str,
        name: &str,
        region: Option<&str>,
        at: Time,
    ) -> Result<Self, Failure> {
        names::acceptable(slug, &app.tenant)?;
        let name = named(name)?;
        let region = match region {
            None => app.regions.first(),
            Some(_) if kernel::sabotage::off("tenant.region_pin") => app.regions.first(),
            Some(wanted) => app.regions.iter().find(|r| r.id == wanted),
        };
        let region = region.ok_or_else(|| Failure::field("region", "unknown", "one of the app's regions"))?.id;
        Ok(Self { id, slug: slug.to_owned(), name, region, at, claim_by: None, canary: false })
    }
}

fn named(name: &str) -> Result<String, Failure> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 120 || name.chars().any(char::is_control) {
        return Err(Failure::field("name", "length", "1 to 120 characters"));
    }
    Ok(name.to_owned())
}

/// The new tenant's key, durable before the batch of [`found`].
///
/// # Errors
/// As [`Vault::new_tenant`].
pub async fn key(vault: &Vault, plan: &Plan) -> Result<Wrapped, Failure> {
    vault.new_tenant(plan.id, plan.region).await
}

/// The tenant and its key. It has no member yet: [`crate::roster::open`] it for the first owner in the same batch, or, when the
/// plan says `claim_by`, with [`claim`] in a later one.
#[must_use]
pub fn found(batch: Batch<Control>, app: &App, plan: &Plan, key: Wrapped) -> Batch<Control> {
    let modules: Vec<&str> = app.modules.iter().filter(|m| m.on).map(|m| m.id).collect();
    let slug_key = if app.tenant.slug_unique { plan.slug.clone() } else { plan.id.to_string() };
    let row: Vec<Value> = vec![
        plan.id.into(),
        slug_key.into(),
        plan.slug.clone().into(),
        plan.name.clone().into(),
        plan.region.into(),
        if plan.claim_by.is_some() { "pending" } else { "active" }.into(),
        serde_json::to_string(&modules).unwrap_or_else(|_| "[]".into()).into(),
        plan.canary.into(),
        plan.at.into(),
        plan.claim_by.into(),
    ];
    let taken = Failure::Conflict("this name is taken".into());
    key.put(batch.expect(1, &sql::FOUND, row, taken)).revoke(Revoke::Tenant(plan.id))
}

/// A pending tenant opens, its first owner having confirmed their address.
#[must_use]
pub fn claim(batch: Batch<Control>, tenant: TenantId) -> Batch<Control> {
    batch.expect(1, &sql::CLAIM, (tenant,), Failure::Gone).revoke(Revoke::Tenant(tenant))
}

/// Closes a tenant on every surface, from the next request on.
#[must_use]
pub fn suspend(batch: Batch<Control>, tenant: TenantId) -> Batch<Control> {
    status(batch, tenant, "active", "suspended")
}

/// Opens a suspended tenant again.
#[must_use]
pub fn resume(batch: Batch<Control>, tenant: TenantId) -> Batch<Control> {
    status(batch, tenant, "suspended", "active")
}

fn status(batch: Batch<Control>, tenant: TenantId, from: &'static str, to: &'static str) -> Batch<Control> {
    let other = Failure::Conflict("the tenant is not in that state".into());
    told(batch.expect(1, &sql::STATUS, (tenant, from, to), other), tenant)
}

/// The tombstone: nothing of the tenant answers from here on; its content is destroyed within the promised days.
#[must_use]
pub fn delete(batch: Batch<Control>, tenant: TenantId, at: Time) -> Batch<Control> {
    told(batch.rows(1, &sql::DELETE, (tenant, at)), tenant)
}

/// Another name for people.
///
/// # Errors
/// `Invalid`.
pub fn rename(batch: Batch<Control>, tenant: TenantId, name: &str) -> Result<Batch<Control>, Failure> {
    Ok(told(batch.rows(1, &sql::RENAME, (tenant, named(name)?)), tenant))
}

/// Gives back the name of a tenant that nobody claimed.
pub(crate) fn release(batch: Batch<Control>, tenant: TenantId, at: Time) -> Batch<Control> {
    batch.any(&sql::RELEASE, (tenant, at)).revoke(Revoke::Tenant(tenant))
}

fn told(batch: Batch<Control>, tenant: TenantId) -> Batch<Control> {
    batch.then(tenant, Apply::new(format!("tenant/{tenant}"))).revoke(Revoke::Tenant(tenant))
}

/// Whether the house's database can be read.
///
/// # Errors
/// Those of the store.
pub async fn reachable<M: Mode>(tx: &Tx<M>) -> Result<(), Failure> {
    tx.maybe(&sql::REACHED, ()).await.map(drop)
}
