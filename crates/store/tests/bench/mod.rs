//! A store with a small product in it, for either engine.
#![allow(dead_code, reason = "each suite uses its part")]

pub mod keys;
pub mod place;

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::{digest, rand};
use kernel::{
    Actor, Caller, Clock, Credential, Event, Failure, Grant, Home, Id, Keys, Mode, Peer, Permit, Place, Principal,
    Read, RequestId, Rng, Rows, Site, Status, Steered, Tenant, TenantId, Time, UserId, Write,
};
use store::{Chain, Control, Engine, Head, OnDelete, Options, Own, Placed, Sealing, Store, Table, Tx, statements};

statements! {
    ADD: Change<Own, (String, Option<String>, String, i64)>
        = "INSERT INTO note (id, owner, slug, size) VALUES ($1, $2, $3, $4)";
    SIZE: Change<Own, (i64, String)> = "UPDATE note SET size = $1 WHERE id = $2 AND {rows}";
    GROW: Change<Own, (i64, String)> = "UPDATE note SET size = size + $1 WHERE id = $2 AND {rows} RETURNING slug, size";
    DROP: Change<Own, (String,)> = "DELETE FROM note WHERE id = $1 AND {rows}";
    UPSERT: Change<Own, (String, String, i64)>
        = "INSERT INTO note (id, slug, size) VALUES ($1, $2, $3)
           ON CONFLICT (slug) DO UPDATE SET size = note.size + excluded.size";
    LINE: Change<Own, (String, String)> = "INSERT INTO line (id, note) VALUES ($1, $2)";
    LINES: Query<Own, (), (i64,)> = "SELECT COUNT(*) FROM line WHERE {rows}";
    ALL: Query<Own, (), (String, i64)> = "SELECT slug, size FROM note WHERE {rows} ORDER BY slug";
    BY_ID: Query<Own, (String,), (String, i64)> = "SELECT slug, size FROM note WHERE id = $1 AND {rows}";
    BY_SLUG: Query<Own, (String,), (String, i64)> = "SELECT slug, size FROM note n WHERE slug = $1 AND {rows:n}";
    UNSCOPED: Query<Own, (), (String,)> = "SELECT slug FROM note";
    COUNT: Query<Own, (), (i64,)> = "SELECT COUNT(*) FROM note WHERE {rows}";
    PAUSE: Query<Own, (), (i64,)>
        = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 100000000) SELECT COUNT(*) FROM c";
    TALLY: Change<Own, (i64,)>
        = "INSERT INTO _tally (id, n) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET n = _tally.n + excluded.n";
    TALLIED: Query<Own, (), (i64,)> = "SELECT n FROM _tally";
    USER: Change<Control, (String, i64)> = "INSERT INTO person (id, n) VALUES ($1, $2)";
    USERS: Query<Control, (), (String, i64)> = "SELECT id, n FROM person ORDER BY id";
    LEAVES: Query<Own, (), (i64, Vec<u8>, Vec<u8>)> = "SELECT seq, body, hash FROM _leaf ORDER BY seq";
    HOUSE_LEAVES: Query<Control, (), (i64, Vec<u8>, Vec<u8>)> = "SELECT seq, body, hash FROM _leaf ORDER BY seq";
    HEAD: Query<Own, (), (i64, Vec<u8>)> = "SELECT size, hash FROM _head";
    VALUES: Query<Own, (), (String, String)> = "SELECT field, value FROM _leaf_value ORDER BY leaf, field";
    OUTBOX: Query<Own, (), (String, Vec<u8>)> = "SELECT kind, payload FROM _outbox ORDER BY id";
    JOBS: Query<Control, (), (String,)> = "SELECT kind FROM _outbox ORDER BY id";
    REVOKED: Query<Control, (), (i64, String)> = "SELECT seq, kind FROM revocation ORDER BY seq";
}

pub fn tables() -> Vec<Table> {
    vec![
        Table::own("note", "yes", "with the tenant")
            .text("id")
            .opt_text("owner")
            .text("slug")
            .int("size")
            .unique(["slug"])
            .index(["owner", "size"]),
        Table::own("line", "yes", "with the tenant").text("id").text("note").refers("note", OnDelete::Refuse),
        Table::own("_tally", "no", "with the tenant").int("id").int("n"),
        Table::control("person", "yes", "on request").text("id").int("n").unique(["n"]),
    ]
}

pub struct Os;
impl Rng for Os {
    fn fill(&self, bytes: &mut [u8]) {
        rand::fill(bytes).unwrap();
    }
}

/// A leaf is `seq|prev|ts|name|actor|target`.
pub struct Lines;
impl Chain for Lines {
    fn next(&self, head: &Head, event: &Event, now: Time, rng: &dyn Rng) -> Placed {
        let at = now.max(head.at);
        let Event { name, actor, target, .. } = event;
        let body = format!("{}|{}|{}|{name}|{actor}|{target}", head.size, hex::encode(head.hash), at.0).into_bytes();
        let values = event.fields.iter().map(|(f, v)| (*f, rng.array(), v.clone())).collect();
        Placed { head: Head { size: head.size + 1, hash: hash(&body), at }, body, values }
    }
}

pub fn hash(body: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, &[&[0], body].concat()).as_ref());
    out
}

/// Names the first leaf that does not follow from the one before; the number of leaves when all do.
pub fn verify(leaves: &[(i64, Vec<u8>, Vec<u8>)]) -> Result<usize, usize> {
    let (mut prev, mut at) = ([0; 32], i64::MIN);
    for (i, (seq, body, stored)) in leaves.iter().enumerate() {
        let text = String::from_utf8_lossy(body);
        let parts: Vec<_> = text.split('|').collect();
        let ts: i64 = parts[2].parse().unwrap();
        if *seq != i as i64 || parts[0] != i.to_string() || parts[1] != hex::encode(prev) || ts < at {
            return Err(i);
        }
        if hash(body) != stored.as_slice() {
            return Err(i);
        }
        (prev, at) = (hash(body), ts);
    }
    Ok(leaves.len())
}

pub struct Bench {
    pub store: Store,
    pub keys: Keys,
    pub clock: Arc<Steered>,
}

pub fn tenant(n: u8) -> TenantId {
    TenantId(Id::from_bytes([n; 16]))
}
pub fn user(n: u8) -> UserId {
    UserId(Id::from_bytes([n; 16]))
}
pub fn fresh() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut random = [0; 10];
    Os.fill(&mut random);
    Id::v7(Time(1_700_000_000_000 + NEXT.fetch_add(1, Ordering::Relaxed) as i64), random).to_string()
}

pub fn options(folder: &Path, engine: Engine, tables: Vec<Table>, clock: &Arc<Steered>) -> Options {
    Options {
        folder: folder.to_owned(),
        engine,
        tables,
        chain: Arc::new(Lines),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        rng: Arc::new(Os),
    }
}

impl Bench {
    pub async fn open(folder: &Path, engine: Engine) -> Self {
        Self::with(folder, engine, tables()).await.unwrap()
    }
    /// Pages are sealed, unless `STORE_TEST_PLAIN` is set.
    pub async fn with(folder: &Path, engine: Engine, tables: Vec<Table>) -> Result<Self, Failure> {
        let plain = place::setting("STORE_TEST_PLAIN").is_some();
        Self::sealed(folder, engine, tables, Some(keys::sealing(!plain))).await
    }
    pub async fn sealed(
        folder: &Path,
        engine: Engine,
        tables: Vec<Table>,
        sealing: Option<Sealing>,
    ) -> Result<Self, Failure> {
        let clock = Arc::new(Steered::at(Time(1_700_000_000_000)));
        let options = options(folder, engine, tables, &clock);
        let store = match sealing {
            Some(sealing) => Store::sealed(options, sealing).await?,
            None => Store::open(options).await?,
        };
        #[expect(clippy::disallowed_methods, reason = "a test makes permits by hand")]
        let keys = Keys::forge();
        Ok(Self { store, keys, clock })
    }
    pub async fn tenants(&self, ids: impl IntoIterator<Item = u8>) {
        for n in ids {
            self.store.create(tenant(n)).await.unwrap();
        }
    }
    fn principal(&self, tenant: TenantId, user: UserId) -> Principal {
        let keys = &self.keys;
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let peer = Peer::seen(&keys.peer, address, RequestId(Id::from_bytes([5; 16])), true, self.clock.now());
        let home = Arc::new(Home {
            id: tenant,
            slug: "t".to_owned(),
            name: "T".to_owned(),
            region: "eu".to_owned(),
            url: "https://t.localhost".to_owned(),
            status: Status::Active,
            modules: Vec::new(),
        });
        let site = Site::at(&keys.site, peer, Place::Tenant(Arc::clone(&home)));
        let caller = Caller::known(&keys.caller, site, Credential::None);
        let tenant = Tenant::found(&keys.tenant, caller, home);
        Principal::known(&keys.principal, tenant, Actor::Member { user, role: 1 }, false)
    }
    pub fn permit<M: Mode>(&self, tenant: TenantId, by: UserId, event: &'static str, rows: Rows) -> Permit<M> {
        let grant = Grant { rows, ..Grant::PLAIN };
        Permit::grant(&self.keys.permit, self.principal(tenant, by), event, grant)
    }
    /// Reads everything of a tenant.
    pub fn read(&self, n: u8) -> Tx<Read> {
        Tx::open(&self.store, self.permit(tenant(n), user(1), "", Rows::All))
    }
    /// Changes everything of a tenant.
    pub fn write(&self, n: u8) -> Tx<Write> {
        Tx::open(&self.store, self.permit(tenant(n), user(1), "note.changed", Rows::All))
    }
    /// As someone whose rows are limited.
    pub fn scoped<M: Mode>(&self, n: u8, by: UserId, rows: Rows) -> Tx<M> {
        Tx::open(&self.store, self.permit(tenant(n), by, "note.changed", rows))
    }
    pub async fn add(&self, n: u8, slug: &str, size: i64) -> Result<String, Failure> {
        let id = fresh();
        let batch = self.write(n).batch(format!("note/{id}"));
        batch.any(&ADD, (id.clone(), None, slug.to_owned(), size)).commit().await.map(|_| id)
    }
    pub async fn slugs(&self, n: u8) -> Vec<String> {
        self.read(n).all(&ALL, ()).await.unwrap().into_iter().map(|(slug, _)| slug).collect()
    }
    pub async fn chain(&self, n: u8) -> Result<usize, usize> {
        let leaves = self.read(n).all(&LEAVES, ()).await.unwrap();
        let (size, hash) = self.read(n).one(&HEAD, ()).await.unwrap();
        assert_eq!(size as usize, leaves.len(), "the head counts the leaves");
        assert!(leaves.last().is_none_or(|(_, _, h)| *h == hash), "the head names the last leaf");
        verify(&leaves)
    }
}
