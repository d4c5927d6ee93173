//! The data folder: which databases exist, which are open, how many can be.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use kernel::{Failure, Id, Secret, TenantId};
use tokio::sync::{oneshot, watch};

use super::{
    apply::{self, Lines},
    connection::{self, Role},
    file::{File, Handles, Queued, ReadError, lock},
    schema::{self, State},
    seal,
    writer::Desk,
};
use crate::{
    Row, Stats, Value,
    apply::Job,
    bulk::{self, Wrapped},
    ddl::{Schema, Schemas},
    engine::{Committed, House, Order},
    tx::Refusal,
};

/// Databases open at once.
const OPEN: usize = 1000;
/// How long a request waits for its database to open or migrate.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a database that would not open is left alone.
const PAUSE: Duration = Duration::from_secs(5);
/// Copies made before migrations, per database.
const COPIES: usize = 3;

type Opened = Result<Arc<File>, Failure>;

enum Slot {
    Open(Arc<File>),
    Opening(watch::Receiver<Option<Opened>>),
    Failed(Failure, Instant),
}

/// What everything here shares.
pub(super) struct Shared {
    folder: PathBuf,
    schemas: Schemas,
    house: Arc<House>,
    pub(super) desk: Arc<Desk>,
    files: Mutex<HashMap<TenantId, Slot>>,
    ticks: AtomicU64,
    handles: Arc<Handles>,
    /// Handles that connections may hold.
    budget: usize,
    closed: AtomicBool,
}

/// The engine; the last one to go ends the writers.
pub(crate) struct Files {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Files {
    /// Opens the house's database in a folder that is locked, and takes up the jobs that an earlier process left.
    pub(crate) async fn open(folder: &Path, schemas: Schemas, house: Arc<House>) -> Result<Self, Failure> {
        for below in ["t", "migrations"] {
            crate::folder::private(&folder.join(below))
                .map_err(|e| Failure::Internal(format!("store: a folder cannot be made: {e}").into()))?;
        }
        let (lines, started) = Lines::new();
        let (desk, threads) = Desk::start(Arc::clone(&house), lines)
            .map_err(|e| Failure::Internal(format!("store: no writer threads: {e}").into()))?;
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            schemas,
            house,
            desk,
            files: Mutex::default(),
            ticks: AtomicU64::new(0),
            handles: Arc::default(),
            budget: budget(),
            closed: AtomicBool::new(false),
        });
        let files = Self { shared: Arc::clone(&shared), threads: Mutex::new(threads) };
        let house = shared.file(TenantId::HOUSE, true).await?;
        shared.take_up(&house)?;
        let sealing = Arc::clone(&shared);
        let sealed = tokio::task::spawn_blocking(move || sealing.seal_copies()).await;
        sealed.unwrap_or_else(|_| Err(Failure::internal("store: sealing was cut off")))?;
        tokio::spawn(apply::dispatch(Arc::downgrade(&shared), started));
        Ok(files)
    }

    pub(crate) async fn create(&self, tenant: TenantId) -> Result<(), Failure> {
        self.shared.ready(tenant, true).await.map(drop)
    }

    /// Tenants that have a database.
    pub(crate) fn tenants(&self) -> Result<Vec<TenantId>, Failure> {
        let io = |_| Failure::internal("store: the data folder cannot be listed");
        let mut found = Vec::new();
        for shard in std::fs::read_dir(self.shared.folder.join("t")).map_err(io)? {
            for file in std::fs::read_dir(shard.map_err(io)?.path()).map_err(io)? {
                let name = file.map_err(io)?.file_name();
                let id = name.to_str().and_then(|n| n.strip_suffix(".db")).and_then(|n| n.parse().ok());
                found.extend(id.filter(|id: &TenantId| *id != SHARED));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    pub(crate) async fn read(
        &self,
        tenant: TenantId,
        sql: &str,
        args: &[Value],
        with: &mut (dyn FnMut(&Row<'_>) -> Result<(), Failure> + Send),
    ) -> Result<(), Failure> {
        let file = self.shared.ready(tenant, false).await?;
        self.shared.read(&file, sql, args, None, with)
    }

    /// A read on the calling thread, which must not be an async worker.
    pub(crate) fn scan(
        &self,
        runtime: &tokio::runtime::Handle,
        tenant: TenantId,
        sql: &str,
        args: &[Value],
        limit: Duration,
        with: &mut (dyn FnMut(&Row<'_>) -> Result<(), Failure> + Send),
    ) -> Result<(), Failure> {
        let file = runtime.block_on(self.shared.ready(tenant, false))?;
        self.shared.read(&file, sql, args, Some(limit), with)
    }

    pub(crate) async fn submit(&self, tenant: TenantId, order: Order) -> Result<Committed, Refusal> {
        self.shared.submit(tenant, order).await
    }

    pub(crate) fn stats(&self) -> Stats {
        let shared = &self.shared;
        Stats {
            open: lock(&shared.files).values().filter(|s| matches!(s, Slot::Open(_))).count(),
            handles: shared.handles.count(),
            queued: shared.desk.queued.load(Ordering::Relaxed),
            following: shared.desk.lines.waiting(),
            buried: shared.desk.lines.buried(0),
        }
    }

    /// Wraps the data keys of a tenant's database and of its copies anew where they lie under an older key.
    pub(crate) fn rewrap(&self, tenant: TenantId, into: &mut Wrapped) -> Result<(), Failure> {
        let shared = &self.shared;
        let Some(sealing) = &shared.house.sealing else { return Ok(()) };
        for database in std::iter::once(shared.path(tenant)).chain(shared.copies(tenant)) {
            bulk::rewrap(sealing, tenant, &bulk::beside(&database), into)?;
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn desk(&self) -> &Desk {
        &self.shared.desk
    }

    /// Takes no more orders, finishes those it has, folds every write-ahead log into its file.
    pub(crate) async fn close(&self) {
        let shared = &self.shared;
        shared.closed.store(true, Ordering::SeqCst);
        let began = Instant::now();
        let busy = || shared.desk.queued.load(Ordering::SeqCst) > 0 || shared.desk.lines.waiting() > 0;
        while busy() && began.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if shared.desk.lines.has_finished()
            && let Ok(house) = shared.file(TenantId::HOUSE, false).await
        {
            let _at_next_start_then = shared.enter(&house, Order::default()).await;
        }
        shared.desk.stop();
        let threads: Vec<_> = std::mem::take(&mut *lock(&self.threads));
        let ending = Arc::clone(shared);
        let ended = tokio::task::spawn_blocking(move || {
            threads.into_iter().for_each(|t| drop(t.join()));
            ending.finish();
        });
        let _finished = ended.await;
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.shared.desk.stop();
        lock(&self.threads).drain(..).for_each(|t| drop(t.join()));
    }
}

/// Raises the limit of open files as far as it goes, and takes seven tenths of it.
fn budget() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(65_536).min(65_536);
    if current.is_some_and(|c| c < wanted) {
        let _kept_as_it_is = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(65_536);
    usize::try_from(limit / 10 * 7).unwrap_or(usize::MAX)
}

/// Where every tenant lives when a test build takes the wall away.
const SHARED: TenantId = TenantId(Id::from_bytes([0xff; 16]));

impl Shared {
    pub(super) fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn path(&self, id: TenantId) -> PathBuf {
        if id == TenantId::HOUSE {
            return self.folder.join("control.db");
        }
        let name = id.to_string();
        self.folder.join("t").join(name.get(34..).unwrap_or_default()).join(format!("{name}.db"))
    }

    fn schema(&self, id: TenantId) -> &Schema {
        if id == TenantId::HOUSE { &self.schemas.control } else { &self.schemas.own }
    }

    /// A tenant's open database, once nothing of the house is outstanding for it.
    async fn ready(self: &Arc<Self>, tenant: TenantId, create: bool) -> Opened {
        if self.desk.lines.behind(tenant) {
            let began = Instant::now();
            while self.desk.lines.behind(tenant) {
                if began.elapsed() > PATIENCE {
                    return Err(Failure::Busy(1));
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        self.file(tenant, create).await
    }

    /// A tenant's open database.
    pub(super) async fn file(self: &Arc<Self>, tenant: TenantId, create: bool) -> Opened {
        let alone = tenant == TenantId::HOUSE
            || !(kernel::sabotage::off("tenant.hard_wall") || kernel::sabotage::off("tenant.query_scope"));
        let tenant = if alone { tenant } else { SHARED };
        let create = create || !alone;
        for _ in 0..3 {
            let mut opening = match self.look(tenant, create)? {
                Found::Open(file) => return Ok(file),
                Found::Opening(opening) => opening,
            };
            let opened = tokio::time::timeout(PATIENCE, opening.wait_for(Option::is_some)).await;
            match opened.map_err(|_| Failure::Busy(1))?.map(|r| r.clone()) {
                Ok(Some(Err(Failure::NotFound))) if create => {}
                Ok(Some(opened)) => return opened,
                _ => return Err(Failure::Busy(1)),
            }
        }
        Err(Failure::Busy(1))
    }

    fn look(self: &Arc<Self>, tenant: TenantId, create: bool) -> Result<Found, Failure> {
        let mut files = lock(&self.files);
        match files.get(&tenant) {
            Some(Slot::Open(file)) => {
                file.used.store(self.ticks.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
                return Ok(Found::Open(Arc::clone(file)));
            }
            Some(Slot::Opening(opening)) => return Ok(Found::Opening(opening.clone())),
            Some(Slot::Failed(failure, at)) if at.elapsed() < PAUSE => return Err(failure.clone()),
            _ => {}
        }
        if self.closed() {
            return Err(Failure::Busy(1));
        }
        let evicted = self.make_room(&mut files);
        let (opened, opening) = watch::channel(None);
        files.insert(tenant, Slot::Opening(opening.clone()));
        let shared = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            // Closing writes to disk: here, not under the lock that every request takes.
            drop(evicted);
            let result = shared.open(tenant, create);
            let mut files = lock(&shared.files);
            match &result {
                Ok(file) => {
                    file.used.store(shared.ticks.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
                    files.insert(tenant, Slot::Open(Arc::clone(file)));
                }
                Err(failure @ Failure::Internal(_)) => {
                    files.insert(tenant, Slot::Failed(failure.clone(), Instant::now()));
                }
                Err(_) => drop(files.remove(&tenant)),
            }
            drop(files);
            opened.send_replace(Some(result));
        });
        Ok(Found::Opening(opening))
    }

    /// On a thread that may block.
    fn open(&self, id: TenantId, create: bool) -> Opened {
        let (path, schema, sealing) = (self.path(id), self.schema(id), self.house.sealing.as_ref());
        let owner = if id == SHARED { TenantId::HOUSE } else { id };
        if !path.exists() {
            if !create {
                return Err(Failure::NotFound);
            }
            let key = seal::fresh(sealing, owner, &path)?;
            connection::make(&path, key.as_ref(), |new| schema::migrate(new, schema))?;
        }
        let key = seal::key(sealing, owner, &path)?;
        let broken = |e: rusqlite::Error| super::fault::Fault::from(e).failure();
        let open = |role| connection::open(&path, key.as_ref(), role, 1024, 8).map_err(broken);
        let found = schema::state(&open(Role::Reader)?, schema)?;
        match found {
            State::Current => {}
            State::Empty => return Err(Failure::internal("store: a database without tables: not one of ours")),
            State::Older => {
                let mut writer = open(Role::Writer)?;
                self.copy(&writer, key.as_ref(), id)?;
                schema::migrate(&mut writer, schema)?;
            }
        }
        Ok(Arc::new(File::new(id, path, key, &self.handles)))
    }

    /// A copy lies under the key of what it is a copy of, with an envelope of its own.
    fn copy(&self, writer: &rusqlite::Connection, key: Option<&Secret>, id: TenantId) -> Result<(), Failure> {
        let to = self.folder.join("migrations").join(format!("{id}-{:014}.db", self.house.clock.now().0));
        if let (Some(_), Some(envelope)) = (key, bulk::read(&bulk::beside(&self.path(id)))?) {
            bulk::write(&bulk::beside(&to), &envelope)?;
        }
        schema::copy(writer, key, &to)?;
        let mut copies = self.copies(id);
        let old = copies.len().saturating_sub(COPIES);
        for path in copies.drain(..old) {
            let _tried_again_next_time = std::fs::remove_file(&path);
            let _tried_again_next_time = std::fs::remove_file(bulk::beside(&path));
        }
        Ok(())
    }

    /// Copies made before migrations, oldest first.
    fn copies(&self, id: TenantId) -> Vec<PathBuf> {
        let Ok(listed) = std::fs::read_dir(self.folder.join("migrations")) else { return Vec::new() };
        let id = id.to_string();
        let mut copies: Vec<_> = listed
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|e| e == "db"))
            .filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(&id)))
            .collect();
        copies.sort_unstable();
        copies
    }

    /// Copies of an earlier time that lie in the clear.
    fn seal_copies(&self) -> Result<(), Failure> {
        let sealing = self.house.sealing.as_ref();
        let Ok(listed) = std::fs::read_dir(self.folder.join("migrations")) else { return Ok(()) };
        for path in listed.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "db")) {
            let name = path.file_stem().and_then(|n| n.to_str()).unwrap_or_default();
            if let Some(id) = name.get(..36).and_then(|id| id.parse().ok()) {
                seal::key(sealing, id, &path)?;
            }
        }
        Ok(())
    }

    /// Closes the databases that were not used for longest, when there are too many or handles run short.
    #[must_use = "to be closed once the map is unlocked"]
    fn make_room(&self, files: &mut HashMap<TenantId, Slot>) -> Vec<Slot> {
        let full = files.len() >= OPEN || self.handles.count() + 5 > self.budget;
        if full { Self::evict(files, OPEN / 16) } else { Vec::new() }
    }

    #[must_use = "to be closed once the map is unlocked"]
    fn evict(files: &mut HashMap<TenantId, Slot>, n: usize) -> Vec<Slot> {
        let mut idle: Vec<_> = files
            .iter()
            .filter_map(|(id, slot)| match slot {
                // Nobody else holds it, and nobody can get it while the map is locked.
                Slot::Open(file) if Arc::strong_count(file) == 1 && file.idle() => {
                    Some((file.used.load(Ordering::Relaxed), *id))
                }
                _ => None,
            })
            .collect();
        idle.sort_unstable();
        idle.into_iter().take(n.max(1)).filter_map(|(_, id)| files.remove(&id)).collect()
    }

    /// The process is out of handles: idle readers and idle databases are closed.
    fn relieve(&self) {
        let open: Vec<_> = lock(&self.files)
            .values()
            .filter_map(|slot| match slot {
                Slot::Open(file) => Some(Arc::clone(file)),
                _ => None,
            })
            .collect();
        open.iter().for_each(|file| file.trim());
        drop(open);
        let mut files = lock(&self.files);
        let n = files.len() / 4;
        let evicted = Self::evict(&mut files, n);
        drop(files);
        drop(evicted);
    }

    fn read(
        &self,
        file: &File,
        sql: &str,
        args: &[Value],
        limit: Option<Duration>,
        with: &mut dyn FnMut(&Row<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for _ in 0..2 {
            match file.read(sql, args, limit, with) {
                Ok(()) => return Ok(()),
                Err(ReadError::Failure(failure)) => return Err(failure),
                Err(ReadError::NoHandles) => self.relieve(),
            }
        }
        Err(Failure::Busy(1))
    }

    pub(super) async fn submit(self: &Arc<Self>, tenant: TenantId, order: Order) -> Result<Committed, Refusal> {
        if self.closed() {
            return Err(Refusal::Failure(Failure::Busy(1)));
        }
        if self.desk.starved.swap(false, Ordering::Relaxed) {
            self.relieve();
        }
        let file = self.ready(tenant, false).await.map_err(Refusal::Failure)?;
        self.enter(&file, order).await
    }

    /// Queues an order and waits for its commit.
    pub(super) async fn enter(&self, file: &Arc<File>, order: Order) -> Result<Committed, Refusal> {
        let (reply, outcome) = oneshot::channel();
        self.desk.submit(file, Queued { order, since: Instant::now(), reply }).map_err(Refusal::Failure)?;
        outcome.await.unwrap_or(Err(Refusal::Failure(Failure::Unknown)))
    }

    /// Jobs in the house's outbox that an earlier process did not finish, in the order of their commits.
    fn take_up(&self, house: &File) -> Result<(), Failure> {
        let dead = "SELECT count(*) FROM _outbox WHERE kind = ?1";
        self.read(house, dead, &[crate::apply::DEAD.into()], None, &mut |row| {
            self.desk.lines.buried(usize::try_from(row.int(0)?).unwrap_or(0));
            Ok(())
        })?;
        let sql = "SELECT id, payload FROM _outbox WHERE kind = ?1 ORDER BY rowid";
        self.read(house, sql, &[crate::apply::APPLY.into()], None, &mut |row| {
            let (id, payload) = (row.text(0)?.to_owned(), row.blob(1)?);
            self.desk.lines.left(Job { id, tenant: crate::apply::tenant(payload)?, payload: payload.into() });
            Ok(())
        })
    }

    /// Several at once: each waits for the disk.
    fn finish(&self) {
        let files = Mutex::new(std::mem::take(&mut *lock(&self.files)).into_values());
        let one = || {
            while let Some(slot) = { lock(&files).next() } {
                if let Slot::Open(file) = slot {
                    file.trim();
                    if let Some(writer) = lock(&file.writer).take() {
                        writer.finish();
                    }
                }
            }
        };
        std::thread::scope(|scope| (0..16).for_each(|_| drop(scope.spawn(one))));
    }
}

enum Found {
    Open(Arc<File>),
    Opening(watch::Receiver<Option<Opened>>),
}
