use maud::{Markup, PreEscaped, html};

use super::{
    document, mark,
    prose::{Setting, prose},
    ticks::Ticks,
};
use crate::{
    Disclosure,
    results::{Verdict, repeat, speech, view::Shown, view::View, wording::Wording},
};

/// Bytes from which a page says once what it can say once.
const LARGEST: usize = 58_000;

/// Former wordings shown, and shown as lines on a page that has no room.
const FORMER: usize = 40;
const SPARED: usize = 6;

/// Documents under `/trust/oscal/`, which lead to each other.
const OSCAL: [(&str, &str); 4] = [
    ("catalog", "catalogue"),
    ("component-definition", "components"),
    ("assessment-plan", "plan"),
    ("assessment-results", "results"),
];

/// The rest of what the team tells.
const ROOMS: [(&str, &str); 6] = [
    ("trust/report", "Report a weakness"),
    (".well-known/security.txt", "security.txt"),
    ("trust/security-key.asc", "its key"),
    ("trust/incidents", "incidents"),
    ("trust/inventory", "what we keep and who helps"),
    ("trust/sbom.json", "parts"),
];

/// The trust page.
pub(crate) fn trust(d: &Disclosure, view: &View, url: &str, nonce: &str) -> String {
    let ticks = Ticks::of(view);
    let shown: Vec<Verdict> = Verdict::ALL.into_iter().filter(|v| view.count(*v) > 0).collect();
    let head = heading(d, view, &shown).into_string();
    let page = |spare, terse| {
        let setting = Setting { disclosure: d, view, ticks: &ticks, url, spare };
        let body = html! {
            svg.q aria-hidden="true" { (PreEscaped(&ticks.symbols)) }
            main {
                (PreEscaped(prose(d.page(), &setting, &head)))
                (former(d, view, (FORMER, terse), ""))
            }
            (foot(d, view))
        };
        document(d.app(), "Security", nonce, (&shown, None), &body)
    };
    // What was said before is the last thing to go.
    let fits = |page: &String| page.len() < LARGEST;
    let made = [(false, false), (true, false)].into_iter().map(|(spare, terse)| page(spare, terse)).find(fits);
    made.unwrap_or_else(|| page(true, true))
}

/// Every wording that is gone, beside what stands there now.
pub(crate) fn wordings(d: &Disclosure, view: &View, nonce: &str) -> String {
    let body = html! {
        main {
            p.m { a href="../trust" { "Security at " (d.app().name) } }
            @if view.former.is_empty() { p.l { "Every promise stands as it was first written." } }
            (former(d, view, (usize::MAX, false), "../"))
        }
    };
    document(d.app(), "Former wordings", nonce, (&[], None), &body)
}

/// The headline, what is wrong, and the legend.
fn heading(d: &Disclosure, view: &View, shown: &[Verdict]) -> Markup {
    html! {
        p.l { (speech::headline(view)) }
        (strip(d, view))
        p.c {
            @for verdict in shown.iter().rev() {
                span.j { (mark(*verdict)) " " (view.count(*verdict)) } " "
            }
        }
        p.m {
            @if let Some(run) = &view.run {
                "As of " (speech::moment(view.at)) "; all times are UTC. The last round began " (speech::ago(run.began, view.at))
                " and took " (speech::plural((run.took / 1000).max(1), "second")) ". "
            } @else {
                "No round of tests has been published yet. "
            }
            "Open a mark to see its test. “We saw” is what was seen here; “On a copy” on an instance of the same program, page and \
             settings that the test starts for itself."
        }
    }
}

/// What does not hold now.
fn strip(d: &Disclosure, view: &View) -> Markup {
    let wrong: Vec<&Shown> = view.claims.iter().filter(|c| c.judged.verdict.alarming()).collect();
    let mut wrong = wrong;
    wrong.sort_by_key(|c| c.judged.verdict);
    let bad = wrong.first().is_some_and(|c| c.judged.verdict == Verdict::Failing);
    html! {
        @if !wrong.is_empty() {
            section.r.o[!bad] aria-label="What does not hold now" {
                @for shown in wrong.iter().take(12) {
                    @if let Some(claim) = d.page().claims.get(shown.at) {
                        p {
                            (mark(shown.judged.verdict)) " " (d.words(claim)) " "
                            a href={ "#" (claim.id) } { (claim.id) }
                            @if let Some(since) = shown.since { " " i { "since " (speech::moment(since)) } }
                        }
                    }
                }
                @if wrong.len() > 12 { p { "and " (wrong.len() - 12) " more, marked below." } }
            }
        }
    }
}

/// Wordings that are gone: what was broken first, then the latest. Each stands in full in its promise's history.
fn former(d: &Disclosure, view: &View, (most, terse): (usize, bool), up: &str) -> Markup {
    let mut old: Vec<&Wording> = view.former.iter().collect();
    let broken = |w: &Wording| w.last.as_deref() == Some(Verdict::Failing.word());
    old.sort_by_key(|w| (!broken(w), std::cmp::Reverse(w.until)));
    let most = if terse { SPARED } else { most };
    let now = |w: &Wording| d.page().claims.iter().find(|c| c.id == w.claim);
    html! {
        @if !old.is_empty() {
            h2 #former { "What this page used to say" }
            @for old in old.iter().take(most) {
                p.d {
                    @if !terse { del { (old.words) } " " }
                    a href={ (up) "trust/history/" (old.claim) } { (old.claim) }
                    i {
                        ", " (speech::date(old.since)) " to " (old.until.map(speech::date).unwrap_or_default())
                        @if let Some(last) = &old.last { ", last " (last) }
                        @if now(old).is_none() { "; taken off the page" }
                    }
                    @if let Some(claim) = now(old).filter(|_| !terse) { " Now: " (d.words(claim)) }
                }
            }
            @if terse || old.len() > most { p.m { a href="trust/wordings" { "Every former wording, with what it says now" } "." } }
        }
    }
}

fn foot(d: &Disclosure, view: &View) -> Markup {
    html! {
        footer {
            @if let Some(run) = &view.run {
                p {
                    "These verdicts are signed by key " code { (view.kid) } " (" a href="trust/keys.json" { "keys" } "): "
                    a href="trust/report.json" { "the report of " (speech::moment(run.at)) } ", SHA-256 "
                    code { (run.sha256.get(..16).unwrap_or_default()) "…" } ", build " (run.build) "."
                }
            }
            p {
                "Also as " a href="trust.json" { "JSON" } ", " a href="trust/answers.csv" { "answers for questionnaires" }
                ", a " a href="trust/badge.svg" { "badge" } " and OSCAL: "
                @for (at, (name, words)) in OSCAL.iter().enumerate() {
                    @if at > 0 { ", " }
                    a href={ "trust/oscal/" (name) ".json" } { (words) }
                }
                ". " a href="trust/tests" { "How we test the tests" } ". "
                @for (at, (path, words)) in ROOMS.iter().enumerate() {
                    @if at > 0 { ", " }
                    a href=(path) { (words) }
                }
                ". To repeat any test on a copy of " (d.app().name) ": "
                code { (repeat::verify("NAME")) } ". Printed, this page opens every mark."
            }
        }
    }
}
