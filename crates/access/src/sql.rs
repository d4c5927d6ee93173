use kernel::{Id, TenantId, Time};
use store::{Control, Table, Value, statements};

use crate::{
    invitation::{Invitation, Waiting},
    register::Operator,
};

/// Tables of this section.
pub(crate) fn tables() -> Vec<Table> {
    vec![
        // `hash`: SHA-256 of the token in the link. Kept for a while after use, so that a second use is told from a guess.
        Table::control("invitation", "with the tenant: invitations", "30 days after it expired")
            .text("id")
            .blob("hash")
            .text("tenant")
            .text("email")
            .text("role")
            .text("invited_by")
            .int("created_at")
            .int("expires")
            .opt_int("used_at")
            .unique(["hash"])
            .index(["tenant", "expires"])
            .index(["expires"]),
        // `removed_at`: 0 while they are in the register, so that a name stands there once.
        Table::control("operators", "by the operators: operator list", "2 years after removal")
            .text("id")
            .text("name")
            .text("reason")
            .text("owner")
            .text("added_by")
            .int("added_at")
            .int("expires")
            .int("removed_at")
            .opt_text("removed_by")
            .unique(["name", "removed_at"]),
    ]
}

statements! {
    INVITE: Change<Control, Vec<Value>> =
        "INSERT INTO invitation (id, hash, tenant, email, role, invited_by, created_at, expires)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    // One link per address: the newest.
    SUPERSEDE: Change<Control, (TenantId, String)> =
        "DELETE FROM invitation WHERE tenant = $1 AND email = $2 AND used_at IS NULL";
    WAITING: Query<Control, (TenantId, Time), Waiting> =
        "SELECT id, email, role, invited_by, created_at, expires FROM invitation
         WHERE tenant = $1 AND expires > $2 AND used_at IS NULL ORDER BY created_at, id LIMIT 500";
    BY_HASH: Query<Control, (Vec<u8>,), Invitation> =
        "SELECT id, tenant, email, role, invited_by, expires, used_at FROM invitation WHERE hash = $1";
    USE: Change<Control, (Id, Time)> =
        "UPDATE invitation SET used_at = $2 WHERE id = $1 AND used_at IS NULL AND expires > $2";
    WITHDRAW: Change<Control, (TenantId, Id)> =
        "DELETE FROM invitation WHERE tenant = $1 AND id = $2 AND used_at IS NULL";
    FORGET: Change<Control, (Time,)> = "DELETE FROM invitation WHERE expires < $1";

    // The register of operators.
    OPERATORS: Query<Control, (), Operator> =
        "SELECT name, reason, owner, added_by, added_at, expires FROM operators WHERE removed_at = 0 ORDER BY name";
    /// Whether anybody was ever in it, and how many are in force.
    OPERATORS_COUNTED: Query<Control, (Time,), (i64, Option<i64>)> =
        "SELECT COUNT(*), SUM(CASE WHEN removed_at = 0 AND expires > $1 THEN 1 ELSE 0 END) FROM operators";
    OPERATOR_UNTIL: Query<Control, (String,), (Time,)> =
        "SELECT expires FROM operators WHERE name = $1 AND removed_at = 0";
    OPERATOR_ADD: Change<Control, Vec<Value>> =
        "INSERT INTO operators (id, name, reason, owner, added_by, added_at, expires, removed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0) ON CONFLICT (name, removed_at) DO NOTHING";
    OPERATOR_THERE: Change<Control, (String,)> =
        "UPDATE operators SET removed_at = 0 WHERE name = $1 AND removed_at = 0";
    // Never the last one in force.
    OPERATOR_REMOVE: Change<Control, (String, Time, String)> =
        "UPDATE operators SET removed_at = $2, removed_by = $3 WHERE name = $1 AND removed_at = 0 AND (expires <= $2
         OR EXISTS (SELECT 1 FROM operators o WHERE o.removed_at = 0 AND o.expires > $2 AND o.name <> $1))";
    // Whoever is added again after their time: the old line is closed first.
    OPERATOR_LAPSED: Change<Control, (String, Time, String)> =
        "UPDATE operators SET removed_at = $2, removed_by = $3 WHERE name = $1 AND removed_at = 0 AND expires <= $2";
    OPERATORS_FORGET: Change<Control, (Time,)> =
        // The newest line stays: a register that was in force never opens again.
        "DELETE FROM operators WHERE removed_at > 0 AND removed_at < $1
         AND added_at < (SELECT MAX(added_at) FROM operators)";
}
