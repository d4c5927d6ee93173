//! Which tenants exist, remembered.

use std::sync::Arc;

use kernel::{Failure, Home, Status, TenantId};
use manifest::App;
use store::{Control, FromRow, Lookup, Query, Row};

use crate::{Hosts, Memory, sql};

/// Tenants remembered at most.
const CAPACITY: usize = 1 << 14;

/// A row of `tenant`.
pub(crate) struct Entry {
    id: TenantId,
    slug: String,
    name: String,
    region: String,
    status: Status,
    modules: Vec<String>,
}

impl FromRow for Entry {
    fn from_row(row: &Row<'_>) -> Result<Self, Failure> {
        Ok(Self {
            id: row.get(0)?,
            slug: row.get(1)?,
            name: row.get(2)?,
            region: row.get(3)?,
            // Pending tenants answer no more than deleted ones.
            status: match row.text(4)? {
                "active" => Status::Active,
                "suspended" => Status::Suspended,
                _ => Status::Deleted,
            },
            modules: serde_json::from_str(row.text(5)?)
                .map_err(|_| Failure::internal("tenancy: a tenant's modules are not a list"))?,
        })
    }
}

pub(crate) struct Directory {
    lookup: Lookup,
    app: Arc<App>,
    hosts: Hosts,
    slugs: Memory<Box<str>, TenantId>,
    homes: Memory<TenantId, Arc<Home>>,
    house: Arc<Home>,
    shared: Arc<Home>,
}

impl Directory {
    pub(crate) fn new(lookup: Lookup, app: Arc<App>, hosts: Hosts) -> Self {
        let house = |label: &str| {
            Arc::new(Home {
                id: TenantId::HOUSE,
                slug: String::new(),
                name: app.name.clone(),
                region: app.regions.first().map(|r| r.id.to_owned()).unwrap_or_default(),
                url: hosts.url(label),
                status: Status::Active,
                modules: app.modules.iter().map(|m| m.id.to_owned()).collect(),
            })
        };
        let (house, shared) = (house(""), house(&app.tenant.host));
        Self { lookup, hosts, slugs: Memory::new(CAPACITY), homes: Memory::new(CAPACITY), house, shared, app }
    }

    /// The house at the apex, or at the shared host.
    pub(crate) fn house(&self, shared: bool) -> Arc<Home> {
        Arc::clone(if shared { &self.shared } else { &self.house })
    }

    pub(crate) fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// The tenant of a unique slug. Unknown ones are not remembered: memory must not grow by guessing.
    pub(crate) async fn by_slug(&self, slug: &str) -> Result<Option<Arc<Home>>, Failure> {
        if let Some(id) = self.slugs.get(slug)
            && let Some(home) = self.homes.get(&id)
        {
            return Ok(Some(home));
        }
        let seen = self.slugs.seen(slug);
        let Some(home) = self.load(&sql::BY_SLUG, (slug.to_owned(),)).await? else {
            return Ok(None);
        };
        self.slugs.keep(slug.into(), home.id, seen);
        // Read again by id: only a read between `seen` and `keep` of its own may be remembered.
        self.by_id(home.id).await
    }

    pub(crate) async fn by_id(&self, id: TenantId) -> Result<Option<Arc<Home>>, Failure> {
        if id == TenantId::HOUSE {
            return Ok(None);
        }
        if let Some(home) = self.homes.get(&id) {
            return Ok(Some(home));
        }
        let seen = self.homes.seen(&id);
        let home = self.load(&sql::BY_ID, (id,)).await?;
        if let Some(home) = &home {
            self.homes.keep(id, Arc::clone(home), seen);
        }
        Ok(home)
    }

    pub(crate) fn forget(&self, id: TenantId) {
        if !kernel::sabotage::off("tenant.suspension") {
            self.homes.forget(&id);
        }
    }

    async fn load<A: store::Args>(
        &self,
        query: &Query<Control, A, Entry>,
        args: A,
    ) -> Result<Option<Arc<Home>>, Failure> {
        Ok(self.lookup.maybe(TenantId::HOUSE, query, args).await?.map(|entry| Arc::new(self.home(entry))))
    }

    pub(crate) fn url(&self, slug: &str) -> String {
        if self.app.tenant.membership_slug { format!("{}/w/{slug}", self.shared.url) } else { self.hosts.url(slug) }
    }

    fn home(&self, entry: Entry) -> Home {
        let url = self.url(&entry.slug);
        Home {
            id: entry.id,
            slug: entry.slug,
            name: entry.name,
            region: entry.region,
            url,
            status: entry.status,
            modules: entry.modules,
        }
    }
}
