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

/// What a probe needs of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Requests alone: cheap, and harmless on a server that people use.
    Anon,
    /// Canary tenants beside.
    Canary,
    /// A server of its own: it moves the clock, spends budgets, reads the disk, or wants an authority of its own.
    Own,
}

/// Checks that can be tested on a server that people use, and whether they want TLS. Whatever is not here runs on an
/// instance of the prober's own.
const LIVE: [(&str, Reach, bool); 16] = [
    ("edge.framing", Reach::Anon, false),
    ("edge.referrer", Reach::Anon, false),
    ("edge.permissions", Reach::Anon, false),
    ("edge.hsts", Reach::Anon, true),
    ("edge.csp", Reach::Anon, true),
    ("gov.dependency_audit", Reach::Anon, false),
    ("gov.security_tests", Reach::Anon, false),
    ("tenant.resolve", Reach::Canary, true),
    ("tenant.cross_read", Reach::Canary, false),
    ("access.role_floor", Reach::Canary, false),
    ("access.server_side", Reach::Canary, false),
    ("access.row_visibility", Reach::Canary, false),
    ("audit.per_tenant", Reach::Canary, false),
    ("edge.sanitise", Reach::Canary, false),
    ("edge.output_escape", Reach::Canary, false),
    ("edge.parameterised", Reach::Canary, false),
];

/// Where the probe of `check` can run for a live server: `tls` if it has TLS of its own, `people` if the prober can sign its
/// people in there.
#[must_use]
pub fn reach(check: &str, tls: bool, people: bool) -> Reach {
    let found = LIVE.iter().find(|(id, ..)| *id == check);
    match found {
        Some((_, reach, wants_tls)) if (tls || !wants_tls) && (people || *reach == Reach::Anon) => *reach,
        _ => Reach::Own,
    }
}

/// Probes that a visitor can run on a service whose manifest they do not know: requests alone, and no figure in them.
pub(crate) fn anon(tls: bool) -> impl Iterator<Item = &'static Probe> {
    probes::all().filter(move |p| {
        !["edge.hsts", "gov.security_tests"].contains(&p.check) && reach(p.check, tls, false) == Reach::Anon
    })
}

/// Whether anyone may ask for the check to be tested now: requests alone, done in seconds.
#[must_use]
pub fn cheap(check: &str) -> bool {
    LIVE.iter().any(|(id, reach, _)| *id == check && *reach == Reach::Anon)
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
    fn what_is_not_known_to_be_harmless_runs_elsewhere() {
        assert!(LIVE.iter().all(|(id, ..)| probes::all().any(|p| p.check == *id && p.room == Room::Together)));
        assert_eq!(reach("edge.framing", false, false), Reach::Anon);
        assert_eq!(reach("edge.hsts", false, true), Reach::Own);
        assert_eq!(reach("tenant.cross_read", true, false), Reach::Own);
        assert_eq!(reach("tenant.cross_read", true, true), Reach::Canary);
        assert_eq!(reach("auth.lockout", true, true), Reach::Own);
        assert!(cheap("edge.hsts") && !cheap("tenant.cross_read"));
    }

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
