//! The desk's pages: the report form and its receipt, thanks, incidents, the inventory, policies.

pub(super) mod room;
pub(super) mod runs;

use std::sync::Arc;

use encryption::hash;
use kernel::{DAY, Failure, Time};
use maud::{Markup, html};
use route::{
    Asking, Html, Mishap, Redraw,
    page::{Ask, Button, Card, Empty, Field, Notice, Stamp, Tag, facts, form, table_region},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    Disclosure,
    desk::{
        http::operator::{Incident, incident, updates},
        report::Standing,
        secret_age::SecretAge,
        sql,
    },
};

fn day(at: Time) -> Markup {
    html! { (Stamp(at.0)) }
}

pub(super) async fn report(d: Arc<Disclosure>, call: Asking<()>) -> Result<Html, Failure> {
    Ok(d.setup()?.frame.card(call.tx.permit().principal().home(), report_card(&d, None)))
}

pub(super) async fn report_again(d: Arc<Disclosure>, again: Redraw<()>) -> Result<Html, Failure> {
    let card = report_card(&d, Some(&again.mishap));
    Ok(d.setup()?.frame.card(again.call.tx.permit().principal().home(), card))
}

fn report_card(d: &Disclosure, mishap: Option<&Mishap>) -> Card {
    let kept = |name: &str| mishap.and_then(|m| m.kept.get(name)).unwrap_or_default().to_owned();
    let wrong = |name: &str| mishap.and_then(|m| m.error(name));
    let terms = &d.app().disclosure;
    let body = html! {
        p { "Tell us what you found. A person confirms that it arrived within " (terms.ack) "; you get an address where you can \
             read how it stands. It is sealed before it is written, and only the team reads it." }
        (form("/trust/report", html! {
            (Field::text("summary", "What you found, in a line").required(true).attr("maxlength", "300").value(kept("summary")).error(wrong("summary")))
            @for ask in &terms.asks {
                @let name = format!("ask-{ask}");
                (Field::area(name.clone(), capital(ask)).rows(5).value(kept(&name)))
            }
            @if terms.asks.is_empty() {
                (Field::area("ask-details", "Details").rows(8).hint("Steps, the endpoint, what follows from it.").value(kept("ask-details")))
            }
            (Field::text("contact", "Where to reach you").hint("A mail address, or nothing: the receipt's address works without one.").value(kept("contact")).error(wrong("contact")))
            (Field::text("credit", "Your name, if we may thank you").hint("It is shown on our page of thanks once the matter is closed.").value(kept("credit")).error(wrong("credit")))
            (Button::submit("Send the report").primary())
        }))
        section #policy {
            h2 { "What we ask of you, and you of us" }
            ul {
                li { "Go no further than it takes to show the problem. Leave other people's data alone, and destroy nothing." }
                @if let Some(clock) = terms.clock { li { "Give us " (days(clock.0)) " to mend it before you publish." } }
                li { @if terms.bounty { "We pay for reports." } @else { "We pay no bounties for now." } }
                li { "Whoever keeps to this in good faith is thanked, not threatened." }
            }
        }
    };
    let notice = mishap.map(Mishap::notice);
    Card::new("Report a weakness", body).wide().notice(notice).protects(&["gov.disclosure_channel", "gov.report_ack"])
}

fn days(millis: i64) -> String {
    format!("{} days", millis / DAY)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A receipt's secret.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Shown {
    receipt: String,
}

pub(super) async fn receipt(d: Arc<Disclosure>, call: Asking<Ask<Shown>>) -> Result<Html, Failure> {
    let who = call.tx.permit().principal();
    let key = hash::sha256(call.input.input.receipt.as_bytes());
    let (id, _, received, due, disclose, acknowledged, closed, _) = call.tx.one(&sql::BY_RECEIPT, (key,)).await?;
    let told = updates(&d, call.tx.all(&sql::UPDATES, (id,)).await?)?;
    let standing = Standing::of(due, acknowledged, closed, who.at());
    let tag = match standing {
        Standing::Waiting(_) => Tag::plain("Waiting for a person"),
        Standing::Late(_) => Tag::bad("Overdue: we owe you an answer"),
        Standing::Acknowledged(_) => Tag::accent("Confirmed by a person"),
        Standing::Closed(_) => Tag::good("Closed"),
    };
    let confirmed = match acknowledged {
        Some(at) => day(at),
        None => html! { "not yet; due by " (day(due)) },
    };
    let mut clocks = vec![("Received", day(received)), ("Confirmed", confirmed)];
    clocks.extend(disclose.map(|at| ("You may publish from", day(at))));
    clocks.extend(closed.map(|at| ("Closed", day(at))));
    let body = html! {
        p { (tag) }
        (facts(&clocks))
        h2 { "What we told you" }
        @if told.is_empty() { (Empty::new("Nothing yet", "Words from the team appear here.")) }
        @for (at, words) in &told { p { time datetime=(at) { (at) } br; (words) } }
        p.muted { "Keep this address: whoever has it can read this page, and there is no other way to it." }
    };
    let notice =
        (call.input.said.as_deref() == Some("received")).then(|| Notice::good("Thank you. Your report is here."));
    Ok(d.setup()?
        .frame
        .card(who.home(), Card::new("Your report", body).wide().notice(notice).protects(&["gov.report_ack"])))
}

pub(super) async fn thanks(d: Arc<Disclosure>, call: Asking<()>) -> Result<Html, Failure> {
    let rows = call.tx.all(&sql::THANKED, ()).await?;
    let (waiting, _) = call.tx.one(&sql::OPEN, ()).await?;
    let (slowest,) = call.tx.one(&sql::SLOWEST, ()).await?;
    let named: Vec<(String, Time)> = rows.into_iter().filter_map(|(name, at)| Some((name?, at?))).collect();
    let body = html! {
        @if named.is_empty() {
            (Empty::new("Nobody yet", "Whoever reports a weakness and wants to be named is thanked here once it is mended.")
                .action(html! { (Button::link("Report a weakness", "/trust/report")) }))
        } @else {
            ul { @for (name, at) in &named { li { (name) ", " (day(*at)) } } }
        }
        p.muted {
            @match slowest {
                Some(took) => { "Our slowest confirmation so far took " (hours(took)) ". " },
                None => "No report has had to wait for a confirmation so far. ",
            }
            @if waiting > 0 { (waiting) " waiting now." }
        }
    };
    let card = Card::new("With thanks", body).wide().protects(&["gov.researcher_credit", "gov.report_ack"]);
    Ok(d.setup()?.frame.card(call.tx.permit().principal().home(), card))
}

/// Who may do what, cell by cell.
pub(super) async fn matrix(d: Arc<Disclosure>, call: Asking<()>) -> Result<Html, Failure> {
    let mut lines = access::table(d.app()).into_iter();
    let names = lines.next().unwrap_or_default();
    let body = html! {
        p { "Each line is a thing that can be done, each column somebody who may ask for it. A cell says which rows it reaches: "
            "all of them, a named set, or none. This is what a role has by itself; roles of a customer's own, where there are any, add "
            "to it up to the role's ceiling and no further." }
        (table_region("Access matrix", html! {
            table.table {
                thead { tr { @for (at, name) in names.iter().enumerate() {
                    th scope="col" { @if at == 0 { "To do" } @else { (name) } }
                } } }
                tbody { @for line in lines { tr {
                    @for (at, cell) in line.iter().enumerate() {
                        @if at == 0 { td.main data-label="To do" { code { (cell) } } }
                        @else if cell == "-" { td data-label=(names.get(at).map_or("", String::as_str)) { span.muted { "no" } } }
                        @else { td data-label=(names.get(at).map_or("", String::as_str)) { (cell) } }
                    }
                } } }
            }
        }))
    };
    let card = Card::new("Access matrix", body).wide().protects(&["access.role_floor", "access.server_side"]);
    Ok(d.setup()?.frame.card(call.tx.permit().principal().home(), card))
}

fn hours(millis: i64) -> String {
    match millis / 3_600_000 {
        0 => "less than an hour".to_owned(),
        n @ 1..48 => format!("{n} hours"),
        n => format!("{} days", n / 24),
    }
}

pub(super) async fn incidents(d: Arc<Disclosure>, call: Asking<()>) -> Result<Html, Failure> {
    let who = call.tx.permit().principal();
    let rows = call.tx.all(&sql::INCIDENTS, (200,)).await?;
    // While it is open, those affected are told first: the public sees that there is one, and its clock.
    let register: Vec<_> = rows.into_iter().map(|row| incident(row, who.at())).collect();
    let body = html! {
        p { "Whoever is affected by an incident hears of it from us within seventy-two hours of our knowing. The clock starts \
             when we know, not when we are done." }
        @if register.is_empty() { (Empty::new("No incident so far", "If there is one, it is listed here with its clock.")) }
        @for i in &register {
            section.panel {
                h2 { @if i.closed_at.is_some() { (i.title) } @else { "An incident is being handled" } }
                p { (Tag::plain(i.clock)) }
                (facts(&incident_facts(i)))
                @if i.closed_at.is_some() && !i.words.is_empty() { p { (i.words) } }
            }
        }
    };
    Ok(d.setup()?.frame.card(who.home(), Card::new("Incidents", body).wide().protects(&["gov.incident_notice"])))
}

fn incident_facts(i: &Incident) -> Vec<(&'static str, Markup)> {
    let time = |at: &str| html! { time datetime=(at) { (at) } };
    let told = match &i.notified_at {
        Some(at) => time(at),
        None => html! { "due by " (time(&i.notify_by)) },
    };
    let mut facts = vec![("Known since", time(&i.known_at)), ("Those affected told", told)];
    facts.extend(i.closed_at.as_deref().map(|at| ("Closed", time(at))));
    facts.extend(i.replaced.as_ref().map(|what| ("Replaced", html! { (what) })));
    facts
}

pub(super) async fn inventory(d: Arc<Disclosure>, call: Asking<()>) -> Result<Html, Failure> {
    let (all, now) = (d.inventory(), call.tx.permit().principal().at());
    let ages: Vec<_> = d.secret_ages(&call.tx, now).await?.into_iter().filter(|age| age.declared).collect();
    let s = &all.stores;
    let body = html! {
        p { "Written by the running program from its own settings at this moment; nobody edits this page. "
            a href="/trust/inventory.json" { "As JSON" } ", " a href="/trust/sbom.json" { "parts of the program" } "." }
        h2 { "Stores" }
        (facts(&[
            ("Records", html! { (s.records) }),
            ("Files", html! { (s.files) }),
            ("Counters", html! { (s.cache) }),
            ("Mail", html! { (s.mail) }),
            ("Log", html! { (s.log) }),
            ("Encryption at rest", html! { "by the " (s.at_rest) }),
            ("Regions", html! { @for (at, r) in all.regions.iter().enumerate() { @if at > 0 { ", " } (r.label) } }),
        ]))
        h2 { "Others involved" }
        (table_region("Sub-processors", html! {
            table.table {
                thead { tr { th scope="col" { "Who" } th scope="col" { "What for" } th scope="col" { "Setting" } } }
                tbody { @for p in &all.subprocessors { tr {
                    td.main data-label="Who" { (p.name) } td data-label="What for" { (p.purpose) } td data-label="Setting" { code { (p.setting) } }
                } } }
            }
        }))
        h2 { "What is kept of you" }
        ul { @for line in &all.people { li { (line) } } }
        h2 { "What can be kept at all" }
        p { "A field that is not in this list cannot be written." }
        @for c in &all.collections {
            details {
                summary { (c.collection) " " span.muted { (c.fields.len()) " fields" } }
                ul { @for f in &c.fields { li {
                    (f.label) " " code { (f.field) }
                    @if f.personal { " " (Tag::plain("personal")) }
                    @if f.sealed { " " (Tag::accent("sealed")) }
                    @if f.file { " " (Tag::plain("file")) }
                } } }
            }
        }
        @if let Some(found) = d.advisories() {
            h2 #flaws { "Known flaws in the parts" }
            p { "Open: " (found.words(now)) ". " a href="/trust/advisories.json" { "As JSON" } "." }
            @if !found.open.is_empty() { ul { @for flaw in &found.open { li { (flaw.id) " · " (flaw.part) ", " (flaw.date) } } } }
        }
        @if !ages.is_empty() {
            h2 #secrets { "How old our keys are" }
            (table_region("Keys", html! {
                table.table {
                    thead { tr { th scope="col" { "Key" } th scope="col" { "Unchanged since" } th scope="col" { "State" } } }
                    tbody { @for age in &ages { tr {
                        td.main data-label="Key" { (age.name) }
                        td data-label="Unchanged since" { time datetime=(age.since) { (age.since) } " (" (age.days) " days)" }
                        td data-label="State" { (standing(age)) }
                    } } }
                }
            }))
            p.muted { a href="/trust/secrets.json" { "As JSON" } ". Names and dates only: nothing here tells a value." }
        }
    };
    let card = Card::new("What we keep, and where", body).wide().protects(&[
        "data.inventory",
        "data.minimisation",
        "gov.subprocessors",
        "gov.secret_age",
        "gov.dependency_audit",
    ]);
    Ok(d.setup()?.frame.card(call.tx.permit().principal().home(), card))
}

fn standing(age: &SecretAge) -> Tag {
    let by = age.replace_by.as_deref().and_then(|by| by.get(..10)).unwrap_or_default();
    match age.state {
        "overdue" => Tag::bad(format!("Overdue since {by}")),
        "due" => Tag::accent(format!("Due by {by}")),
        _ => Tag::plain("In time"),
    }
}

/// A policy's name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Titled {
    name: String,
}

pub(super) async fn policy(d: Arc<Disclosure>, call: Asking<Titled>) -> Result<Html, Failure> {
    let setup = d.setup()?;
    let policy = setup.policies.iter().find(|p| p.name == call.input.name).ok_or(Failure::NotFound)?;
    let (title, text) = match policy.text.strip_prefix("# ").and_then(|rest| rest.split_once('\n')) {
        Some((title, rest)) => (title.trim().to_owned(), rest),
        None => (capital(&policy.name), policy.text.as_str()),
    };
    let body = html! {
        p.muted { @match &policy.date { Some(date) => { "In force since " (date) }, None => "Without a date: ask us which version this is." } }
        (maud::PreEscaped(manifest::prose(text)))
    };
    Ok(setup
        .frame
        .card(call.tx.permit().principal().home(), Card::new(title, body).wide().protects(&["gov.legal_docs"])))
}

/// For tests of the words only.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::channel::stamp;

    #[test]
    fn words() {
        assert_eq!(capital("the impact"), "The impact");
        assert_eq!(hours(1), "less than an hour");
        assert_eq!(hours(47 * 3_600_000), "47 hours");
        assert_eq!(hours(72 * 3_600_000), "3 days");
        assert_eq!(stamp(Time(0)), "1970-01-01T00:00:00Z");
    }
}
