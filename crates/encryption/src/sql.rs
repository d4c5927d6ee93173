use std::fmt::Write as _;

use store::{Change, Control, Own, Query, Table, Value, statements};

use crate::sealed::{Column, Form, Part};

/// The section's tables. A tenant's wrapped keys are the region's, not the tenant's: they outlive its rows until every copy
/// sealed by them is gone.
#[must_use]
pub fn tables() -> Vec<Table> {
    vec![
        Table::control(
            "tenant_key",
            "never: wrapped keys do not leave the region",
            "when no copy sealed by it remains",
        )
        .text("tenant")
        .int("version")
        .text("region")
        .text("root")
        .blob("wrapped")
        .int("created_at")
        .opt_int("retired_at")
        .key(2)
        .index(["retired_at", "created_at"]),
        Table::control(
            "root_since",
            "never: names of root keys do not leave the region",
            "never: one row per root key",
        )
        .text("region")
        .text("root")
        .int("version")
        .int("since")
        .key(2),
    ]
}

type Key = (u32, String, String, Vec<u8>, i64, Option<i64>);
type Old = (String, u32, String, i64);

statements! {
    /// Every wrapped key of a tenant: version, region, root's name, wrapped, made, retired.
    KEYS: Query<Control, (String,), Key> =
        "SELECT version, region, root, wrapped, created_at, retired_at FROM tenant_key WHERE tenant = $1 ORDER BY version";
    /// A tenant's newest version and how many are not retired: whether a ring is still the whole truth.
    NEWEST: Query<Control, (String,), (Option<u32>, i64)> =
        "SELECT MAX(version), COUNT(*) FROM tenant_key WHERE tenant = $1 AND retired_at IS NULL";
    /// Which roots have wrapped keys, and how many.
    ROOTS: Query<Control, (), (String, String, i64)> =
        "SELECT region, root, COUNT(*) FROM tenant_key GROUP BY region, root ORDER BY region, root";
    /// A new key.
    ADD: Change<Control, Vec<Value>> =
        "INSERT INTO tenant_key (tenant, version, region, root, wrapped, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    /// Tenants whose newest key was made before a moment, in order from a tenant on: tenant, version, region, made.
    DUE: Query<Control, (i64, String), Old> =
        "SELECT k.tenant, k.version, k.region, k.created_at FROM tenant_key AS k \
         WHERE k.retired_at IS NULL AND k.created_at <= $1 AND k.tenant > $2 AND NOT EXISTS \
         (SELECT 1 FROM tenant_key AS n WHERE n.tenant = k.tenant AND n.version > k.version) \
         ORDER BY k.tenant LIMIT 200";
    /// Versions that newer ones have followed and that are not retired yet, in order from a tenant on: tenant, version,
    /// region, when the newest was made.
    FOLLOWED: Query<Control, (String,), Old> =
        "SELECT k.tenant, k.version, k.region, (SELECT MAX(n.created_at) FROM tenant_key AS n WHERE n.tenant = k.tenant) \
         FROM tenant_key AS k WHERE k.retired_at IS NULL AND k.tenant > $1 AND EXISTS \
         (SELECT 1 FROM tenant_key AS n WHERE n.tenant = k.tenant AND n.version > k.version) \
         ORDER BY k.tenant, k.version LIMIT 200";
    /// Versions retired before a moment: tenant, version, region, retired.
    RETIRED: Query<Control, (i64,), Old> =
        "SELECT tenant, version, region, retired_at FROM tenant_key WHERE retired_at <= $1 ORDER BY retired_at LIMIT 200";
    /// A version is used no more: moment, tenant, version.
    RETIRE: Change<Control, (i64, String, u32)> =
        "UPDATE tenant_key SET retired_at = $1 WHERE tenant = $2 AND version = $3 AND retired_at IS NULL";
    /// A retired version is gone: tenant, version.
    DESTROY: Change<Control, (String, u32)> =
        "DELETE FROM tenant_key WHERE tenant = $1 AND version = $2 AND retired_at IS NOT NULL";
    /// A version is gone, retired or not, because the journal says that it was destroyed: tenant, version.
    GONE: Change<Control, (String, u32)> = "DELETE FROM tenant_key WHERE tenant = $1 AND version = $2";
    /// Keys wrapped by another root than one: region, root, from a tenant on.
    ELSEWHERE: Query<Control, (String, String, String), (String, u32, String, Vec<u8>, i64)> =
        "SELECT tenant, version, root, wrapped, created_at FROM tenant_key \
         WHERE region = $1 AND root <> $2 AND tenant >= $3 ORDER BY tenant, version LIMIT 100";
    /// Keys that a root wrapped, whichever version of it: region, root, behind a tenant.
    UNDER: Query<Control, (String, String, String), (String, u32, String, Vec<u8>, i64)> =
        "SELECT tenant, version, root, wrapped, created_at FROM tenant_key \
         WHERE region = $1 AND root = $2 AND tenant > $3 ORDER BY tenant, version LIMIT 100";
    /// Since when roots are in force: region, root, version, moment.
    SINCE: Query<Control, (), (String, String, u32, i64)> =
        "SELECT region, root, version, since FROM root_since ORDER BY region, since";
    /// A root, or the next version of one: region, root, version, moment.
    NOTE: Change<Control, (String, String, u32, i64)> =
        "INSERT INTO root_since (region, root, version, since) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (region, root) DO UPDATE SET version = excluded.version, since = excluded.since";
    /// When the first key was made that a root wraps: region, root.
    FIRST: Query<Control, (String, String), (Option<i64>,)> =
        "SELECT MIN(created_at) FROM tenant_key WHERE region = $1 AND root = $2";
    /// A key wrapped anew: wrapped, root, tenant, version, root it had.
    REWRAP: Change<Control, (Vec<u8>, String, String, u32, String)> =
        "UPDATE tenant_key SET wrapped = $1, root = $2 WHERE tenant = $3 AND version = $4 AND root = $5";
    /// Per region: versions, of them retired, and the oldest of the tenants' newest keys.
    AGES: Query<Control, (), (String, i64, i64, Option<i64>, i64)> =
        "SELECT region, COUNT(*), SUM(CASE WHEN retired_at IS NULL THEN 0 ELSE 1 END), \
         MIN(CASE WHEN EXISTS (SELECT 1 FROM tenant_key AS n WHERE n.tenant = k.tenant AND n.version > k.version) \
         THEN NULL ELSE created_at END), \
         SUM(CASE WHEN retired_at IS NULL AND EXISTS (SELECT 1 FROM tenant_key AS n WHERE n.tenant = k.tenant \
         AND n.version > k.version) THEN 1 ELSE 0 END) \
         FROM tenant_key AS k WHERE tenant > '00000000-0000-8' GROUP BY region ORDER BY region";
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// A row of a sealed column: up to three columns of its key, the parts of its place that are columns, and the value.
pub(crate) type Found = (Value, Value, Value, Value, Value);

/// Statements on one column of sealed values, made once. Their bounds are [`Column::bounds`].
pub(crate) struct Sweep {
    pub(crate) count: Query<Own, Vec<Value>, (i64,)>,
    pub(crate) older: Query<Own, Vec<Value>, Found>,
    pub(crate) renew: Change<Own, Vec<Value>>,
}

impl Sweep {
    pub(crate) fn new(c: &Column) -> Self {
        let (table, value) = (quoted(&c.table), quoted(&c.value));
        // One without a blind index may still stand behind one, when the manifest took it away.
        let (test, limit) = match &c.form {
            Form::Blob { blind: false } => (format!("(substr({value}, 1, 6) < $1 OR substr({value}, 1, 6) >= $2)"), 3),
            Form::Blob { blind: true } => (format!("substr({value}, 1, 16) < $1"), 2),
            Form::Json { version } => (format!("{} < $1", quoted(version)), 2),
        };
        let key = |n: usize| c.key.get(n).or(c.key.first()).map(|k| quoted(k)).unwrap_or_default();
        let kind = match c.place.get(1) {
            Some(Part::Column(name)) => quoted(name),
            _ => key(0),
        };
        let mut renew = format!("UPDATE {table} SET {value} = $1");
        let mut at = 2;
        if let Form::Json { version } = &c.form {
            let _infallible = write!(renew, ", {} = $2", quoted(version));
            at = 3;
        }
        let _infallible = write!(renew, " WHERE {{every}} AND {value} = ${at}");
        for name in &c.key {
            at += 1;
            let _infallible = write!(renew, " AND {} = ${at}", quoted(name));
        }
        Self {
            count: Query::made(format!("SELECT COUNT(*) FROM {table} WHERE {{every}} AND {test}")),
            older: Query::made(format!(
                "SELECT {}, {}, {}, {kind}, {value} FROM {table} WHERE {{every}} AND {test} LIMIT ${limit}",
                key(0),
                key(1),
                key(2)
            )),
            renew: Change::made(renew),
        }
    }
}
