//! Tenants and people made from inside: by operators at the admin socket, and for a development server's demo.

use authentication::people::{NewPerson, enrol};
use kernel::{Failure, Secret, TenantId, Time, UserId};
use serde::{Deserialize, Serialize};
use store::{Batch, Control, Tx};
use tenancy::{Plan, roster};

use crate::Server;

/// Someone who is to be a member.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Person {
    /// Mail address.
    pub(crate) email: String,
    /// Name.
    #[serde(default)]
    pub(crate) name: String,
    /// Role id; none: the first role.
    pub(crate) role: Option<String>,
    /// Password; none: they set one by a reset, or need none.
    pub(crate) password: Option<String>,
    /// Subject at the outside issuer, in delegated mode.
    pub(crate) subject: Option<String>,
}

/// A tenant that is to be.
pub(crate) struct Wish<'w> {
    pub(crate) slug: &'w str,
    pub(crate) name: &'w str,
    pub(crate) region: Option<&'w str>,
    pub(crate) canary: bool,
    pub(crate) people: &'w [Person],
}

/// What was made.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Made {
    pub(crate) id: TenantId,
    pub(crate) url: String,
    pub(crate) people: Vec<MadePerson>,
}

/// A member that was made.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MadePerson {
    pub(crate) email: String,
    pub(crate) user: UserId,
    pub(crate) role: String,
}

/// Makes a tenant with its people, the first of whom must own it.
pub(crate) async fn found(server: &Server, operator: &str, wish: &Wish<'_>) -> Result<Made, Failure> {
    let now = server.clock.now();
    let id = TenantId(server.rng.id(now));
    let mut plan = Plan::new(&server.app, id, wish.slug, wish.name, wish.region, now)?;
    plan.canary = wish.canary;
    let (first, others) = wish.people.split_first().ok_or(Failure::bad("a tenant needs its first owner"))?;
    let role = role_of(server, first)?;
    if role != 0 {
        return Err(Failure::field("people", "owner", "the first person must own the tenant"));
    }
    let key = tenancy::key(&server.vault, &plan).await?;
    let tx = server.house_tx(operator, "tenant.created").await?;
    let (user, known, phc) = account(server, &tx, first).await?;
    let batch = tenancy::found(tx.batch::<Control>(format!("tenant/{id}")), &server.app, &plan, key);
    let batch = if known { batch } else { enrolled(server, batch, first, user, phc, now)? };
    roster::open(batch, &server.app, id, newcomer(first, user, role, now)).commit().await?;
    let mut people = vec![MadePerson { email: first.email.clone(), user, role: role_id(server, role) }];
    for person in others {
        let role = role_of(server, person)?;
        let user = join(server, operator, id, person).await?;
        people.push(MadePerson { email: person.email.clone(), user, role: role_id(server, role) });
    }
    let home = server.tenancy.home(id).await?.ok_or(Failure::internal("people: the new tenant is not there"))?;
    Ok(Made { id, url: home.url.clone(), people })
}

/// Makes someone a member, with an account if they have none.
pub(crate) async fn join(
    server: &Server,
    operator: &str,
    tenant: TenantId,
    person: &Person,
) -> Result<UserId, Failure> {
    let now = server.clock.now();
    let role = role_of(server, person)?;
    let tx = server.house_tx(operator, "member.joined").await?;
    let (user, known, phc) = account(server, &tx, person).await?;
    let batch = tx.batch::<Control>(format!("member/{user}"));
    let batch = if known { batch } else { enrolled(server, batch, person, user, phc, now)? };
    roster::add(batch, &server.app, tenant, newcomer(person, user, role, now)).commit().await?;
    Ok(user)
}

/// Closes an account: every session and token of it ends.
pub(crate) async fn deactivate(server: &Server, operator: &str, email: &str) -> Result<(), Failure> {
    let tx = server.house_tx(operator, "user.deactivated").await?;
    let email = authentication::address(email)?;
    let account = authentication::people::by_email(&tx, &email).await?.ok_or(Failure::NotFound)?;
    let batch = tx.batch::<Control>(format!("user/{}", account.id));
    authentication::people::deactivate(batch, account.id, server.clock.now()).commit().await.map(|_| ())
}

fn role_of(server: &Server, person: &Person) -> Result<u8, Failure> {
    match person.role.as_deref() {
        None => Ok(0),
        Some(id) => {
            roster::role(&server.app, id).ok_or_else(|| Failure::field("role", "unknown", "one of the app's roles"))
        }
    }
}

fn role_id(server: &Server, role: u8) -> String {
    server.app.roles.get(usize::from(role)).map_or_else(String::new, |r| r.id.to_owned())
}

/// Their id, whether they have an account already, and the hash of their password if not.
async fn account(
    server: &Server,
    tx: &Tx<kernel::Write>,
    person: &Person,
) -> Result<(UserId, bool, Option<String>), Failure> {
    let email = authentication::address(&person.email)?;
    if let Some(known) = authentication::people::by_email(tx, &email).await? {
        return Ok((known.id, true, None));
    }
    if let Some((issuer, subject)) = external(server, person) {
        if person.password.is_some() && !kernel::sabotage::off("auth.hash_upgrade") {
            return Err(Failure::field("password", "forbidden", "none: identities are kept elsewhere"));
        }
        return Ok((authentication::external_id(&issuer, &subject), false, None));
    }
    let phc = match &person.password {
        Some(password) => Some(server.authentication.hash(&Secret::new(password.as_bytes())).await?),
        None => None,
    };
    Ok((UserId(server.rng.id(server.clock.now())), false, phc))
}

/// Issuer and subject of a person, in delegated mode. Without a subject given, it is the address.
fn external(server: &Server, person: &Person) -> Option<(String, String)> {
    let issuer = server.app.auth.issuer.as_ref()?;
    Some((issuer.url.clone(), person.subject.clone().unwrap_or_else(|| person.email.to_lowercase())))
}

fn enrolled(
    server: &Server,
    batch: Batch<Control>,
    person: &Person,
    user: UserId,
    phc: Option<String>,
    now: Time,
) -> Result<Batch<Control>, Failure> {
    let name = if person.name.is_empty() { &person.email } else { &person.name };
    let new = NewPerson {
        id: user,
        email: Some(authentication::address(&person.email)?),
        name: authentication::people::named(name)?,
        phc,
        verified_at: Some(now),
        external: external(server, person),
    };
    Ok(enrol(batch, new, now))
}

fn newcomer(person: &Person, user: UserId, role: u8, at: Time) -> roster::Newcomer {
    roster::Newcomer {
        user,
        role,
        email: Some(person.email.to_lowercase()),
        name: Some(person.name.clone()).filter(|n| !n.is_empty()),
        at,
    }
}
