//! The door of the operators' pages: a link from the admin socket opens it once.

use std::sync::Arc;

use authentication::operator;
use kernel::{Failure, Home};
use maud::html;
use route::{
    Asking, Changing, Done, Html, Input, Intake, Mishap, Raw, Redraw, Reply,
    page::{Ask, Button, Card, Field, Notice},
};
use schemars::JsonSchema;
use serde::Deserialize;
use store::Control;

use crate::Means;

/// Checks that protect this door.
const PROTECTS: &[&str] = &["gov.named_operators", "access.operator_jit", "limit.tiers", "edge.csrf"];

/// The secret of a link; none when somebody came without one.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    #[serde(default)]
    token: String,
}

/// Opening a link changes nothing; the button does.
pub(crate) async fn door(desk: Arc<Means>, call: Asking<Ask<Link>>) -> Result<Html, Failure> {
    let said = call.input.said.as_deref().filter(|said| *said == "left");
    let notice = said.map(|_| Notice::good("You are signed out of the operators\u{2019} pages."));
    Ok(card(&desk, call.tx.permit().principal().home(), &call.input.input.token, notice))
}

/// The same when the link did not work: one answer for used, expired and unknown ones, and for names that left the register.
pub(crate) async fn door_again(desk: Arc<Means>, again: Redraw<()>) -> Result<Html, Failure> {
    let Redraw { call, mishap } = again;
    let Mishap { problem, .. } = &mishap;
    let token = if problem.status == 410 { "" } else { mishap.kept.get("token").unwrap_or_default() };
    let notice = match problem.status {
        410 => Notice::warn("This link does not work, or works no more."),
        _ => mishap.notice(),
    };
    Ok(card(&desk, call.tx.permit().principal().home(), token, Some(notice)))
}

fn card(desk: &Means, home: &Home, token: &str, notice: Option<Notice>) -> Html {
    let frame = desk.authentication.frame();
    let body = html! {
        @if token.is_empty() {
            p { "These pages are for the team behind " (frame.app().name) ". Whoever stands in the register of operators asks the \
                 server itself for a link:" }
            pre tabindex="0" { code { "vouchsafe operator link APP --as YOU" } }
            p.muted { "The link works once, for five minutes. What it opens is over after eight hours." }
        } @else {
            p { "Press the button to go in. The link works once, so nothing that merely looks at it can use it up." }
            form.stack method="post" action="/operator/enter" {
                (Field::hidden("token", token))
                (Button::submit("Go in").primary())
            }
            p.muted { "You stay in for eight hours at most. What you change is recorded under your name." }
        }
    };
    frame.card(home, Card::new("Operators", body).notice(notice).protects(PROTECTS))
}

pub(crate) async fn enter(desk: Arc<Means>, call: Changing<Link>) -> Result<Done<Reply>, Failure> {
    let now = call.tx.permit().principal().at();
    let name = operator::find(&call.tx, &call.input.token, now).await?;
    if !desk.access.standing(&name, now).await?.acts() {
        return Err(Failure::Gone);
    }
    let batch = call.tx.batch::<Control>(format!("operator/{name}")).fact("operator", name.clone());
    let (batch, reply) = operator::enter(batch, desk.rng.as_ref(), &call.input.token, &name, now)?;
    Ok(Done::ok(batch.commit().await?, reply))
}

/// What leaving needs of the request.
pub(crate) struct Shown(http::HeaderMap);

impl Input for Shown {
    const INTAKE: Intake = Intake::Whole(1024);

    fn read(raw: Raw) -> Result<Self, Failure> {
        Ok(Self(raw.headers))
    }
    fn schema() -> serde_json::Value {
        serde_json::Value::Null
    }
}

pub(crate) async fn leave(_: Arc<Means>, call: Changing<Shown>) -> Result<Done<Reply>, Failure> {
    let who = call.tx.permit().principal();
    let (now, target) = (who.at(), who.actor().to_string());
    let (batch, reply) = operator::leave(call.tx.batch::<Control>(target), &call.input.0, now);
    Ok(Done::ok(batch.commit().await?, reply))
}
