//! The store's own tables, in every database: log, outbox, applied events, idempotency keys.

use crate::Table;

/// In each tenant's database and in the house's.
pub(crate) fn tables() -> Vec<Table> {
    vec![
        Table::own("_leaf", "audit: body", "audit retention")
            .int("seq")
            .blob("body")
            .blob("hash")
            .int("at")
            .index(["at"]),
        Table::own("_leaf_value", "audit: values", "erased one by one")
            .int("leaf")
            .text("field")
            .blob("salt")
            .text("value")
            .key(2),
        Table::own("_head", "no: derived from _leaf", "with the tenant").int("id").int("size").blob("hash").int("at"),
        Table::own("_outbox", "no: in transit", "when delivered")
            .text("id")
            .text("kind")
            .blob("payload")
            .sealed()
            .int("at")
            .int("attempts")
            .int("due")
            .index(["kind", "due"]),
        Table::own("_applied", "no: internal", "30 days").text("id").int("at").index(["at"]),
        Table::own("_once", "no: copies of answers", "24 hours")
            .blob("key")
            .blob("request")
            .opt_int("status")
            .opt_text("headers")
            .opt_blob("reply")
            .sealed()
            .int("at")
            .index(["at"]),
        Table::own("_meta", "no: internal", "with the tenant").text("key").text("value"),
    ]
}

/// In the house's database only.
pub(crate) fn control_tables() -> Vec<Table> {
    vec![
        Table::control("revocation", "no: internal", "7 days")
            .int("seq")
            .text("kind")
            .opt_text("tenant")
            .opt_text("subject")
            .int("at")
            .index(["at"]),
    ]
}
