//! Ways in that exist on a development server only.

use std::sync::Arc;

use encryption::hash;
use http::StatusCode;
use kernel::{Failure, Outcome, Secret};
use route::{Asking, Changing, Done, Output, Reply};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::Control;

use super::{
    leaf,
    sign_in::{beginning, belongs},
    tenant_of,
};
use crate::{
    Authentication, DemoPeople,
    browser::{self, Way, Web},
    email, people,
};

/// A demo person.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    email: String,
    #[schemars(with = "String")]
    password: Secret,
    /// Slug or id, where the host does not say it.
    #[serde(default)]
    tenant: Option<String>,
    /// Where a browser goes on.
    #[serde(default)]
    next: Option<String>,
}

impl DemoPeople {
    /// The address, if it is a demo person's and the password is theirs.
    fn find(&self, input: &SignIn) -> Option<&(String, String)> {
        let email = email::address(&input.email).ok()?;
        let right = hash::same(input.password.expose(), self.password.expose());
        let fits = |slug: &str| input.tenant.as_deref().is_none_or(|named| named == slug);
        self.people.iter().find(|(address, slug)| right && *address == email && fits(slug))
    }
}

/// Where mailed links are the way in: a session at once.
pub(crate) async fn sign_in(a: Arc<Authentication>, call: Changing<Web<SignIn>>) -> Result<Done<Reply>, Failure> {
    let demo = a.demo.as_ref().and_then(|demo| demo.find(&call.input.body)).ok_or(Failure::WrongCredentials)?;
    let account = people::by_email(&call.tx, &demo.0).await?;
    let member = belongs(&a, &call.tx, account.as_ref()).await?;
    let account = account.filter(|account| member && account.usable()).ok_or(Failure::WrongCredentials)?;
    let session = beginning(&a, call.tx.permit().principal(), (account.id, account.epoch), "development");
    let receipt = session.put(call.tx.batch::<Control>(session.target())).commit().await?;
    if call.input.form {
        return Ok(Done::ok(receipt, a.entered(&session, call.input.body.next.as_deref())?));
    }
    let reply = browser::signed_in(&session.tokens(&a.minting)?, Way::Api, a.app.sessions.idle.0 / 1000)?;
    Ok(Done::ok(receipt, reply))
}

/// Tokens of the development issuer.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Issued {
    access_token: String,
    refresh_token: String,
    expires_in: i64,
    token_type: &'static str,
}

/// Where an outside issuer keeps the identities: what that issuer would give.
pub(crate) async fn issue(a: Arc<Authentication>, call: Changing<Web<SignIn>>) -> Result<Done<Reply>, Failure> {
    let Web { body, form, .. } = call.input;
    let demo = a.demo.as_ref().and_then(|demo| demo.find(&body)).ok_or(Failure::WrongCredentials)?;
    let principal = call.tx.permit().principal();
    let tenant = match tenant_of(principal) {
        Some(_) => principal.home().slug.clone(),
        None => demo.1.clone(),
    };
    let issued = give(&a, call.tx, &demo.0, &tenant).await?;
    if !form {
        return issued.told(|issued| issued.reply(StatusCode::OK));
    }
    let to = browser::onward(body.next.as_deref()).unwrap_or_else(|| "/console".to_owned());
    issued.told(|issued| Ok(browser::entered_once(&issued.access_token, issued.expires_in, &to)))
}

/// A refresh token of the development issuer.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Renew {
    refresh_token: String,
}

pub(crate) async fn renew(a: Arc<Authentication>, call: Changing<Renew>) -> Result<Done<Issued>, Failure> {
    let now = call.tx.permit().principal().at();
    let issuer = a.issuer.as_ref().ok_or(Failure::NotFound)?;
    let found = issuer.refreshed(&call.input.refresh_token, now).await?;
    let (subject, tenant) = found.ok_or(Failure::SignInNeeded)?;
    give(&a, call.tx, &subject, &tenant).await
}

async fn give(
    a: &Authentication,
    tx: store::Tx<kernel::Write>,
    subject: &str,
    tenant: &str,
) -> Result<Done<Issued>, Failure> {
    let (now, life) = (tx.permit().principal().at(), a.app.sessions.access_token.0);
    let issued = a.issuer.as_ref().and_then(|issuer| issuer.issue(subject, tenant, now, life));
    let (access_token, refresh_token) = issued.ok_or(Failure::NotFound)?;
    let receipt = leaf(tx, "session/development".to_owned(), Outcome::Done).await?;
    let tokens = Issued { access_token, refresh_token, expires_in: life / 1000, token_type: "Bearer" };
    Ok(Done::ok(receipt, tokens))
}

/// The development issuer's public key.
pub(crate) async fn keys(a: Arc<Authentication>, _: Asking<()>) -> Result<Reply, Failure> {
    let own = a.issuer.as_ref().and_then(|issuer| issuer.development()).ok_or(Failure::NotFound)?;
    Ok(Reply::json(http::StatusCode::OK, own.set().to_string()))
}
