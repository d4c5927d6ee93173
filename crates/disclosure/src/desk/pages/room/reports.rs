use std::sync::Arc;

use kernel::{DAY, Failure, Read};
use maud::{Markup, html};
use route::{
    Asking, Call, Changing, Done, Html, Mishap, Redraw, Reply,
    page::{Ask, Button, Empty, Field, Screen, Tag, confirm, facts, form, see_other, table_region},
};
use schemars::JsonSchema;
use serde::Deserialize;
use store::Tx;

use super::{away, clock, day, page};
use crate::{
    Disclosure,
    desk::{
        http::operator::{self, Closing, Named, Update, content, id, updates},
        report::Standing,
        sql,
    },
};

const SAID: &[(&str, &str)] = &[
    ("acknowledged", "Confirmed. Whoever reported it reads so at their address."),
    ("updated", "Told. Whoever reported it reads it at their address."),
    ("closed", "Closed."),
];

fn tag(standing: Standing, now: kernel::Time) -> Tag {
    match standing {
        Standing::Waiting(due) => clock(due, now, DAY),
        Standing::Late(due) => Tag::bad(format!("Not confirmed in time, {}", away(due, now))),
        Standing::Acknowledged(_) => Tag::accent("Confirmed"),
        Standing::Closed(_) => Tag::good("Closed"),
    }
}

pub(super) async fn list(d: Arc<Disclosure>, call: Asking<Ask<()>>) -> Result<Html, Failure> {
    let who = call.tx.permit().principal();
    let mut lines = Vec::new();
    for (id, sealed, received, due, _, acknowledged, closed, _) in call.tx.all(&sql::REPORTS, (operator::MOST,)).await?
    {
        let summary = content(&d, &sealed)?.summary;
        lines.push((id, summary, received, Standing::of(due, acknowledged, closed, who.at())));
    }
    let body = html! {
        @if lines.is_empty() {
            (Empty::new("Nobody has reported anything", "What outsiders send through the form of the trust page arrives here, sealed until an operator reads it. \
                The clock to confirm it starts when it arrives.").action(html! { (Button::link("Look at the form", "/trust/report")) }))
        } @else {
            (table_region("Reports", html! {
                table.table {
                    thead { tr { th scope="col" { "Report" } th scope="col" { "Received" } th scope="col" { "State" } } }
                    tbody { @for (id, summary, received, standing) in &lines { tr {
                        td.main data-label="Report" { a href={ "/operator/reports/" (id) } { (summary) } }
                        td data-label="Received" { (day(*received)) }
                        td data-label="State" { (tag(*standing, who.at())) }
                    } } }
                }
            }))
        }
    };
    let lead =
        html! { "Weaknesses that outsiders told us of. A person confirms each within " (d.app().disclosure.ack) "." };
    page(&d, who, Screen::new("Reports", "/operator/reports").lead(lead), body)
}

pub(super) async fn report(d: Arc<Disclosure>, call: Asking<Ask<Named>>) -> Result<Html, Failure> {
    draw(&d, &call.tx, &call.input.input.id, call.input.said.as_deref(), None).await
}

pub(super) async fn report_again(d: Arc<Disclosure>, again: Redraw<Named>) -> Result<Html, Failure> {
    draw(&d, &again.call.tx, &again.call.input.id, None, Some(&again.mishap)).await
}

async fn draw(
    d: &Disclosure,
    tx: &Tx<Read>,
    name: &str,
    said: Option<&str>,
    mishap: Option<&Mishap>,
) -> Result<Html, Failure> {
    let who = tx.permit().principal();
    let (key, sealed, received, due, disclose, acknowledged, closed, credit) =
        tx.one(&sql::BY_ID, (id(name)?,)).await?;
    let told = updates(d, tx.all(&sql::UPDATES, (key.clone(),)).await?)?;
    let held = content(d, &sealed)?;
    let standing = Standing::of(due, acknowledged, closed, who.at());
    let mut clocks = vec![
        ("State", html! { (tag(standing, who.at())) }),
        ("Received", day(received)),
        ("Confirm by", day(due)),
        (
            "Reach them at",
            html! { @if held.contact.is_empty() { "They left no address; they read the page of their receipt." } @else { (held.contact) } },
        ),
        ("May be thanked as", html! { (credit.as_deref().unwrap_or("they did not ask for it")) }),
    ];
    clocks.extend(disclose.map(|at| ("They may publish from", day(at))));
    clocks.extend(closed.map(|at| ("Closed", day(at))));
    let answers = held.answers.iter().filter(|(_, text)| !text.trim().is_empty());
    let body = html! {
        section { (facts(&clocks)) }
        section {
            h2 { "What they wrote" }
            @if held.answers.iter().all(|(_, text)| text.trim().is_empty()) { p.muted { "Nothing but the line above." } }
            @for (ask, text) in answers { h3 { (ask) } p.letter { (text) } }
        }
        section {
            h2 { "What we told them" }
            @if told.is_empty() { p.muted { "Nothing yet." } }
            @for (at, words) in &told { div.panel { p.small.muted { time datetime=(at) { (at) } } p.letter { (words) } } }
        }
        @if closed.is_none() { (acts(&key, acknowledged.is_none(), credit.is_some(), mishap)) }
    };
    let screen =
        Screen::new(held.summary.clone(), format!("/operator/reports/{key}")).crumb("Reports", "/operator/reports");
    let screen = match mishap {
        Some(mishap) => screen.notice(mishap.notice()),
        None => screen.said(said, SAID),
    };
    page(d, who, screen, body)
}

fn acts(id: &str, waits: bool, named: bool, mishap: Option<&Mishap>) -> Markup {
    let at = |verb: &str| format!("/operator/reports/{id}/{verb}");
    let words = mishap.and_then(|m| m.kept.get("words")).unwrap_or_default().to_owned();
    html! {
        @if waits {
            section {
                h2 { "Confirm that it arrived" }
                p { "This stops the first clock, and they read that a person has seen it." }
                (form(&at("acknowledge"), html! { div.actions { (Button::submit("Confirm").primary()) } }))
            }
        }
        section {
            h2 { "Tell them how it is going" }
            (form(&at("update"), html! {
                (Field::area("words", "What they read").rows(4).required(true).attr("maxlength", "5000").value(words)
                    .error(mishap.and_then(|m| m.error("words"))))
                div.actions { (Button::submit("Tell them")) }
            }))
        }
        section {
            (confirm("Close it\u{2026}", "Nothing can be added once it is closed.", form(&at("close"), html! {
                @if named { (Field::check("thank", "Thank them by name on the page of thanks")) }
                div.actions { (Button::submit("Close the report").danger()) }
            })))
        }
    }
}

fn back(done: Done<()>, id: &str, said: &str) -> Done<Reply> {
    done.answer(see_other(format!("/operator/reports/{id}?said={said}")))
}

pub(super) async fn acknowledge(d: Arc<Disclosure>, call: Changing<Named>) -> Result<Done<Reply>, Failure> {
    let id = call.input.id.clone();
    Ok(back(operator::acknowledge(d, call).await?, &id, "acknowledged"))
}

pub(super) async fn update(d: Arc<Disclosure>, call: Changing<Update>) -> Result<Done<Reply>, Failure> {
    let id = call.input.id.clone();
    Ok(back(operator::update(d, call).await?, &id, "updated"))
}

/// The form's box is there or not.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    id: String,
    thank: Option<String>,
}

pub(super) async fn close(d: Arc<Disclosure>, call: Changing<Form>) -> Result<Done<Reply>, Failure> {
    let Call { tx, input: Form { id, thank } } = call;
    let input = Closing { id: id.clone(), thank: thank.is_some() };
    Ok(back(operator::close(d, Call { tx, input }).await?, &id, "closed"))
}
