//! "Each promise ends in a mark; the trust page puts its latest verdict beside our words, whether we like it or not."

use std::sync::Arc;

use encryption::Vault;
use kernel::{Clock, Rng};
use manifest::{App, Page};
use route::Section;
use store::Table;

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
}

/// What the public may know of this server.
pub struct Disclosure {
    means: Means,
}

impl Disclosure {
    /// A section.
    #[must_use]
    pub fn new(means: Means) -> Self {
        Self { means }
    }
    /// The app.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.means.app
    }
}

/// The section's tables.
#[must_use]
pub fn tables() -> Vec<Table> {
    Vec::new()
}

/// Routes, jobs, claims.
#[must_use]
pub fn section(_disclosure: &Arc<Disclosure>) -> Section {
    Section::default()
}
