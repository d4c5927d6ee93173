//! "Each change is checked against what the manifest declares, and unknown fields are refused." "What a role may not read
//! appears in no answer, filter, sort or error." "Take your data out as CSV or JSON whenever you like."
//!
//! Collections of the manifest become tables, statements and routes at start. Reads write rows straight into a JSON text;
//! every value of every statement is bound, every identifier comes from the manifest.

mod action;
mod answer;
mod batch;
mod body;
mod card;
mod change;
mod claims;
mod collect;
mod csv;
mod cursor;
mod date;
mod derive;
mod describe;
mod draft;
mod export;
mod file;
mod filter;
mod http;
mod import;
mod input;
mod json;
mod list;
mod pages;
mod reach;
mod refer;
mod rich;
mod run;
mod schema;
mod seal;
mod seed;
mod share;
mod shelf;
mod sort;
mod sql;
mod submission;
mod version;
mod write;

use std::sync::Arc;

use access::Access;
use encryption::Vault;
use kernel::{Clock, Rng};
use manifest::App;
use route::Section;

pub use claims::CLAIMS;
pub use pages::section as console;
pub use schema::tables;
pub use seal::columns;
pub use seed::Seed;
pub use shelf::Records;

/// What the section needs.
pub struct Parts {
    /// The app.
    pub app: Arc<App>,
    /// Seals encrypted and secret fields.
    pub vault: Vault,
    /// Randomness: ids, PINs, tokens.
    pub rng: Arc<dyn Rng>,
    /// Time, for work that no request asked for.
    pub clock: Arc<dyn Clock>,
}

impl Records {
    /// Compiles every collection: statements, patterns, actions.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self::compile(parts))
    }

    /// The section's routes and claims. `access`: what a link may show is weighed for its maker.
    #[must_use]
    pub fn section(self: &Arc<Self>, access: &Arc<Access>) -> Section {
        Section { routes: http::routes(self, access), jobs: Vec::new(), claims: CLAIMS.to_vec() }
    }
}
