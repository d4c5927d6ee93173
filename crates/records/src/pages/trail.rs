//! What the log says of a record.

use kernel::{Failure, Mode, Time};
use maud::{Markup, html};
use route::page::{Stamp, Tag};
use store::Tx;

use super::{Room, Shown, label::Names, text, words};

/// Entries shown.
const SHOWN: usize = 10;

/// One entry.
pub(crate) struct Entry {
    at: Option<Time>,
    what: String,
    who: String,
    outcome: Option<&'static str>,
}

/// The newest entries about a record, for those who may read the log; none for others.
pub(crate) async fn read<M: Mode>(room: &Room, tx: &Tx<M>, record: &Shown) -> Result<Option<Vec<Entry>>, Failure> {
    let Some(reading) = room.beside(tx, "audit", "read").await? else { return Ok(None) };
    let target = format!("{}/{}", room.shelf().def.id, text(record, "id"));
    let since = Time::parse(text(record, "created_at")).unwrap_or(Time(0));
    let found = audit::of_target(&reading, &target, since, SHOWN).await?;
    let mut names = Names::default();
    names.people(room, tx).await?;
    Ok(Some(found.iter().map(|trace| entry(&names, trace)).collect()))
}

fn entry(names: &Names, trace: &audit::Trace) -> Entry {
    let who = match trace.actor.split_once('/') {
        Some(("user", id)) => names.member(id).map_or_else(|| "A former member".to_owned(), str::to_owned),
        Some(("operator", _)) => "An operator".to_owned(),
        Some(("system", _)) => "The system".to_owned(),
        _ => "A visitor".to_owned(),
    };
    let outcome = match trace.outcome.as_str() {
        "refused" => Some("Refused"),
        "failed" => Some("Failed"),
        _ => None,
    };
    Entry { at: trace.at, what: what(&trace.action), who, outcome }
}

/// `record.updated` as `Changed`, `order.refunded` as `Refunded`.
fn what(action: &str) -> String {
    match action {
        "record.created" => "Created".to_owned(),
        "record.updated" => "Changed".to_owned(),
        "record.submitted" => "Sent in".to_owned(),
        "file.uploaded" => "File added".to_owned(),
        "share.created" => "Link made".to_owned(),
        "share.opened" => "Opened by link".to_owned(),
        other => words::human(other.rsplit('.').next().unwrap_or(other)),
    }
}

/// As a list, the newest first.
pub(crate) fn list(entries: &[Entry], all: Option<&str>) -> Markup {
    html! {
        ol.trail {
            @for entry in entries {
                li {
                    span.what { (entry.what) @if let Some(outcome) = entry.outcome { " " (Tag::bad(outcome)) } }
                    span.muted { (entry.who) @if let Some(at) = entry.at { ", " (Stamp(at.0)) } }
                }
            }
        }
        @if entries.is_empty() { p.muted { "Nothing in the newest part of the log." } }
        @if let Some(all) = all { p { a href=(all) { "The whole history" } } }
    }
}
