//! When to try again.

use kernel::Time;

/// Seconds after each failed attempt.
const PAUSES: [i64; 9] = [5, 30, 120, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600];

/// The moment of the next attempt after so many failed ones; none: give up. About a day in all.
pub(crate) fn next(failed: i64, now: Time) -> Option<Time> {
    let pause = PAUSES.get(usize::try_from(failed.saturating_sub(1)).ok()?)?;
    Some(now.plus(pause * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let all: Vec<_> = (1..20).map_while(|failed| next(failed, Time(0))).collect();
        assert_eq!(all.len(), PAUSES.len());
        assert!(all.is_sorted());
        assert_eq!(next(0, Time(0)), None);
        assert_eq!(next(i64::MAX, Time(0)), None);
    }
}
