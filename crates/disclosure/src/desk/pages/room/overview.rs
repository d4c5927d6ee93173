use std::sync::Arc;

use access::register::{self, Operator};
use kernel::{DAY, Failure, Read, Time};
use maud::{Markup, html};
use route::{
    Asking, Html,
    page::{Ask, Button, Empty, Notice, Screen, Tag, facts, table_region},
};
use store::Tx;

use super::{capital, clock, day, page};
use crate::{
    Disclosure, Verdict,
    desk::{incident::Told, review::CHECK, secret_age::SecretAge, sql},
    results::{REMIND, State, View, attestation},
};

/// Clocks of one kind shown at most.
const MOST: i64 = 100;

/// Something that must be done by a moment.
struct Clock {
    what: String,
    kind: &'static str,
    href: String,
    due: Time,
    soon: i64,
}

pub(super) async fn overview(d: Arc<Disclosure>, call: Asking<Ask<()>>) -> Result<Html, Failure> {
    let (tx, now) = (&call.tx, call.tx.permit().principal().at());
    let view = d.view(tx).await?;
    let clocks = clocks(&d, tx, now).await?;
    let (operators, secrets) = (register::all(tx).await?, d.secret_ages(tx, now).await?);
    let body = html! {
        (alarming(&d, &view))
        section {
            @if clocks.is_empty() {
                (Empty::new("No clock runs", "Reports that wait for an answer, incidents of which nobody was told, signatures that end within \
                    thirty days and the next access review appear here, the nearest first."))
            } @else { h2 { "Clocks" } (table(&clocks, now)) }
        }
        section {
            h2 { "Promises" }
            (counts(&view))
            div.after.actions { (Button::link("Read the trust page", "/trust")) (Button::link("Sign a promise", "/operator/attestations")) }
        }
        section { h2 { "Register of operators" } (listed(&operators, now)) }
        section { h2 { "Ages of secrets" } (ages(&secrets)) }
    };
    let screen = Screen::new("Overview", "/operator").lead(html! { "What this service owes, and by when." });
    page(&d, call.tx.permit().principal(), screen, body)
}

async fn clocks(d: &Disclosure, tx: &Tx<Read>, now: Time) -> Result<Vec<Clock>, Failure> {
    let mut all = Vec::new();
    for (id, _, _, due, _, acknowledged, closed, _) in tx.all(&sql::REPORTS, (MOST,)).await? {
        if acknowledged.is_none() && closed.is_none() {
            let href = format!("/operator/reports/{id}");
            all.push(Clock { what: "Confirm a report".into(), kind: "Report", href, due, soon: DAY });
        }
    }
    for (_, title, _, _, by, notified, _, _) in tx.all(&sql::INCIDENTS, (MOST,)).await? {
        if matches!(Told::of(by, notified, now), Told::Running(_) | Told::Overdue) {
            let what = format!("Tell those affected: {title}");
            all.push(Clock { what, kind: "Incident", href: "/operator/incidents".into(), due: by, soon: DAY });
        }
    }
    let state = State::load(tx, &d.key()?).await?;
    for signature in attestation::ending(&state.attestations, now, REMIND) {
        let (what, href) = match signature.subject.as_str() {
            CHECK => ("Go through the accesses again".to_owned(), "/operator/access".to_owned()),
            subject => (format!("Sign {subject} again"), format!("/operator/attestations/{subject}")),
        };
        all.push(Clock { what, kind: "Signature", href, due: signature.until(), soon: 7 * DAY });
    }
    let ending = register::all(tx).await?.into_iter().filter(|o| o.expires.since(now) < REMIND * DAY);
    all.extend(ending.map(|o| {
        let what = format!("{} in the register of operators", o.name);
        Clock { what, kind: "Operator", href: "/operator/access".into(), due: o.expires, soon: 7 * DAY }
    }));
    all.sort_by_key(|clock| clock.due);
    Ok(all)
}

fn table(clocks: &[Clock], now: Time) -> Markup {
    table_region(
        "Clocks",
        html! {
            table.table {
                thead { tr { th scope="col" { "What" } th scope="col" { "Kind" } th scope="col" { "By" } th scope="col" { "State" } } }
                tbody {
                    @for c in clocks {
                        tr {
                            td.main data-label="What" { a href=(c.href) { (c.what) } }
                            td data-label="Kind" { (c.kind) }
                            td data-label="By" { (day(c.due)) }
                            td data-label="State" { (clock(c.due, now, c.soon)) }
                        }
                    }
                }
            }
        },
    )
}

/// What fails, is stale or has expired comes first.
fn alarming(d: &Disclosure, view: &View) -> Markup {
    let wrong: Vec<_> = view.claims.iter().filter(|c| c.judged.verdict.alarming()).collect();
    let id = |at: usize| d.page().claims.get(at).map_or("", |claim| claim.id.as_str());
    if wrong.is_empty() {
        return html! {};
    }
    let words = match wrong.len() {
        1 => "One promise does not hold at this moment.".to_owned(),
        n => format!("{n} promises do not hold at this moment."),
    };
    let list = html! {
        ul { @for shown in &wrong { li { a href={ "/trust#" (id(shown.at)) } { (id(shown.at)) } " " (shown.judged.verdict.word())
            @if !shown.saw.is_empty() { ": " (shown.saw) } } } }
    };
    html! { (Notice::bad(words).detail(list)) }
}

fn counts(view: &View) -> Markup {
    let all = Verdict::ALL.into_iter().filter(|v| view.count(*v) > 0);
    let all: Vec<(String, usize)> = all.map(|v| (capital(v.word()), view.count(v))).collect();
    let pairs: Vec<(&str, Markup)> = all.iter().map(|(word, count)| (word.as_str(), html! { (count) })).collect();
    facts(&pairs)
}

fn listed(operators: &[Operator], now: Time) -> Markup {
    html! {
        @if operators.is_empty() {
            p { "Nobody is in it. Until somebody is, any name may act at the command line; the first line closes that:" }
            pre tabindex="0" { code { "vouchsafe operator add APP --as YOU NAME --reason \u{2026} --owner \u{2026} --days 90" } }
        } @else {
            (table_region("Register of operators", html! {
                table.table {
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Reason" } th scope="col" { "Who answers for it" } th scope="col" { "Until" } } }
                    tbody { @for o in operators { tr {
                        td.main data-label="Name" { (o.name) }
                        td data-label="Reason" { (o.reason) }
                        td data-label="Who answers for it" { (o.owner) }
                        td data-label="Until" { (day(o.expires)) @if !o.in_force(now) { " " (Tag::bad("Expired")) } }
                    } } }
                }
            }))
        }
    }
}

fn ages(secrets: &[SecretAge]) -> Markup {
    let tag = |age: &SecretAge| match age.state {
        "overdue" => Tag::bad("Overdue"),
        "due" => Tag::warn("Due"),
        _ => Tag::plain("In time"),
    };
    html! {
        @if secrets.is_empty() {
            p.muted { "None came from outside. A mail password or another value given to this server would be listed here by its name, with its age." }
        } @else {
            (table_region("Ages of secrets", html! {
                table.table {
                    thead { tr { th scope="col" { "Secret" } th scope="col" { "Unchanged for" } th scope="col" { "Replace by" } th scope="col" { "State" } } }
                    tbody { @for age in secrets { tr {
                        td.main data-label="Secret" { (age.name) }
                        td data-label="Unchanged for" { (age.days) " days" }
                        td data-label="Replace by" { (age.replace_by.as_deref().and_then(|by| by.get(..10)).unwrap_or("no date")) }
                        td data-label="State" { (tag(age)) }
                    } } }
                }
            }))
        }
    }
}
