use store::{Control, Table, Value, statements};

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
        .key(2),
    ]
}

statements! {
    /// Every wrapped key of a tenant: version, region, root's name, wrapped, made, retired.
    KEYS: Query<Control, (String,), (u32, String, String, Vec<u8>, i64, Option<i64>)> =
        "SELECT version, region, root, wrapped, created_at, retired_at FROM tenant_key WHERE tenant = $1 ORDER BY version";
    /// Which roots have wrapped keys.
    ROOTS: Query<Control, (), (String, String)> = "SELECT DISTINCT region, root FROM tenant_key ORDER BY region, root";
    /// A new key.
    ADD: Change<Control, Vec<Value>> =
        "INSERT INTO tenant_key (tenant, version, region, root, wrapped, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
}
