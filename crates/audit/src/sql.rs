use store::{Control, Own, Table, Value, statements};

/// The section's tables.
#[must_use]
pub fn tables() -> Vec<Table> {
    vec![
        Table::own("_log_day", "no: the leaves tell it", "with the tenant").int("day").int("size").int("at"),
        Table::own("_log_floor", "no: the leaves tell it", "with the tenant").int("id").int("floor").int("at"),
        Table::control("log_tree", "no: derived from the leaves", "with the tenant")
            .text("tenant")
            .int("day")
            .int("size")
            .blob("hash")
            .int("at")
            .blob("root")
            .blob("edge"),
        Table::control("log_checkpoint", "audit: checkpoints", "with the tenant")
            .text("tenant")
            .int("day")
            .int("size")
            .text("note")
            .text("vkey")
            .blob("salt")
            .int("at")
            .key(2)
            .index(["day"]),
        Table::control("log_instance", "audit: days of the instance", "never: other logs' entries lie in it")
            .int("day")
            .int("count")
            .blob("root")
            .int("leaf")
            .int("at"),
        Table::control("log_witness", "audit: checkpoints", "never: signatures on the instance's own log")
            .text("witness")
            .int("size")
            .text("line")
            .int("at")
            .key(2),
    ]
}

/// A stored leaf: place, bytes, their hash when they were written.
pub(crate) type Stored = (i64, Vec<u8>, Vec<u8>);
/// A checkpoint: day, size, note, key, salt, time.
pub(crate) type Row = (i64, i64, String, String, Vec<u8>, i64);
/// What was published: size, hash and time of the last leaf, root, edge.
pub(crate) type Published = (i64, Vec<u8>, i64, Vec<u8>, Vec<u8>);
/// What a leaf commits to: place, field, salt, value.
pub(crate) type Committed = (i64, String, Vec<u8>, String);

statements! {
    /// From a place on, before another, at most so many.
    FORWARD: Query<Own, (i64, i64, i64), Stored> =
        "SELECT seq, body, hash FROM _leaf WHERE seq >= $1 AND seq < $2 ORDER BY seq LIMIT $3";
    /// The same, the newest first.
    BACKWARD: Query<Own, (i64, i64, i64), Stored> =
        "SELECT seq, body, hash FROM _leaf WHERE seq >= $1 AND seq < $2 ORDER BY seq DESC LIMIT $3";
    /// Leaves from a place on, before another.
    BODIES: Query<Own, (i64, i64), (Vec<u8>,)> =
        "SELECT body FROM _leaf WHERE seq >= $1 AND seq < $2 ORDER BY seq";
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
    /// A day is closed once, by the leaf that comes next: its place is one past the last.
    CLOSE: Change<Own, (i64, i64)> =
        "INSERT INTO _log_day (day, size, at)
         SELECT CAST($1 AS BIGINT), COALESCE((SELECT MAX(seq) FROM _leaf), -1) + 2, CAST($2 AS BIGINT)
         WHERE NOT EXISTS (SELECT 1 FROM _log_day WHERE day = $1) RETURNING size";
    /// Leaves up to and with the one that closed a day.
    CLOSED: Query<Own, (i64,), (i64,)> = "SELECT size FROM _log_day WHERE day = $1";
    /// Where the leaves begin; those before were pruned.
    FLOOR: Query<Own, (), (i64,)> = "SELECT floor FROM _log_floor WHERE id = 0";
    /// Leaves from here on are kept.
    RAISE: Change<Own, (i64, i64)> =
        "INSERT INTO _log_floor (id, floor, at) VALUES (0, $1, $2)
         ON CONFLICT (id) DO UPDATE SET floor = $1, at = $2 WHERE _log_floor.floor < $1";
    /// What leaves before a place committed to goes with them.
    PRUNE_VALUES: Change<Own, (i64,)> = "DELETE FROM _leaf_value WHERE leaf < $1";
    /// What one leaf commits to goes; the leaf stays.
    ERASE: Change<Own, (i64,)> = "DELETE FROM _leaf_value WHERE leaf = $1";
    /// Leaves that commit to a value.
    HOLDING: Query<Own, (String,), (i64,)> = "SELECT DISTINCT leaf FROM _leaf_value WHERE value = $1 ORDER BY leaf";
    /// Leaves written at a moment.
    AT: Query<Own, (i64,), (i64, Vec<u8>)> = "SELECT seq, body FROM _leaf WHERE at = $1 ORDER BY seq";
    /// What was published of a log last: size, hash and time of the last leaf, root, edge.
    TREE: Query<Control, (String,), Published> = "SELECT size, hash, at, root, edge FROM log_tree WHERE tenant = $1";
    /// Each log's last published day.
    DAYS: Query<Control, (), (String, i64)> = "SELECT tenant, day FROM log_tree";
    /// A log has grown. Never back.
    GROW: Change<Control, Vec<Value>> =
        "INSERT INTO log_tree (tenant, day, size, hash, at, root, edge) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant) DO UPDATE SET day = $2, size = $3, hash = $4, at = $5, root = $6, edge = $7
         WHERE log_tree.size < $3";
    /// Its checkpoint of the day, which never changes.
    PUBLISH: Change<Control, Vec<Value>> =
        "INSERT INTO log_checkpoint (tenant, day, size, note, vkey, salt, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
    /// A log's checkpoints, the newest first.
    CHECKPOINTS: Query<Control, (String, i64), Row> =
        "SELECT day, size, note, vkey, salt, at FROM log_checkpoint WHERE tenant = $1 ORDER BY size DESC LIMIT $2";
    /// Those of a day, of every log.
    OF_DAY: Query<Control, (i64, String), (String, String, Vec<u8>)> =
        "SELECT note, vkey, salt FROM log_checkpoint WHERE day = $1 AND tenant <> $2 ORDER BY tenant";
    /// The instance's day, sealed once, by the leaf that comes next.
    SEAL: Change<Control, (i64, i64, Vec<u8>, i64)> =
        "INSERT INTO log_instance (day, count, root, leaf, at)
         SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), $3, COALESCE((SELECT MAX(seq) FROM _leaf), -1) + 1,
         CAST($4 AS BIGINT) WHERE NOT EXISTS (SELECT 1 FROM log_instance WHERE day = $1)";
    /// The instance's days, the newest first.
    INSTANCE: Query<Control, (i64,), (i64, i64, Vec<u8>, i64)> =
        "SELECT day, count, root, leaf FROM log_instance ORDER BY day DESC LIMIT $1";
    /// One of them.
    SEALED: Query<Control, (i64,), (i64, i64, Vec<u8>, i64)> =
        "SELECT day, count, root, leaf FROM log_instance WHERE day = $1";
    /// The largest tree that a witness signed for us: its key.
    WITNESSED_UP_TO: Query<Control, (String,), (Option<i64>,)> =
        "SELECT MAX(size) FROM log_witness WHERE witness = $1";
    /// What witnesses signed of a tree: its size.
    WITNESSED: Query<Control, (i64,), (String,)> = "SELECT line FROM log_witness WHERE size = $1 ORDER BY witness";
    /// A witness's signature: key, size, line, moment.
    COSIGN: Change<Control, (String, i64, String, i64)> =
        "INSERT INTO log_witness (witness, size, line, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    /// The oldest leaf that is kept.
    OLDEST: Query<Own, (), (i64, i64)> = "SELECT seq, at FROM _leaf ORDER BY seq LIMIT 1";
}
