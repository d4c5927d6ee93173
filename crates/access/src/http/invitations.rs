use std::sync::Arc;

use kernel::{Failure, Id, UserId};
use route::{Asking, Changing, Done};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{Apply, Control};
use tenancy::roster;

use super::id;
use crate::{
    Means, confer,
    invitation::{self, Waiting},
    sql,
};

/// Who is invited, as what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invite {
    email: String,
    /// Absent: the app's default role.
    role: Option<String>,
}

/// An invitation that waits. The link goes to the invited person only.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Shown {
    id: String,
    email: String,
    role: String,
    invited_by: String,
    created_at: String,
    expires_at: String,
}

impl From<Waiting> for Shown {
    fn from(w: Waiting) -> Self {
        Self {
            id: w.id.to_string(),
            email: w.email,
            role: w.role,
            invited_by: w.invited_by.to_string(),
            created_at: w.created_at.to_string(),
            expires_at: w.expires.to_string(),
        }
    }
}

pub(crate) async fn list(call: Asking<()>) -> Result<Vec<Shown>, Failure> {
    let who = call.tx.permit().principal();
    let waiting = call.tx.all(&sql::WAITING, (who.tenant(), who.at())).await?;
    Ok(waiting.into_iter().map(Shown::from).collect())
}

/// INVARIANT: nobody invites a role that holds more than they do.
pub(crate) async fn invite(desk: Arc<Means>, call: Changing<Invite>) -> Result<Done<Shown>, Failure> {
    let who = call.tx.permit().principal();
    let (tenant, home, now) = (who.tenant(), Arc::clone(who.home()), who.at());
    let policy = desk.access.policy();
    let app = &policy.app;
    let email = authentication::address(&call.input.email)?;
    let role = confer::role(app, call.input.role.as_deref())?;
    confer::may_confer(&policy, who, role)?;
    if let Some(account) = authentication::people::by_email(&call.tx, &email).await?
        && roster::current(&call.tx, app, tenant, account.id).await?.is_some()
    {
        return Err(Failure::Conflict("they are a member already".into()));
    }
    let waiting = Waiting {
        id: desk.rng.id(now),
        role: app.roles.get(usize::from(role)).map_or("", |r| r.id).to_owned(),
        // Nil: an operator.
        invited_by: who.user().unwrap_or(UserId(Id::NIL)),
        created_at: now,
        expires: now.plus(invitation::LIFE),
        email,
    };
    let (token, hash) = invitation::token(desk.rng.as_ref());
    let letter = invitation::letter(app, &home, &waiting.email, &invitation::link(app, &home, &token))?;
    let sealed = desk.vault.seal_house("mail", &letter)?;
    let target = format!("invitation/{}", waiting.id);
    let follow = Apply::new(&target).fact("email", &waiting.email).fact("role", &waiting.role);
    let row = vec![
        waiting.id.into(),
        hash.into(),
        tenant.into(),
        waiting.email.clone().into(),
        waiting.role.clone().into(),
        waiting.invited_by.into(),
        now.into(),
        waiting.expires.into(),
    ];
    let batch = call.tx.batch::<Control>(target).any(&sql::SUPERSEDE, (tenant, waiting.email.clone()));
    let batch = batch.rows(1, &sql::INVITE, row).emit("mail", sealed).then(tenant, follow);
    Ok(Done::created(batch.commit().await?, Shown::from(waiting)))
}

/// Which invitation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    id: String,
}

pub(crate) async fn withdraw(call: Changing<Named>) -> Result<Done<()>, Failure> {
    let (tenant, id) = (call.tx.permit().principal().tenant(), id::<Id>(&call.input.id)?);
    let target = format!("invitation/{id}");
    let batch = call.tx.batch::<Control>(&*target).rows(1, &sql::WITHDRAW, (tenant, id));
    Ok(Done::ok(batch.then(tenant, Apply::new(target)).commit().await?, ()))
}
