//! "A person confirms that it arrived within three business days": the clock of a promise in business days.
//!
//! A business day is a day from Monday to Friday in UTC. Public holidays are not left out: a clock that runs on through them
//! is the stricter one.

use jiff::{Timestamp, ToSpan as _, civil::Weekday, tz::TimeZone};
use kernel::Time;

/// Time to a first answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within {
    amount: i32,
    business: bool,
}

impl Within {
    /// From the manifest's words: `3 business days`, `5 days`. None where they say something else.
    #[must_use]
    pub fn parse(words: &str) -> Option<Self> {
        let mut parts = words.split_whitespace();
        let amount = parts.next()?.parse().ok().filter(|n| (1..=366).contains(n))?;
        let rest: Vec<&str> = parts.collect();
        let business = match rest.as_slice() {
            ["business", "day" | "days"] => true,
            ["day" | "days"] => false,
            _ => return None,
        };
        Some(Self { amount, business })
    }

    /// When it is over for what arrived at this moment: the end of the last day that counts.
    #[must_use]
    pub fn after(self, received: Time) -> Option<Time> {
        let start = Timestamp::from_millisecond(received.0).ok()?.to_zoned(TimeZone::UTC);
        if !self.business {
            return Some(Time(start.checked_add(self.amount.days()).ok()?.timestamp().as_millisecond()));
        }
        let (mut day, mut left) = (start.date(), self.amount);
        while left > 0 {
            day = day.tomorrow().ok()?;
            if !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) {
                left -= 1;
            }
        }
        let end = day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?;
        Some(Time(end.timestamp().as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(words: &str, from: &str) -> String {
        let at = Time(from.parse::<Timestamp>().unwrap().as_millisecond());
        Timestamp::from_millisecond(Within::parse(words).unwrap().after(at).unwrap().0).unwrap().to_string()
    }

    #[test]
    fn weekends_do_not_count() {
        // 2026-11-20 is a Friday.
        assert_eq!(after("1 business day", "2026-11-20T10:00:00Z"), "2026-11-24T00:00:00Z");
        assert_eq!(after("3 business days", "2026-11-20T10:00:00Z"), "2026-11-26T00:00:00Z");
        assert_eq!(after("2 business days", "2026-11-21T10:00:00Z"), "2026-11-25T00:00:00Z");
        assert_eq!(after("10 business days", "2026-11-16T00:00:00Z"), "2026-12-01T00:00:00Z");
        assert_eq!(after("2 days", "2026-11-20T10:00:00Z"), "2026-11-22T10:00:00Z");
    }

    #[test]
    fn other_words_are_no_clock() {
        for words in
            ["", "soon", "0 days", "3 business", "9999999999 days", "3 weeks", "-1 days", "3 business days or so"]
        {
            assert_eq!(Within::parse(words), None, "{words}");
        }
    }
}
