use kernel::Time;
use manifest::PageClaim;
use maud::html;
use serde_json::Value;

use super::{document, mark};
use crate::{
    Disclosure,
    results::{Verdict, speech, testing::Test},
};

/// A visitor's own look at a promise: under way, done, or none.
pub(crate) fn test(d: &Disclosure, claim: &PageClaim, test: Option<&Test>, now: Time, nonce: &str) -> String {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let body = html! {
        main {
            p.m { a href={ "../../trust#" (claim.id) } { "Security at " (d.app().name) } }
            h1 { (claim.id) }
            p.l { (d.words(claim)) }
            @match test {
                Some(Test::Running(since)) => p role="status" {
                    "Testing, since " (speech::moment(*since)) ". This page reloads until the result is there."
                },
                Some(Test::Done(at, found)) => {
                    @let verdict = Verdict::parse(&text(found, "verdict")).unwrap_or(Verdict::Inconclusive);
                    p { (mark(verdict)) " " (speech::ago(*at, now)) ", for you" }
                    dl {
                        @for check in found.get("checks").and_then(Value::as_array).into_iter().flatten() {
                            @let id = text(check, "check");
                            dt { "We test" } dd { (manifest::check(&id).map_or("", |c| c.statement)) }
                            dt { "We saw" } dd { (text(check, "verdict")) @if !text(check, "saw").is_empty() { ": " (text(check, "saw")) } }
                        }
                    }
                    p.m { "The result is kept for ten minutes, and stands on no other page." }
                },
                None if d.testable(claim) => form method="post" {
                    button { "Test it now" }
                },
                None => p { "This promise is tested by the server's own rounds; a test of it on demand is not available here." },
            }
            p { a href={ "../history/" (claim.id) } { "Every verdict of " (claim.id) } }
        }
    };
    let refresh = matches!(test, Some(Test::Running(_))).then_some(2);
    document(d.app(), &claim.id, nonce, (&Verdict::ALL, refresh), &body)
}
