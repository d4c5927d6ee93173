//! "Every route has a budget of its own, per address, account, key and workspace." "Over it, the answer is 429 and says
//! truthfully when to come back; whoever keeps on waits longer each time." "Five wrong passwords in a row lock an account."
//!
//! Budgets are GCRA (the virtual-scheduling form of ITU-T I.371): `count` requests at once, then one every
//! `window / count`. All rates of a tier are decided in one step. Memory is bounded; when it is full, newcomers share
//! budgets with their network, never go free.

mod claims;
mod gcra;
mod loan;
mod quota;
mod strikes;
mod table;
mod tier;
mod who;

use std::{collections::HashMap, hash::RandomState, sync::Arc};

pub use claims::CLAIMS;
use kernel::{Clock, Failure, TenantId, Time};
use loan::Loans;
pub use quota::Quota;
pub use strikes::{Strikes, Struck};
use table::{Answer, Table};
use tier::Tier;
pub use who::{Who, network};

/// Budgets kept at most, over all tiers; about 64 bytes each.
const CAPACITY: usize = 1 << 18;

/// Every tier in force and what was spent of it. One per server; shared by reference.
pub struct Limits {
    tiers: HashMap<&'static str, Arc<Tier>>,
    table: Table,
    loans: Loans,
    clock: Arc<dyn Clock>,
    random: RandomState,
}

impl Limits {
    /// The manifest's tiers with nothing spent.
    #[must_use]
    pub fn new(limits: &manifest::Limits, clock: Arc<dyn Clock>) -> Self {
        Self::sized(limits, clock, CAPACITY)
    }

    fn sized(limits: &manifest::Limits, clock: Arc<dyn Clock>, capacity: usize) -> Self {
        let mut next = 0;
        let tiers = limits.tiers.iter().map(|(name, rates)| {
            let tier = Tier::new(name, rates, next);
            next += rates.len();
            (*name, Arc::new(tier))
        });
        Self {
            tiers: tiers.collect(),
            table: Table::new(capacity, &limits.repeat),
            loans: Loans::default(),
            clock,
            random: RandomState::new(),
        }
    }

    /// Spends one request of `tier`: of every rate whose key `who` has, or of none when one of them refuses. A tier none of
    /// whose rates applies counts by its first rate, per address.
    ///
    /// # Errors
    /// `TooMany` with the whole seconds after which this request passes; internal for an unknown tier.
    pub fn take(&self, tier: &'static str, who: &Who<'_>) -> Result<Quota, Failure> {
        let Some(tier) = self.tiers.get(tier) else {
            return Err(Failure::internal("limits: a route names a tier that the manifest does not have"));
        };
        self.loans.take(who.tenant, self.clock.now(), tier.name)?;
        if kernel::sabotage::off("limit.tiers") {
            return Ok(Quota::untouched(tier));
        }
        let mut slots = tier.slots(who, &self.random);
        match self.table.decide(&mut slots, tier, self.clock.now()) {
            Answer::Pass { rate, remaining, reset } => Ok(Quota::new(tier, rate, remaining, reset)),
            Answer::Wait(micros) => Err(Failure::TooMany { retry_after: told(micros), tier: tier.name }),
        }
    }

    /// The quota that a refusal shows: nothing remains for `retry_after` seconds.
    #[must_use]
    pub fn spent(&self, tier: &str, retry_after: u32) -> Option<Quota> {
        self.tiers.get(tier).map(|tier| Quota::new(tier, 0, 0, retry_after))
    }

    /// Until then the tenant answers 2,000 requests beside its tiers' budgets and takes no body over 64 KiB: a visitor has it.
    pub fn lend(&self, tenant: TenantId, until: Time) {
        self.loans.lend(tenant, until, self.clock.now());
    }

    /// Most bytes of one body sent to a lent tenant; none for every other.
    #[must_use]
    pub fn body(&self, tenant: TenantId) -> Option<u64> {
        self.loans.body(tenant)
    }

    /// Forgets budgets that are whole again. Happens by itself as well; for a job, so that memory shrinks in quiet hours.
    pub fn sweep(&self) {
        self.table.sweep(self.clock.now());
    }

    /// Budgets in memory at this moment.
    #[must_use]
    pub fn held(&self) -> usize {
        self.table.held()
    }
}

fn told(micros: i64) -> u32 {
    if kernel::sabotage::off("limit.retry_after") { 0 } else { gcra::seconds(micros) }
}

#[cfg(test)]
mod tests;
