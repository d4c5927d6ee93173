//! One entry with what it commits to, and the check of the whole chain.

use std::sync::Arc;

use kernel::Failure;
use maud::{Markup, html};
use route::{
    Asking, Call, Html,
    page::{Button, Frame, Notice, Screen, Stamp, Tag, facts, table_region},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{PROTECTS, People, spoken};
use crate::{
    chained::commitment,
    http,
    leaf::{Leaf, leaf_hash},
    sql::{self, Committed},
};

/// Which entry.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    seq: String,
}

pub(crate) async fn entry(frame: Arc<Frame>, call: Asking<Named>) -> Result<Html, Failure> {
    let who = call.tx.permit().principal();
    let base = frame.base(who);
    let seq: i64 =
        call.input.seq.parse().ok().filter(|n: &i64| (0..i64::MAX - 1).contains(n)).ok_or(Failure::NotFound)?;
    let (_, bytes, kept) = call.tx.maybe(&sql::FORWARD, (seq, seq + 1, 1)).await?.ok_or(Failure::NotFound)?;
    let leaf = Leaf::parse(&bytes).ok_or(Failure::internal("audit: a stored leaf is not a leaf; see the check"))?;
    let before =
        call.tx.maybe(&sql::FORWARD, (seq - 1, seq, 1)).await?.map(|(_, body, _)| hex::encode(leaf_hash(&body)));
    let after = call.tx.maybe(&sql::FORWARD, (seq + 1, seq + 2, 1)).await?.is_some();
    let values = call.tx.all(&sql::VALUES, (seq, seq)).await?;
    let people = People::read(&call.tx).await?;
    let hash = leaf_hash(&bytes);
    let holds = hash.as_slice() == kept.as_slice() && before.as_ref().is_none_or(|before| *before == leaf.prev);
    let path = |seq: i64| format!("{base}/console/history/{seq}");
    let body = html! {
        (facts(&[
            ("When", html! { (Stamp(leaf.at().unwrap_or_default().0)) }),
            ("Who", html! { (people.name(&leaf.actor)) " " code.muted { (leaf.actor) } }),
            ("What", html! { code { (leaf.action) } }),
            ("On what", html! { code { (leaf.target) } }),
            ("Outcome", outcome(&leaf.outcome)),
            ("Through", html! { (door(&leaf.source)) }),
            ("Request", html! { code { (leaf.req_id) } }),
        ]))
        section {
            h2 { "What it commits to" }
            p { "The log holds a salted hash of each value, not the value: what must be erased can be, and the chain still holds." }
            (commitments(&leaf, &values))
        }
        section {
            h2 { "Its place in the chain" }
            (facts(&[
                ("Place", html! { (leaf.seq) }),
                ("Hash of the one before", html! { code { (leaf.prev) } @if seq > 0 { " " a href=(path(seq - 1)) { "See it" } } }),
                ("Its own hash", html! { code { (hex::encode(hash)) } @if after { " " a href=(path(seq + 1)) { "See the next" } } }),
                ("Link", if holds { html! { (Tag::good("Holds")) } } else { html! { (Tag::bad("Does not hold")) } }),
                ("Rules in force", html! { code { (leaf.app_hash) } }),
            ]))
            details.raw {
                summary { "As it is stored, byte for byte" }
                pre tabindex="0" { code { (String::from_utf8_lossy(&bytes)) } }
            }
        }
    };
    let screen = Screen::new(spoken(&leaf.action), format!("/console/history/{seq}"))
        .crumb("History", "/console/history")
        .body(body)
        .protects(PROTECTS);
    Ok(frame.page(who, screen))
}

fn outcome(word: &str) -> Markup {
    match word {
        "done" => html! { (Tag::good("Done")) },
        "refused" => html! { (Tag::warn("Refused")) },
        _ => html! { (Tag::bad("Failed")) },
    }
}

/// Through which door, in words.
fn door(source: &str) -> &str {
    match source {
        "browser" => "The console",
        "api" => "The API",
        "public" => "A public page",
        "job" => "The server's own work",
        "admin" => "An operator's command line",
        other => other,
    }
}

/// Each commitment beside its value, opened before the reader's eyes: the hash is computed again here.
fn commitments(leaf: &Leaf<'_>, values: &[Committed]) -> Markup {
    if leaf.fields.is_empty() {
        return html! { p.muted { "Nothing: the entry says all there is." } };
    }
    let row = |field: &str, committed: &str| {
        let value = values.iter().find(|(_, name, ..)| name == field);
        let opened = value.and_then(|(_, name, salt, value)| {
            let salt: &[u8; 32] = salt.as_slice().try_into().ok()?;
            Some(hex::encode(commitment(&leaf.id.to_string(), name, salt, value)) == committed)
        });
        html! {
            tr {
                th scope="row" { (field) }
                td data-label="Value" { @match value { Some((.., value)) => (value), None => { span.muted { "erased" } } } }
                td data-label="Commitment" { code { (super::short(committed)) } }
                td data-label="Opens it" {
                    @match opened {
                        Some(true) => (Tag::good("Matches")),
                        Some(false) => (Tag::bad("Does not match")),
                        None => { span.muted { "—" span.visually-hidden { "not known" } } },
                    }
                }
            }
        }
    };
    table_region(
        "Commitments",
        html! {
            table.table {
                thead { tr { th scope="col" { "Field" } th scope="col" { "Value" } th scope="col" { "Commitment" } th scope="col" { "Opens it" } } }
                tbody { @for (field, committed) in &leaf.fields { (row(field, committed)) } }
            }
        },
    )
}

/// The whole chain, from the first entry to the recorded end.
pub(crate) async fn check(frame: Arc<Frame>, call: Asking<()>) -> Result<Html, Failure> {
    let who = call.tx.permit().principal().clone();
    let Call { tx, input } = call;
    let checked = http::check(Call { tx, input }).await?;
    let notice = match (checked.intact, checked.broken_at) {
        (true, _) => Notice::good("Every link holds, from the first entry to the last."),
        (false, at) => Notice::bad(format!(
            "The chain is broken at entry {} ({}).",
            at.unwrap_or_default(),
            checked.why.unwrap_or("unknown").replace('_', " ")
        )),
    };
    let body = html! {
        (facts(&[
            ("Entries", html! { (checked.size) }),
            ("Hash of the last that holds", html! { code { (checked.head) } }),
        ]))
        p.actions.after { (Button::link("Back to the history", format!("{}/console/history", frame.base(&who)))) }
    };
    let screen = Screen::new("Check of the chain", "/console/history/check").crumb("History", "/console/history");
    Ok(frame.page(&who, screen.notice(notice).body(body).protects(PROTECTS)))
}
