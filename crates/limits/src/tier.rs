use std::hash::{BuildHasher, Hash, RandomState};

use http::HeaderValue;
use manifest::{Per, Rate};
use smallvec::SmallVec;

use crate::{
    gcra::{Pace, seconds},
    who::{Who, neighbourhood, network},
};

/// Coarse budgets of one rate, for when memory is full.
const COARSE: u64 = 1024;

/// A tier made ready.
pub(crate) struct Tier {
    pub name: &'static str,
    pub lines: Vec<Line>,
    /// `RateLimit-Policy`, the same for every answer.
    pub policy: HeaderValue,
}

/// One rate of a tier.
pub(crate) struct Line {
    /// Unique among the rates of all tiers.
    id: usize,
    per: Per,
    pub count: u32,
    pub pace: Pace,
    /// Name in the headers.
    pub label: String,
}

/// A budget that a request would spend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// Position of the rate in its tier.
    pub line: usize,
    /// Keyed hash of rate and key.
    pub key: u64,
    /// The same for the coarse budget.
    pub coarse: u64,
    /// Whether the coarse one is asked.
    pub shared: bool,
}

pub(crate) type Slots = SmallVec<[Slot; 4]>;

impl Tier {
    pub(crate) fn new(name: &'static str, rates: &[Rate], first: usize) -> Self {
        let mut lines: Vec<Line> = Vec::with_capacity(rates.len());
        for (at, rate) in rates.iter().enumerate() {
            let mut label = if at == 0 { name.to_owned() } else { format!("{name}-{}", word(rate.per)) };
            if lines.iter().any(|l| l.label == label) {
                label = format!("{label}-{}", at + 1);
            }
            // One party can exhaust a shared budget; blocking all the others for longer would be that party's weapon.
            let graduated = matches!(rate.per, Per::Ip | Per::Account | Per::Key);
            lines.push(Line { id: first + at, per: rate.per, count: rate.count, pace: Pace::new(rate, graduated), label });
        }
        let policy: Vec<String> = lines
            .iter()
            .zip(rates)
            .map(|(l, r)| format!("\"{}\";q={};w={}", l.label, r.count, seconds(r.window.0.saturating_mul(1000))))
            .collect();
        let policy = HeaderValue::from_str(&policy.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""));
        Self { name, lines, policy }
    }

    /// The budgets that `who` spends; at least one, unless the tier has no rates.
    pub(crate) fn slots(&self, who: &Who<'_>, random: &RandomState) -> Slots {
        let all = self.lines.iter().enumerate();
        let mut slots: Slots = all.filter_map(|(at, line)| line.slot(at, line.per, who, random)).collect();
        if slots.is_empty() {
            slots.extend(self.lines.first().and_then(|line| line.slot(0, Per::Ip, who, random)));
        }
        slots
    }
}

impl Line {
    fn slot(&self, at: usize, per: Per, who: &Who<'_>, random: &RandomState) -> Option<Slot> {
        let hash = |key: u64, coarse: u64| Slot {
            line: at,
            key,
            coarse: random.hash_one((self.id, "coarse", coarse % COARSE)),
            shared: false,
        };
        if kernel::sabotage::off("limit.per_ip_route") {
            return Some(hash(random.hash_one(self.id), 0));
        }
        let one = |value: &dyn Fn(&mut dyn std::hash::Hasher)| {
            let mut hasher = random.build_hasher();
            (self.id, word(per)).hash(&mut hasher);
            value(&mut hasher);
            std::hash::Hasher::finish(&hasher)
        };
        let text = |value: Option<&str>| {
            let key = one(&|h| h.write(value.unwrap_or_default().as_bytes()));
            value.map(|_| hash(key, key))
        };
        match per {
            Per::Ip => {
                let key = one(&|h| h.write_u128(network(who.ip)));
                Some(hash(key, random.hash_one(neighbourhood(who.ip))))
            }
            Per::Account => text(who.account),
            Per::Key => text(who.key),
            Per::Source => text(who.source),
            Per::Route => text(Some(who.route)),
            Per::Tenant => {
                let tenant = who.tenant?;
                let key = one(&|h| h.write(tenant.0.bytes()));
                Some(hash(key, key))
            }
        }
    }
}

const fn word(per: Per) -> &'static str {
    match per {
        Per::Ip => "ip",
        Per::Account => "account",
        Per::Key => "key",
        Per::Tenant => "tenant",
        Per::Source => "source",
        Per::Route => "route",
    }
}
