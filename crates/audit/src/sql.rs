use store::{Own, statements};

/// A stored leaf: place, bytes, their hash when they were written.
pub(crate) type Stored = (i64, Vec<u8>, Vec<u8>);
/// What a leaf commits to: place, field, salt, value.
pub(crate) type Committed = (i64, String, Vec<u8>, String);

statements! {
    /// From a place on, before another, at most so many.
    FORWARD: Query<Own, (i64, i64, i64), Stored> =
        "SELECT seq, body, hash FROM _leaf WHERE seq >= $1 AND seq < $2 ORDER BY seq LIMIT $3";
    /// The same, the newest first.
    BACKWARD: Query<Own, (i64, i64, i64), Stored> =
        "SELECT seq, body, hash FROM _leaf WHERE seq >= $1 AND seq < $2 ORDER BY seq DESC LIMIT $3";
    /// Every leaf before a place.
    BODIES: Query<Own, (i64,), (Vec<u8>,)> = "SELECT body FROM _leaf WHERE seq < $1 ORDER BY seq";
    /// The first leaf at a moment or later.
    SINCE: Query<Own, (i64,), (i64,)> = "SELECT seq FROM _leaf WHERE at >= $1 ORDER BY at, seq LIMIT 1";
    /// Values not yet erased of the leaves from one place to another.
    VALUES: Query<Own, (i64, i64), Committed> =
        "SELECT leaf, field, salt, value FROM _leaf_value WHERE leaf >= $1 AND leaf <= $2 ORDER BY leaf, field";
    /// The recorded end: size, hash, time.
    HEAD: Query<Own, (), (i64, Vec<u8>, i64)> = "SELECT size, hash, at FROM _head";
    /// Who belongs here, for showing names: id, name, address.
    PEOPLE: Query<Own, (), (String, Option<String>, Option<String>)> =
        "SELECT id, name, email FROM _member ORDER BY id LIMIT 1000";
}
