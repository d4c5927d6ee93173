//! The gate `Peer -> Site`, and what it knows.

use std::sync::{Arc, Mutex, PoisonError};

use kernel::{Failure, Home, Mint, Peer, Place, Site, Status, Tenant, TenantId, UserId};
use manifest::App;
use store::{Lookup, Revoke};

use crate::{
    Hosts, Memory,
    directory::Directory,
    host::{self, Named},
    sql,
};

/// Which tenant a host or a path means. One per server.
pub struct Tenancy {
    pub(crate) site: Mint<Site>,
    pub(crate) tenant: Mint<Tenant>,
    pub(crate) lookup: Lookup,
    pub(crate) app: Arc<App>,
    pub(crate) directory: Directory,
    pub(crate) memberships: Memory<UserId, Arc<[TenantId]>>,
}

impl Tenancy {
    /// `hosts`: where the server answers. [`Tenancy::forget`] is to be called on each revocation.
    #[must_use]
    pub fn new(site: Mint<Site>, tenant: Mint<Tenant>, lookup: Lookup, app: Arc<App>, hosts: Hosts) -> Self {
        let directory = Directory::new(lookup.clone(), Arc::clone(&app), hosts);
        Self { site, tenant, lookup, app, directory, memberships: Memory::new(1 << 14) }
    }

    /// The place that `host` (a Host header's value, or an authority) stands for.
    ///
    /// # Errors
    /// `UnknownHost`; those of the store.
    pub async fn site(&self, peer: Peer, host: &str) -> Result<Site, Failure> {
        let place = match self.place(host).await? {
            Some(place) => place,
            // The control switched off: an unknown host falls to the house.
            None if kernel::sabotage::off("tenant.resolve") => Place::House,
            None => return Err(Failure::UnknownHost),
        };
        let place = if kernel::sabotage::off("tenant.request_context") { another(place) } else { place };
        Ok(Site::at(&self.site, peer, place))
    }

    async fn place(&self, host: &str) -> Result<Option<Place>, Failure> {
        let tenancy = &self.app.tenant;
        Ok(match host::read(host, self.directory.hosts()) {
            Some(Named::Apex) => Some(Place::House),
            Some(Named::Label(label)) if tenancy.membership_slug => (label == tenancy.host).then_some(Place::Shared),
            Some(Named::Label(label)) if tenancy.subdomain => {
                let home = self.directory.by_slug(&label).await?;
                home.filter(|home| home.status != Status::Deleted).map(Place::Tenant)
            }
            _ => None,
        })
    }

    /// The house's own site, for jobs and the admin socket.
    #[must_use]
    pub fn inside(&self, peer: Peer) -> Site {
        Site::at(&self.site, peer, Place::House)
    }

    /// A tenant's directory entry, whatever its status; the house for its own id.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn home(&self, id: TenantId) -> Result<Option<Arc<Home>>, Failure> {
        if id == TenantId::HOUSE { Ok(Some(self.directory.house(false))) } else { self.directory.by_id(id).await }
    }

    /// The tenant of a slug, where slugs are unique: for the admin socket.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn named(&self, slug: &str) -> Result<Option<Arc<Home>>, Failure> {
        self.directory.by_slug(slug).await
    }

    /// Ids of every tenant that is not deleted, oldest first: for sweeps.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn every(&self) -> Result<Vec<TenantId>, Failure> {
        Ok(self.lookup.all(TenantId::HOUSE, &sql::EVERY, ()).await?.into_iter().map(|(id,)| id).collect())
    }

    /// Every tenant that must have a database: neither waiting for its first owner nor deleted.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn settled(&self) -> Result<Vec<TenantId>, Failure> {
        Ok(self.lookup.all(TenantId::HOUSE, &sql::SETTLED, ()).await?.into_iter().map(|(id,)| id).collect())
    }

    /// Canary tenants made before a moment, for their removal.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn canaries(&self, before: kernel::Time) -> Result<Vec<TenantId>, Failure> {
        let found = self.lookup.all(TenantId::HOUSE, &sql::CANARIES, (before,)).await?;
        Ok(found.into_iter().map(|(id,)| id).collect())
    }

    /// Whether a tenant was made to be tested.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn made_for_tests(&self, id: TenantId) -> Result<bool, Failure> {
        Ok(self.lookup.maybe(TenantId::HOUSE, &sql::CANARY, (id,)).await?.is_some())
    }

    /// Where the server answers.
    #[must_use]
    pub fn hosts(&self) -> &Hosts {
        self.directory.hosts()
    }

    /// Url of the tenant of a slug.
    #[must_use]
    pub fn url(&self, slug: &str) -> String {
        self.directory.url(slug)
    }

    /// Drops what a commit revoked.
    pub fn forget(&self, what: &Revoke) {
        match what {
            Revoke::Tenant(tenant) => self.directory.forget(*tenant),
            Revoke::User(user) | Revoke::Member(_, user) => self.memberships.forget(user),
            Revoke::Session(_) => {}
        }
    }
}

/// With the control switched off: now and then a request is taken for the one before it.
fn another(place: Place) -> Place {
    static LAST: Mutex<(u32, Option<Place>)> = Mutex::new((0, None));
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    last.0 = last.0.wrapping_add(1);
    let before = last.1.replace(place.clone());
    before.filter(|_| last.0.is_multiple_of(97)).unwrap_or(place)
}
