use std::sync::Arc;

use kernel::{Failure, Home, Write};
use route::{Changing, Done, Reply};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{Control, Tx};

use super::{
    sign_in::{beginning, belongs},
    tenant_of,
};
use crate::{
    Authentication,
    browser::{self, Web},
    email,
    letter::Letter,
    mail_token::{self, New, Purpose},
    pages, people,
};

/// An address.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    email: String,
}

/// Always the same answer; a mail only to an account that belongs here.
pub(crate) async fn request(a: Arc<Authentication>, call: Changing<Web<Request>>) -> Result<Done<Reply>, Failure> {
    let form = call.input.form;
    send(&a, call.tx, &call.input.body.email).await?.told(|home| Ok(told(&a, &home, form)))
}

/// The same from the sign-in page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    email: String,
    /// Where to go on: a link in a mail may be opened elsewhere, so it is not kept.
    #[serde(default)]
    #[expect(dead_code, reason = "the page sends it with every form")]
    next: Option<String>,
}

pub(crate) async fn request_form(a: Arc<Authentication>, call: Changing<Form>) -> Result<Done<Reply>, Failure> {
    send(&a, call.tx, &call.input.email).await?.told(|home| Ok(told(&a, &home, true)))
}

fn told(a: &Authentication, home: &Home, form: bool) -> Reply {
    let words = "If this address has an account here, a link is on its way. It works once.";
    pages::done(a, home, form, "Look into your mail", words, ("/sign-in", "Use another address"))
}

async fn send(a: &Authentication, tx: Tx<Write>, email: &str) -> Result<Done<Arc<Home>>, Failure> {
    let email = email::address(email)?;
    let account = people::by_email(&tx, &email).await?;
    let member = belongs(a, &tx, account.as_ref()).await?;
    let account = account.filter(|account| member && account.usable());
    let principal = tx.permit().principal();
    let home = Arc::clone(principal.home());
    let (at, base, tenant) = (principal.at(), principal.home().url.clone(), tenant_of(principal));
    let new = New {
        purpose: Purpose::Magic,
        user: account.as_ref().map(|account| account.id),
        email: if account.is_some() { email.clone() } else { String::new() },
        tenant,
        pending: None,
        at,
        expires: if account.is_some() { at.plus(a.app.auth.magic_link.0) } else { at },
    };
    let (batch, token) = new.put(tx.batch::<Control>("account"), a.rng.as_ref())?;
    let letter = Letter::magic(&a.app, &email, &base, &token);
    let batch = if account.is_some() { letter.send(batch, &a.vault)? } else { batch };
    Ok(Done::accepted(batch.commit().await?, home))
}

/// The secret of a mailed link.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    token: String,
    /// Tokens go into cookies.
    #[serde(default)]
    cookies: bool,
}

/// Of many at the same moment, one signs in.
pub(crate) async fn sign_in(a: Arc<Authentication>, call: Changing<Web<SignIn>>) -> Result<Done<Reply>, Failure> {
    let way = call.input.way(call.input.body.cookies);
    let token = call.input.body.token;
    let principal = call.tx.permit().principal();
    let found = mail_token::find(&call.tx, Purpose::Magic, &token, principal.at()).await?;
    // A link opens the host it was asked for at, and no other.
    let user = found.user.filter(|_| found.tenant == tenant_of(principal)).ok_or(Failure::Gone)?;
    let account = people::by_id(&call.tx, user).await?;
    let member = belongs(&a, &call.tx, account.as_ref()).await?;
    let account = account.filter(|account| member && account.usable()).ok_or(Failure::Gone)?;
    let session = beginning(&a, principal, (account.id, account.epoch), "magic_link");
    let batch = call.tx.batch::<Control>(session.target());
    let batch = session.put(mail_token::spend(batch, Purpose::Magic, &token, session.at));
    let receipt = batch.commit().await?;
    let reply = browser::signed_in(&session.tokens(&a.minting)?, way, a.app.sessions.idle.0 / 1000)?;
    Ok(Done::ok(receipt, reply))
}
