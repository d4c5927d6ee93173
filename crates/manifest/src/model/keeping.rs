//! What is kept, how it is sealed, and for how long.

use super::{Millis, Pointer};

/// `[failover]`.
#[derive(Clone, Debug)]
pub struct Failover {
    /// How often the copy is renewed.
    pub every: Millis,
    /// ISO 3166 countries it may lie in; `["EU"]` for any member state.
    pub targets: Vec<String>,
    /// Role that wakes it.
    pub promoted_by: &'static str,
    /// From the click to reading and writing.
    pub ready_in: Millis,
}

/// `[encryption]`.
#[derive(Clone, Debug)]
pub struct Encryption {
    /// "program" or "volume".
    pub at_rest: String,
    /// Age at which keys rotate.
    pub rotate: Millis,
}

/// `[audit]`.
#[derive(Clone, Debug)]
pub struct Audit {
    /// How long leaves are kept.
    pub retention: Millis,
    /// Patterns of sensitive events.
    pub sensitive: Vec<String>,
}

/// `[backups]`.
#[derive(Clone, Debug)]
pub struct Backups {
    /// Newest so many are kept.
    pub keep: u32,
    /// Every so often.
    pub every: Millis,
    /// Point-in-time window.
    pub window: Millis,
    /// Longest archive lag.
    pub lag: Millis,
    /// Where they go; empty: a folder `backups/`.
    pub to: Vec<Pointer>,
}

/// `[data]`.
#[derive(Clone, Debug)]
pub struct Data {
    /// Formats.
    pub formats: Vec<String>,
    /// Collections exported, by position.
    pub export: Vec<usize>,
    /// Deleted tenants are gone after.
    pub purge: Millis,
    /// Billing rows stay for.
    pub billing: Millis,
}

/// `[secrets.S]`.
#[derive(Clone, Debug)]
pub struct MeteredSecret {
    /// Its id.
    pub id: &'static str,
    /// Where it comes from.
    pub from: Pointer,
    /// Longest age.
    pub max_age: Option<Millis>,
    /// Events that demand a new one.
    pub on: Vec<String>,
}
