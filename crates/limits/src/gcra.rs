//! The arithmetic, pure: whole microseconds, no clock, no locks.

use kernel::Time;
use manifest::Rate;

/// Longest window, in microseconds (about 36,000 years): sums of a few cannot overflow.
const FAR: i64 = i64::MAX / 8;

/// One rate as GCRA sees it, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Between two requests at a steady pace. Rounded up, so never more than declared.
    pub interval: i64,
    /// How far ahead of the present a budget may be spent.
    pub depth: i64,
    /// Whether repeat offences lengthen the block.
    pub graduated: bool,
}

/// What was spent. Everything zero: a whole budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Theoretical arrival time: when the budget is whole again.
    whole_at: i64,
    /// Nothing passes before.
    blocked_until: i64,
    /// Length of the last block.
    lasted: i64,
    /// Offences are forgotten then.
    forget_at: i64,
    /// Offences in a row.
    offences: u8,
}

impl Pace {
    pub(crate) fn new(rate: &Rate, graduated: bool) -> Self {
        let count = i64::from(rate.count.max(1));
        let window = rate.window.0.max(1).saturating_mul(1000).min(FAR);
        let interval = window.saturating_add(count - 1).div_euclid(count).max(1);
        Self { interval, depth: interval.saturating_mul(count), graduated }
    }
}

impl Cell {
    /// Repairs what a clock that stepped backwards left: nothing lies further ahead than it could have been put.
    pub(crate) fn settled(mut self, pace: Pace, longest: i64, now: i64) -> Self {
        self.whole_at = self.whole_at.min(now.saturating_add(pace.depth));
        self.blocked_until = self.blocked_until.min(now.saturating_add(self.lasted));
        self.forget_at = self.forget_at.min(now.saturating_add(self.lasted).saturating_add(longest));
        if self.forget_at <= now {
            (self.offences, self.lasted) = (0, 0);
        }
        self
    }

    /// Microseconds until one request passes; 0: now.
    pub(crate) fn wait(self, pace: Pace, now: i64) -> i64 {
        let after = self.whole_at.max(now).saturating_add(pace.interval);
        let paced = after.saturating_sub(now).saturating_sub(pace.depth);
        paced.max(self.blocked_until.saturating_sub(now)).max(0)
    }

    /// After one request has passed.
    pub(crate) fn spent(mut self, pace: Pace, now: i64) -> Self {
        self.whole_at = self.whole_at.max(now).saturating_add(pace.interval);
        self
    }

    /// After a request was refused that must wait `wait`. Only the first refusal of a block is an offence; the others do not
    /// lengthen it, or the time told would be a lie.
    pub(crate) fn refused(mut self, pace: Pace, steps: &[i64], wait: i64, now: i64) -> Self {
        if !pace.graduated || self.blocked_until > now || kernel::sabotage::off("limit.graduated") {
            return self;
        }
        let longest = steps.last().copied().unwrap_or(0);
        let lasts = match self.offences {
            0 => wait,
            n => {
                let step = steps.get(usize::from(n) - 1).copied();
                let block = step.unwrap_or(longest).max(wait);
                // A slow rate's own wait can exceed the first steps; the next block is longer all the same.
                if step.is_some() && block <= self.lasted { self.lasted.saturating_add(block) } else { block }
            }
        };
        self.offences =
            self.offences.saturating_add(1).min(u8::try_from(steps.len()).unwrap_or(u8::MAX - 1).saturating_add(1));
        self.lasted = lasts;
        self.blocked_until = now.saturating_add(lasts);
        self.forget_at = self.blocked_until.saturating_add(longest);
        self
    }

    /// Requests that would pass at once.
    pub(crate) fn remaining(self, pace: Pace, now: i64) -> u32 {
        let left = pace.depth.saturating_sub(self.whole_at.saturating_sub(now).max(0));
        u32::try_from(left.max(0).div_euclid(pace.interval)).unwrap_or(u32::MAX)
    }

    /// Microseconds until the budget is whole.
    pub(crate) fn reset(self, now: i64) -> i64 {
        self.whole_at.saturating_sub(now).max(0)
    }

    /// Whether forgetting it changes nothing.
    pub(crate) const fn idle(self, now: i64) -> bool {
        self.whole_at <= now && (self.offences == 0 || self.forget_at <= now)
    }
}

/// A moment in microseconds.
pub(crate) fn micros(at: Time) -> i64 {
    at.0.saturating_mul(1000).clamp(-FAR, FAR)
}

/// Whole seconds, rounded up.
pub(crate) fn seconds(micros: i64) -> u32 {
    u32::try_from(micros.max(0).saturating_add(999_999).div_euclid(1_000_000)).unwrap_or(u32::MAX)
}
