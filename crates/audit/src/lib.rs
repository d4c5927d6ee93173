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
mod file;
mod http;
mod instance;
mod jcs;
mod keep;
mod leaf;
mod links;
pub mod merkle;
mod note;
mod offline;
mod pages;
mod seal;
mod sql;
mod tile;
mod trail;
mod tree;
mod verify;
mod witness;

pub use chained::{COMMITMENT, Chained, commitment};
pub use claims::CLAIMS;
pub use instance::{ENTRY, label, root as instance_root, value as instance_value};
pub use keep::{Erased, erase};
pub use leaf::{Leaf, leaf_hash};

pub use note::{Checkpoint, Vkey, proof_file, read_proof};
pub use offline::{Fault, Report, Trust, verify_export, verify_with};
pub use seal::{Audit, Means, Sealed, began, date, day_of, days, publish, tidy};
pub use sql::tables;
pub use trail::{Trace, of_target};
pub use verify::{Broken, Checker, Why, check};
pub use witness::{Cosigner, Witness, policy};

/// The console's pages of the log.
#[must_use]
pub fn pages(frame: &std::sync::Arc<route::page::Frame>) -> route::Section {
    route::Section { routes: pages::routes(frame), ..route::Section::default() }
}

/// The section: reading, publishing, proving, exporting and checking a tenant's log.
#[must_use]
pub fn section(audit: &std::sync::Arc<Audit>) -> route::Section {
    route::Section { routes: http::routes(audit), claims: CLAIMS.to_vec(), ..route::Section::default() }
}
