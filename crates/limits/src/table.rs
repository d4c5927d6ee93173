use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kernel::Time;
use manifest::Millis;
use smallvec::SmallVec;

use crate::{
    gcra::{Cell, micros, seconds},
    tier::{Slot, Slots, Tier},
};

const SHARDS: usize = 64;
/// A full shard is not searched for idle budgets more often than this, in microseconds.
const PAUSE: i64 = 1_000_000;

/// The keys are keyed hashes already.
#[derive(Default)]
struct Ready(u64);
impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[derive(Default)]
struct Shard {
    cells: HashMap<u64, Cell, BuildHasherDefault<Ready>>,
    /// Number of cells at which the next search for idle ones pays.
    mark: usize,
    swept: i64,
}

impl Shard {
    fn sweep(&mut self, now: i64, cap: usize) {
        self.cells.retain(|_, cell| !cell.idle(now));
        self.swept = now;
        self.mark = (self.cells.len() * 2).clamp(256.min(cap), cap);
        self.cells.shrink_to(self.mark);
    }
    /// Whether another budget fits.
    fn room(&mut self, now: i64, cap: usize) -> bool {
        let full = self.cells.len() >= cap;
        if self.cells.len() >= self.mark.max(1) && (!full || (now - self.swept).abs() >= PAUSE) {
            self.sweep(now, cap);
        }
        self.cells.len() < cap
    }
}

/// Every budget that is not whole, in shards that are locked in order.
pub(crate) struct Table {
    shards: Vec<Mutex<Shard>>,
    /// Cells of one shard, coarse ones apart.
    cap: usize,
    /// Blocks of repeat offences, in microseconds.
    steps: Vec<i64>,
}

/// The decision over all rates of a tier.
pub(crate) enum Answer {
    /// It passes; the tightest rate, what remains of it, seconds until it is whole.
    Pass { rate: usize, remaining: u32, reset: u32 },
    /// Microseconds until it passes.
    Wait(i64),
}

/// A budget, what was spent of it, microseconds until it lets one request pass.
type Found = SmallVec<[(Slot, Cell, i64); 4]>;
type Held<'t> = SmallVec<[(usize, MutexGuard<'t, Shard>); 4]>;

impl Table {
    pub(crate) fn new(capacity: usize, repeat: &[Millis]) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            cap: (capacity / SHARDS).max(1),
            steps: repeat.iter().map(|step| step.0.saturating_mul(1000)).collect(),
        }
    }

    /// Decides and spends under the locks of every shard concerned.
    pub(crate) fn decide(&self, slots: &mut Slots, tier: &Tier, now: Time) -> Answer {
        let now = micros(now);
        loop {
            slots.sort_unstable_by_key(|slot| shard_of(slot.key));
            let mut held = self.hold(slots);
            if self.fit(slots, &mut held, now) {
                return self.settle(slots, &mut held, tier, now);
            }
        }
    }

    fn hold(&self, slots: &Slots) -> Held<'_> {
        let mut held = Held::new();
        for slot in slots {
            let at = shard_of(slot.key);
            if held.last().is_none_or(|(last, _)| *last != at)
                && let Some(shard) = self.shards.get(at)
            {
                held.push((at, shard.lock().unwrap_or_else(PoisonError::into_inner)));
            }
        }
        held
    }

    /// Whether every budget is there or has room; if not, the ones without are asked of the coarse budgets, which always
    /// have: their number is bounded.
    fn fit(&self, slots: &mut Slots, held: &mut Held<'_>, now: i64) -> bool {
        let mut fits = true;
        for slot in slots.iter_mut().filter(|slot| !slot.shared) {
            let Some(shard) = guard(held, slot) else { continue };
            if !shard.cells.contains_key(&slot.key) && !shard.room(now, self.cap) {
                (slot.key, slot.shared, fits) = (slot.coarse, true, false);
            }
        }
        fits
    }

    fn settle(&self, slots: &Slots, held: &mut Held<'_>, tier: &Tier, now: i64) -> Answer {
        let longest = self.steps.last().copied().unwrap_or(0);
        let mut found = Found::new();
        for slot in slots {
            let Some(line) = tier.lines.get(slot.line) else { continue };
            let cell = guard(held, slot).and_then(|shard| shard.cells.get(&slot.key)).copied().unwrap_or_default();
            let cell = cell.settled(line.pace, longest, now);
            found.push((*slot, cell, cell.wait(line.pace, now)));
        }
        if found.iter().any(|(_, _, wait)| *wait > 0) {
            return Answer::Wait(self.refuse(found, held, tier, now));
        }
        let mut tightest = (u32::MAX, 0, 0);
        for (slot, cell, _) in found {
            let Some(line) = tier.lines.get(slot.line) else { continue };
            let next = cell.spent(line.pace, now);
            let left = next.remaining(line.pace, now);
            if left < tightest.0 {
                tightest = (left, slot.line, next.reset(now));
            }
            if let Some(shard) = guard(held, &slot) {
                shard.cells.insert(slot.key, next);
            }
        }
        Answer::Pass { rate: tightest.1, remaining: tightest.0, reset: seconds(tightest.2) }
    }

    /// Spends nothing; notes the offence with the rates that refuse. Microseconds until all of them pass.
    fn refuse(&self, found: Found, held: &mut Held<'_>, tier: &Tier, now: i64) -> i64 {
        let mut longest = 0;
        for (slot, cell, wait) in found.into_iter().filter(|(_, _, wait)| *wait > 0) {
            let Some(line) = tier.lines.get(slot.line) else { continue };
            let next = cell.refused(line.pace, &self.steps, wait, now);
            longest = longest.max(next.wait(line.pace, now));
            if let Some(shard) = guard(held, &slot) {
                shard.cells.insert(slot.key, next);
            }
        }
        longest
    }

    pub(crate) fn sweep(&self, now: Time) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).sweep(micros(now), self.cap);
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).cells.len()).sum()
    }
}

fn guard<'h>(held: &'h mut Held<'_>, slot: &Slot) -> Option<&'h mut Shard> {
    let at = shard_of(slot.key);
    held.iter_mut().find(|(shard, _)| *shard == at).map(|(_, guard)| &mut **guard)
}

/// The high bits: the map uses the low ones.
fn shard_of(key: u64) -> usize {
    usize::try_from(key >> 32).unwrap_or(0) % SHARDS
}
