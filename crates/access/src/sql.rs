use kernel::{Id, TenantId, Time};
use store::{Control, Table, Value, statements};

use crate::invitation::{Invitation, Waiting};

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
}
