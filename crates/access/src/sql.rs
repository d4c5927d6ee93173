use kernel::{Failure, TenantId, Time, UserId};
use store::{Change, Control, FromRow, Query, Row, Table, statements};

use crate::invitation::{Invitation, Open};

/// Tables of this section.
pub(crate) fn tables() -> Vec<Table> {
    vec![
        // `hash`: SHA-256 of the token in the link. Kept for a while after use, so that a second use is told apart from a guess.
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
            .index(["tenant", "expires"]),
    ]
}
