//! "People see what their role allows, and nothing else": every request asks here first, and only here are permits made.
//! "Nobody can hand out rights they do not have": invitations, assignment and every other handler that confers rights.

#[cfg(test)]
mod bench;
mod claims;
mod compile;
mod confer;
mod gate;
mod http;
mod invitation;
mod jobs;
pub mod mask;
mod matrix;
mod pages;
mod refusals;
pub mod register;
mod rights;
pub mod rows;
mod sql;
mod table;

use std::sync::Arc;

use authentication::Authentication;
use encryption::Vault;
use kernel::Rng;
use route::Section;
use tenancy::Tenancy;

pub use claims::CLAIMS;
pub use gate::{Access, Counts, Policy, REFUSED};
pub use matrix::{Column, Denied, Matrix, TENANT, powerful};
pub use rights::Right;
pub use table::{Line, golden, table};

/// What the section needs besides the gate.
pub struct Means {
    /// The gate, which decides what may be conferred.
    pub access: Arc<Access>,
    /// Accounts.
    pub authentication: Arc<Authentication>,
    /// Tenants.
    pub tenancy: Arc<Tenancy>,
    /// Seals mail on its way.
    pub vault: Vault,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

/// Routes, jobs and claims.
#[must_use]
pub fn section(means: Means) -> Section {
    let desk = Arc::new(means);
    Section { routes: http::routes(&desk), jobs: jobs::jobs(&desk), claims: CLAIMS.to_vec() }
}

/// Tables of this section.
#[must_use]
pub fn tables() -> Vec<store::Table> {
    sql::tables()
}
