use std::sync::Arc;

use kernel::{Actor, Failure, Principal, Standing, UserId};
use route::{Asking, Changing, Done};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{Batch, Control, Tx};
use tenancy::roster;

use super::id;
use crate::{Means, confer, gate::Policy};

/// Members of one page.
pub(crate) const PAGE: u32 = 200;

/// Which page.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    /// `next` of the page before.
    pub(crate) after: Option<String>,
}

/// Members of the tenant.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Page {
    members: Vec<Member>,
    /// Where the next page begins; none: this is the last.
    next: Option<String>,
}

/// One member.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Member {
    user: String,
    email: Option<String>,
    name: Option<String>,
    role: String,
    suspended: bool,
    joined_at: String,
}

impl From<roster::Member> for Member {
    fn from(m: roster::Member) -> Self {
        Self {
            user: m.user.to_string(),
            email: m.email,
            name: m.name,
            role: m.role,
            suspended: m.suspended,
            joined_at: m.joined_at.to_string(),
        }
    }
}

pub(crate) async fn list(call: Asking<Paging>) -> Result<Page, Failure> {
    let wrong = |()| Failure::field("after", "type", "`next` of the page before");
    let after = call.input.after.as_deref().map(str::parse::<UserId>).transpose().map_err(wrong)?;
    let mut found = roster::list(&call.tx, after, PAGE + 1).await?;
    let more = found.len() > PAGE as usize;
    found.truncate(PAGE as usize);
    let next = found.last().filter(|_| more).map(|m| m.user.to_string());
    Ok(Page { members: found.into_iter().map(Member::from).collect(), next })
}

/// Which member.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    pub(crate) user: String,
}

pub(crate) async fn show(call: Asking<Named>) -> Result<Member, Failure> {
    roster::member(&call.tx, id(&call.input.user)?).await.map(Member::from)
}

/// A member's new role.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assigned {
    pub(crate) user: String,
    role: String,
}

/// A member whom the caller may change.
struct Subject {
    user: UserId,
    now: Standing,
    policy: Arc<Policy>,
}

impl Subject {
    /// INVARIANT: nobody changes a member who holds more than they do.
    async fn of(desk: &Means, tx: &Tx<kernel::Write>, user: &str) -> Result<Self, Failure> {
        let (who, user) = (tx.permit().principal(), id(user)?);
        let policy = desk.access.policy();
        let now = roster::current(tx, &policy.app, who.tenant(), user).await?.ok_or(Failure::NotFound)?;
        confer::may_confer(&policy, who, now.role)?;
        Ok(Self { user, now, policy })
    }
}

fn batch(tx: Tx<kernel::Write>, user: UserId) -> Batch<Control> {
    tx.batch::<Control>(format!("member/{user}"))
}

/// INVARIANT: nobody makes a member more than they are themselves.
pub(crate) async fn assign(desk: Arc<Means>, call: Changing<Assigned>) -> Result<Done<()>, Failure> {
    let subject = Subject::of(&desk, &call.tx, &call.input.user).await?;
    let Subject { user, now, policy } = subject;
    let to = confer::role(&policy.app, Some(&call.input.role))?;
    let who = call.tx.permit().principal();
    confer::may_confer(&policy, who, to)?;
    let tenant = who.tenant();
    let changed = batch(call.tx, user).fact("role", call.input.role);
    Ok(Done::ok(roster::change_role(changed, &policy.app, tenant, user, now, to).commit().await?, ()))
}

async fn switch(desk: Arc<Means>, call: Changing<Named>, off: bool) -> Result<Done<()>, Failure> {
    let Subject { user, now, policy } = Subject::of(&desk, &call.tx, &call.input.user).await?;
    let tenant = call.tx.permit().principal().tenant();
    let batch = roster::suspend(batch(call.tx, user), &policy.app, tenant, user, now, off);
    Ok(Done::ok(batch.commit().await?, ()))
}

pub(crate) async fn suspend(desk: Arc<Means>, call: Changing<Named>) -> Result<Done<()>, Failure> {
    switch(desk, call, true).await
}

pub(crate) async fn resume(desk: Arc<Means>, call: Changing<Named>) -> Result<Done<()>, Failure> {
    switch(desk, call, false).await
}

pub(crate) async fn remove(desk: Arc<Means>, call: Changing<Named>) -> Result<Done<()>, Failure> {
    let Subject { user, now, policy } = Subject::of(&desk, &call.tx, &call.input.user).await?;
    gone(call.tx, &policy, user, now).await
}

/// Leaving needs nobody's leave, but an owner must remain.
pub(crate) async fn leave(desk: Arc<Means>, call: Changing<()>) -> Result<Done<()>, Failure> {
    let user = member(call.tx.permit().principal())?;
    let policy = desk.access.policy();
    let tenant = call.tx.permit().principal().tenant();
    let now = roster::current(&call.tx, &policy.app, tenant, user).await?.ok_or(Failure::NotFound)?;
    gone(call.tx, &policy, user, now).await
}

fn member(who: &Principal) -> Result<UserId, Failure> {
    match who.actor() {
        Actor::Member { user, .. } => Ok(*user),
        _ => Err(Failure::NotFound),
    }
}

async fn gone(tx: Tx<kernel::Write>, policy: &Policy, user: UserId, now: Standing) -> Result<Done<()>, Failure> {
    let tenant = tx.permit().principal().tenant();
    let batch = roster::remove(batch(tx, user), &policy.app, tenant, user, now);
    Ok(Done::ok(batch.commit().await?, ()))
}
