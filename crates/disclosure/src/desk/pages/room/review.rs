use std::sync::Arc;

use http::{StatusCode, header};
use kernel::{Actor, Failure, Read, Time};
use maud::{Markup, html};
use route::{
    Asking, Changing, Done, Html, Input, Intake, Mishap, Raw, Redraw, Reply,
    page::{Ask, Button, Empty, Field, Screen, Tag, form, see_other, table_region},
};
use schemars::JsonSchema;
use serde::Deserialize;
use store::Tx;

use super::{capital, day, page};
use crate::{
    Disclosure,
    desk::{
        review::{Decisions, Reviewable},
        sql,
    },
};

/// Tenants listed at most; the document of a review holds all.
const MOST: usize = 200;
const SAID: &[(&str, &str)] =
    &[("reviewed", "Gone through. Whoever was removed is out from now on, here and at the command line.")];

pub(super) async fn accesses_again(d: Arc<Disclosure>, again: Redraw<()>) -> Result<Html, Failure> {
    draw(&d, &again.call.tx, None, Some(&again.mishap)).await
}

pub(super) async fn accesses(d: Arc<Disclosure>, call: Asking<Ask<()>>) -> Result<Html, Failure> {
    draw(&d, &call.tx, call.input.said.as_deref(), None).await
}

async fn draw(d: &Disclosure, tx: &Tx<Read>, said: Option<&str>, mishap: Option<&Mishap>) -> Result<Html, Failure> {
    let seen = d.reviewable(tx).await?;
    let before = tx.all(&sql::REVIEWS, (12,)).await?;
    let quarter = d.app().operators.review.0 / kernel::DAY;
    let body = html! {
        section { h2 { "Operators" } (absent(&seen, &d.app().operators.names)) (deciding(&seen, &d.app().operators.names, mishap)) }
        section { h2 { "Powerful roles" } (powerful(d, &seen)) }
        section { h2 { "Reviews so far" } (history(&before)) }
    };
    let lead = html! { "Who may act from inside, and who decides at each " (d.app().tenant.noun) ". Gone through every " (quarter) " days, and signed." };
    let screen = Screen::new("Access review", "/operator/access").lead(lead).said(said, SAID);
    let screen = match mishap {
        Some(mishap) => screen.notice(mishap.notice()),
        None => screen,
    };
    page(d, tx.permit().principal(), screen, body)
}

/// Whom the manifest names and the register does not: they may not act.
fn absent(seen: &Reviewable, declared: &[String]) -> Markup {
    let there = |name: &&String| seen.operators.iter().any(|o| o.name == **name);
    let absent: Vec<&str> = declared.iter().filter(|name| !there(name)).map(String::as_str).collect();
    html! {
        @if !absent.is_empty() {
            p.muted { "Named in app.toml, and not in the register, so they may not act: " (absent.join(", ")) "." }
        }
    }
}

/// The register as a form: a decision about each line.
fn deciding(seen: &Reviewable, declared: &[String], mishap: Option<&Mishap>) -> Markup {
    if seen.operators.is_empty() {
        let words = "Add who may act first: vouchsafe operator add APP --as YOU NAME --reason … --owner … --days 90";
        return html! { (Empty::new("Nobody is in the register", words)) };
    }
    let choices =
        || [("", "Decide\u{2026}"), ("keep", "Keep"), ("remove", "Remove")].map(|(v, l)| (v.to_owned(), l.to_owned()));
    let kept = |field: &str| mishap.and_then(|m| m.kept.get(field)).unwrap_or_default().to_owned();
    form(
        "/operator/access",
        html! {
            @for (at, o) in seen.operators.iter().enumerate() {
                @let field = format!("decide-{at}");
                div.panel.stack {
                    h3 {
                        (o.name)
                        @if !o.in_force(seen.at) { " " (Tag::bad("Expired")) }
                        @if !declared.is_empty() && !declared.contains(&o.name) { " " (Tag::warn("Not named in app.toml")) }
                    }
                    div { p { (o.reason) } p.small.muted {
                        (o.owner) " answers for it. Added by " (o.added_by) " on " (day(o.added_at)) ", until " (day(o.expires)) "."
                    } }
                    (Field::hidden(format!("name-{at}"), o.name.clone()))
                    (Field::select(field.clone(), format!("Decision about {}", o.name), choices().into()).required(true)
                        .value(kept(&field)).error(mishap.and_then(|m| m.error(&field))))
                }
            }
            p.small.muted { "Keeping somebody does not move their last day. Whoever is removed loses their session here, and their name at the command line, at once; \
                             take the service's account on the machine from them too. Secrets that they could have seen are then due for replacement." }
            div.actions { (Button::submit("Sign the review under my name").primary()) }
        },
    )
}

fn powerful(d: &Disclosure, seen: &Reviewable) -> Markup {
    let label =
        |role: &str| d.app().roles.iter().find(|r| r.id == role).map_or_else(|| role.to_owned(), |r| r.label.clone());
    let noun = capital(&d.app().tenant.noun);
    if seen.held.is_empty() {
        return html! { (Empty::new("Nobody holds one yet", "As soon as there are members, each place is listed here with how many of them decide about people or about the place itself.")) };
    }
    html! {
        p { "Numbers alone: whose names they are is for each " (d.app().tenant.noun) " to know." }
        (table_region("Holders of powerful roles", html! {
            table.table {
                thead { tr {
                    th scope="col" { (noun) }
                    @for role in &seen.powerful { th.num scope="col" { (label(role)) } }
                } }
                tbody {
                    @for held in seen.held.iter().take(MOST) { tr {
                        td.main data-label=(noun) { (held.slug) }
                        @for role in &seen.powerful { td.num data-label=(label(role)) { (held.roles.get(*role).copied().unwrap_or(0)) } }
                    } }
                    tr {
                        th scope="row" { "All together" }
                        @for role in &seen.powerful { td.num data-label=(label(role)) { strong { (seen.of(role).0) } } }
                    }
                }
            }
        }))
        @if seen.held.len() > MOST { p.muted { "The first " (MOST) " of " (seen.held.len()) ". The document of a review holds all." } }
    }
}

fn history(before: &[(String, Time, String, String)]) -> Markup {
    html! {
        @if before.is_empty() { p.muted { "None yet. The first one starts the quarter." } } @else {
            (table_region("Reviews so far", html! {
                table.table {
                    thead { tr { th scope="col" { "When" } th scope="col" { "By" } th scope="col" { "SHA-256 of what was reviewed" } } }
                    tbody { @for (id, at, by, digest) in before { tr {
                        td.main data-label="When" { a href={ "/operator/access/reviews/" (id) } { (day(*at)) } }
                        td data-label="By" { (by) }
                        td data-label="SHA-256" { code title=(digest) { (digest.get(..16).unwrap_or_default()) "\u{2026}" } }
                    } } }
                }
            }))
        }
    }
}

/// The form: for each line of the register its name and the decision.
pub(super) struct Decided(Decisions);

impl Input for Decided {
    const INTAKE: Intake = Intake::Whole(256 * 1024);

    fn read(raw: Raw) -> Result<Self, Failure> {
        let pairs = route::form(&raw.body)?;
        let mut decisions = Decisions::default();
        for (name, value) in &pairs {
            let Some(at) = name.strip_prefix("decide-") else { continue };
            let who = pairs.iter().find(|(n, _)| n.strip_prefix("name-") == Some(at)).map(|(_, who)| who.clone());
            let who = who.ok_or(Failure::bad("a decision without a name"))?;
            match value.as_str() {
                "keep" => decisions.keep.push(who),
                "remove" => decisions.remove.push(who),
                _ => {}
            }
        }
        Ok(Self(decisions))
    }
    fn schema() -> serde_json::Value {
        serde_json::Value::Null
    }
}

pub(super) async fn decide(d: Arc<Disclosure>, call: Changing<Decided>) -> Result<Done<Reply>, Failure> {
    let Actor::Operator(name) = call.tx.permit().principal().actor() else { return Err(Failure::NotFound) };
    let name = name.to_string();
    let (receipt, _) = d.review(call.tx, &name, call.input.0).await?;
    Ok(Done::ok(receipt, see_other("/operator/access?said=reviewed")))
}

/// A review.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    id: String,
}

/// The bytes that a review's digest is of.
pub(super) async fn document(_: Arc<Disclosure>, call: Asking<Named>) -> Result<Reply, Failure> {
    let id: kernel::Id = call.input.id.parse().map_err(|_| Failure::NotFound)?;
    let (document,) = call.tx.one(&sql::REVIEW, (id,)).await?;
    let name = format!("attachment; filename=\"access-review-{id}.json\"");
    Ok(Reply::json(StatusCode::OK, document).with(header::CONTENT_DISPOSITION, &name))
}
