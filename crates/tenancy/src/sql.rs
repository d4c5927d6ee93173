use kernel::{TenantId, Time, UserId};
use store::{Control, Own, Table, statements};

use crate::{directory::Entry, roster::Member};

/// Tables of this section. Roles are stored by their id: positions shift when a manifest is edited.
#[must_use]
pub fn tables() -> Vec<Table> {
    vec![
        // `status`: pending (waits for its first owner's mail) | active | suspended | deleted. `slug_key`: the slug where slugs
        // are unique, else the id. `owners` counts the owners who can act.
        Table::control("tenant", "with the tenant: tenant", "the estate's dates after deletion")
            .text("id")
            .text("slug_key")
            .text("slug")
            .text("name")
            .text("region")
            .text("status")
            .int("owners")
            .text("modules")
            .opt_text("host")
            .int("canary")
            .int("created_at")
            .opt_int("claim_by")
            .opt_int("deleted_at")
            .unique(["slug_key"])
            .index(["status", "claim_by"]),
        Table::control("member_index", "no: copy of _member", "with the membership")
            .text("tenant")
            .text("user_id")
            .text("role")
            .int("suspended")
            .int("joined_at")
            .key(2)
            .index(["user_id"]),
        Table::own("_member", "members", "with the membership")
            .text("id")
            .text("role")
            .int("suspended")
            .opt_text("email")
            .opt_text("name")
            .int("joined_at"),
    ]
}

statements! {
    // The directory.
    BY_SLUG: Query<Control, (String,), Entry> =
        "SELECT id, slug, name, region, status, modules FROM tenant WHERE slug_key = $1";
    BY_ID: Query<Control, (TenantId,), Entry> =
        "SELECT id, slug, name, region, status, modules FROM tenant WHERE id = $1";
    EVERY: Query<Control, (), (TenantId,)> =
        "SELECT id FROM tenant WHERE status <> 'deleted' ORDER BY created_at, id";

    REACHED: Query<Control, (), (i64,)> = "SELECT owners FROM tenant ORDER BY id LIMIT 1";
    SETTLED: Query<Control, (), (TenantId,)> =
        "SELECT id FROM tenant WHERE status NOT IN ('pending', 'deleted') ORDER BY id";

    CANARIES: Query<Control, (Time,), (TenantId,)> =
        "SELECT id FROM tenant WHERE canary = 1 AND status <> 'deleted' AND created_at < $1 ORDER BY created_at, id LIMIT 200";

    CANARY: Query<Control, (TenantId,), (TenantId,)> = "SELECT id FROM tenant WHERE id = $1 AND canary = 1";

    // Lives of tenants.
    FOUND: Change<Control, Vec<store::Value>> =
        "INSERT INTO tenant (id, slug_key, slug, name, region, status, owners, modules, canary, created_at, claim_by)
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10) ON CONFLICT (slug_key) DO NOTHING";
    CLAIM: Change<Control, (TenantId,)> =
        "UPDATE tenant SET status = 'active', claim_by = NULL WHERE id = $1 AND status = 'pending'";
    STATUS: Change<Control, (TenantId, &'static str, &'static str)> =
        "UPDATE tenant SET status = $3 WHERE id = $1 AND status = $2";
    DELETE: Change<Control, (TenantId, Time)> =
        "UPDATE tenant SET status = 'deleted', deleted_at = $2 WHERE id = $1 AND status <> 'deleted'";
    RENAME: Change<Control, (TenantId, String)> =
        "UPDATE tenant SET name = $2 WHERE id = $1 AND status <> 'deleted'";
    UNCLAIMED: Query<Control, (Time,), (TenantId,)> =
        "SELECT id FROM tenant WHERE status = 'pending' AND claim_by < $1 ORDER BY claim_by LIMIT 100";
    RELEASE: Change<Control, (TenantId, Time)> =
        "UPDATE tenant SET status = 'deleted', deleted_at = $2, slug_key = id WHERE id = $1 AND status = 'pending'";

    // The roster, as the house knows it.
    STANDING: Query<Control, (TenantId, UserId), (String, bool)> =
        "SELECT role, suspended FROM member_index WHERE tenant = $1 AND user_id = $2";
    MEMBERSHIPS: Query<Control, (UserId,), (TenantId, String, bool)> =
        "SELECT tenant, role, suspended FROM member_index WHERE user_id = $1 ORDER BY joined_at, tenant LIMIT 500";
    JOIN: Change<Control, (TenantId, UserId, &'static str, Time)> =
        "INSERT INTO member_index (tenant, user_id, role, suspended, joined_at) VALUES ($1, $2, $3, 0, $4)
         ON CONFLICT (tenant, user_id) DO NOTHING";
    ROLE: Change<Control, (TenantId, UserId, &'static str, bool, &'static str)> =
        "UPDATE member_index SET role = $5 WHERE tenant = $1 AND user_id = $2 AND role = $3 AND suspended = $4";
    SUSPENDED: Change<Control, (TenantId, UserId, &'static str, bool, bool)> =
        "UPDATE member_index SET suspended = $5 WHERE tenant = $1 AND user_id = $2 AND role = $3 AND suspended = $4";
    LEAVE: Change<Control, (TenantId, UserId, &'static str, bool)> =
        "DELETE FROM member_index WHERE tenant = $1 AND user_id = $2 AND role = $3 AND suspended = $4";
    /// Tenant, slug, role, how many hold it and may act. No canaries: nobody's access.
    HOLDERS: Query<Control, (), (TenantId, String, String, i64)> =
        "SELECT t.id, t.slug, m.role, COUNT(*) AS held FROM member_index m JOIN tenant t ON t.id = m.tenant
         WHERE m.suspended = 0 AND t.canary = 0 AND t.status <> 'deleted' GROUP BY t.id, t.slug, m.role
         ORDER BY t.slug, t.id, m.role";
    OWNER_MORE: Change<Control, (TenantId,)> =
        "UPDATE tenant SET owners = owners + 1 WHERE id = $1 AND status <> 'deleted'";
    OWNER_LESS: Change<Control, (TenantId,)> = "UPDATE tenant SET owners = owners - 1 WHERE id = $1 AND owners > 1";

    // The roster, as the tenant keeps it.
    MEMBER_PUT: Change<Own, (UserId, &'static str, Option<String>, Option<String>, Time)> =
        "INSERT INTO _member (id, role, suspended, email, name, joined_at) VALUES ($1, $2, 0, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET role = excluded.role, suspended = 0, email = excluded.email, name = excluded.name";
    MEMBER_ROLE: Change<Own, (UserId, &'static str)> = "UPDATE _member SET role = $2 WHERE id = $1";
    MEMBER_SUSPENDED: Change<Own, (UserId, bool)> = "UPDATE _member SET suspended = $2 WHERE id = $1";
    MEMBER_GONE: Change<Own, (UserId,)> = "DELETE FROM _member WHERE id = $1";
    MEMBERS: Query<Own, (String, i64), Member> =
        "SELECT id, role, suspended, email, name, joined_at FROM _member WHERE id > $1 ORDER BY id LIMIT $2";
    MEMBER: Query<Own, (UserId,), Member> =
        "SELECT id, role, suspended, email, name, joined_at FROM _member WHERE id = $1";
}
