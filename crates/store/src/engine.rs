//! The boundary between what sections say and the engine that does it.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kernel::{Clock, Event, Failure, Id, Rng, Rows, TenantId, UserId};
use tokio::sync::oneshot;

use crate::{
    Apply, Chain, Realm, Revoke, Row, Sealing, Table, Value, Wrapped,
    blobs::Folder,
    ddl::Schemas,
    folder, postgres, sqlite,
    statement::Text,
    text::{Compiled, Dialect},
    tx::{Once, Refusal},
};

/// How long an idempotency key is remembered, in milliseconds: 24 hours.
pub(crate) const ONCE: i64 = 24 * 60 * 60 * 1000;
/// How long applied events are remembered, in milliseconds: 30 days, far beyond any retry of theirs.
pub(crate) const APPLIED: i64 = 30 * ONCE;
/// How long revocations are kept for nodes that were away, in milliseconds: 7 days.
pub(crate) const REVOKED: i64 = 7 * ONCE;
/// The words for a key whose first request is not answered yet.
pub(crate) const IN_USE: &str = "this idempotency key is in use";

/// Which engine keeps the data.
#[derive(Clone, Debug)]
pub enum Engine {
    /// A file per tenant under the data folder.
    Sqlite,
    /// A PostgreSQL server.
    Postgres {
        /// URL of the application's role, which owns nothing.
        url: String,
        /// URL of the owner, which creates and migrates; without it an outdated schema is refused.
        owner: Option<String>,
    },
}

/// What a store needs to open.
pub struct Options {
    /// Data folder; locked while open.
    pub folder: PathBuf,
    /// Engine.
    pub engine: Engine,
    /// Every section's tables.
    pub tables: Vec<Table>,
    /// The leaf's format.
    pub chain: Arc<dyn Chain>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    // First: what it holds open is closed before the folder is given up.
    kind: Kind,
    lock: Mutex<Option<std::fs::File>>,
    /// Long reads under way.
    scans: Arc<AtomicUsize>,
    house: Arc<House>,
    /// Tables of collections: statements that touch them must say `{rows}`.
    collections: HashSet<String>,
    blobs: Folder,
}

enum Kind {
    Sqlite(sqlite::Files),
    Postgres(Arc<postgres::Database>),
}

/// What every engine is given.
pub(crate) struct House {
    pub(crate) chain: Arc<dyn Chain>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) hooks: Hooks,
    /// How bulk objects are sealed; none: not at all.
    pub(crate) sealing: Option<Sealing>,
    /// Millisecond of the last id, and its place within it.
    pub(crate) ids: Mutex<(i64, u16)>,
}

impl House {
    /// An id that sorts behind those given before it (RFC 9562, 6.2, method 1), so that outboxes drain in order.
    pub(crate) fn id(&self, now: kernel::Time) -> Id {
        let mut last = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        *last = match *last {
            (ms, place) if ms >= now.0 && place < 0xfff => (ms, place + 1),
            (ms, _) if ms >= now.0 => (ms + 1, 0),
            _ => (now.0, 0),
        };
        let mut random: [u8; 10] = self.rng.array();
        [random[0], random[1]] = last.1.to_be_bytes();
        Id::v7(kernel::Time(last.0), random)
    }
}

type OnRevoke = Box<dyn Fn(&Revoke) + Send + Sync>;
type OnOutbox = Box<dyn Fn(TenantId, &str) + Send + Sync>;

/// Who wants to hear of commits.
#[derive(Default)]
pub(crate) struct Hooks {
    revoke: RwLock<Vec<OnRevoke>>,
    outbox: RwLock<Vec<OnOutbox>>,
}

impl Hooks {
    pub(crate) fn revoked(&self, what: &Revoke) {
        self.revoke.read().unwrap_or_else(PoisonError::into_inner).iter().for_each(|listener| listener(what));
    }
    pub(crate) fn outbox(&self, tenant: TenantId, kind: &str) {
        self.outbox.read().unwrap_or_else(PoisonError::into_inner).iter().for_each(|listener| listener(tenant, kind));
    }
}

/// How full the store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Databases (SQLite) or connections (PostgreSQL) open.
    pub open: usize,
    /// File handles that they hold.
    pub handles: usize,
    /// Orders waiting for their turn.
    pub queued: usize,
    /// Changes of the house that tenants' databases still have to follow.
    pub following: usize,
    /// Such changes that a tenant's database refused for good: kept in the house's outbox for a person to look at.
    pub buried: usize,
}

/// One statement of a batch.
pub(crate) struct Step {
    pub(crate) sql: Arc<str>,
    pub(crate) args: Vec<Value>,
    pub(crate) rows: Option<usize>,
    pub(crate) keep: bool,
}

/// A batch on its way to the writer.
#[derive(Default)]
pub(crate) struct Order {
    pub(crate) steps: Vec<Step>,
    pub(crate) event: Option<Event>,
    pub(crate) outbox: Vec<(&'static str, Vec<u8>)>,
    pub(crate) then: Vec<(TenantId, Apply)>,
    pub(crate) revoke: Vec<Revoke>,
    pub(crate) once: Option<Once>,
    /// Id of the job that this order does: a second time it does nothing.
    pub(crate) applied: Option<String>,
    /// Found wrong while it was built.
    pub(crate) fault: Option<Failure>,
}

/// An order that was committed.
pub(crate) struct Committed {
    /// Rows of RETURNING statements.
    pub(crate) kept: Vec<Vec<Value>>,
    /// One for each tenant's database that has to follow.
    pub(crate) follow: Vec<oneshot::Receiver<Result<(), Failure>>>,
}

impl Store {
    /// Opens the data folder, or connects, creating what is missing.
    ///
    /// # Errors
    /// Internal, with words for the log: the folder is locked by another server, a newer schema, an unsafe role.
    pub async fn open(options: Options) -> Result<Self, Failure> {
        Self::made(options, None).await
    }
    /// As [`Store::open`]; what is written lies sealed. What an earlier time left in the clear is sealed first.
    ///
    /// # Errors
    /// As [`Store::open`]; a key that does not open what lies there.
    pub async fn sealed(options: Options, sealing: Sealing) -> Result<Self, Failure> {
        Self::made(options, Some(sealing)).await
    }

    async fn made(options: Options, sealing: Option<Sealing>) -> Result<Self, Failure> {
        let Options { folder, engine, tables, chain, clock, rng } = options;
        let collections =
            tables.iter().filter(|t| !t.control && !t.name.starts_with('_')).map(|t| t.name.to_string()).collect();
        let schemas = Schemas::new(tables)?;
        let lock = folder::claim(&folder)?;
        let house = Arc::new(House { chain, clock, rng, hooks: Hooks::default(), sealing, ids: Mutex::default() });
        let kind = match engine {
            Engine::Sqlite => {
                sqlite::fits(house.sealing.as_ref(), &folder.join("control.db"))?;
                Kind::Sqlite(sqlite::Files::open(&folder, schemas, Arc::clone(&house)).await?)
            }
            Engine::Postgres { url, owner } => {
                let database = postgres::Database::open(&url, owner.as_deref(), &schemas, Arc::clone(&house)).await?;
                Kind::Postgres(Arc::new(database))
            }
        };
        let blobs = Folder::new(folder.join("blobs"), house.sealing.as_ref().map(|s| Arc::clone(&s.keys)));
        blobs.settle().await?;
        let (lock, scans) = (Mutex::new(Some(lock)), Arc::default());
        Ok(Self { inner: Arc::new(Inner { kind, lock, scans, house, collections, blobs }) })
    }
    /// Wraps the data keys of a tenant's bulk objects (its database, copies of it, stored objects) anew where they lie under an
    /// older version of its key, and says under which versions they lie then. Nothing else is rewritten, readers and writers
    /// go on; it can be stopped at any point and called again.
    ///
    /// # Errors
    /// `DiskFull`; internal ones: an envelope does not open.
    pub async fn rewrap(&self, tenant: TenantId) -> Result<Wrapped, Failure> {
        let store = self.clone();
        let work = tokio::task::spawn_blocking(move || {
            let mut wrapped = Wrapped::default();
            if let Kind::Sqlite(files) = &store.inner.kind {
                files.rewrap(tenant, &mut wrapped)?;
            }
            store.inner.blobs.of(tenant).rewrap(&mut wrapped)?;
            Ok(wrapped)
        });
        work.await.unwrap_or_else(|_| Err(Failure::internal("store: wrapping anew was cut off")))
    }
    /// Calls `listener` after each commit that revokes something, before it is acknowledged.
    pub fn on_revoke(&self, listener: impl Fn(&Revoke) + Send + Sync + 'static) {
        let mut listeners = self.inner.house.hooks.revoke.write().unwrap_or_else(PoisonError::into_inner);
        listeners.push(Box::new(listener));
    }
    /// Calls `listener` with tenant and kind after each commit that leaves an outbox row: a drain's wake-up. It must not
    /// block; and it may be missed by a crash, so drains look by themselves at start.
    pub fn on_outbox(&self, listener: impl Fn(TenantId, &str) + Send + Sync + 'static) {
        let mut listeners = self.inner.house.hooks.outbox.write().unwrap_or_else(PoisonError::into_inner);
        listeners.push(Box::new(listener));
    }
    /// Makes a tenant's database, durable when it returns. Nothing happens when it exists.
    ///
    /// # Errors
    /// `DiskFull`, `Busy`; internal ones.
    pub async fn create(&self, tenant: TenantId) -> Result<(), Failure> {
        match &self.inner.kind {
            Kind::Sqlite(files) => files.create(tenant).await,
            Kind::Postgres(database) => database.create(tenant).await,
        }
    }
    /// Every tenant that has a database, in order of their ids.
    ///
    /// # Errors
    /// Internal, when the folder cannot be listed.
    pub async fn tenants(&self) -> Result<Vec<TenantId>, Failure> {
        match &self.inner.kind {
            Kind::Sqlite(files) => files.tenants(),
            Kind::Postgres(database) => database.tenants().await,
        }
    }
    /// Connections to a database server at most, none without one; and how long a change waits for its turn.
    #[must_use]
    pub fn capacity(&self) -> (Option<usize>, Duration) {
        match &self.inner.kind {
            Kind::Sqlite(_) => (None, crate::sqlite::PATIENCE),
            Kind::Postgres(_) => {
                let (most, patience) = postgres::Database::capacity();
                (Some(most), patience)
            }
        }
    }
    /// How full it is.
    #[must_use]
    pub fn stats(&self) -> Stats {
        match &self.inner.kind {
            Kind::Sqlite(files) => files.stats(),
            Kind::Postgres(database) => database.stats(),
        }
    }
    /// Takes no more changes, finishes those it has, and leaves every file whole. The folder is unlocked.
    pub async fn close(&self) {
        match &self.inner.kind {
            Kind::Sqlite(files) => files.close().await,
            Kind::Postgres(database) => database.close().await,
        }
        self.inner.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(crate) fn blobs(&self) -> &Folder {
        &self.inner.blobs
    }
    pub(crate) fn now(&self) -> kernel::Time {
        self.inner.house.clock.now()
    }

    /// How leaves are let go of.
    pub(crate) fn pruning(&self) -> &'static str {
        match self.dialect() {
            Dialect::Sqlite => "DELETE FROM _leaf WHERE seq < ?1",
            Dialect::Postgres => "SELECT tenants.prune_leaves($1)",
        }
    }

    fn dialect(&self) -> Dialect {
        match self.inner.kind {
            Kind::Sqlite(_) => Dialect::Sqlite,
            Kind::Postgres(_) => Dialect::Postgres,
        }
    }

    /// The engine's text and arguments of a statement under a reach.
    pub(crate) fn prepare<W: Realm>(
        &self,
        text: &Text,
        args: Vec<Value>,
        rows: &Rows,
        me: Option<UserId>,
    ) -> Result<(Arc<str>, Vec<Value>), Failure> {
        let compiled = text.compiled.get_or_init(|| Compiled::new(&text.sql, W::CONTROL));
        let said = compiled.rows || compiled.every || W::CONTROL;
        if !said && compiled.tables.iter().any(|t| self.inner.collections.contains(t)) {
            return Err(Failure::internal("store: a statement on a collection does not say {rows}"));
        }
        Ok((compiled.text(self.dialect(), rows), compiled.bind(args, rows, me)?))
    }

    pub(crate) async fn read<W: Realm>(
        &self,
        tenant: TenantId,
        text: &Text,
        args: Vec<Value>,
        rows: &Rows,
        me: Option<UserId>,
        mut with: impl FnMut(&Row<'_>) -> Result<(), Failure> + Send,
    ) -> Result<(), Failure> {
        let (sql, args) = self.prepare::<W>(text, args, rows, me)?;
        match &self.inner.kind {
            Kind::Sqlite(files) => files.read(place::<W>(tenant), &sql, &args, &mut with).await,
            Kind::Postgres(database) => database.read(W::CONTROL, place::<W>(tenant), sql, args, &mut with).await,
        }
    }

    /// Reads on a thread of its own, which `with` may block.
    pub(crate) fn scan<W: Realm>(
        &self,
        tenant: TenantId,
        (sql, args): (Arc<str>, Vec<Value>),
        limit: Duration,
        mut with: impl FnMut(&Row<'_>) -> Result<(), Failure> + Send + 'static,
        done: impl FnOnce(Result<(), Failure>) + Send + 'static,
    ) {
        let inner = Arc::clone(&self.inner);
        if inner.scans.fetch_add(1, Ordering::Relaxed) >= SCANS {
            inner.scans.fetch_sub(1, Ordering::Relaxed);
            return done(Err(Failure::Busy(1)));
        }
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            let _counted = Counted(Arc::clone(&inner.scans));
            let tenant = place::<W>(tenant);
            done(match &inner.kind {
                Kind::Sqlite(files) => files.scan(&runtime, tenant, &sql, &args, limit, &mut with),
                Kind::Postgres(database) => {
                    database.scan(&runtime, (W::CONTROL, tenant), &sql, &args, limit, &mut with)
                }
            });
        });
    }

    pub(crate) async fn submit<W: Realm>(&self, tenant: TenantId, order: Order) -> Result<Vec<Vec<Value>>, Refusal> {
        if let Some(failure) = order.fault {
            return Err(Refusal::Failure(failure));
        }
        let committed = match &self.inner.kind {
            Kind::Sqlite(files) => files.submit(place::<W>(tenant), order).await?,
            Kind::Postgres(database) => return database.submit(W::CONTROL, place::<W>(tenant), order).await,
        };
        for followed in committed.follow {
            followed.await.unwrap_or(Err(Failure::Unknown)).map_err(Refusal::Failure)?;
        }
        Ok(committed.kept)
    }
}

/// Long reads at once: each holds a thread, and a connection.
const SCANS: usize = 12;

/// Counts down, however a long read ends.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

const fn place<W: Realm>(tenant: TenantId) -> TenantId {
    if W::CONTROL { TenantId::HOUSE } else { tenant }
}
