use kernel::Time;
use maud::html;

use super::{document, mark, ticks};
use crate::{
    Disclosure,
    results::{Verdict, speech, view::View, wording::Wording},
};

/// Everything that ever happened to a promise.
pub(crate) struct Record {
    pub id: String,
    /// Its place on the page, if it stands there.
    pub at: Option<usize>,
    pub wordings: Vec<Wording>,
    /// When, was, became, words, run; oldest first.
    pub changes: Vec<(Time, String, String, String, String)>,
}

/// The history of one promise.
pub(crate) fn history(d: &Disclosure, view: &View, record: &Record, nonce: &str) -> String {
    let now = record.at.and_then(|at| d.page().claims.get(at).zip(view.claims.get(at)));
    let worded = |word: &str| Verdict::parse(word).map(mark);
    let body = html! {
        main {
            p.m { a href={ "../../trust#" (record.id) } { "Security at " (d.app().name) } }
            h1 { (record.id) }
            @match now {
                Some((claim, shown)) => {
                    p.l { (d.words(claim)) }
                    p { (mark(shown.judged.verdict)) }
                    p { (ticks::words(&shown.days)) ", of the last 90." }
                }
                None => p { "The page makes this promise no more." },
            }
            h2 { "Verdicts" }
            @if record.changes.is_empty() { p { "It has not been judged yet." } }
            ol.v reversed {
                @for (at, _, became, words, run) in record.changes.iter().rev() {
                    li {
                        @if let Some(mark) = worded(became) { (mark) " " }
                        time datetime=(at) { (speech::moment(*at)) }
                        @if !words.is_empty() { br; (words) }
                        @if !run.is_empty() { " " a href={ "../report.json?run=" (run) } { "report" } }
                    }
                }
            }
            h2 { "Words" }
            @for old in record.wordings.iter().rev() {
                p.d {
                    @if old.until.is_some() { del { (old.words) } } @else { (old.words) }
                    i {
                        " since " (speech::date(old.since))
                        @if let Some(until) = old.until { ", until " (speech::date(until)) }
                        @if let Some(last) = &old.last { ", last " (last) }
                        ", by " (old.checks.replace(',', ", "))
                    }
                }
            }
        }
    };
    document(d.app(), &record.id, nonce, (&Verdict::ALL, None), &body)
}
