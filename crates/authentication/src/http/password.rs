use std::sync::Arc;

use kernel::{Failure, Home, Outcome, Secret, Write};
use route::{Changing, Done, Reply};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{Apply, Control, Revoke, Tx};

use super::{
    leaf,
    sign_in::{beginning, belongs},
    tenant_of,
};
use crate::{
    Authentication,
    browser::{self, Web},
    email,
    letter::Letter,
    mail_token::{self, New, Purpose},
    pages, password, people,
    session::Beginning,
    sql,
};

/// The password in force, and the one to come.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    #[schemars(with = "String")]
    old: Secret,
    #[schemars(with = "String")]
    new: Secret,
    /// Tokens go into cookies.
    #[serde(default)]
    cookies: bool,
}

/// Ends every session, the asking one too, and begins a new one.
pub(crate) async fn change(a: Arc<Authentication>, call: Changing<Web<Change>>) -> Result<Done<Reply>, Failure> {
    let way = call.input.way(call.input.body.cookies);
    let Change { old, new, .. } = call.input.body;
    let done = replace(&a, call.tx, &old, &new).await?;
    done.told(|session| browser::signed_in(&session.tokens(&a.minting)?, way, a.app.sessions.idle.0 / 1000))
}

/// The same from the account page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    #[schemars(with = "String")]
    old: Secret,
    #[schemars(with = "String")]
    new: Secret,
}

pub(crate) async fn change_form(a: Arc<Authentication>, call: Changing<Form>) -> Result<Done<Reply>, Failure> {
    let base = a.frame.base(call.tx.permit().principal());
    let done = replace(&a, call.tx, &call.input.old, &call.input.new).await?;
    done.told(|session| a.entered(&session, Some(&format!("{base}/console/account?said=password"))))
}

async fn replace(a: &Authentication, tx: Tx<Write>, old: &Secret, new: &Secret) -> Result<Done<Beginning>, Failure> {
    let principal = tx.permit().principal();
    let (user, at) = (principal.user().ok_or(Failure::SignInNeeded)?, principal.at());
    let account = people::by_id(&tx, user).await?.ok_or(Failure::SignInNeeded)?;
    let (Some(phc), Some(email)) = (account.phc.clone(), account.email.clone()) else {
        return Err(Failure::Conflict("this account has no password".into()));
    };
    password::acceptable(new, a.passwords.scheme())?;
    let slot = a.passwords.slot().await?;
    let struck = a.strikes.strike(&email);
    if !struck.counted {
        return Err(Failure::Locked(struck.locked.unwrap_or(1)));
    }
    if !slot.verify(Some(phc.clone()), old).await? {
        leaf(tx, format!("user/{user}"), Outcome::Failed).await?;
        return Err(Failure::WrongCredentials);
    }
    a.strikes.clear(&email);
    let better = a.passwords.slot().await?.hash(new).await?;
    let session = beginning(a, principal, (user, account.epoch.saturating_add(1)), "password");
    let changed = Failure::Conflict("the password has changed since".into());
    let batch = tx
        .batch::<Control>(format!("user/{user}"))
        .expect(1, &sql::CREDENTIAL_SWAP, (user, phc, better, at), changed.clone())
        .expect(1, &sql::USER_NEXT_EPOCH, (user, account.epoch, at), changed)
        .revoke(Revoke::User(user));
    let batch = Letter::changed(&a.app, &email).send(session.put(batch), &a.vault)?;
    let receipt = batch.commit().await?;
    Ok(Done::ok(receipt, session))
}

/// An address.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    email: String,
}

/// Always the same answer; a mail only to an account that has a password and belongs here.
pub(crate) async fn request_reset(a: Arc<Authentication>, call: Changing<Request>) -> Result<Done<()>, Failure> {
    ask_reset(a, call).await.map(|done| done.answer(()))
}

/// The same from the page.
pub(crate) async fn forgot(a: Arc<Authentication>, call: Changing<Request>) -> Result<Done<Reply>, Failure> {
    let own = Arc::clone(&a);
    let words = "If this address has an account here, a link to choose a new password is on its way. It works once.";
    let next = ("/sign-in", "Back to sign-in");
    ask_reset(a, call).await?.told(|home| Ok(pages::done(&own, &home, true, "Look into your mail", words, next)))
}

async fn ask_reset(a: Arc<Authentication>, call: Changing<Request>) -> Result<Done<Arc<Home>>, Failure> {
    let email = email::address(&call.input.email)?;
    let account = people::by_email(&call.tx, &email).await?;
    let member = belongs(&a, &call.tx, account.as_ref()).await?;
    let account = account.filter(|account| member && account.usable() && account.phc.is_some());
    let principal = call.tx.permit().principal();
    let (at, home, tenant) = (principal.at(), Arc::clone(principal.home()), tenant_of(principal));
    let new = New {
        purpose: Purpose::Reset,
        user: account.as_ref().map(|account| account.id),
        email: if account.is_some() { email.clone() } else { String::new() },
        tenant,
        pending: None,
        at,
        // A token for nobody is written too, expired: the answer takes as long.
        expires: if account.is_some() { at.plus(a.app.auth.reset.0) } else { at },
    };
    let (batch, token) = new.put(call.tx.batch::<Control>("account"), a.rng.as_ref())?;
    let letter = Letter::reset(&a.app, &email, &home.url, &token);
    let batch = if account.is_some() { letter.send(batch, &a.vault)? } else { batch };
    Ok(Done::accepted(batch.commit().await?, home))
}

/// A mailed token and the password to come.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reset {
    token: String,
    #[schemars(with = "String")]
    password: Secret,
}

pub(crate) async fn reset(a: Arc<Authentication>, call: Changing<Web<Reset>>) -> Result<Done<Reply>, Failure> {
    let form = call.input.form;
    let Reset { token, password } = call.input.body;
    let at = call.tx.permit().principal().at();
    let tenant = tenant_of(call.tx.permit().principal());
    let home = Arc::clone(call.tx.permit().principal().home());
    let found = mail_token::find(&call.tx, Purpose::Reset, &token, at).await?;
    let user = found.user.ok_or(Failure::Gone)?;
    // Refused before the token is spent, so that a better password can be sent with it.
    let phc = a.hash(&password).await?;
    let batch = mail_token::spend(call.tx.batch::<Control>(format!("user/{user}")), Purpose::Reset, &token, at)
        .expect(1, &sql::USER_VERIFIED, (user, at), Failure::Gone)
        .any(&sql::CREDENTIAL_PUT, (user, phc, at))
        .any(&sql::TOKENS_SPENT, (user, "reset", at));
    let batch = people::end_sessions(batch, user, at);
    let batch = match tenant {
        Some(tenant) => batch.then(tenant, Apply::new(format!("user/{user}"))),
        None => batch,
    };
    let receipt = Letter::changed(&a.app, &found.email).send(batch, &a.vault)?.commit().await?;
    a.strikes.clear(&found.email);
    let words = "Every session was ended. Sign in with the new password.";
    Ok(Done::ok(receipt, pages::done(&a, &home, form, "Your password is changed", words, ("/sign-in", "Sign in"))))
}
