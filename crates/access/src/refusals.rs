//! Refusals in the audit log, bounded: so many leaves per principal and minute, then one that counts the rest.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use kernel::{Event, TenantId, Time, UserId};

/// Leaves per principal and minute.
pub const BUDGET: u32 = 20;
/// Milliseconds.
pub const WINDOW: i64 = 60_000;
/// Principals remembered at once; what is beyond shares one budget per tenant.
pub const REMEMBERED: usize = 4096;

/// What is to be written.
#[derive(Default)]
pub struct Leaves {
    /// A summary of an earlier minute, with its count.
    pub summary: Option<(TenantId, Event)>,
    /// The refusal itself.
    pub single: Option<Event>,
}

struct Window {
    opened: Time,
    noted: u32,
    beyond: u32,
    last: Event,
}

/// Who was refused how often of late.
/// INVARIANT: at most `REMEMBERED` principals (and one entry per tenant beyond) are held.
#[derive(Default)]
pub struct Refusals(Mutex<HashMap<(TenantId, UserId), Window>>);

impl Refusals {
    /// A refusal of `user`: what of it is to be written now.
    pub fn count(&self, tenant: TenantId, user: UserId, event: Event, now: Time) -> Leaves {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (tenant, user);
        if windows.len() >= REMEMBERED && !windows.contains_key(&key) {
            windows.retain(|_, w| w.beyond > 0 || now.since(w.opened) < WINDOW);
            if windows.len() >= REMEMBERED {
                key.1 = UserId::default();
            }
        }
        let fresh = || Window { opened: now, noted: 0, beyond: 0, last: event.clone() };
        let window = windows.entry(key).or_insert_with(fresh);
        let mut leaves = Leaves::default();
        if now.since(window.opened) >= WINDOW {
            let old = std::mem::replace(window, fresh());
            leaves.summary = summary(tenant, old);
        }
        if window.noted < BUDGET {
            window.noted += 1;
            leaves.single = Some(event);
        } else {
            window.beyond += 1;
            window.last = event;
        }
        leaves
    }

    /// Summaries of the minutes that are over; called now and then, and at shutdown with `all`.
    pub fn due(&self, now: Time, all: bool) -> Vec<(TenantId, Event)> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over: Vec<_> =
            windows.iter().filter(|(_, w)| all || now.since(w.opened) >= WINDOW).map(|(key, _)| *key).collect();
        over.into_iter().filter_map(|key| windows.remove(&key).and_then(|w| summary(key.0, w))).collect()
    }
}

fn summary(tenant: TenantId, window: Window) -> Option<(TenantId, Event)> {
    let mut event = window.last;
    event.target = "refusals".to_owned();
    event.fields = vec![("count", window.beyond.to_string())];
    (window.beyond > 0).then_some((tenant, event))
}

#[cfg(test)]
mod tests {
    use kernel::{Actor, Outcome, RequestId, Source};

    use super::*;
    use crate::bench;

    fn event() -> Event {
        Event {
            name: "access.refused",
            actor: Actor::Account { user: bench::user(1) },
            target: "notes.write".into(),
            outcome: Outcome::Refused,
            source: Source::Api,
            request: RequestId::default(),
            fields: Vec::new(),
        }
    }

    #[test]
    fn a_flood_of_refusals_leaves_so_many_leaves_and_one_summary() {
        let refusals = Refusals::default();
        let (mut singles, mut summaries) = (0, Vec::new());
        for n in 0..100 {
            let leaves = refusals.count(bench::tenant(), bench::user(1), event(), Time(n * 500));
            singles += u32::from(leaves.single.is_some());
            summaries.extend(leaves.summary);
        }
        assert_eq!((singles, summaries.len()), (BUDGET, 0));
        let next = refusals.count(bench::tenant(), bench::user(1), event(), Time(WINDOW));
        let (tenant, summary) = next.summary.unwrap();
        assert!(next.single.is_some() && tenant == bench::tenant());
        assert_eq!((summary.target.as_str(), summary.fields), ("refusals", vec![("count", "80".to_owned())]));
        assert!(refusals.due(Time(2 * WINDOW), false).is_empty(), "nothing was left out in the second minute");
    }

    #[test]
    fn the_memory_is_bounded_and_summaries_survive_it() {
        let refusals = Refusals::default();
        let person = |n: u32| {
            let mut bytes = [1; 16];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            UserId(kernel::Id::from_bytes(bytes))
        };
        let refuse = |n, at| refusals.count(bench::tenant(), person(n), event(), Time(at)).single.is_some();
        assert_eq!((0..30).filter(|_| refuse(0, 0)).count(), BUDGET as usize);
        let singles = (1..10_000).filter(|n| refuse(*n, 1)).count();
        assert!(singles < REMEMBERED + BUDGET as usize, "{singles}");
        assert!(refusals.0.lock().unwrap().len() <= REMEMBERED + 1);
        let count: u32 = refusals.due(Time(0), true).iter().map(|(_, e)| e.fields[0].1.parse::<u32>().unwrap()).sum();
        assert_eq!(count as usize + singles + BUDGET as usize, 10_029, "every refusal is told once");
    }
}
