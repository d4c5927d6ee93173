//! Tenants lent to visitors for a quarter of an hour: what one of them may cost us is fixed when it is lent.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use kernel::{Failure, TenantId, Time};

/// Requests that a lent tenant answers in its life; a visitor's whole run needs about a tenth.
const REQUESTS: u32 = 2000;
/// Bytes of one body sent to a lent tenant, files and imports too.
const BODY: u64 = 64 * 1024;

struct Loan {
    tenant: TenantId,
    until: Time,
    left: u32,
}

/// What is lent at present. Asking costs one relaxed load while nothing is.
#[derive(Default)]
pub(crate) struct Loans {
    any: AtomicBool,
    all: Mutex<Vec<Loan>>,
}

impl Loans {
    pub(crate) fn lend(&self, tenant: TenantId, until: Time, now: Time) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|loan| loan.until > now);
        all.push(Loan { tenant, until, left: REQUESTS });
        self.any.store(true, Ordering::Relaxed);
    }

    /// Spends one request of a lent tenant; others pass.
    pub(crate) fn take(&self, tenant: Option<TenantId>, now: Time, tier: &'static str) -> Result<(), Failure> {
        let Some(tenant) = tenant.filter(|_| self.any.load(Ordering::Relaxed)) else { return Ok(()) };
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|loan| loan.until > now);
        self.any.store(!all.is_empty(), Ordering::Relaxed);
        let Some(loan) = all.iter_mut().find(|loan| loan.tenant == tenant) else { return Ok(()) };
        if let Some(left) = loan.left.checked_sub(1) {
            loan.left = left;
            return Ok(());
        }
        let seconds = u32::try_from(loan.until.since(now) / 1000).unwrap_or(0).max(1);
        Err(Failure::TooMany { retry_after: seconds, tier })
    }

    pub(crate) fn body(&self, tenant: TenantId) -> Option<u64> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().any(|loan| loan.tenant == tenant).then_some(BODY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loan_is_spent_and_others_are_not_counted() {
        let (loans, now) = (Loans::default(), Time(1_000_000));
        let (lent, other) = (TenantId::HOUSE, TenantId(kernel::Id::from_bytes([8; 16])));
        assert_eq!(loans.body(lent), None);
        loans.lend(lent, now.plus(900_000), now);
        assert_eq!((loans.body(lent), loans.body(other)), (Some(BODY), None));
        for _ in 0..REQUESTS {
            assert!(loans.take(Some(lent), now, "api").is_ok());
            assert!(loans.take(Some(other), now, "api").is_ok());
        }
        let refused = loans.take(Some(lent), now.plus(60_000), "api");
        assert_eq!(refused, Err(Failure::TooMany { retry_after: 840, tier: "api" }));
        assert!(loans.take(None, now, "api").is_ok());
        loans.lend(other, now.plus(2_000_000), now.plus(900_000));
        assert_eq!(loans.body(lent), None, "what ran out is forgotten");
    }
}
