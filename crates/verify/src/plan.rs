//! Which checks the page names, and which of them have a probe.

use std::future::Future;
use std::pin::Pin;

use manifest::{CheckKind, Page, PageClaim};

use crate::{evidence::Outcome, probes, run::Scene};

/// Whether a probe may share its server with others at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Beside others.
    Together,
    /// By itself: it moves the clock or spends budgets that others need.
    Alone,
}

/// An executable test of one check.
pub struct Probe {
    /// The check's id.
    pub check: &'static str,
    /// Where it runs.
    pub room: Room,
    /// The test.
    pub run: for<'s> fn(&'s Scene) -> Pin<Box<dyn Future<Output = Outcome> + Send + 's>>,
}

/// What a person asked for.
#[derive(Clone, Debug, Default)]
pub struct Selection(pub Option<String>);

impl Selection {
    /// Whether a promise is asked for, by its own id or by a check's.
    #[must_use]
    pub fn wants(&self, claim: &PageClaim) -> bool {
        self.0.as_ref().is_none_or(|only| claim.id == *only || claim.checks.contains(&only.as_str()))
    }
}

/// What will be done.
pub struct Plan {
    /// Promises asked for, in the page's order.
    pub claims: Vec<PageClaim>,
    /// Probes to run, each once, in the catalogue's order.
    pub probes: Vec<&'static Probe>,
}

impl Plan {
    /// From a page.
    #[must_use]
    pub fn new(page: &Page, selection: &Selection) -> Self {
        let claims: Vec<PageClaim> = page.claims.iter().filter(|c| selection.wants(c)).cloned().collect();
        let named = |check: &str| claims.iter().any(|c| c.checks.contains(&check));
        let probes = probes::all().filter(|p| named(p.check)).collect();
        Self { claims, probes }
    }
}

/// Ids of every check that has a probe.
pub fn built() -> impl Iterator<Item = &'static str> {
    probes::all().map(|p| p.check)
}

/// Kind of a check.
#[must_use]
pub fn kind(check: &str) -> CheckKind {
    manifest::check(check).map_or(CheckKind::Probed, |c| c.kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_probe_tests_a_check_of_the_catalogue_and_none_twice() {
        let ids: Vec<&str> = built().collect();
        for id in &ids {
            assert!(manifest::check(id).is_some(), "{id}");
        }
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        assert!(ids.len() >= 45, "{}", ids.len());
    }
}
