//! "If an incident touches your data, you hear of it within seventy-two hours of our knowing": the register and its clock.

use kernel::Time;

/// From knowing to telling (GDPR, article 33).
pub(super) const CLOCK: i64 = 72 * 3_600_000;

/// Where an incident's clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Those affected were told in time.
    InTime,
    /// Told, but not in time.
    Late,
    /// The clock runs until then.
    Running(Time),
    /// Nobody was told and the time is over.
    Overdue,
}

impl Told {
    pub(super) const fn of(notify_by: Time, notified: Option<Time>, now: Time) -> Self {
        match notified {
            Some(at) if at.0 <= notify_by.0 => Self::InTime,
            Some(_) => Self::Late,
            None if now.0 <= notify_by.0 => Self::Running(notify_by),
            None => Self::Overdue,
        }
    }
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::InTime => "told within 72 hours",
            Self::Late => "told after more than 72 hours",
            Self::Running(_) => "the 72-hour clock is running",
            Self::Overdue => "not told within 72 hours",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock() {
        let by = Time(CLOCK);
        assert_eq!(Told::of(by, Some(Time(CLOCK)), Time(2 * CLOCK)), Told::InTime);
        assert_eq!(Told::of(by, Some(Time(CLOCK + 1)), Time(2 * CLOCK)), Told::Late);
        assert_eq!(Told::of(by, None, Time(CLOCK)), Told::Running(by));
        assert_eq!(Told::of(by, None, Time(CLOCK + 1)), Told::Overdue);
    }
}
