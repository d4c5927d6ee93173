//! Who belongs to a tenant. The index in control.db is the authority; the tenant's own `_member` follows in the same
//! commit. Roles travel as positions in the manifest and are stored by id.

use kernel::{Failure, Mode, Reason, Standing, TenantId, Time, UserId};
use manifest::App;
use store::{Apply, Batch, Control, FromRow, Lookup, Revoke, Row, Tx};

use crate::sql;

/// Someone who joins.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// The user.
    pub user: UserId,
    /// Position of their role.
    pub role: u8,
    /// Their address, for the tenant's list of members.
    pub email: Option<String>,
    /// Their name, for the same.
    pub name: Option<String>,
    /// When.
    pub at: Time,
}

/// A line of the tenant's list of members.
#[derive(Clone, Debug)]
pub struct Member {
    /// The user.
    pub user: UserId,
    /// Id of the role.
    pub role: String,
    /// Deactivated here.
    pub suspended: bool,
    /// Address.
    pub email: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Since when.
    pub joined_at: Time,
}

impl FromRow for Member {
    fn from_row(row: &Row<'_>) -> Result<Self, Failure> {
        Ok(Self {
            user: row.get(0)?,
            role: row.get(1)?,
            suspended: row.get(2)?,
            email: row.get(3)?,
            name: row.get(4)?,
            joined_at: row.get(5)?,
        })
    }
}

/// A role's position; none when the manifest no longer has it: then its members have no access.
#[must_use]
pub fn role(app: &App, id: &str) -> Option<u8> {
    app.roles.iter().position(|r| r.id == id).and_then(|at| u8::try_from(at).ok())
}

fn role_id(app: &App, role: u8) -> &'static str {
    app.roles.get(usize::from(role)).map_or("", |r| r.id)
}

fn stands(app: &App, (id, suspended): (String, bool)) -> Option<Standing> {
    role(app, &id).map(|role| Standing { role, suspended })
}

/// What the roster says of a user; none: not a member.
///
/// # Errors
/// Those of the store.
pub async fn standing(lookup: &Lookup, app: &App, tenant: TenantId, user: UserId) -> Result<Option<Standing>, Failure> {
    let row = lookup.maybe(TenantId::HOUSE, &sql::STANDING, (tenant, user)).await?;
    Ok(row.and_then(|row| stands(app, row)))
}

/// The same, for handlers.
///
/// # Errors
/// Those of the store.
pub async fn current<M: Mode>(
    tx: &Tx<M>,
    app: &App,
    tenant: TenantId,
    user: UserId,
) -> Result<Option<Standing>, Failure> {
    Ok(tx.maybe(&sql::STANDING, (tenant, user)).await?.and_then(|row| stands(app, row)))
}

/// Tenants a user belongs to, at most 500, and what the roster says of them there.
///
/// # Errors
/// Those of the store.
pub async fn memberships<M: Mode>(tx: &Tx<M>, app: &App, user: UserId) -> Result<Vec<(TenantId, Standing)>, Failure> {
    let rows = tx.all(&sql::MEMBERSHIPS, (user,)).await?;
    let line = |(tenant, role, suspended)| Some((tenant, stands(app, (role, suspended))?));
    Ok(rows.into_iter().filter_map(line).collect())
}

/// How many hold a role at a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holders {
    /// The tenant.
    pub tenant: TenantId,
    /// Its name in addresses.
    pub slug: String,
    /// The role's id.
    pub role: String,
    /// How many.
    pub count: i64,
}

/// How many hold each role at each tenant, by tenant; who is suspended holds nothing. For reviews of accesses.
///
/// # Errors
/// Those of the store.
pub async fn holders<M: Mode>(tx: &Tx<M>) -> Result<Vec<Holders>, Failure> {
    let rows = tx.all(&sql::HOLDERS, ()).await?;
    Ok(rows.into_iter().map(|(tenant, slug, role, count)| Holders { tenant, slug, role, count }).collect())
}

/// The tenant's members behind `after` (none: from the first), at most `limit`, in order of id.
///
/// # Errors
/// Those of the store.
pub async fn list<M: Mode>(tx: &Tx<M>, after: Option<UserId>, limit: u32) -> Result<Vec<Member>, Failure> {
    let after = after.map(|user| user.to_string()).unwrap_or_default();
    tx.all(&sql::MEMBERS, (after, i64::from(limit))).await
}

/// One member of the tenant.
///
/// # Errors
/// `NotFound`; those of the store.
pub async fn member<M: Mode>(tx: &Tx<M>, user: UserId) -> Result<Member, Failure> {
    tx.one(&sql::MEMBER, (user,)).await
}

/// Someone joins. `Conflict` at commit when they are a member already.
#[must_use]
pub fn add(batch: Batch<Control>, app: &App, tenant: TenantId, who: Newcomer) -> Batch<Control> {
    join(batch, app, tenant, who, follow)
}

/// The first owner, in the batch of [`crate::found`] or [`crate::claim`]: with them the tenant's database is made.
#[must_use]
pub fn open(batch: Batch<Control>, app: &App, tenant: TenantId, owner: Newcomer) -> Batch<Control> {
    join(batch, app, tenant, owner, |user| follow(user).founding())
}

fn join(
    batch: Batch<Control>,
    app: &App,
    tenant: TenantId,
    who: Newcomer,
    follow: impl FnOnce(UserId) -> Apply,
) -> Batch<Control> {
    let role = role_id(app, who.role);
    let already = Failure::Conflict("they are a member already".into());
    let batch = batch.expect(1, &sql::JOIN, (tenant, who.user, role, who.at), already);
    let batch = if who.role == 0 { batch.rows(1, &sql::OWNER_MORE, (tenant,)) } else { batch };
    let apply = follow(who.user).any(&sql::MEMBER_PUT, (who.user, role, who.email, who.name, who.at));
    batch.then(tenant, apply).revoke(Revoke::Member(tenant, who.user))
}

/// Another role. `now` is what the decision was based on: `Conflict` at commit when it has changed, `Refused(LastOwner)`
/// when nobody would own the tenant.
#[must_use]
pub fn change_role(
    batch: Batch<Control>,
    app: &App,
    tenant: TenantId,
    user: UserId,
    now: Standing,
    to: u8,
) -> Batch<Control> {
    let (from, role) = (role_id(app, now.role), role_id(app, to));
    let batch = batch.expect(1, &sql::ROLE, (tenant, user, from, now.suspended, role), changed());
    let batch = owners(batch, tenant, acts_as_owner(now), acts_as_owner(Standing { role: to, ..now }));
    let apply = follow(user).any(&sql::MEMBER_ROLE, (user, role));
    batch.then(tenant, apply).revoke(Revoke::Member(tenant, user))
}

/// Deactivates a member here, or lets them in again. Failures as [`change_role`].
#[must_use]
pub fn suspend(
    batch: Batch<Control>,
    app: &App,
    tenant: TenantId,
    user: UserId,
    now: Standing,
    suspended: bool,
) -> Batch<Control> {
    let args = (tenant, user, role_id(app, now.role), now.suspended, suspended);
    let batch = batch.expect(1, &sql::SUSPENDED, args, changed());
    let batch = owners(batch, tenant, acts_as_owner(now), acts_as_owner(Standing { suspended, ..now }));
    let apply = follow(user).any(&sql::MEMBER_SUSPENDED, (user, suspended));
    batch.then(tenant, apply).revoke(Revoke::Member(tenant, user))
}

/// Someone leaves, or is made to. Failures as [`change_role`].
#[must_use]
pub fn remove(batch: Batch<Control>, app: &App, tenant: TenantId, user: UserId, now: Standing) -> Batch<Control> {
    let batch = batch.expect(1, &sql::LEAVE, (tenant, user, role_id(app, now.role), now.suspended), changed());
    let batch = owners(batch, tenant, acts_as_owner(now), false);
    let apply = follow(user).any(&sql::MEMBER_GONE, (user,));
    batch.then(tenant, apply).revoke(Revoke::Member(tenant, user))
}

const fn acts_as_owner(standing: Standing) -> bool {
    standing.role == 0 && !standing.suspended
}

/// The counter decides: of two owners who leave at once, one stays.
fn owners(batch: Batch<Control>, tenant: TenantId, before: bool, after: bool) -> Batch<Control> {
    match (before, after) {
        (true, false) => batch.expect(1, &sql::OWNER_LESS, (tenant,), Failure::Refused(Reason::LastOwner)),
        (false, true) => batch.rows(1, &sql::OWNER_MORE, (tenant,)),
        _ => batch,
    }
}

fn changed() -> Failure {
    Failure::Conflict("the member has changed since".into())
}

fn follow(user: UserId) -> Apply {
    Apply::new(format!("member/{user}"))
}
