use std::sync::Arc;

use kernel::{Failure, Outcome, Principal, Secret, UserId, Write};
use route::{Changing, Done, Reply};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{Control, Tx};
use tenancy::roster;

use super::{leaf, tenant_of};
use crate::{
    Authentication,
    browser::{self, Web},
    email,
    password::is_weaker,
    people::{self, Account},
    session::Beginning,
    sql,
};

/// Address and password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    email: String,
    #[schemars(with = "String")]
    password: Secret,
    /// Tokens go into cookies.
    #[serde(default)]
    cookies: bool,
}

pub(crate) async fn sign_in(a: Arc<Authentication>, call: Changing<Web<SignIn>>) -> Result<Done<Reply>, Failure> {
    let way = call.input.way(call.input.body.cookies);
    let SignIn { email, password, .. } = call.input.body;
    let done = enter(&a, call.tx, email, password).await?;
    done.told(|session| browser::signed_in(&session.tokens(&a.minting)?, way, a.app.sessions.idle.0 / 1000))
}

/// The same from the sign-in page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    email: String,
    #[schemars(with = "String")]
    password: Secret,
    /// Where to go on.
    #[serde(default)]
    next: Option<String>,
}

pub(crate) async fn form(a: Arc<Authentication>, call: Changing<Web<Form>>) -> Result<Done<Reply>, Failure> {
    let Form { email, password, next } = call.input.body;
    let done = enter(&a, call.tx, email, password).await?;
    done.told(|session| a.entered(&session, next.as_deref()))
}

impl Authentication {
    /// A session in cookies, and on to where the person wanted to go.
    pub(super) fn entered(&self, session: &Beginning, next: Option<&str>) -> Result<Reply, Failure> {
        let to = browser::onward(next).unwrap_or_else(|| "/console".to_owned());
        Ok(browser::entered(&session.tokens(&self.minting)?, self.app.sessions.idle.0 / 1000, &to))
    }
}

async fn enter(a: &Authentication, tx: Tx<Write>, email: String, password: Secret) -> Result<Done<Beginning>, Failure> {
    // What is no address has no account; it is tried all the same.
    let email = email::address(&email).unwrap_or_else(|_| email.trim().to_lowercase());
    if let Some(seconds) = a.strikes.locked(&email) {
        return Err(Failure::Locked(seconds));
    }
    let slot = a.passwords.slot().await?;
    let struck = a.strikes.strike(&email);
    if !struck.counted {
        return Err(Failure::Locked(struck.locked.unwrap_or(1)));
    }
    let account = people::by_email(&tx, &email).await?;
    let phc = account.as_ref().and_then(|account| account.phc.clone());
    let right = slot.verify(phc, &password).await?;
    let member = belongs(a, &tx, account.as_ref()).await?;
    let known = account.as_ref().filter(|_| member).map(|account| account.id);
    let Some(account) = account.filter(|account| right && member && account.usable()) else {
        return refused(tx, known).await;
    };
    a.strikes.clear(&email);
    let session = beginning(a, tx.permit().principal(), (account.id, account.epoch), "password");
    let better = upgraded(a, &account, &password).await?;
    let mut batch = tx.batch::<Control>(session.target());
    if let (Some(better), Some(old)) = (better, account.phc) {
        batch = batch.any(&sql::CREDENTIAL_SWAP, (account.id, old, better, session.at));
    }
    let receipt = session.put(batch).commit().await?;
    Ok(Done::ok(receipt, session))
}

/// The same words for every cause. The leaf names the account only where it is the tenant's.
async fn refused<T>(tx: Tx<Write>, known: Option<UserId>) -> Result<T, Failure> {
    let target = known.map_or_else(|| "user/unknown".to_owned(), |user| format!("user/{user}"));
    leaf(tx, target, Outcome::Failed).await?;
    Err(Failure::WrongCredentials)
}

/// Whether the account may come in here: at a tenant's host its members, at the house everybody. Asked for unknown accounts
/// too, so that the answer takes as long.
pub(super) async fn belongs(a: &Authentication, tx: &Tx<Write>, account: Option<&Account>) -> Result<bool, Failure> {
    let Some(tenant) = tenant_of(tx.permit().principal()) else { return Ok(account.is_some()) };
    let user = account.map(|account| account.id).unwrap_or_default();
    Ok(roster::current(tx, &a.app, tenant, user).await?.is_some())
}

/// A session at the request's host.
pub(super) fn beginning(
    a: &Authentication,
    principal: &Principal,
    (user, epoch): (UserId, i64),
    method: &'static str,
) -> Beginning {
    Beginning::new(a.rng.as_ref(), (user, epoch), tenant_of(principal), method, principal.at())
}

/// A hash in the scheme in force, when the stored one is weaker.
async fn upgraded(a: &Authentication, account: &Account, password: &Secret) -> Result<Option<String>, Failure> {
    let scheme = a.passwords.scheme();
    if !account.phc.as_deref().is_some_and(|phc| is_weaker(phc, scheme)) {
        return Ok(None);
    }
    match a.passwords.slot().await {
        // A password that the new scheme cannot take stays as it is.
        Ok(slot) => Ok(slot.hash(password).await.ok()),
        Err(_) => Ok(None),
    }
}
