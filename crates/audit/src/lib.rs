//! "If it changed something, it is in the log." "Entries form a chain of hashes: alter one, and those that follow it match
//! no more." "The log is the customer's own."
//!
//! A leaf is RFC 8785 (JCS) JSON; what is hashed, stored and exported are its bytes:
//! `{v:1, seq, ts, prev, id, action, actor, target, outcome, source, req_id, fields:{name: commitment}, app_hash}`.
//!
//! - `prev`: RFC 6962 hash of the leaf before, SHA-256(0x00 leaf), as hex; 64 zeros in the first, whose `seq` is 0.
//! - `ts`: RFC 3339 in UTC with milliseconds, never earlier than that of the leaf before.
//! - a commitment: SHA-256 over [`COMMITMENT`], `id`, the field's name, a 32-byte salt and the value, each behind its length
//!   as 4 bytes, big-endian; as hex. Salt and value lie in a table that can be erased without breaking the chain.
//! - `app_hash`: SHA-256 of the manifest in force.

mod chained;
mod claims;
mod http;
mod jcs;
mod leaf;
mod pages;
mod sql;
mod trail;
mod verify;

pub use chained::{COMMITMENT, Chained, commitment};
pub use claims::CLAIMS;
pub use leaf::{Leaf, leaf_hash};
pub use trail::{Trace, of_target};
pub use verify::{Broken, Checker, Report, Why, check, verify_export};

/// The console's pages of the log.
#[must_use]
pub fn pages(frame: &std::sync::Arc<route::page::Frame>) -> route::Section {
    route::Section { routes: pages::routes(frame), ..route::Section::default() }
}

/// The section: reading, exporting and checking a tenant's log.
#[must_use]
pub fn section() -> route::Section {
    route::Section { routes: http::routes(), claims: CLAIMS.to_vec(), ..route::Section::default() }
}
