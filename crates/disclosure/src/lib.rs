//! "Each promise ends in a mark; the trust page puts its latest verdict beside our words, whether we like it or not."
//! "A failing promise cannot be hidden: it is shown until it is proven again, and its history stays."

mod claims;
mod desk;
mod results;

use std::sync::{Arc, Mutex, OnceLock};

use encryption::{Signer, Vault};
use kernel::{Clock, Failure, Rng};
use manifest::{App, Page};
use monitoring::Monitor;
use route::Section;
use store::Table;

pub use claims::CLAIMS;
pub use desk::{
    Advisories, AdvisoryList, Age, Decisions, Flaw, Held, MAIL, Pair, Policy, Reviewable, Reviewed, Rule, Runs,
    Setting, Setup, Stores, Subprocessor, Violation, Violations, departed, missing,
};
pub use results::{Attestation, Exported, Finding, Round, Seen, Standing, Testing, Verdict, Wish};

/// A figure of the running server by its name: `nodes`, `build`. None: not measured.
pub type Live = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What the section is made from.
pub struct Means {
    /// The app.
    pub app: Arc<App>,
    /// Its page as it stands now.
    pub page: Arc<Page>,
    /// Signing keys.
    pub vault: Vault,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Version of the running program.
    pub build: String,
    /// Measured figures.
    pub live: Live,
    /// For reminders.
    pub monitor: Monitor,
}

/// What the public may know of this server.
pub struct Disclosure {
    means: Means,
    /// One publication at a time: each begins from the verdicts of the one before.
    turn: tokio::sync::Mutex<()>,
    /// The page's content as it was read last.
    shown: Mutex<Option<Arc<results::View>>>,
    desk: OnceLock<Setup>,
    /// Since when each metered secret is the same, as noted at the start.
    ages: OnceLock<Vec<Age>>,
    testing: OnceLock<Testing>,
    tests: results::Tests,
}

impl Disclosure {
    /// A section.
    #[must_use]
    pub fn new(means: Means) -> Self {
        Self {
            means,
            turn: tokio::sync::Mutex::default(),
            shown: Mutex::default(),
            desk: OnceLock::new(),
            ages: OnceLock::new(),
            testing: OnceLock::new(),
            tests: results::Tests::default(),
        }
    }
    /// The app.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.means.app
    }
    /// Its page.
    #[must_use]
    pub fn page(&self) -> &Page {
        &self.means.page
    }
    /// The key that signs verdicts and statements.
    fn key(&self) -> Result<Signer, Failure> {
        results::signed::key(&self.means.vault, self.means.app.id)
    }
}

/// The section's tables.
#[must_use]
pub fn tables() -> Vec<Table> {
    results::sql::tables().into_iter().chain(desk::tables()).collect()
}

/// Routes, jobs, claims.
#[must_use]
pub fn section(disclosure: &Arc<Disclosure>) -> Section {
    let routes = results::routes(disclosure).into_iter().chain(desk::routes(disclosure)).collect();
    Section { routes, jobs: results::jobs(disclosure), claims: CLAIMS.to_vec() }
}
