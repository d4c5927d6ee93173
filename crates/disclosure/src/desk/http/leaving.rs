//! Who of the team left, and when: from then on the clock of every secret that they could have seen runs.

use std::sync::Arc;

use kernel::{DAY, Failure, Time};
use route::{Asking, Changing, Done};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::Control;

use crate::{
    Disclosure,
    desk::{channel::stamp, secret_age::SecretAge, sql},
};

/// Rows shown at most.
const MOST: i64 = 500;

/// Somebody left.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Leaving {
    /// Their name.
    name: String,
    /// The day (`2026-11-22`, which counts to its end) or the moment; absent: now.
    on: Option<String>,
}

/// One of them, as it is told.
#[derive(Serialize, JsonSchema)]
pub(super) struct Departure {
    name: String,
    left_at: String,
}

/// The register.
#[derive(Serialize, JsonSchema)]
pub(super) struct Departures {
    items: Vec<Departure>,
}

/// Secrets with their ages.
#[derive(Serialize, JsonSchema)]
pub(super) struct Secrets {
    items: Vec<SecretAge>,
}

/// A day counts to its end: a secret that was replaced in the morning was seen by whoever left in the evening.
fn moment(text: &str, now: Time) -> Option<Time> {
    let (began, at) = match Time::day(text) {
        Some(day) => (day, day.plus(DAY - 1).min(now)),
        None => Time::parse(text).map(|at| (at, at))?,
    };
    (began <= now).then_some(at)
}

pub(super) async fn left(d: Arc<Disclosure>, call: Changing<Leaving>) -> Result<Done<Departure>, Failure> {
    let now = call.tx.permit().principal().at();
    let Leaving { name, on } = call.input;
    let name = name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(Failure::field("name", "invalid", "one line of 1 to 200 characters"));
    }
    let wrong = Failure::field("on", "invalid", "a day such as 2026-11-22 or a moment (RFC 3339), not in the future");
    let at = on.map_or(Some(now), |text| moment(&text, now)).ok_or(wrong)?;
    let id = d.rng().id(now);
    let batch = call.tx.batch::<Control>(format!("departure/{id}")).rows(1, &sql::LEFT, (id, name.clone(), at, now));
    let done = batch.commit().await?;
    d.forget();
    Ok(Done::created(done, Departure { name, left_at: stamp(at) }))
}

pub(super) async fn departures(_: Arc<Disclosure>, call: Asking<()>) -> Result<Departures, Failure> {
    let rows = call.tx.all(&sql::DEPARTURES, (MOST,)).await?;
    let items = rows.into_iter().map(|(name, at)| Departure { name, left_at: stamp(at) });
    Ok(Departures { items: items.collect() })
}

/// Every secret that came from outside.
pub(super) async fn secrets(d: Arc<Disclosure>, call: Asking<()>) -> Result<Secrets, Failure> {
    let now = call.tx.permit().principal().at();
    Ok(Secrets { items: d.secret_ages(&call.tx, now).await? })
}

/// Those that the manifest declares: the page speaks of them.
pub(super) async fn declared(d: Arc<Disclosure>, call: Asking<()>) -> Result<Secrets, Failure> {
    let now = call.tx.permit().principal().at();
    let items = d.secret_ages(&call.tx, now).await?.into_iter().filter(|age| age.declared).collect();
    Ok(Secrets { items })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_counts_to_its_end_and_never_beyond_now() {
        let at = |text: &str| Time::parse(text).unwrap();
        let now = at("2026-11-22T08:00:00Z");
        assert_eq!(moment("2026-11-20", now), Some(at("2026-11-20T23:59:59.999Z")));
        assert_eq!(moment("2026-11-22", now), Some(now));
        assert_eq!(moment("2026-11-21T10:00:00Z", now), Some(at("2026-11-21T10:00:00Z")));
        for bad in ["2026-11-23", "2026-11-22T08:00:01Z", "", "yesterday", "2026-13-01"] {
            assert_eq!(moment(bad, now), None, "{bad}");
        }
    }
}
