//! Shared writer threads: each takes a database that has orders, commits a group of them in one transaction, a savepoint
//! per order, and only then replies.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use kernel::Failure;
use rusqlite::Connection;

use super::{
    apply::Lines,
    connection::{self, Role},
    fault::Fault,
    file::{File, Held, PATIENCE, Queued, lock},
    group,
};
use crate::{
    Revoke,
    engine::{Committed, House},
    tx::Refusal,
};

/// Writer threads. They wait for the disk most of the time.
const THREADS: usize = 8;
/// Orders of one commit.
const GROUP: usize = 256;
/// Size of a write-ahead log at which it is folded into the file, in pages of 4 KiB.
const CHECKPOINT: u32 = 1024;

/// What writer threads share.
pub(super) struct Desk {
    pub(super) house: Arc<House>,
    pub(super) lines: Lines,
    runs: Mutex<(VecDeque<Arc<File>>, bool)>,
    wake: Condvar,
    pub(super) queued: AtomicUsize,
    /// A writer found no file handle: idle databases should be closed.
    pub(super) starved: AtomicBool,
    /// Test builds of this crate make the next commit fail as a full or broken disk would.
    #[cfg(test)]
    pub(super) fail: AtomicBool,
}

/// A database's one writing connection.
pub(super) struct Writer {
    pub(super) connection: Connection,
    /// Pages in the write-ahead log after the last commit.
    pages: Arc<AtomicU32>,
    checkpoint_at: u32,
    _held: Held,
}

impl Writer {
    fn open(file: &File) -> Result<Self, Fault> {
        let (cache, statements) = file.cache();
        let held = file.handles.hold(2);
        let mut connection = connection::open(&file.path, file.key.as_ref(), Role::Writer, cache, statements)?;
        let pages = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&pages);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, n| {
            counted.store(u32::try_from(n).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self { connection, pages, checkpoint_at: CHECKPOINT, _held: held })
    }

    /// Folds the log into the file when it is long. Readers are never waited for.
    fn checkpoint(&mut self) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.checkpoint_at {
            if pages < CHECKPOINT {
                self.checkpoint_at = CHECKPOINT;
            }
            return;
        }
        let _retried_later = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        // A reader may hold the log open; the next try is another 4 MiB away.
        self.checkpoint_at = pages.saturating_add(CHECKPOINT);
    }

    /// Folds all of it, for a clean end.
    pub(super) fn finish(self) {
        let _best_effort = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
}

impl Desk {
    pub(super) fn start(
        house: Arc<House>,
        lines: Lines,
    ) -> std::io::Result<(Arc<Self>, Vec<std::thread::JoinHandle<()>>)> {
        let desk = Arc::new(Self {
            house,
            lines,
            runs: Mutex::default(),
            wake: Condvar::new(),
            queued: AtomicUsize::new(0),
            starved: AtomicBool::new(false),
            #[cfg(test)]
            fail: AtomicBool::new(false),
        });
        let threads = (0..THREADS).map(|i| {
            let desk = Arc::clone(&desk);
            std::thread::Builder::new().name(format!("writer-{i}")).spawn(move || desk.work())
        });
        let threads = threads.collect::<Result<_, _>>()?;
        Ok((desk, threads))
    }

    /// Puts an order into its file's queue.
    pub(super) fn submit(&self, file: &Arc<File>, queued: Queued) -> Result<(), Failure> {
        // Counted first: a writer may be done with it before this returns.
        self.queued.fetch_add(1, Ordering::Relaxed);
        match file.push(queued) {
            Ok(true) => self.run(Arc::clone(file)),
            Ok(false) => {}
            Err(failure) => {
                self.queued.fetch_sub(1, Ordering::Relaxed);
                return Err(failure);
            }
        }
        Ok(())
    }

    fn run(&self, file: Arc<File>) {
        lock(&self.runs).0.push_back(file);
        self.wake.notify_one();
    }

    /// Lets the threads end once the queues are empty.
    pub(super) fn stop(&self) {
        lock(&self.runs).1 = true;
        self.wake.notify_all();
    }

    fn work(&self) {
        loop {
            let mut runs = lock(&self.runs);
            let file = loop {
                if let Some(file) = runs.0.pop_front() {
                    break file;
                }
                if runs.1 {
                    return;
                }
                runs = self.wake.wait(runs).unwrap_or_else(std::sync::PoisonError::into_inner);
            };
            drop(runs);
            let served = catch_unwind(AssertUnwindSafe(|| self.serve(&file)));
            if served.is_err() {
                // The connection dies with its transaction; the orders' clients hear that the outcome is unknown.
                lock(&file.writer).take();
            }
            let mut queue = lock(&file.queue);
            if queue.orders.is_empty() {
                queue.scheduled = false;
            } else {
                drop(queue);
                self.run(file);
            }
        }
    }

    /// One turn of one file.
    fn serve(&self, file: &Arc<File>) {
        let taken: Vec<Queued> = {
            let mut queue = lock(&file.queue);
            let n = queue.orders.len().min(GROUP);
            queue.orders.drain(..n).collect()
        };
        self.queued.fetch_sub(taken.len(), Ordering::Relaxed);
        let now = Instant::now();
        let (late, group): (Vec<_>, Vec<_>) = taken.into_iter().partition(|q| now.duration_since(q.since) > PATIENCE);
        answer(late, &Failure::Busy(1));
        let mut slot = lock(&file.writer);
        if slot.is_none() {
            match Writer::open(file) {
                Ok(writer) => *slot = Some(writer),
                Err(fault) => {
                    match fault {
                        Fault::Lost(_) => file.quarantine(),
                        _ => self.starved.store(true, Ordering::Relaxed),
                    }
                    return answer(group, &fault.failure());
                }
            }
        }
        if let Some(writer) = slot.as_mut() {
            self.group(file, writer, group);
            if writer.connection.is_autocommit() {
                writer.checkpoint();
            } else {
                *slot = None;
            }
        }
    }

    fn group(&self, file: &Arc<File>, writer: &Writer, mut group: Vec<Queued>) {
        if group.is_empty() {
            return;
        }
        match group::commit(self, file, writer, &group) {
            Ok(outcomes) => {
                let rest = group.split_off(outcomes.len());
                self.done(file, group, outcomes);
                if !rest.is_empty() {
                    self.queued.fetch_add(rest.len(), Ordering::Relaxed);
                    let mut queue = lock(&file.queue);
                    rest.into_iter().rev().for_each(|q| queue.orders.push_front(q));
                }
            }
            // Somebody else holds the file: trying each alone would only make the last of them wait longest.
            Err(Fault::Group(failure @ Failure::Busy(_))) => answer(group, &failure),
            // Which of them broke it is not known: each tries alone.
            Err(Fault::Group(_) | Fault::Order(_)) if group.len() > 1 => {
                group.into_iter().for_each(|one| self.group(file, writer, vec![one]));
            }
            Err(Fault::Group(failure) | Fault::Order(failure)) => answer(group, &failure),
            Err(Fault::Lost(_)) => {
                file.quarantine();
                answer(group, &Failure::Unknown);
            }
        }
    }

    /// After the commit, in this order: rights are forgotten, followers lined up, clients told, drains woken.
    fn done(&self, file: &Arc<File>, group: Vec<Queued>, outcomes: Vec<Result<group::Kept, Refusal>>) {
        for (queued, outcome) in group.into_iter().zip(outcomes) {
            let outcome = outcome.map(|kept| {
                queued.order.revoke.iter().for_each(|what: &Revoke| self.house.hooks.revoked(what));
                let follow = kept.follow.into_iter().map(|job| self.lines.push(job)).collect();
                Committed { kept: kept.rows, follow }
            });
            let happened = outcome.is_ok();
            let _client_gone = queued.reply.send(outcome);
            if happened {
                queued.order.outbox.iter().for_each(|(kind, _)| self.house.hooks.outbox(file.id, kind));
            }
        }
    }
}

fn answer(orders: Vec<Queued>, failure: &Failure) {
    for queued in orders {
        let _client_gone = queued.reply.send(Err(Refusal::Failure(failure.clone())));
    }
}

/// How long a group may go on before it is committed.
pub(super) const SLICE: Duration = Duration::from_millis(50);
