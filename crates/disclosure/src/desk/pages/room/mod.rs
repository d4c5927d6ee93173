//! The operators' pages: what runs, what is to be signed, who may act, what outsiders sent. They show the house's own matters
//! and nothing of any tenant, so nothing here needs elevation.

mod incidents;
mod overview;
mod reports;
mod review;
mod signatures;
mod violations;

use std::sync::Arc;

use kernel::{Failure, Principal, Time};
use maud::{Markup, html};
use route::{
    Html, Route, get, may,
    page::{Screen, Stamp, Tag},
    post, with,
};

use crate::Disclosure;

/// Checks that protect these pages.
const PROTECTS: &[&str] = &["gov.named_operators", "gov.access_review", "access.operator_jit", "access.operator_mfa"];

pub(in crate::desk) fn routes(d: &Arc<Disclosure>) -> Vec<Route> {
    let read = |path: &str, serve| Route { path: path.to_owned(), action: may("operator", "read"), tier: "api", serve };
    let act =
        |path: &str, serve| Route { path: path.to_owned(), action: may("operator", "manage"), tier: "api", serve };
    let report_again = || with(d, reports::report_again);
    let incidents_again = || with(d, incidents::incidents_again);
    vec![
        read("/operator", get(with(d, overview::overview))),
        read("/operator/attestations", get(with(d, signatures::list))),
        read("/operator/attestations/{subject}", get(with(d, signatures::one))),
        act(
            "/operator/attestations/{subject}",
            post("promise.attested", with(d, signatures::sign)).redrawn(with(d, signatures::sign_again)),
        ),
        read("/operator/access", get(with(d, review::accesses))),
        act(
            "/operator/access",
            post("access.reviewed", with(d, review::decide)).redrawn(with(d, review::accesses_again)),
        ),
        read("/operator/access/reviews/{id}", get(with(d, review::document))),
        read("/operator/reports", get(with(d, reports::list))),
        read("/operator/reports/{id}", get(with(d, reports::report))),
        act(
            "/operator/reports/{id}/acknowledge",
            post("report.acknowledged", with(d, reports::acknowledge)).redrawn(report_again()),
        ),
        act("/operator/reports/{id}/update", post("report.updated", with(d, reports::update)).redrawn(report_again())),
        act("/operator/reports/{id}/close", post("report.closed", with(d, reports::close)).redrawn(report_again())),
        read("/operator/incidents", get(with(d, incidents::incidents))),
        act(
            "/operator/incidents",
            post("incident.opened", with(d, incidents::open)).redrawn(with(d, incidents::opening_again)),
        ),
        act(
            "/operator/incidents/{id}/notified",
            post("incident.notified", with(d, incidents::notified)).redrawn(incidents_again()),
        ),
        act(
            "/operator/incidents/{id}/close",
            post("incident.closed", with(d, incidents::close)).redrawn(incidents_again()),
        ),
        read("/operator/violations", get(with(d, violations::list))),
    ]
}

/// A page in the console's frame, with what these pages are at its foot.
fn page(d: &Disclosure, who: &Principal, screen: Screen, body: Markup) -> Result<Html, Failure> {
    let body = html! {
        (body)
        section {
            p.small.muted { "The operators\u{2019} pages show the team\u{2019}s own matters and no data of any tenant, so nothing here needs \
                             elevation. Every change is recorded in the instance\u{2019}s log under your name." }
        }
    };
    Ok(d.setup()?.frame.page(who, screen.body(body).protects(PROTECTS)))
}

/// With a capital letter.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn day(at: Time) -> Markup {
    html! { (Stamp(at.0)) }
}

/// "in 3 days", "2 hours ago".
fn away(at: Time, now: Time) -> String {
    let (gap, ahead) = (at.since(now).abs(), at.0 >= now.0);
    let (count, noun) = match gap / 60_000 {
        0 => return if ahead { "now".to_owned() } else { "just now".to_owned() },
        n @ 1..120 => (n, "minute"),
        n @ 120..2880 => (n / 60, "hour"),
        n => (n / 1440, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    if ahead { format!("in {count} {noun}{plural}") } else { format!("{count} {noun}{plural} ago") }
}

/// How a clock stands, in a word and a shape.
fn clock(due: Time, now: Time, soon: i64) -> Tag {
    match due.since(now) {
        ..=0 => Tag::bad(format!("Over, {}", away(due, now))),
        left if left < soon => Tag::warn(format!("Runs out {}", away(due, now))),
        _ => Tag::plain(format!("Runs out {}", away(due, now))),
    }
}

#[cfg(test)]
mod tests {
    use kernel::DAY;

    use super::*;

    #[test]
    fn a_moment_is_near_or_far() {
        let now = Time(100 * DAY);
        for (at, words) in [
            (0, "now"),
            (-1, "just now"),
            (60_000, "in 1 minute"),
            (-119 * 60_000, "119 minutes ago"),
            (3 * 3_600_000, "in 3 hours"),
            (-2 * DAY, "2 days ago"),
        ] {
            assert_eq!(away(now.plus(at), now), words);
        }
    }
}
