//! "Test it now": a visitor's own look at one promise. It takes no parameter, joins a look under way, and is answered from
//! one that is younger than ten minutes; nothing of it is published.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kernel::{Failure, Time};
use manifest::PageClaim;
use serde_json::{Value, json};

use super::{Round, Verdict, round::Seen};
use crate::Disclosure;

/// How long a result is given again, in milliseconds.
const KEPT: i64 = 600_000;
/// After this long a look that has not ended is taken for lost.
const LOST: i64 = 300_000;
/// For one check.
const PATIENCE: Duration = Duration::from_secs(60);
/// Looks under way at once, on the whole server.
const BESIDE: usize = 2;

/// A look at one check, on its way.
pub type Looking = Pin<Box<dyn Future<Output = Result<Round, Failure>> + Send>>;

/// How a visitor's test is run.
pub struct Testing {
    /// Whether a check is cheap enough to be asked for by anybody.
    pub cheap: fn(&str) -> bool,
    /// Looks at one check.
    pub run: Arc<dyn Fn(&'static str) -> Looking + Send + Sync>,
}

/// Looks of visitors: by promise, so there are never more than promises.
#[derive(Default)]
pub(crate) struct Tests(Mutex<HashMap<String, Test>>);

/// One of them.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// Since.
    Running(Time),
    /// When it ended, and what it found.
    Done(Time, Value),
}

impl Tests {
    pub(crate) fn get(&self, claim: &str, now: Time) -> Option<Test> {
        let tests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tests.get(claim).filter(|test| test.fresh(now)).cloned()
    }
    /// Joins, answers, or says that a new one may begin.
    fn begin(&self, claim: &str, now: Time) -> Result<Option<Test>, Failure> {
        let mut tests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tests.retain(|_, test| test.fresh(now));
        if let Some(test) = tests.get(claim) {
            return Ok(Some(test.clone()));
        }
        if tests.values().filter(|t| matches!(t, Test::Running(_))).count() >= BESIDE {
            return Err(Failure::Busy(15));
        }
        tests.insert(claim.to_owned(), Test::Running(now));
        Ok(None)
    }
    fn end(&self, claim: &str, now: Time, found: Value) {
        let mut tests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tests.insert(claim.to_owned(), Test::Done(now, found));
    }
}

impl Test {
    fn fresh(&self, now: Time) -> bool {
        match self {
            Self::Running(since) => now.since(*since) < LOST,
            Self::Done(at, _) => now.since(*at) < KEPT,
        }
    }
}

impl Disclosure {
    /// Once, after the server exists: how visitors' tests are run. Without it there are none.
    pub fn set_test_now(&self, testing: Testing) {
        drop(self.testing.set(testing));
    }

    /// Whether a visitor may test this promise: every check of it that a program looks at is cheap.
    pub(crate) fn testable(&self, claim: &PageClaim) -> bool {
        self.testing.get().is_some_and(|testing| claim.checks.iter().all(|check| (testing.cheap)(check)))
    }

    pub(crate) fn test(&self, claim: &str, now: Time) -> Option<Test> {
        self.tests.get(claim, now)
    }
}

/// Begins a look, joins one, or gives the last one's result.
pub(crate) fn start(disclosure: &Arc<Disclosure>, claim: &PageClaim, now: Time) -> Result<Test, Failure> {
    let testing = disclosure.testing.get().filter(|_| disclosure.testable(claim)).ok_or(Failure::NotFound)?;
    if let Some(test) = disclosure.tests.begin(&claim.id, now)? {
        return Ok(test);
    }
    let (run, disclosure, claim) = (Arc::clone(&testing.run), Arc::clone(disclosure), claim.clone());
    tokio::spawn(async move {
        let mut seen = Vec::new();
        for check in &claim.checks {
            let round = tokio::time::timeout(PATIENCE, run(check)).await.unwrap_or(Err(Failure::TooSlow));
            seen.extend(round.ok().and_then(|r| r.seen.into_iter().find(|s| s.check == **check)));
        }
        let now = disclosure.means.clock.now();
        disclosure.tests.end(&claim.id, now, found(&claim, &seen, now));
    });
    Ok(Test::Running(now))
}

/// The result, as a visitor gets it.
fn found(claim: &PageClaim, seen: &[Seen], now: Time) -> Value {
    let of = |check: &str| seen.iter().find(|s| s.check == check);
    let verdict = |check: &str| of(check).and_then(Seen::verdict).unwrap_or(Verdict::Inconclusive);
    let verdicts: Vec<Verdict> = claim.checks.iter().map(|c| verdict(c)).collect();
    let told = |check: &&'static str| {
        let seen = of(check);
        json!({
            "check": check,
            "verdict": verdict(check).word(),
            "saw": seen.map_or("", |s| if s.summary.is_empty() { s.note.as_str() } else { s.summary.as_str() }),
            "evidence": seen.map(|s| &s.evidence),
            "finding": seen.and_then(|s| s.finding.as_ref()),
        })
    };
    json!({
        "id": claim.id,
        "verdict": manifest::verdict_of(claim.kind, &verdicts, None).word(),
        "at": now.to_string(),
        "checks": claim.checks.iter().map(told).collect::<Vec<_>>(),
    })
}
