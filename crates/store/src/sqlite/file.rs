//! One open database: its queue, its writer, its idle readers.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use kernel::{Failure, Secret, TenantId};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{connection, fault, fault::Fault, writer::Writer};
use crate::{
    Row, Value,
    engine::{Committed, Order},
    row::Source,
    tx::Refusal,
};

/// Orders waiting for one database.
const QUEUE: usize = 2048;
/// How long an order waits for its turn.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// How long a read on an async worker may run.
const READ: Duration = Duration::from_secs(2);
/// Instructions of SQLite's machine between two looks at the clock.
const OPS: i32 = 20_000;

/// An order with its way back.
pub(super) struct Queued {
    pub(super) order: Order,
    pub(super) since: Instant,
    pub(super) reply: oneshot::Sender<Result<Committed, Refusal>>,
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) orders: VecDeque<Queued>,
    /// Whether the file is in the runs or with a writer thread.
    pub(super) scheduled: bool,
}

/// Handles of the process that connections hold, counted.
#[derive(Default)]
pub(super) struct Handles(AtomicUsize);

/// A connection's share of them.
pub(super) struct Held(Arc<Handles>, usize);

impl Handles {
    pub(super) fn hold(self: &Arc<Self>, n: usize) -> Held {
        self.0.fetch_add(n, Ordering::Relaxed);
        Held(Arc::clone(self), n)
    }
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// A connection that reads.
pub(super) struct Reader {
    connection: Connection,
    /// Milliseconds since `base` after which a read is interrupted.
    deadline: Arc<AtomicU64>,
    _held: Held,
}

pub(super) struct File {
    pub(super) id: TenantId,
    pub(super) path: PathBuf,
    /// Key of its pages; none when they are plain.
    pub(super) key: Option<Secret>,
    /// Whether it is the house's.
    pub(super) control: bool,
    /// When it was last asked for, in ticks of the LRU.
    pub(super) used: AtomicU64,
    pub(super) queue: Mutex<Queue>,
    pub(super) writer: Mutex<Option<Writer>>,
    idle: Mutex<Vec<Reader>>,
    quarantined: AtomicBool,
    pub(super) handles: Arc<Handles>,
    _shared_memory: Held,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis() -> u64 {
    static BASE: OnceLock<Instant> = OnceLock::new();
    u64::try_from(BASE.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl File {
    pub(super) fn new(id: TenantId, path: PathBuf, key: Option<Secret>, handles: &Arc<Handles>) -> Self {
        Self {
            id,
            path,
            key,
            control: id == TenantId::HOUSE,
            used: AtomicU64::new(0),
            queue: Mutex::default(),
            writer: Mutex::new(None),
            idle: Mutex::default(),
            quarantined: AtomicBool::new(false),
            handles: Arc::clone(handles),
            _shared_memory: handles.hold(1),
        }
    }

    /// Nothing is read or written until the server starts anew.
    pub(super) fn quarantine(&self) {
        self.quarantined.store(true, Ordering::SeqCst);
    }
    pub(super) fn sound(&self) -> Result<(), Failure> {
        if self.quarantined.load(Ordering::Relaxed) { Err(Failure::Busy(30)) } else { Ok(()) }
    }
    /// Whether closing it loses nothing.
    pub(super) fn idle(&self) -> bool {
        let queue = lock(&self.queue);
        queue.orders.is_empty() && !queue.scheduled && !self.control && self.sound().is_ok()
    }
    /// Gives idle readers back to the system.
    pub(super) fn trim(&self) {
        lock(&self.idle).clear();
    }

    /// `true` when the file must be put into the runs.
    pub(super) fn push(&self, queued: Queued) -> Result<bool, Failure> {
        self.sound()?;
        let mut queue = lock(&self.queue);
        if queue.orders.len() >= QUEUE {
            return Err(Failure::Busy(1));
        }
        queue.orders.push_back(queued);
        Ok(!std::mem::replace(&mut queue.scheduled, true))
    }

    pub(super) fn cache(&self) -> (u32, usize) {
        if self.control { (16 * 1024, 256) } else { (1024, 64) }
    }

    fn reader(&self) -> rusqlite::Result<Reader> {
        if let Some(reader) = lock(&self.idle).pop() {
            return Ok(reader);
        }
        let (cache, statements) = self.cache();
        let held = self.handles.hold(2);
        let mut connection =
            connection::open(&self.path, self.key.as_ref(), connection::Role::Reader, cache, statements)?;
        let deadline = Arc::new(AtomicU64::new(u64::MAX));
        let watched = Arc::clone(&deadline);
        connection.progress_handler(OPS, Some(move || millis() > watched.load(Ordering::Relaxed)))?;
        Ok(Reader { connection, deadline, _held: held })
    }

    /// Reads on the calling thread. `limit`: how long it may run.
    pub(super) fn read(
        &self,
        sql: &str,
        args: &[Value],
        limit: Option<Duration>,
        with: &mut dyn FnMut(&Row<'_>) -> Result<(), Failure>,
    ) -> Result<(), ReadError> {
        self.sound()?;
        let reader = self.reader().map_err(|e| {
            if fault::no_handles(&e) { ReadError::NoHandles } else { ReadError::Failure(Fault::from(e).failure()) }
        })?;
        let limit = u64::try_from(limit.unwrap_or(READ).as_millis()).unwrap_or(u64::MAX);
        reader.deadline.store(millis().saturating_add(limit), Ordering::Relaxed);
        let done = rows(&reader.connection, sql, args, with);
        if let Err(Stop::Fault(Fault::Lost(_))) = &done {
            self.quarantine();
        }
        let mut idle = lock(&self.idle);
        // As many as there are workers, which read at most one at a time each.
        if idle.len() < 4 && !matches!(done, Err(Stop::Fault(_))) {
            idle.push(reader);
        }
        done.map_err(|stop| match stop {
            Stop::Fault(fault) => ReadError::Failure(fault.failure()),
            Stop::Failure(failure) => ReadError::Failure(failure),
        })
    }
}

/// Why a read ended early.
pub(super) enum ReadError {
    /// The process is out of file handles: some can be given back, and the read tried again.
    NoHandles,
    Failure(Failure),
}

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

enum Stop {
    Fault(Fault),
    Failure(Failure),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Fault(error.into())
    }
}

fn rows(
    connection: &Connection,
    sql: &str,
    args: &[Value],
    with: &mut dyn FnMut(&Row<'_>) -> Result<(), Failure>,
) -> Result<(), Stop> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, args).map_err(Stop::Fault)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        with(&Row(Source::Sqlite(row))).map_err(Stop::Failure)?;
    }
    Ok(())
}

/// Binds by position; a text with more or fewer parameters than arguments is refused, never bound to NULL.
pub(super) fn bind(statement: &mut rusqlite::Statement<'_>, args: &[Value]) -> Result<(), Fault> {
    if statement.parameter_count() != args.len() {
        return Err(Fault::Order(Failure::internal("store: a statement was given another number of arguments")));
    }
    for (i, value) in args.iter().enumerate() {
        statement.raw_bind_parameter(i + 1, value)?;
    }
    Ok(())
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(i) => ValueRef::Integer(*i),
            Self::Text(t) => ValueRef::Text(t.as_bytes()),
            Self::Blob(b) => ValueRef::Blob(b),
        }))
    }
}
