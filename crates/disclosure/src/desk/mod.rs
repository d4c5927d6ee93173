//! The desk: how outsiders reach the team about weaknesses, and what the team keeps of it.

mod business_days;
mod channel;
mod http;
mod incident;
mod inventory;
mod meters;
mod pages;
mod policies;
mod report;
pub(crate) mod review;
mod runs;
mod secret_age;
mod sql;
mod supply;

use std::sync::Arc;

use encryption::{TextKey, Vault};
use kernel::{Failure, Rng};
use route::page::Frame;

pub(crate) use http::routes;
pub use inventory::{Stores, Subprocessor};
pub use policies::{Policy, missing};
pub use review::{Decisions, Held, Reviewable, Reviewed, departed};
pub use runs::{Pair, Runs};
pub use secret_age::{Age, MAIL, Rule, Setting};
pub(crate) use sql::tables;
pub use supply::{Advisories, AdvisoryList, Flaw};

use crate::Disclosure;

/// A kind of thing that browsers blocked.
#[derive(Clone, Debug)]
pub struct Violation {
    /// How often.
    pub times: u64,
    /// The policy's directive.
    pub directive: String,
    /// The page.
    pub page: String,
    /// What was blocked.
    pub blocked: String,
}

/// Reads them.
pub type Violations = Arc<dyn Fn() -> Vec<Violation> + Send + Sync>;

/// What the desk needs of the running server.
pub struct Setup {
    /// The look of pages.
    pub frame: Arc<Frame>,
    /// Where things are kept, from the settings in force.
    pub stores: Stores,
    /// Texts under `legal/`.
    pub policies: Vec<Policy>,
    /// What browsers reported as blocked since the start.
    pub violations: Violations,
    /// What is known against this build; none: no list is configured.
    pub advisories: Option<AdvisoryList>,
    /// A record of test runs that came with the build.
    pub runs: Option<Runs>,
    /// SHA-256 of the sources of the running program, in hex.
    pub sources: &'static str,
}

impl Disclosure {
    /// Once, before anything is served.
    pub fn set_desk(&self, setup: Setup) {
        drop(self.desk.set(setup));
    }
    /// What is known against this build, where a list is configured.
    #[must_use]
    pub fn advisories(&self) -> Option<Arc<Advisories>> {
        self.advisory_list().map(AdvisoryList::now)
    }
    /// The list itself.
    #[must_use]
    pub fn advisory_list(&self) -> Option<&AdvisoryList> {
        self.desk.get()?.advisories.as_ref()
    }
    fn setup(&self) -> Result<&Setup, Failure> {
        self.desk.get().ok_or(Failure::internal("disclosure: the desk is not set up"))
    }
    fn vault(&self) -> &Vault {
        &self.means.vault
    }
    fn rng(&self) -> &dyn Rng {
        &*self.means.rng
    }
    fn build(&self) -> &str {
        &self.means.build
    }
    /// The key that signs `security.txt`.
    fn text_key(&self) -> Result<TextKey, Failure> {
        let signer = self.vault().signer(None, "security-txt", &[])?;
        Ok(TextKey::new(signer, format!("{} security <{}>", self.app().name, self.app().disclosure.contact)))
    }
}
