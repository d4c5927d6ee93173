//! Imports that run on their own: how far each is, and what came of it. Kept in memory, so a restart forgets them; the rows
//! of one that was under way never became visible.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use futures_util::StreamExt;
use kernel::{Failure, Principal, TenantId, UserId};
use route::{BodyStream, Problem};

/// Imports remembered; above it the oldest that have ended are forgotten.
const KEPT: usize = 256;
/// Imports of one tenant at a time.
const AT_ONCE: usize = 2;

type Key = (TenantId, Option<UserId>, &'static str, String);

/// All of them.
#[derive(Default)]
pub(crate) struct Runs(Mutex<Vec<(Key, Arc<Run>)>>);

/// One.
pub(crate) struct Run {
    size: u64,
    read: AtomicU64,
    outcome: OnceLock<Result<u64, Problem>>,
}

/// How it is.
pub(crate) enum State {
    /// Under way: so many percent are read.
    Under(u64),
    /// So many rows came in.
    Done(u64),
    /// None did.
    Refused(Problem),
}

impl Runs {
    /// A person's own import.
    pub(crate) fn get(&self, who: &Principal, collection: &'static str, id: &str) -> Option<Arc<Run>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = |key: &Key| key.0 == who.tenant() && key.1 == who.user() && key.2 == collection && key.3 == id;
        all.iter().rev().find(|(key, _)| mine(key)).map(|(_, run)| Arc::clone(run))
    }

    /// One begins.
    ///
    /// # Errors
    /// `Conflict` when it runs already; `Busy` when the tenant has too many under way.
    pub(crate) fn begin(
        &self,
        who: &Principal,
        collection: &'static str,
        id: &str,
        size: u64,
    ) -> Result<Arc<Run>, Failure> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key: Key = (who.tenant(), who.user(), collection, id.to_owned());
        let under = |run: &Arc<Run>| run.outcome.get().is_none();
        if all.iter().any(|(k, run)| *k == key && under(run)) {
            return Err(Failure::Conflict("this import is under way".into()));
        }
        if all.iter().filter(|(k, run)| k.0 == key.0 && under(run)).count() >= AT_ONCE {
            return Err(Failure::Busy(5));
        }
        all.retain(|(k, _)| *k != key);
        while all.len() >= KEPT {
            let Some(at) = all.iter().position(|(_, run)| !under(run)) else { return Err(Failure::Busy(5)) };
            all.remove(at);
        }
        let run = Arc::new(Run { size, read: AtomicU64::new(0), outcome: OnceLock::new() });
        all.push((key, Arc::clone(&run)));
        Ok(run)
    }
}

impl Run {
    /// The same bytes, counted as they are read.
    pub(crate) fn counting(self: Arc<Self>, body: BodyStream) -> BodyStream {
        Box::pin(body.inspect(move |piece| {
            if let Ok(piece) = piece {
                self.read.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
        }))
    }
    /// It is over.
    pub(crate) fn end(&self, outcome: Result<u64, Problem>) {
        drop(self.outcome.set(outcome));
    }
    /// How it is.
    pub(crate) fn state(&self) -> State {
        match self.outcome.get() {
            Some(Ok(rows)) => State::Done(*rows),
            Some(Err(problem)) => State::Refused(problem.clone()),
            None => State::Under(self.read.load(Ordering::Relaxed).saturating_mul(100) / self.size.max(1)),
        }
    }
}
