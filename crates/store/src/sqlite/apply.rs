//! Jobs of the house for tenants: one line per tenant, worked off in the order of the house's commits.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kernel::{Failure, TenantId};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{fault::Fault, file::lock, files::Shared};
use crate::{
    apply::{self, Job},
    engine::{Order, Step},
    text::Dialect,
};

/// How long a client waits for its job before it hears that the outcome is unknown. The job goes on.
const PATIENCE: Duration = Duration::from_secs(10);

struct Waiting {
    job: Job,
    client: Option<oneshot::Sender<Result<(), Failure>>>,
    /// Left by an earlier process: the tenant does not serve before it is done.
    old: bool,
}

/// Every tenant's line.
pub(super) struct Lines {
    lines: Mutex<HashMap<TenantId, VecDeque<Waiting>>>,
    start: mpsc::UnboundedSender<TenantId>,
    /// Jobs that are done and whose rows in the house's outbox can go with its next commit.
    finished: Mutex<Vec<String>>,
    old: AtomicUsize,
    dead: AtomicUsize,
}

/// Why a job is not done.
enum Undone {
    /// The tenant's database cannot be reached, or cannot write now.
    Later,
    /// It would be refused forever.
    Never(Failure),
}

impl Lines {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<TenantId>) {
        let (start, started) = mpsc::unbounded_channel();
        (
            Self {
                lines: Mutex::default(),
                start,
                finished: Mutex::default(),
                old: AtomicUsize::new(0),
                dead: AtomicUsize::new(0),
            },
            started,
        )
    }

    /// Lines a job up; called in the order of the house's commits.
    pub(super) fn push(&self, job: Job) -> oneshot::Receiver<Result<(), Failure>> {
        let (client, done) = oneshot::channel();
        self.add(Waiting { job, client: Some(client), old: false });
        done
    }

    /// A job that an earlier process left.
    pub(super) fn left(&self, job: Job) {
        self.old.fetch_add(1, Ordering::SeqCst);
        self.add(Waiting { job, client: None, old: true });
    }

    fn add(&self, waiting: Waiting) {
        let tenant = waiting.job.tenant;
        let mut lines = lock(&self.lines);
        let idle = !lines.contains_key(&tenant);
        lines.entry(tenant).or_default().push_back(waiting);
        if idle {
            let _gone_at_shutdown = self.start.send(tenant);
        }
    }

    /// Whether jobs of an earlier process are still to be done for `tenant`.
    pub(super) fn behind(&self, tenant: TenantId) -> bool {
        self.old.load(Ordering::Relaxed) > 0
            && lock(&self.lines).get(&tenant).is_some_and(|line| line.iter().any(|w| w.old))
    }

    pub(super) fn waiting(&self) -> usize {
        lock(&self.lines).values().map(VecDeque::len).sum()
    }

    /// Counts `more` jobs that were given up; all of them.
    pub(super) fn buried(&self, more: usize) -> usize {
        self.dead.fetch_add(more, Ordering::Relaxed) + more
    }

    pub(super) fn has_finished(&self) -> bool {
        !lock(&self.finished).is_empty()
    }

    /// Deletes the rows of finished jobs in the house's transaction.
    pub(super) fn finished(&self, connection: &Connection) -> Result<Vec<String>, Fault> {
        let finished = lock(&self.finished).clone();
        for id in &finished {
            connection.prepare_cached("DELETE FROM _outbox WHERE id = ?1")?.execute([id])?;
        }
        Ok(finished)
    }

    /// They are gone: the transaction was committed.
    pub(super) fn deleted(&self, ids: &[String]) {
        if !ids.is_empty() {
            lock(&self.finished).retain(|id| !ids.contains(id));
        }
    }

    fn first(&self, tenant: TenantId) -> Option<Job> {
        let mut lines = lock(&self.lines);
        let first = lines.get(&tenant).and_then(|line| line.front()).map(|w| w.job.clone());
        if first.is_none() {
            lines.remove(&tenant);
        }
        first
    }

    fn tell(&self, tenant: TenantId, outcome: Result<(), Failure>) {
        let client = lock(&self.lines).get_mut(&tenant).and_then(|l| l.front_mut()).and_then(|w| w.client.take());
        if let Some(client) = client {
            let _client_gone = client.send(outcome);
        }
    }

    fn pop(&self, tenant: TenantId) {
        let gone = lock(&self.lines).get_mut(&tenant).and_then(VecDeque::pop_front);
        if gone.is_some_and(|w| w.old) {
            self.old.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Starts a drain for each line that gets its first job, and tidies the house's outbox. Ends with the store.
pub(super) async fn dispatch(shared: Weak<Shared>, mut started: mpsc::UnboundedReceiver<TenantId>) {
    let mut tidy = tokio::time::interval(Duration::from_secs(2));
    loop {
        tokio::select! {
            tenant = started.recv() => {
                let Some(tenant) = tenant else { return };
                tokio::spawn(drain(shared.clone(), tenant));
            }
            _ = tidy.tick() => {
                let Some(shared) = shared.upgrade() else { return };
                if shared.desk.lines.has_finished() {
                    let _again_later = shared.submit(TenantId::HOUSE, Order::default()).await;
                }
            }
        }
    }
}

async fn drain(shared: Weak<Shared>, tenant: TenantId) {
    loop {
        let Some(shared) = shared.upgrade() else { return };
        let Some(job) = shared.desk.lines.first(tenant) else { return };
        if !work(shared, &job).await {
            return;
        }
    }
}

/// Tries a job until it is done. `false` when the store is closing.
async fn work(shared: Arc<Shared>, job: &Job) -> bool {
    let lines = &shared.desk.lines;
    let (mut pause, mut waited) = (Duration::from_millis(20), Duration::ZERO);
    loop {
        match once(&shared, job).await {
            Ok(()) => {
                lock(&lines.finished).push(job.id.clone());
                lines.tell(job.tenant, Ok(()));
                lines.pop(job.tenant);
                return true;
            }
            Err(Undone::Later) => {
                if shared.closed() {
                    return false;
                }
                tokio::time::sleep(pause).await;
                waited += pause;
                pause = (pause * 2).min(Duration::from_secs(5));
                if waited > PATIENCE {
                    lines.tell(job.tenant, Err(Failure::Unknown));
                }
            }
            // It would hold up everything behind it.
            Err(Undone::Never(failure)) => {
                let _kept_as_it_is = bury(&shared, job).await;
                lines.buried(1);
                lines.tell(job.tenant, Err(failure));
                lines.pop(job.tenant);
                return true;
            }
        }
    }
}

async fn once(shared: &Arc<Shared>, job: &Job) -> Result<(), Undone> {
    let order = apply::order(job, Dialect::Sqlite).map_err(Undone::Never)?;
    // Whatever keeps it shut, a key service that is away or a migration that fails, is no fault of the job.
    let founds = apply::founds(&job.payload).map_err(Undone::Never)?;
    let file = shared.file(job.tenant, founds).await.map_err(|_| Undone::Later)?;
    let entered = shared.enter(&file, order).await.map_err(crate::tx::Refusal::failure);
    entered.map(drop).map_err(|failure| match failure {
        Failure::Busy(_) | Failure::Unknown | Failure::DiskFull => Undone::Later,
        failure => Undone::Never(failure),
    })
}

async fn bury(shared: &Arc<Shared>, job: &Job) -> Result<(), Failure> {
    let sql = "UPDATE _outbox SET kind = ?1, attempts = attempts + 1 WHERE id = ?2";
    let args = vec![apply::DEAD.into(), job.id.as_str().into()];
    let step = Step { sql: sql.into(), args, rows: None, keep: false };
    let order = Order { steps: vec![step], ..Order::default() };
    shared.submit(TenantId::HOUSE, order).await.map(drop).map_err(crate::tx::Refusal::failure)
}
