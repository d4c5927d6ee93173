use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
};

use serde::{Deserialize, Serialize};

/// A moment: milliseconds since 1970-01-01T00:00:00Z, as stored in every `INTEGER` time column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

/// Milliseconds of a day of UTC.
pub const DAY: i64 = 86_400_000;

impl Time {
    /// This moment plus `millis`, saturating.
    #[must_use]
    pub const fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
    /// Milliseconds from `earlier` to this moment; negative when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
    /// Whole seconds since the epoch, as JWT and HTTP want them.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
    /// The first moment of a day of UTC, written `2026-05-04`; its last is [`DAY`] less a millisecond later. `None` when it is
    /// no day of the calendar.
    #[must_use]
    pub fn day(text: &str) -> Option<Self> {
        (text.len() == 10).then(|| Self::parse(&format!("{text}T00:00:00Z"))).flatten()
    }
    /// Reads RFC 3339 with any offset. `None` when it is not a time.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_millisecond()))
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-05-04T09:30:00.000Z`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => f.write_str("0000-00-00T00:00:00.000Z"),
        }
    }
}

/// Where time comes from. Passed in everywhere, so tests and `verify` can steer it.
pub trait Clock: Send + Sync + 'static {
    /// The present moment. It may step backwards when the machine's clock does.
    fn now(&self) -> Time;
}

/// A clock that only moves when told: for tests, and for the instance that `verify` starts.
#[derive(Default)]
pub struct Steered(AtomicI64);

impl Steered {
    /// A clock standing at `start`.
    #[must_use]
    pub const fn at(start: Time) -> Self {
        Self(AtomicI64::new(start.0))
    }
    /// Moves the clock by `millis`, backwards when negative.
    pub fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for Steered {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_prints_as_it_parses() {
        let text = "2026-05-04T09:30:00.000Z";
        assert_eq!(Time::parse(text).unwrap().to_string(), text);
        assert_eq!(Time::parse("2026-05-04T11:30:00+02:00"), Time::parse(text));
        assert_eq!(Time::parse("yesterday"), None);
    }

    #[test]
    fn a_day_is_one_of_the_calendar() {
        assert_eq!(Time::day("2026-05-04"), Time::parse("2026-05-04T00:00:00Z"));
        for bad in ["", "2026-5-4", "2026-02-30", "2026-05-04T00:00:00Z", "20260504T1", "0026-05-4é"] {
            assert_eq!(Time::day(bad), None, "{bad}");
        }
    }
}
