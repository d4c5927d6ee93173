use std::sync::Arc;

use kernel::{Actor, DAY, Failure, Time};
use manifest::{CheckKind, PageClaim};
use maud::{Markup, html};
use route::{
    Asking, Changing, Done, Html, Mishap, Redraw, Reply,
    page::{Ask, Button, Empty, Field, Notice, Screen, Tag, facts, form, see_other, table_region},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{away, capital, day, page};
use crate::{
    Attestation, Disclosure, Verdict, Wish,
    desk::review::CHECK,
    results::{REMIND, State, View, attestation},
};

const SAID: &[(&str, &str)] = &[("signed", "Signed. The trust page shows it from now on.")];

/// A promise.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    subject: String,
}

/// Whether a person signs it, or one of its checks.
fn signable(claim: &PageClaim) -> bool {
    let person = |check: &&'static str| manifest::check(check).is_some_and(|c| c.kind == CheckKind::Attested);
    claim.kind == CheckKind::Attested || claim.checks.iter().any(person)
}

fn tag(verdict: Verdict) -> Tag {
    let word = capital(verdict.word());
    match verdict {
        Verdict::Attested | Verdict::Proven => Tag::good(word),
        Verdict::Unsigned | Verdict::Stale | Verdict::Inconclusive => Tag::warn(word),
        Verdict::Failing | Verdict::Expired => Tag::bad(word),
        _ => Tag::plain(word),
    }
}

pub(super) async fn list(d: Arc<Disclosure>, call: Asking<Ask<()>>) -> Result<Html, Failure> {
    let who = call.tx.permit().principal();
    let view = d.view(&call.tx).await?;
    let body = table(&d, &view, who.at());
    let lead = html! { "What no program can prove, a person states under their name, until a day." };
    let screen = Screen::new("Signatures", "/operator/attestations").lead(lead);
    page(&d, who, screen.said(call.input.said.as_deref(), SAID), body)
}

fn table(d: &Disclosure, view: &View, now: Time) -> Markup {
    let both = view.claims.iter().zip(&d.page().claims).filter(|(_, claim)| signable(claim));
    let mut lines: Vec<_> = both.collect();
    // Whatever needs a hand first, then by the day it ends.
    lines.sort_by_key(|(shown, _)| {
        (shown.judged.verdict, shown.judged.signed.as_ref().map_or(0, |signed| signed.until().0))
    });
    if lines.is_empty() {
        let words = "Every promise of this app\u{2019}s page is one that a program proves.";
        return html! { (Empty::new("Nothing to sign", words)) };
    }
    table_region(
        "Signatures",
        html! {
            table.table {
                thead { tr { th scope="col" { "Promise" } th scope="col" { "Verdict" } th scope="col" { "Signed by" } th scope="col" { "Until" } } }
                tbody { @for (shown, claim) in lines { tr {
                    td.main data-label="Promise" {
                        a href={ "/operator/attestations/" (claim.id) } { (claim.id) }
                        p.small.muted { (d.words(claim)) }
                    }
                    td data-label="Verdict" { (tag(shown.judged.verdict)) }
                    td data-label="Signed by" { (shown.judged.signed.as_ref().map_or("nobody", |s| s.name.as_str())) }
                    td data-label="Until" { @match &shown.judged.signed { Some(signed) => (until(signed, now)), None => "\u{2013}" } }
                } } }
            }
        },
    )
}

fn until(signed: &Attestation, now: Time) -> Markup {
    let near = signed.until().since(now) < REMIND * DAY;
    html! { (day(signed.until())) @if near { " " (Tag::warn(capital(&away(signed.until(), now)))) } }
}

pub(super) async fn one(d: Arc<Disclosure>, call: Asking<Ask<Named>>) -> Result<Html, Failure> {
    draw(&d, &call.tx, &call.input.input.subject, None).await
}

pub(super) async fn sign_again(d: Arc<Disclosure>, again: Redraw<Named>) -> Result<Html, Failure> {
    draw(&d, &again.call.tx, &again.call.input.subject, Some(&again.mishap)).await
}

async fn draw(
    d: &Disclosure,
    tx: &store::Tx<kernel::Read>,
    subject: &str,
    mishap: Option<&Mishap>,
) -> Result<Html, Failure> {
    let who = tx.permit().principal();
    let (at, claim) =
        d.page().claims.iter().enumerate().find(|(_, c)| c.id == subject && signable(c)).ok_or(Failure::NotFound)?;
    let (_, longest) = attestation::subject(d.app(), d.page(), &claim.id)?;
    let view = d.view(tx).await?;
    let shown = view.claims.get(at).ok_or(Failure::NotFound)?;
    let before: Vec<Attestation> = State::load(tx, &d.key()?).await?.attestations;
    let mine = |a: &&Attestation| a.subject == claim.id || claim.checks.contains(&a.subject.as_str());
    let before: Vec<&Attestation> = before.iter().rev().filter(mine).collect();
    let checks = claim.checks.iter().filter_map(|check| manifest::check(check));
    let body = html! {
        section {
            (facts(&[
                ("Verdict", html! { (tag(shown.judged.verdict)) }),
                ("What is to be true", html! { @for check in checks { p { (check.statement) } } }),
                ("What we measured", html! { @if shown.saw.is_empty() { "Nothing yet. The prober has not been here, or there is nothing a program could see." } @else { (shown.saw) } }),
            ]))
        }
        @if claim.checks.contains(&CHECK) {
            section { (Notice::info("Going through the accesses signs this.").detail(html! {
                p { "The " a href="/operator/access" { "access review" } " states what was looked at, with its digest. Sign here only what was \
                     done elsewhere." }
            })) }
        }
        section { h2 { "Sign it" } (signing(claim, who.at().plus(longest), mishap)) }
        section { h2 { "Signed before" } (history(&before, who.at())) }
    };
    let screen = Screen::new(claim.id.clone(), format!("/operator/attestations/{}", claim.id))
        .crumb("Signatures", "/operator/attestations")
        .lead(html! { (d.words(claim)) });
    let screen = match mishap {
        Some(mishap) => screen.notice(mishap.notice()),
        None => screen,
    };
    page(d, who, screen, body)
}

fn date(at: Time) -> String {
    at.to_string().get(..10).unwrap_or_default().to_owned()
}

fn signing(claim: &PageClaim, last: Time, mishap: Option<&Mishap>) -> Markup {
    let kept = |name: &str| mishap.and_then(|m| m.kept.get(name)).unwrap_or_default().to_owned();
    let wrong = |name: &str| mishap.and_then(|m| m.error(name));
    let expires = Some(kept("expires")).filter(|text| !text.is_empty()).unwrap_or_else(|| date(last));
    form(
        &format!("/operator/attestations/{}", claim.id),
        html! {
            (Field::area("statement", "What you state").rows(3).required(true).attr("maxlength", "2000").value(kept("statement")).error(wrong("statement"))
                .hint("One paragraph, in your own words: what you looked at, and that it holds. Customers read it."))
            (Field::text("evidence", "Where the evidence lies").kind("url").placeholder("https://").value(kept("evidence")).error(wrong("evidence"))
                .hint("An https address of the team: a ticket, a document, a report. It is shown with the statement."))
            (Field::text("expires", "Until").kind("date").required(true).attr("max", date(last)).value(expires).error(wrong("expires"))
                .hint("The latest day that the page allows, or an earlier one. You are reminded thirty days before."))
            div.actions { (Button::submit("Sign under my name").primary()) }
        },
    )
}

fn history(before: &[&Attestation], now: Time) -> Markup {
    html! {
        @if before.is_empty() { p.muted { "Nobody has signed this so far." } }
        @for signed in before {
            section.panel.stack {
                p { (signed.statement) }
                (facts(&[
                    ("Signed by", html! { (signed.name) }),
                    ("On", html! { @match Time::parse(&signed.signed_at) { Some(at) => (day(at)), None => (signed.signed_at) } }),
                    ("Until", html! { (day(signed.until())) @if signed.until() <= now { " " (Tag::bad("Ended")) } }),
                    ("Evidence", html! { @match &signed.evidence { Some(link) => { a href=(link) rel="noreferrer" { (link) } }, None => "none given" } }),
                ]))
            }
        }
    }
}

/// The form.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Signing {
    subject: String,
    statement: String,
    #[serde(default)]
    evidence: String,
    #[serde(default)]
    expires: String,
}

pub(super) async fn sign(d: Arc<Disclosure>, call: Changing<Signing>) -> Result<Done<Reply>, Failure> {
    let who = call.tx.permit().principal();
    let Actor::Operator(name) = who.actor() else { return Err(Failure::NotFound) };
    let (now, name) = (who.at(), name.to_string());
    let Signing { subject, statement, evidence, expires } = call.input;
    if !d.page().claims.iter().any(|claim| claim.id == subject && signable(claim)) {
        return Err(Failure::NotFound);
    }
    let (_, longest) = attestation::subject(d.app(), d.page(), &subject)?;
    let last = now.plus(longest);
    // A form's text ends its lines as it likes; a statement is one paragraph.
    let statement = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    let expires = match expires.as_str() {
        "" => None,
        // The last day itself ends when the page's time does.
        day if day == date(last) => None,
        day => Some(Time::day(day).ok_or(Failure::field("expires", "invalid", "a day"))?.plus(DAY - 1)),
    };
    let evidence = Some(evidence.trim().to_owned()).filter(|link| !link.is_empty());
    let (receipt, _) = d.attest(call.tx, Wish { subject, name, statement, evidence, expires }).await?;
    Ok(Done::ok(receipt, see_other("/operator/attestations?said=signed")))
}
