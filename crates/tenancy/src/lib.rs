//! "Your workspace is found from the host name before anything else happens, and a name we do not serve gets no answer."
//! "Nobody sees a workspace they do not belong to: its name answers like one that does not exist." "A suspended account is
//! closed on every surface, from the next request on." "Names that could be mistaken for ours cannot be registered."
//!
//! The gate `Peer -> Site` and `Caller -> Tenant`, the directory of tenants, and the roster of their members.

mod claims;
mod directory;
mod door;
mod gate;
mod host;
mod http;
mod jobs;
mod lifecycle;
mod memory;
pub mod names;
mod pages;
pub mod roster;
mod sql;

use std::sync::Arc;

pub use claims::CLAIMS;
pub use gate::Tenancy;
pub use host::Hosts;
pub use lifecycle::{Plan, claim, delete, found, key, reachable, rename, resume, suspend};
pub use memory::Memory;
use route::Section;
pub use sql::tables;

/// Routes, jobs and claims.
#[must_use]
pub fn section() -> Section {
    Section { routes: http::routes(), jobs: jobs::jobs(), claims: CLAIMS.to_vec() }
}

/// The console's pages of the tenant itself.
#[must_use]
pub fn pages(frame: &Arc<route::page::Frame>) -> Section {
    Section { routes: pages::routes(frame), ..Section::default() }
}

/// The gate, shared.
pub type Gate = Arc<Tenancy>;
