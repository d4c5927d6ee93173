//! Failed attempts per account: so many in a row, and it is locked for so long. Counted for accounts that do not exist too,
//! so that the answer says nothing.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kernel::{Clock, Time};
use manifest::Millis;

const SHARDS: usize = 16;
/// Accounts kept at most, over all shards.
const CAPACITY: usize = 1 << 17;
/// A row of failures without a success is forgotten after so many milliseconds of quiet.
const FORGET: i64 = 24 * 3_600_000;

#[derive(Clone, Copy)]
struct Row {
    count: u32,
    last: Time,
    /// Set by the strike that filled the row.
    until: Option<Time>,
}

/// What a strike did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Struck {
    /// Failures in a row, this one included; unchanged when it was not counted.
    pub count: u32,
    /// Seconds for which the account is locked now, rounded up.
    pub locked: Option<u32>,
    /// False when it was locked already: nothing may be tried, nothing was counted.
    pub counted: bool,
}

/// Failed attempts in memory, bounded.
///
/// Strike *before* verifying and clear after a success: then many guesses at the same moment get no more tries than the
/// declared number. An attempt whose strike was counted may be verified, also when it is the one that locked.
pub struct Strikes {
    shards: Vec<Mutex<HashMap<u64, Row>>>,
    failures: u32,
    lasts: i64,
    cap: usize,
    clock: Arc<dyn Clock>,
    random: RandomState,
}

impl Strikes {
    /// `failures` in a row lock for `lasts`.
    #[must_use]
    pub fn new(failures: u32, lasts: Millis, clock: Arc<dyn Clock>) -> Self {
        Self::sized(failures, lasts, clock, CAPACITY)
    }

    fn sized(failures: u32, lasts: Millis, clock: Arc<dyn Clock>, capacity: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            failures: failures.max(1),
            lasts: lasts.0.max(0),
            cap: (capacity / SHARDS).max(1),
            clock,
            random: RandomState::new(),
        }
    }

    /// Seconds until the account opens, rounded up; none when it is open.
    #[must_use]
    pub fn locked(&self, account: &str) -> Option<u32> {
        let now = self.clock.now();
        let (key, shard) = self.shard(account)?;
        self.left(shard.get(&key)?, now)
    }

    /// Counts a failed attempt (or one about to be made).
    #[must_use]
    pub fn strike(&self, account: &str) -> Struck {
        let now = self.clock.now();
        let Some((key, mut shard)) = self.shard(account) else {
            return Struck { count: 0, locked: Some(1), counted: false };
        };
        let old = shard.get(&key).copied();
        if let Some(row) = old
            && let Some(left) = self.left(&row, now)
        {
            return Struck { count: row.count, locked: Some(left), counted: false };
        }
        let goes_on = old.filter(|row| row.until.is_none() && !self.stale(row, now));
        let count = goes_on.map_or(0, |row| row.count).saturating_add(1);
        let locks = count >= self.failures && !kernel::sabotage::off("auth.lockout");
        let row = Row { count, last: now, until: locks.then(|| now.plus(self.lasts)) };
        if old.is_none() && shard.len() >= self.cap {
            self.make_room(&mut shard, now);
        }
        shard.insert(key, row);
        Struck { count, locked: self.left(&row, now), counted: true }
    }

    /// A success, or a lock lifted: the row starts anew.
    pub fn clear(&self, account: &str) {
        if let Some((key, mut shard)) = self.shard(account) {
            shard.remove(&key);
        }
    }

    fn shard(&self, account: &str) -> Option<(u64, MutexGuard<'_, HashMap<u64, Row>>)> {
        let key = self.random.hash_one(account);
        let at = usize::try_from(key >> 32).unwrap_or(0) % SHARDS;
        Some((key, self.shards.get(at)?.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Seconds of lock left. Never more than `lasts`, whatever the clock did.
    fn left(&self, row: &Row, now: Time) -> Option<u32> {
        let left = row.until?.since(now).min(self.lasts);
        (left > 0).then(|| u32::try_from(left.saturating_add(999).div_euclid(1000)).unwrap_or(u32::MAX))
    }

    const fn stale(&self, row: &Row, now: Time) -> bool {
        let kept = if self.lasts > FORGET { self.lasts } else { FORGET };
        now.since(row.last) >= kept
    }

    /// Drops what is over; if nothing is, the shortest row, the oldest of those: spraying names must not wipe out the count
    /// of an account under attack.
    fn make_room(&self, shard: &mut HashMap<u64, Row>, now: Time) {
        shard.retain(|_, row| match row.until {
            Some(_) => self.left(row, now).is_some(),
            None => !self.stale(row, now),
        });
        if shard.len() >= self.cap
            && let Some(least) =
                shard.iter().min_by_key(|(_, row)| (row.until.is_some(), row.count, row.last)).map(|(k, _)| *k)
        {
            shard.remove(&least);
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::Steered;

    use super::*;

    const QUARTER: Millis = Millis(900_000);

    fn strikes() -> (Strikes, Arc<Steered>) {
        let clock = Arc::new(Steered::at(Time(1_700_000_000_000)));
        (Strikes::sized(5, QUARTER, Arc::clone(&clock) as Arc<dyn Clock>, 1 << 10), clock)
    }

    #[test]
    fn exactly_five_in_a_row_lock_and_a_success_starts_anew() {
        let (s, _) = strikes();
        for count in 1..=4 {
            assert_eq!(s.strike("a@x"), Struck { count, locked: None, counted: true });
        }
        s.clear("a@x");
        for _ in 0..4 {
            assert_eq!(s.strike("a@x").locked, None);
        }
        assert_eq!(s.locked("a@x"), None);
        assert_eq!(s.strike("a@x"), Struck { count: 5, locked: Some(900), counted: true });
        assert_eq!(s.locked("a@x"), Some(900));
        assert_eq!(s.locked("b@x"), None);
    }

    #[test]
    fn the_lock_ends_exactly_then_and_trying_does_not_lengthen_it() {
        let (s, clock) = strikes();
        for _ in 0..4 {
            let _ = s.strike("a");
            clock.advance(1000);
        }
        assert!(s.strike("a").locked.is_some());
        clock.advance(QUARTER.0 - 1);
        assert_eq!(s.strike("a"), Struck { count: 5, locked: Some(1), counted: false });
        clock.advance(1);
        assert_eq!(s.locked("a"), None);
        assert_eq!(s.strike("a"), Struck { count: 1, locked: None, counted: true });
    }

    #[test]
    fn a_clock_set_back_does_not_lock_for_longer() {
        let (s, clock) = strikes();
        for _ in 0..5 {
            let _ = s.strike("a");
        }
        clock.advance(-86_400_000);
        assert_eq!(s.locked("a"), Some(900));
    }

    #[test]
    fn many_at_once_get_five_tries() {
        let (s, _) = strikes();
        let s = Arc::new(s);
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let s = Arc::clone(&s);
                std::thread::spawn(move || (0..50).filter(|_| s.strike("a").counted).count())
            })
            .collect();
        assert_eq!(threads.into_iter().map(|t| t.join().unwrap()).sum::<usize>(), 5);
    }

    #[test]
    fn spraying_names_neither_grows_nor_frees_the_attacked_account() {
        let (s, _) = strikes();
        for _ in 0..4 {
            let _ = s.strike("victim");
        }
        for n in 0..50_000 {
            let _ = s.strike(&format!("nobody-{n}"));
        }
        assert!(s.shards.iter().map(|m| m.lock().unwrap().len()).sum::<usize>() <= 1 << 10);
        assert!(s.strike("victim").locked.is_some());
    }
}
