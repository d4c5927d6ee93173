//! Moments, numbers and the headline, as people say them. Pure.

use kernel::Time;

use super::{Verdict, view::View};

const HOUR: i64 = 3_600_000;

/// "4 May 2026, 09:30 UTC".
pub(crate) fn moment(at: Time) -> String {
    said(at, "%-d %B %Y, %H:%M UTC")
}

/// "4 May 2026".
pub(crate) fn date(at: Time) -> String {
    said(at, "%-d %B %Y")
}

/// "at 09:30" of the same day, else "on 3 May".
pub(crate) fn brief(at: Time, now: Time) -> String {
    let today = at.0.div_euclid(24 * HOUR) == now.0.div_euclid(24 * HOUR);
    said(at, if today { "at %H:%M" } else { "on %-d %B" })
}

fn said(at: Time, format: &str) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.to_string(), |t| t.strftime(format).to_string())
}

/// "12 minutes ago".
pub(crate) fn ago(at: Time, now: Time) -> String {
    let minutes = now.since(at) / 60_000;
    match minutes {
        ..1 => "just now".to_owned(),
        1..120 => plural(minutes, "minute") + " ago",
        120..2880 => plural(minutes / 60, "hour") + " ago",
        _ => plural(minutes / 1440, "day") + " ago",
    }
}

/// "1 day", "2 days".
pub(crate) fn plural(count: i64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// "27 of 44 promises proven in the last hour; 10 await a signature."
pub(crate) fn headline(view: &View) -> String {
    let all = view.claims.len();
    let count = |v: Verdict| view.count(v);
    let mut parts = Vec::new();
    if count(Verdict::Failing) > 0 {
        parts.push(format!("{} of {all} failing", count(Verdict::Failing)));
    }
    let proven = || view.claims.iter().filter(|c| c.judged.verdict == Verdict::Proven);
    let recent = proven().filter(|c| c.judged.checked_at.is_some_and(|at| view.at.since(at) <= HOUR)).count();
    parts.push(match (count(Verdict::Proven), parts.is_empty()) {
        (0, true) if view.run.is_none() => format!("None of {all} promises tested yet"),
        (0, true) => format!("None of {all} promises proven"),
        (n, first) => {
            let of = if first { format!("{n} of {all} promises proven") } else { format!("{n} proven") };
            match recent {
                r if r == n && n > 0 => format!("{of} in the last hour"),
                0 => of,
                r => format!("{of}, {r} of them in the last hour"),
            }
        }
    });
    for (verdict, one, many) in [
        (Verdict::Stale, "is stale", "are stale"),
        (Verdict::Inconclusive, "could not be told", "could not be told"),
        (Verdict::Expired, "signature has expired", "signatures have expired"),
        (Verdict::Unsigned, "awaits a signature", "await a signature"),
        (Verdict::Unproven, "awaits a proof", "await a proof"),
    ] {
        match count(verdict) {
            0 => {}
            1 => parts.push(format!("1 {one}")),
            n => parts.push(format!("{n} {many}")),
        }
    }
    let rest = parts.split_off(1);
    let first = parts.concat();
    if rest.is_empty() { format!("{first}.") } else { format!("{first}; {}.", rest.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_said() {
        let at = Time::parse("2026-05-04T09:30:00Z").unwrap();
        assert_eq!(moment(at), "4 May 2026, 09:30 UTC");
        assert_eq!(date(at), "4 May 2026");
        for (millis, words) in [(0, "just now"), (-5, "just now"), (60_000, "1 minute ago"), (7_200_000, "2 hours ago")]
        {
            assert_eq!(ago(at, at.plus(millis)), words);
        }
        assert_eq!(ago(at, at.plus(86_400_000 * 90)), "90 days ago");
    }
}
