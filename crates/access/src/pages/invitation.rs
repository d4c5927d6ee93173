//! The page behind an invitation's link. Opening it changes nothing; the button does.

use std::sync::Arc;

use kernel::Failure;
use manifest::Method;
use maud::{Markup, html};
use route::{
    Asking, Changing, Done, Html, Mishap, Redraw, Reply,
    page::{Button, Card, Field, Notice, see_other},
};
use schemars::JsonSchema;
use serde::Deserialize;
use store::Tx;

use crate::{
    Means,
    http::acceptance::{self, Accept},
};

/// The link's query; none when the form is shown again, which holds it.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    #[serde(default)]
    token: String,
}

pub(crate) async fn invitation(desk: Arc<Means>, call: Asking<Link>) -> Result<Html, Failure> {
    Ok(draw(&desk, &call.tx, &call.input.token, None))
}

/// The same when it could not be accepted.
pub(crate) async fn invitation_again(desk: Arc<Means>, again: Redraw<Link>) -> Result<Html, Failure> {
    let token = again.mishap.kept.get("token").unwrap_or_default();
    Ok(draw(&desk, &again.call.tx, token, Some(&again.mishap)))
}

/// A token as it may stand in an address: what we made, and nothing else.
fn plain(token: &str) -> &str {
    if token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') { token } else { "" }
}

fn draw(desk: &Means, tx: &Tx<kernel::Read>, token: &str, mishap: Option<&Mishap>) -> Html {
    let who = tx.permit().principal();
    let policy = desk.access.policy();
    let asks = who.user().is_none() && desk.authentication.keeps_identities();
    let status = mishap.map(|m| m.problem.status);
    let sign_in = format!("/sign-in?next=/invitation%3Ftoken={}", plain(token));
    let notice = match (status, mishap) {
        (Some(401), _) => Some(Notice::warn("You have an account already. Sign in to it first; then accept.")),
        (Some(404 | 410), _) => Some(Notice::bad("This invitation was used already, has run out, or was withdrawn.")),
        (_, Some(mishap)) => Some(mishap.notice()),
        _ => None,
    };
    let body = match status {
        Some(401) => html! { p.actions { (Button::link("Sign in", sign_in).primary()) } },
        Some(404 | 410) => html! { p { "Ask whoever invited you for another one." } },
        _ => form(token, asks, policy.app.auth.methods.contains(&Method::Password), mishap),
    };
    let place = if who.tenant() == kernel::TenantId::HOUSE { policy.app.name.clone() } else { who.home().name.clone() };
    let foot = html! { @if asks && status != Some(401) { p { "Have an account? " a href=(format!("/sign-in?next=/invitation%3Ftoken={}", plain(token))) { "Sign in first" } "." } } };
    let card = Card::new(format!("Join {place}"), body).over("You are invited").notice(notice).foot(foot);
    desk.authentication
        .frame()
        .card(who.home(), card.protects(&["access.roster", "access.role_floor", "auth.email_verify"]))
}

fn form(token: &str, asks: bool, password: bool, mishap: Option<&Mishap>) -> Markup {
    let kept = mishap.and_then(|m| m.kept.get("name")).unwrap_or_default();
    let wrong = |name| mishap.and_then(|m| m.error(name));
    html! {
        form.stack method="post" action="/invitation" {
            (Field::hidden("token", token))
            @if asks {
                (Field::text("name", "Your name").required(true).autocomplete("name").attr("maxlength", "120").value(kept).error(wrong("name")))
                @if password {
                    (Field::text("password", "A new password").kind("password").required(true).autocomplete("new-password")
                        .attr("minlength", "10").attr("maxlength", "128").hint("10 to 128 characters").error(wrong("password")))
                }
            }
            (Button::submit("Accept the invitation").primary())
        }
    }
}

pub(crate) async fn accept(desk: Arc<Means>, call: Changing<Accept>) -> Result<Done<Reply>, Failure> {
    acceptance::accept(desk, call).await?.told(|joined| {
        let next =
            if joined.created { format!("{}?said=joined", joined.next) } else { format!("{}/console", joined.url) };
        Ok(see_other(next))
    })
}
