//! The team's side of the desk, over the admin socket, or by an operator's session in a browser: every act leaves a leaf that names who did it.

use std::sync::Arc;

use kernel::{Failure, Id, Time};
use route::{Asking, Changing, Done, Route, get, may, post, with};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::Control;

use super::{leaving, runs};
use crate::{
    Disclosure,
    desk::{
        channel::stamp,
        incident::{CLOCK, Told},
        report::{Content, Standing},
        sql::{self, Kept},
    },
};

/// Rows shown at most.
pub(in crate::desk) const MOST: i64 = 500;

pub(super) fn routes(d: &Arc<Disclosure>) -> Vec<Route> {
    let read = |path: &str, serve| Route { path: path.to_owned(), action: may("operator", "read"), tier: "api", serve };
    let act =
        |path: &str, serve| Route { path: path.to_owned(), action: may("operator", "manage"), tier: "api", serve };
    vec![
        read("/api/v1/operator/reports", get(with(d, reports))),
        read("/api/v1/operator/reports/{id}", get(with(d, report))),
        act("/api/v1/operator/reports/{id}/acknowledge", post("report.acknowledged", with(d, acknowledge))),
        act("/api/v1/operator/reports/{id}/update", post("report.updated", with(d, update))),
        act("/api/v1/operator/reports/{id}/close", post("report.closed", with(d, close))),
        read("/api/v1/operator/incidents", get(with(d, incidents))),
        act("/api/v1/operator/incidents", post("incident.opened", with(d, open))),
        act("/api/v1/operator/incidents/{id}/notified", post("incident.notified", with(d, notified))),
        act("/api/v1/operator/incidents/{id}/close", post("incident.closed", with(d, end))),
        read("/api/v1/operator/secrets", get(with(d, leaving::secrets))),
        read("/api/v1/operator/departures", get(with(d, leaving::departures))),
        act("/api/v1/operator/tests", post("tests.recorded", with(d, runs::record))),
        act("/api/v1/operator/departures", post("departure.recorded", with(d, leaving::left))),
    ]
}

/// A line of the list.
#[derive(Serialize, JsonSchema)]
struct Line {
    id: String,
    state: &'static str,
    received: String,
    acknowledge_by: String,
    disclose_on: Option<String>,
    summary: String,
}

pub(in crate::desk) fn content(d: &Disclosure, sealed: &[u8]) -> Result<Content, Failure> {
    let plain = d.vault().open_house("report", sealed)?;
    serde_json::from_slice(plain.expose()).map_err(|_| Failure::internal("disclosure: a kept report is JSON"))
}

fn line(d: &Disclosure, kept: &Kept, now: Time) -> Result<Line, Failure> {
    let (id, sealed, received, due, disclose, acknowledged, closed, _) = kept;
    Ok(Line {
        id: id.clone(),
        state: Standing::of(*due, *acknowledged, *closed, now).word(),
        received: stamp(*received),
        acknowledge_by: stamp(*due),
        disclose_on: disclose.map(stamp),
        summary: content(d, sealed)?.summary,
    })
}

/// Reports, the newest first.
#[derive(Serialize, JsonSchema)]
struct Lines {
    items: Vec<Line>,
}

async fn reports(d: Arc<Disclosure>, call: Asking<()>) -> Result<Lines, Failure> {
    let now = call.tx.permit().principal().at();
    let kept = call.tx.all(&sql::REPORTS, (MOST,)).await?;
    Ok(Lines { items: kept.iter().map(|k| line(&d, k, now)).collect::<Result<_, _>>()? })
}

/// A name in a path.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::desk) struct Named {
    pub(in crate::desk) id: String,
}

pub(in crate::desk) fn id(text: &str) -> Result<Id, Failure> {
    text.parse().map_err(|_| Failure::NotFound)
}

/// One report with what it holds.
#[derive(Serialize, JsonSchema)]
struct Whole {
    #[serde(flatten)]
    line: Line,
    contact: String,
    answers: Vec<(String, String)>,
    credit: Option<String>,
    updates: Vec<(String, String)>,
}

async fn report(d: Arc<Disclosure>, call: Asking<Named>) -> Result<Whole, Failure> {
    let now = call.tx.permit().principal().at();
    let kept = call.tx.one(&sql::BY_ID, (id(&call.input.id)?,)).await?;
    let updates = updates(&d, call.tx.all(&sql::UPDATES, (kept.0.clone(),)).await?)?;
    let Content { answers, contact, .. } = content(&d, &kept.1)?;
    Ok(Whole { line: line(&d, &kept, now)?, contact, answers, credit: kept.7, updates })
}

/// What the team told the reporter: when and what.
pub(in crate::desk) fn updates(d: &Disclosure, rows: Vec<(Time, Vec<u8>)>) -> Result<Vec<(String, String)>, Failure> {
    let open = |(at, sealed): (Time, Vec<u8>)| {
        let text = d.vault().open_house("report", &sealed)?;
        Ok((stamp(at), text.expose_str().unwrap_or_default().to_owned()))
    };
    rows.into_iter().map(open).collect()
}

pub(in crate::desk) async fn acknowledge(_: Arc<Disclosure>, call: Changing<Named>) -> Result<Done<()>, Failure> {
    let (id, now) = (id(&call.input.id)?, call.tx.permit().principal().at());
    let none = Failure::Conflict("no such report waits for an answer".into());
    let batch = call.tx.batch::<Control>(format!("report/{id}")).expect(1, &sql::ACKNOWLEDGE, (id, now), none);
    Ok(Done::ok(batch.commit().await?, ()))
}

/// Words for the reporter.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::desk) struct Update {
    pub(in crate::desk) id: String,
    pub(in crate::desk) words: String,
}

pub(in crate::desk) async fn update(d: Arc<Disclosure>, call: Changing<Update>) -> Result<Done<()>, Failure> {
    let (id, now) = (id(&call.input.id)?, call.tx.permit().principal().at());
    if call.input.words.trim().is_empty() || call.input.words.chars().count() > 5000 {
        return Err(Failure::field("words", "length", "1 to 5,000 characters"));
    }
    let _there = call.tx.one(&sql::BY_ID, (id,)).await?;
    let sealed = d.vault().seal_house("report", call.input.words.as_bytes())?;
    let batch = call.tx.batch::<Control>(format!("report/{id}")).rows(1, &sql::UPDATE, (id, now, sealed));
    Ok(Done::ok(batch.commit().await?, ()))
}

/// Closing: with the name to thank, when the reporter wanted to be named.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::desk) struct Closing {
    pub(in crate::desk) id: String,
    /// Thank them on the page of thanks.
    #[serde(default)]
    pub(in crate::desk) thank: bool,
}

pub(in crate::desk) async fn close(_: Arc<Disclosure>, call: Changing<Closing>) -> Result<Done<()>, Failure> {
    let (id, now) = (id(&call.input.id)?, call.tx.permit().principal().at());
    let kept = call.tx.one(&sql::BY_ID, (id,)).await?;
    let credit = kept.7.filter(|_| call.input.thank);
    let closed = Failure::Conflict("it is closed already".into());
    let batch = call.tx.batch::<Control>(format!("report/{id}")).expect(1, &sql::CLOSE, (id, now, credit), closed);
    Ok(Done::ok(batch.commit().await?, ()))
}

/// An incident.
#[derive(Serialize, JsonSchema)]
pub(in crate::desk) struct Incident {
    pub(in crate::desk) id: String,
    pub(in crate::desk) title: String,
    pub(in crate::desk) words: String,
    pub(in crate::desk) known_at: String,
    pub(in crate::desk) notify_by: String,
    pub(in crate::desk) notified_at: Option<String>,
    pub(in crate::desk) closed_at: Option<String>,
    pub(in crate::desk) clock: &'static str,
    pub(in crate::desk) replaced: Option<String>,
}

pub(in crate::desk) fn incident(row: sql::Happened, now: Time) -> Incident {
    let (id, title, words, known, by, notified, closed, replaced) = row;
    Incident {
        id,
        title,
        words,
        known_at: stamp(known),
        notify_by: stamp(by),
        notified_at: notified.map(stamp),
        closed_at: closed.map(stamp),
        clock: Told::of(by, notified, now).words(),
        replaced,
    }
}

/// The register.
#[derive(Serialize, JsonSchema)]
struct Register {
    items: Vec<Incident>,
}

async fn incidents(_: Arc<Disclosure>, call: Asking<()>) -> Result<Register, Failure> {
    let now = call.tx.permit().principal().at();
    let rows = call.tx.all(&sql::INCIDENTS, (MOST,)).await?;
    Ok(Register { items: rows.into_iter().map(|row| incident(row, now)).collect() })
}

/// A new incident; the clock runs from `known_at` (RFC 3339), or from now.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::desk) struct Opening {
    pub(in crate::desk) title: String,
    #[serde(default)]
    pub(in crate::desk) words: String,
    pub(in crate::desk) known_at: Option<String>,
}

/// What was made.
#[derive(Serialize, JsonSchema)]
pub(in crate::desk) struct Opened {
    id: String,
    notify_by: String,
}

pub(in crate::desk) async fn open(d: Arc<Disclosure>, call: Changing<Opening>) -> Result<Done<Opened>, Failure> {
    let now = call.tx.permit().principal().at();
    let Opening { title, words, known_at } = call.input;
    if title.trim().is_empty() || title.chars().count() > 200 || words.chars().count() > 5000 {
        return Err(Failure::field("title", "length", "a title of 1 to 200 characters, words of at most 5,000"));
    }
    let known = match known_at {
        None => now,
        Some(text) => {
            let wrong = |_| Failure::field("known_at", "invalid", "RFC 3339, not in the future");
            Time(text.parse::<jiff::Timestamp>().map_err(wrong)?.as_millisecond())
        }
    };
    if known.0 > now.0 {
        return Err(Failure::field("known_at", "invalid", "RFC 3339, not in the future"));
    }
    let id = d.rng().id(now);
    let by = known.plus(CLOCK);
    let row = (id, title, words, known, by);
    let batch = call.tx.batch::<Control>(format!("incident/{id}")).rows(1, &sql::OPENED, row);
    Ok(Done::created(batch.commit().await?, Opened { id: id.to_string(), notify_by: stamp(by) }))
}

pub(in crate::desk) async fn notified(_: Arc<Disclosure>, call: Changing<Named>) -> Result<Done<()>, Failure> {
    let (id, now) = (id(&call.input.id)?, call.tx.permit().principal().at());
    let none = Failure::Conflict("no such incident waits for it".into());
    let batch = call.tx.batch::<Control>(format!("incident/{id}")).expect(1, &sql::NOTIFIED, (id, now), none);
    Ok(Done::ok(batch.commit().await?, ()))
}

/// The end of an incident: what customers may read of it, and what was replaced because of it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::desk) struct Ending {
    pub(in crate::desk) id: String,
    #[serde(default)]
    pub(in crate::desk) words: String,
    pub(in crate::desk) replaced: Option<String>,
}

pub(in crate::desk) async fn end(_: Arc<Disclosure>, call: Changing<Ending>) -> Result<Done<()>, Failure> {
    let Ending { id: name, words, replaced } = call.input;
    let (id, now) = (id(&name)?, call.tx.permit().principal().at());
    if words.chars().count() > 5000 || replaced.as_ref().is_some_and(|r| r.chars().count() > 500) {
        return Err(Failure::field("words", "too_long", "at most 5,000 characters, 500 for what was replaced"));
    }
    let closed = Failure::Conflict("no such open incident".into());
    let row = (id, now, words, replaced);
    let batch = call.tx.batch::<Control>(format!("incident/{id}")).expect(1, &sql::ENDED, row, closed);
    Ok(Done::ok(batch.commit().await?, ()))
}
