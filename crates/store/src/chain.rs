use kernel::{Event, Rng, Time};

/// Where a log ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Number of leaves; the next leaf's `seq`, counted from 0.
    pub size: u64,
    /// RFC 6962 leaf hash of the last leaf; zero when there is none.
    pub hash: [u8; 32],
    /// Time of the last leaf; the next is never earlier.
    pub at: Time,
}

/// A leaf in its place.
pub struct Placed {
    /// The log's new end.
    pub head: Head,
    /// The leaf's bytes: what is hashed, stored and exported.
    pub body: Vec<u8>,
    /// What the leaf commits to, for the erasable side table: (field, 32-byte salt, value).
    pub values: Vec<(&'static str, [u8; 32], String)>,
}

/// The leaf's format: implemented by `audit`, given to the store by `server`. Pure: called by the writer inside the
/// savepoint, last, once per committed batch.
pub trait Chain: Send + Sync + 'static {
    /// Places `event` behind `head` at the moment `now` (or the head's, when the clock went backwards).
    fn next(&self, head: &Head, event: &Event, now: Time, rng: &dyn Rng) -> Placed;
}
