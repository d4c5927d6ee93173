use std::sync::Arc;

use kernel::{Credential, Event, Failure, Outcome, Principal, SessionId, TenantId, Time, Write};
use route::{Changing, Done, Reply, page::see_other};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{Control, Revoke, Tx};

use crate::{
    Authentication,
    browser::{self, Way, Web},
    people,
    refresh_token::{Shown, Turn, judge, read, window_start},
    session::{Of, Row, device_hash},
    sql,
};

/// A refresh token, unless it comes in a cookie.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    #[serde(default)]
    refresh_token: Option<String>,
    /// What the sign-in gave as `device`.
    #[serde(default)]
    device: Option<String>,
}

pub(crate) async fn refresh(a: Arc<Authentication>, call: Changing<Web<Refresh>>) -> Result<Done<Reply>, Failure> {
    let web = call.input;
    let (token, device, way) = match (web.body.refresh_token, web.refresh) {
        (Some(token), _) => (token, web.body.device, Way::Api),
        (None, Some(token)) => (token, web.device, Way::Cookies),
        (None, None) => return Err(Failure::SignInNeeded),
    };
    let shown = read(&token).ok_or(Failure::SignInNeeded)?;
    let row = call.tx.maybe(&sql::SESSION, (shown.session,)).await?.ok_or(Failure::SignInNeeded)?;
    let now = call.tx.permit().principal().at();
    if !a.minting.refresh.ours(&shown, &row.salt) || !row.lives(&a.app.sessions, now) {
        return Err(Failure::SignInNeeded);
    }
    let device = device.map(|device| device_hash(&device));
    let turned = turn(&a, call.tx, &shown, &row, device, now).await?;
    let of = Of {
        session: shown.session,
        user: row.user,
        tenant: row.tenant,
        created: row.created_at,
        proved: row.proved_at,
    };
    let tokens = a.minting.tokens(&of, turned.counter, &row.salt, now)?;
    let reply = browser::signed_in(&tokens, way, a.app.sessions.idle.0 / 1000)?;
    Ok(Done::ok(turned.receipt, reply))
}

struct Turned {
    counter: i64,
    receipt: store::Receipt,
}

/// Turns the counter, or ends the session; the one statement decides, whatever was read before it.
async fn turn(
    a: &Authentication,
    tx: Tx<Write>,
    shown: &Shown,
    row: &Row,
    device: Option<Vec<u8>>,
    now: Time,
) -> Result<Turned, Failure> {
    let after = window_start(now, a.app.sessions.reuse_window.0);
    let same_device = device.is_some() && device == row.device;
    let expected = judge(row.counter, shown.counter, row.used_at > after, same_device);
    let principal = tx.permit().principal().clone();
    let target = format!("session/{}", shown.session);
    if expected == Turn::Reused && kernel::sabotage::off("auth.refresh_reuse") {
        return Err(Failure::SignInNeeded);
    }
    if kernel::sabotage::off("auth.refresh_rotation") {
        let receipt = tx.batch::<Control>(target).commit().await?;
        return Ok(Turned { counter: row.counter, receipt });
    }
    let batch = tx.batch::<Control>(target).outcome(match expected {
        Turn::Next | Turn::Again => Outcome::Done,
        Turn::Reused | Turn::Ahead => Outcome::Refused,
    });
    let args = (shown.session, shown.counter, now, after, device);
    let receipt = batch
        .returning(1, &sql::SESSION_TURN, args, Failure::SignInNeeded)
        .revoke(Revoke::Session(shown.session))
        .commit()
        .await?;
    let (counter, ended): (i64, Option<Time>) =
        receipt.row()?.ok_or(Failure::internal("authentication: a turn gave no row"))?;
    if ended.is_none() {
        return Ok(Turned { counter, receipt });
    }
    if shown.counter < counter {
        let event = reuse(&principal, shown.session);
        a.lookup.note(row.tenant.unwrap_or(TenantId::HOUSE), event).await?;
    }
    Err(Failure::SignInNeeded)
}

/// A spent token came back: someone else has it.
fn reuse(principal: &Principal, session: SessionId) -> Event {
    principal.event("session.reuse", format!("session/{session}"), Outcome::Refused)
}

pub(crate) async fn sign_out(_: Arc<Authentication>, call: Changing<()>) -> Result<Done<Reply>, Failure> {
    let principal = call.tx.permit().principal();
    let Credential::User { session, cookie, .. } = *principal.credential() else {
        return Err(Failure::SignInNeeded);
    };
    let at = principal.at();
    let batch = call.tx.batch::<Control>(format!("session/{session}")).any(&sql::SESSION_END, (session, at));
    let receipt = batch.revoke(Revoke::Session(session)).commit().await?;
    Ok(Done::ok(receipt, browser::signed_out(cookie)))
}

/// The same from a page's button; without a session there is nothing to end, and the cookies go all the same.
pub(crate) async fn sign_out_form(_: Arc<Authentication>, call: Changing<()>) -> Result<Done<Reply>, Failure> {
    let principal = call.tx.permit().principal();
    let at = principal.at();
    let session = match *principal.credential() {
        Credential::User { session, .. } => session,
        _ => return Err(Failure::SignInNeeded),
    };
    let batch = call.tx.batch::<Control>(format!("session/{session}")).any(&sql::SESSION_END, (session, at));
    let receipt = batch.revoke(Revoke::Session(session)).commit().await?;
    Ok(Done::ok(receipt, browser::left("/sign-in?said=out")))
}

/// Ends all of the person's sessions, from the account page.
pub(crate) async fn everywhere_form(a: Arc<Authentication>, call: Changing<()>) -> Result<Done<Reply>, Failure> {
    Ok(sign_out_everywhere(a, call).await?.answer(browser::left("/sign-in?said=everywhere")))
}

/// One of the person's own sessions.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    id: String,
}

pub(crate) async fn end(a: Arc<Authentication>, call: Changing<Named>) -> Result<Done<Reply>, Failure> {
    let principal = call.tx.permit().principal();
    let user = principal.user().ok_or(Failure::SignInNeeded)?;
    let (at, base) = (principal.at(), a.frame.base(principal));
    let session = SessionId(call.input.id.parse().map_err(|_| Failure::NotFound)?);
    let batch = call.tx.batch::<Control>(format!("session/{session}"));
    let batch = batch.expect(1, &sql::SESSION_END_OWN, (session, user, at), Failure::NotFound);
    let receipt = batch.revoke(Revoke::Session(session)).commit().await?;
    Ok(Done::ok(receipt, see_other(format!("{base}/console/account?said=session"))))
}

pub(crate) async fn sign_out_everywhere(_: Arc<Authentication>, call: Changing<()>) -> Result<Done<Reply>, Failure> {
    let principal = call.tx.permit().principal();
    let user = principal.user().ok_or(Failure::SignInNeeded)?;
    let (at, cookie) = (principal.at(), matches!(principal.credential(), Credential::User { cookie: true, .. }));
    let batch = people::end_sessions(call.tx.batch::<Control>(format!("user/{user}")), user, at);
    Ok(Done::ok(batch.commit().await?, browser::signed_out(cookie)))
}
