use std::sync::Arc;

use kernel::{DAY, Failure, Read, Time};
use maud::{Markup, html};
use route::{
    Asking, Call, Changing, Done, Html, Mishap, Redraw, Reply,
    page::{Ask, Button, Empty, Field, Screen, Tag, confirm, facts, form, see_other},
};
use schemars::JsonSchema;
use serde::Deserialize;
use store::Tx;

use super::{clock, day, page};
use crate::{
    Disclosure,
    desk::{
        http::operator::{self, Ending, Named, Opening},
        incident::Told,
        sql::{self, Happened},
    },
};

const SAID: &[(&str, &str)] = &[
    ("opened", "Opened. The seventy-two hours run from the moment it was known."),
    ("notified", "Recorded that those affected were told."),
    ("closed", "Closed. The public reads your words under Incidents."),
];

pub(super) async fn incidents(d: Arc<Disclosure>, call: Asking<Ask<()>>) -> Result<Html, Failure> {
    draw(&d, &call.tx, call.input.said.as_deref(), None).await
}
pub(super) async fn incidents_again(d: Arc<Disclosure>, again: Redraw<Named>) -> Result<Html, Failure> {
    draw(&d, &again.call.tx, None, Some(&again.mishap)).await
}
pub(super) async fn opening_again(d: Arc<Disclosure>, again: Redraw<()>) -> Result<Html, Failure> {
    draw(&d, &again.call.tx, None, Some(&again.mishap)).await
}

async fn draw(d: &Disclosure, tx: &Tx<Read>, said: Option<&str>, mishap: Option<&Mishap>) -> Result<Html, Failure> {
    let who = tx.permit().principal();
    let rows = tx.all(&sql::INCIDENTS, (operator::MOST,)).await?;
    let body = html! {
        @if rows.is_empty() {
            (Empty::new("No incident so far", "When one is known, open it below. From then on the page of incidents shows that there is one, and its clock."))
        }
        @for row in &rows { (panel(row, who.at())) }
        section #open { h2 { "Open an incident" } (opening(mishap)) }
    };
    let lead = html! { "Those affected hear of it within seventy-two hours of our knowing." };
    let screen = Screen::new("Incidents", "/operator/incidents").lead(lead);
    let screen = match mishap {
        Some(mishap) => screen.notice(mishap.notice()),
        None => screen.said(said, SAID),
    };
    page(d, who, screen, body)
}

fn panel(row: &Happened, now: Time) -> Markup {
    let (id, title, words, known, by, notified, closed, replaced) = row;
    let tag = match Told::of(*by, *notified, now) {
        Told::InTime => Tag::good("Told in time"),
        Told::Late => Tag::bad("Told after more than 72 hours"),
        Told::Running(due) => clock(due, now, DAY),
        Told::Overdue => Tag::bad("Not told within 72 hours"),
    };
    let mut lines =
        vec![("Clock", html! { (tag) }), ("Known since", day(*known)), ("Tell those affected by", day(*by))];
    lines.extend(notified.map(|at| ("Told", day(at))));
    lines.extend(closed.map(|at| ("Closed", day(at))));
    lines.extend(replaced.as_ref().map(|what| ("Replaced because of it", html! { (what) })));
    let at = |verb: &str| format!("/operator/incidents/{id}/{verb}");
    html! {
        section.panel.stack {
            h2 { (title) }
            (facts(&lines))
            @if !words.is_empty() { p.letter { (words) } }
            @if notified.is_none() {
                (form(&at("notified"), html! { div.actions { (Button::submit("Those affected were told").primary()) } }))
            }
            @if closed.is_none() {
                (confirm("Close it\u{2026}", "The title and these words then stand on the page of incidents.", form(&at("close"), html! {
                    (Field::area("words", "What customers may read of it").id(format!("words-{id}")).rows(4).attr("maxlength", "5000"))
                    (Field::text("replaced", "Keys that were replaced because of it").id(format!("replaced-{id}")).attr("maxlength", "500"))
                    div.actions { (Button::submit("Close the incident").danger()) }
                })))
            }
        }
    }
}

fn opening(mishap: Option<&Mishap>) -> Markup {
    let kept = |name: &str| mishap.and_then(|m| m.kept.get(name)).unwrap_or_default().to_owned();
    let wrong = |name: &str| mishap.and_then(|m| m.error(name));
    form(
        "/operator/incidents",
        html! {
            (Field::text("title", "Title").required(true).attr("maxlength", "200").value(kept("title")).error(wrong("title"))
                .hint("The public reads it once the incident is closed."))
            (Field::text("known_at", "Known since").kind("datetime-local").value(kept("known_at")).error(wrong("known_at"))
                .hint("In UTC; left empty, it is now."))
            div.actions { (Button::submit("Open it").primary()) }
        },
    )
}

fn back<T>(done: Done<T>, said: &str) -> Done<Reply> {
    done.answer(see_other(format!("/operator/incidents?said={said}")))
}

/// The form.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    title: String,
    #[serde(default)]
    known_at: String,
}

pub(super) async fn open(d: Arc<Disclosure>, call: Changing<Form>) -> Result<Done<Reply>, Failure> {
    let Call { tx, input: Form { title, known_at } } = call;
    // A browser's field says no zone; the page says that it is UTC.
    let known_at = match known_at.len() {
        0 => None,
        16 => Some(format!("{known_at}:00Z")),
        _ => Some(format!("{known_at}Z")),
    };
    let input = Opening { title, words: String::new(), known_at };
    Ok(back(operator::open(d, Call { tx, input }).await?, "opened"))
}

pub(super) async fn notified(d: Arc<Disclosure>, call: Changing<Named>) -> Result<Done<Reply>, Failure> {
    Ok(back(operator::notified(d, call).await?, "notified"))
}

/// The form.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Closing {
    id: String,
    #[serde(default)]
    words: String,
    #[serde(default)]
    replaced: String,
}

pub(super) async fn close(d: Arc<Disclosure>, call: Changing<Closing>) -> Result<Done<Reply>, Failure> {
    let Call { tx, input: Closing { id, words, replaced } } = call;
    let replaced = Some(replaced.trim().to_owned()).filter(|what| !what.is_empty());
    Ok(back(operator::end(d, Call { tx, input: Ending { id, words, replaced } }).await?, "closed"))
}
