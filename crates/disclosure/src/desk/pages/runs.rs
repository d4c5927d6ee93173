//! How the tests are tested, for people.

use std::sync::Arc;

use kernel::Failure;
use maud::html;
use route::{
    Asking, Html,
    page::{Card, Empty, Tag, facts, table_region},
};
use serde_json::Value;

use crate::Disclosure;

pub(in crate::desk) async fn page(d: Arc<Disclosure>, call: Asking<()>) -> Result<Html, Failure> {
    let who = call.tx.permit().principal();
    let known = d.runs(&call.tx, who.at()).await?;
    let text = |v: &Value, name: &str| v.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let body = html! {
        p { "A test that cannot fail proves nothing. So each check is run twice against a build from the same sources: once as it \
             is, and once with just that control switched off, which the test must notice." }
        @match &known {
            None => (Empty::new("No signed run for this build", "The pairs of runs are recorded when a build is released.")),
            Some(known) => {
                (facts(&[
                    ("Sources", html! { code { (known.runs.sources.get(..16).unwrap_or_default()) "…" } }),
                    ("Version", html! { (known.runs.version) }),
                    ("Runs", html! { time datetime=(known.runs.began) { (known.runs.began) } " to " time datetime=(known.runs.ended) { (known.runs.ended) } }),
                    ("Pairs", html! { (known.runs.checks.len()) ", of them green and red " (known.runs.kept()) }),
                ]))
                p { a href="/trust/tests.json" { "As JSON" } ", signed by " a href="/trust/keys.json" { "our key" } "." }
                (table_region("Runs", html! {
                    table.table {
                        thead { tr { th scope="col" { "Check" } th scope="col" { "On" } th scope="col" { "Off" } th scope="col" { "Last looked at here" } } }
                        tbody { @for (check, pair) in &known.runs.checks { tr {
                            td.main data-label="Check" { (check) }
                            td data-label="On" { (tag(&pair.on, "proven")) }
                            td data-label="Off" { (tag(&pair.off, "failing")) }
                            td data-label="Last looked at here" {
                                @match known.looked.get(check) {
                                    Some(look) => { (text(look, "verdict")) ", " time datetime=(text(look, "at")) { (text(look, "at")) } },
                                    None => "not yet",
                                }
                            }
                        } } }
                    }
                }))
                @if !known.runs.unswitched.is_empty() {
                    h2 { "Without a switch" }
                    ul { @for (check, why) in &known.runs.unswitched { li { code { (check) } ": " (why) } } }
                }
            }
        }
    };
    Ok(d.setup()?
        .frame
        .card(who.home(), Card::new("How we test the tests", body).wide().protects(&["gov.security_tests"])))
}

fn tag(word: &str, wanted: &str) -> Tag {
    let words = word.to_owned();
    if word == wanted { Tag::good(words) } else { Tag::bad(words) }
}
