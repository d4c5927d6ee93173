//! The invited person's side. The token came by mail, so who has it reads that mail.

use std::sync::Arc;

use authentication::people::{self, NewPerson};
use kernel::{Failure, Home, Id, Principal, Secret, Status, TenantId, UserId, Write};
use manifest::Method;
use route::{Changing, Done};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{Control, Tx};
use tenancy::roster::{self, Newcomer};

use crate::{
    Means, confer,
    gate::Policy,
    invitation::{self, Invitation},
    sql,
};

/// What the invited person sends. Name and password are for those who have no account yet.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accept {
    /// From the link.
    token: String,
    name: Option<String>,
    #[schemars(with = "Option<String>")]
    password: Option<Secret>,
}

/// Where they joined.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Joined {
    user: String,
    role: String,
    tenant: String,
    pub(crate) url: String,
    /// Whether an account was made.
    pub(crate) created: bool,
    /// Where to go on: the sign-in of a new account, or the tenant.
    pub(crate) next: String,
}

/// Who joins.
enum Joining {
    /// Has an account, and is signed in to it.
    Known { user: UserId, name: Option<String> },
    /// Gets one.
    New(NewPerson),
}

pub(crate) async fn accept(desk: Arc<Means>, call: Changing<Accept>) -> Result<Done<Joined>, Failure> {
    let who = call.tx.permit().principal();
    let now = who.at();
    let hash = invitation::stored(&call.input.token);
    let found = call.tx.maybe(&sql::BY_HASH, (hash,)).await?.ok_or(Failure::NotFound)?;
    let home = place(&desk, who, &found).await?;
    found.live(now)?;
    let policy = desk.access.policy();
    let role = still_conferred(&policy, &call.tx, &found).await?;
    let joining = joining(&desk, &policy, &call.tx, &found, call.input.name, call.input.password).await?;
    let (user, name, new) = match joining {
        Joining::Known { user, name } => (user, name, None),
        Joining::New(person) => (person.id, Some(person.name.clone()), Some(person)),
    };
    let created = new.is_some();
    let batch = call.tx.batch::<Control>(format!("member/{user}"));
    let batch = batch.expect(1, &sql::USE, (found.id, now), Failure::Gone);
    let batch = match new {
        Some(person) => people::enrol(batch, person, now),
        None => batch,
    };
    let newcomer = Newcomer { user, role, email: Some(found.email), name, at: now };
    let receipt = roster::add(batch, &policy.app, home.id, newcomer).commit().await?;
    let door = invitation::door(&policy.app, &home);
    let next = if created { format!("{door}/sign-in") } else { format!("{}/", home.url) };
    let (tenant, url) = (home.slug.clone(), home.url.clone());
    Ok(Done::created(receipt, Joined { user: user.to_string(), role: found.role, tenant, url, created, next }))
}

/// The tenant that invites: the one whose host this is, or, on the house's own hosts, the invitation's.
async fn place(desk: &Means, who: &Principal, found: &Invitation) -> Result<Arc<Home>, Failure> {
    let home = match who.tenant() {
        TenantId::HOUSE => desk.tenancy.home(found.tenant).await?,
        here if here == found.tenant => Some(Arc::clone(who.home())),
        _ => None,
    };
    let home = home.filter(|home| home.status != Status::Deleted).ok_or(Failure::NotFound)?;
    match home.status {
        Status::Suspended => Err(Failure::Refused(kernel::Reason::TenantSuspended)),
        _ => Ok(home),
    }
}

/// INVARIANT: an invitation confers nothing that its inviter could not confer now.
async fn still_conferred(policy: &Policy, tx: &Tx<Write>, found: &Invitation) -> Result<u8, Failure> {
    let role = roster::role(&policy.app, &found.role).ok_or(Failure::Gone)?;
    let by_operator = found.invited_by == UserId(Id::NIL);
    let stands = match roster::current(tx, &policy.app, found.tenant, found.invited_by).await? {
        _ if by_operator => role != 0,
        Some(standing) => confer::stands_above(&policy.matrix, standing, role),
        None => false,
    };
    if stands { Ok(role) } else { Err(Failure::Gone) }
}

/// Whoever has an account must be signed in to it: the link alone opens no existing account.
async fn joining(
    desk: &Means,
    policy: &Policy,
    tx: &Tx<Write>,
    found: &Invitation,
    name: Option<String>,
    password: Option<Secret>,
) -> Result<Joining, Failure> {
    let signed_in = tx.permit().principal().user();
    let other = || Failure::Conflict("you are signed in with another account; sign out first".into());
    if !desk.authentication.keeps_identities() {
        // The issuer knows who they are; the link says that the mail reached them.
        let user = signed_in.ok_or(Failure::SignInNeeded)?;
        return Ok(Joining::Known { user, name: name.as_deref().map(people::named).transpose()? });
    }
    match (people::by_email(tx, &found.email).await?, signed_in) {
        (Some(account), Some(user)) if account.id == user && account.usable() => {
            Ok(Joining::Known { user, name: Some(account.name).filter(|n| !n.is_empty()) })
        }
        (_, Some(_)) => Err(other()),
        (Some(_), None) => Err(Failure::SignInNeeded),
        (None, None) => new_person(desk, policy, tx, found, name, password).await.map(Joining::New),
    }
}

async fn new_person(
    desk: &Means,
    policy: &Policy,
    tx: &Tx<Write>,
    found: &Invitation,
    name: Option<String>,
    password: Option<Secret>,
) -> Result<NewPerson, Failure> {
    let now = tx.permit().principal().at();
    let required = |field: &'static str| move || Failure::field(field, "required", "needed for a new account");
    let name = people::named(&name.ok_or_else(required("name"))?)?;
    let phc = if policy.app.auth.methods.contains(&Method::Password) {
        let password = password.ok_or_else(required("password"))?;
        Some(desk.authentication.hash(&password).await?)
    } else {
        None
    };
    let id = UserId(desk.rng.id(now));
    Ok(NewPerson { id, email: Some(found.email.clone()), name, phc, verified_at: Some(now), external: None })
}
