use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};

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
            lines.push(Line {
                id: first + at,
                per: rate.per,
                count: rate.count,
                pace: Pace::new(rate, graduated),
                label,
            });
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
        let slot = |key: u64, near: u64| Slot { line: at, key, coarse: self.coarse(near), shared: false };
        if kernel::sabotage::off("limit.per_ip_route") {
            return Some(slot(random.hash_one(self.id), 0));
        }
        let keyed = |write: &dyn Fn(&mut DefaultHasher)| {
            let mut hasher = random.build_hasher();
            hasher.write_usize(self.id);
            hasher.write(word(per).as_bytes());
            write(&mut hasher);
            hasher.finish()
        };
        let text = |value: Option<&str>| -> Option<Slot> {
            let value = value?;
            let key = keyed(&|h| h.write(value.as_bytes()));
            Some(slot(key, key))
        };
        match per {
            Per::Ip => Some(slot(keyed(&|h| h.write_u128(network(who.ip))), mixed(neighbourhood(who.ip)))),
            Per::Account => text(who.account),
            Per::Key => text(who.key),
            Per::Source => text(who.source),
            Per::Route => text(Some(who.route)),
            Per::Tenant => {
                let tenant = who.tenant?;
                let key = keyed(&|h| h.write(tenant.0.bytes()));
                Some(slot(key, key))
            }
        }
    }

    /// Key of one of the few coarse budgets. Whoever aims at one only joins others in it.
    fn coarse(&self, near: u64) -> u64 {
        let bucket = u128::from(near % COARSE);
        mixed(u128::try_from(self.id).unwrap_or(0) << 64 | bucket << 1 | 1)
    }
}

/// Spreads a number over 64 bits (the finaliser of SplitMix64).
fn mixed(number: u128) -> u64 {
    let low = |n: u128| u64::try_from(n & u128::from(u64::MAX)).unwrap_or(0);
    let mut z = low(number) ^ low(number >> 64).rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
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
