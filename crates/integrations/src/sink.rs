//! Mail that never leaves: to canaries' people, and whatever a canary that was lent to a visitor wants to send. Kept in
//! memory, the oldest go first; whoever made the canary reads it.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kernel::TenantId;

use crate::Mail;

/// Domain of addresses whose mail is kept here (RFC 2606 reserves `.example`: nobody lives there).
pub const DOMAIN: &str = "sink.canary.example";

/// Mails kept.
const KEPT: usize = 400;

/// The mails, and the tenants that must not write to anybody.
#[derive(Default)]
pub(crate) struct Sink {
    mails: Mutex<VecDeque<Mail>>,
    lent: Mutex<BTreeSet<TenantId>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink {
    /// Whether a mail stays here.
    pub(crate) fn takes(&self, mail: &Mail) -> bool {
        let ours = |to: &str| to.rsplit_once('@').is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(DOMAIN));
        ours(&mail.to) || mail.tenant.is_some_and(|tenant| lock(&self.lent).contains(&tenant))
    }
    pub(crate) fn keep(&self, mail: Mail) {
        let mut mails = lock(&self.mails);
        if mails.len() >= KEPT {
            mails.pop_front();
        }
        mails.push_back(mail);
    }
    pub(crate) fn to(&self, wanted: &dyn Fn(&str) -> bool) -> Vec<Mail> {
        lock(&self.mails).iter().filter(|mail| wanted(&mail.to)).cloned().collect()
    }
    pub(crate) fn lend(&self, tenant: TenantId) {
        lock(&self.lent).insert(tenant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Id;

    fn mail(to: &str, tenant: Option<TenantId>) -> Mail {
        Mail { to: to.to_owned(), subject: String::new(), text: String::new(), tenant }
    }

    #[test]
    fn canaries_write_to_nobody() {
        let (sink, lent, other) =
            (Sink::default(), TenantId(Id::from_bytes([1; 16])), TenantId(Id::from_bytes([2; 16])));
        sink.lend(lent);
        assert!(
            sink.takes(&mail("a@sink.canary.example", None)) && sink.takes(&mail("a@SINK.canary.example", Some(other)))
        );
        assert!(sink.takes(&mail("victim@firm.example", Some(lent))));
        for (to, tenant) in [("victim@firm.example", Some(other)), ("a@sink.canary.example.net", None), ("x", None)] {
            assert!(!sink.takes(&mail(to, tenant)), "{to}");
        }
        for n in 0..KEPT + 5 {
            sink.keep(mail(&format!("{n}@sink.canary.example"), None));
        }
        assert!(sink.to(&|to| to.starts_with("4@")).is_empty());
        assert_eq!(sink.to(&|_| true).len(), KEPT);
    }
}
