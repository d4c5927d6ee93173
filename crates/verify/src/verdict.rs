//! Verdicts, and how a promise gets one from its checks. Pure.

use manifest::CheckKind;

use crate::evidence::{Evidence, Finding};

/// What is known about a check or promise. Ordered from worst to best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Broken, seen twice with fresh canaries.
    Failing,
    /// The probe could not tell.
    Inconclusive,
    /// A signed statement is past its date.
    Expired,
    /// The last proof is too old.
    Stale,
    /// No probe, or no control yet.
    Unproven,
    /// A person has to sign it, and nobody has.
    Unsigned,
    /// A person signed it.
    Attested,
    /// Kept by whoever hosts; the evidence is what a self-hosted program does instead.
    Provider,
    /// Shown.
    Proven,
    /// The app has no such thing.
    NotApplicable,
}

impl Verdict {
    /// Its word in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Inconclusive => "inconclusive",
            Self::Expired => "expired",
            Self::Stale => "stale",
            Self::Unproven => "unproven",
            Self::Unsigned => "unsigned",
            Self::Attested => "attested",
            Self::Provider => "provider",
            Self::Proven => "proven",
            Self::NotApplicable => "not applicable",
        }
    }
    /// The verdict called so.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.word() == word)
    }
    /// Every verdict, worst first.
    pub const ALL: [Self; 10] = [
        Self::Failing,
        Self::Inconclusive,
        Self::Expired,
        Self::Stale,
        Self::Unproven,
        Self::Unsigned,
        Self::Attested,
        Self::Provider,
        Self::Proven,
        Self::NotApplicable,
    ];
    /// Its word in the table.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            Self::NotApplicable => "n/a",
            other => other.word(),
        }
    }
    /// Whether a run with it ends with exit code 1.
    #[must_use]
    pub const fn fails(self, strict: bool) -> bool {
        match self {
            Self::Failing | Self::Inconclusive | Self::Expired | Self::Stale => true,
            Self::Unproven | Self::Unsigned => strict,
            _ => false,
        }
    }
}

/// What is known about one check after a run.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its id.
    pub check: &'static str,
    /// The verdict of its probe.
    pub verdict: Verdict,
    /// What the probe brought back.
    pub evidence: Evidence,
    /// What it found broken.
    pub finding: Option<Finding>,
    /// Why it could not tell, is not built, or not applicable.
    pub note: String,
    /// How long it took.
    pub took: std::time::Duration,
    /// Whether the clock was moved for it.
    pub steered: bool,
    /// On which server.
    pub place: Place,
}

/// On which server a probe ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// The one that people use.
    Live,
    /// One that the prober started, with fresh data.
    #[default]
    Own,
}

impl Place {
    /// Its words in evidence.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Own => "own instance",
        }
    }
}

/// Verdict of a promise of `kind` from those of its checks (DESIGN 11): the weakest counts, checks that are not applicable
/// are left out, a provider's or person's promise stays that unless what a program can look at fails.
#[must_use]
pub fn of(kind: CheckKind, checks: &[Verdict], signed: Option<Verdict>) -> Verdict {
    let applicable = checks.iter().copied().filter(|v| *v != Verdict::NotApplicable);
    let Some(weakest) = applicable.min() else { return Verdict::NotApplicable };
    match kind {
        CheckKind::Probed | CheckKind::Enforced => weakest,
        CheckKind::Provider if weakest <= Verdict::Inconclusive => weakest,
        CheckKind::Provider => Verdict::Provider,
        CheckKind::Attested if weakest == Verdict::Failing => Verdict::Failing,
        CheckKind::Attested => signed.unwrap_or(Verdict::Unsigned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CheckKind::{Attested, Enforced, Probed, Provider};
    use Verdict as V;

    #[test]
    fn a_promise_is_as_good_as_its_weakest_check() {
        assert_eq!(of(Probed, &[V::Proven, V::Unproven], None), V::Unproven);
        assert_eq!(of(Probed, &[V::Proven, V::Failing, V::Inconclusive], None), V::Failing);
        assert_eq!(of(Enforced, &[V::Proven, V::NotApplicable], None), V::Proven);
        assert_eq!(of(Probed, &[V::NotApplicable, V::NotApplicable], None), V::NotApplicable);
    }

    #[test]
    fn providers_and_people_stay_what_they_are_unless_a_probe_fails() {
        assert_eq!(of(Provider, &[V::Proven], None), V::Provider);
        assert_eq!(of(Provider, &[V::Unproven], None), V::Provider);
        assert_eq!(of(Provider, &[V::Failing], None), V::Failing);
        assert_eq!(of(Attested, &[V::Proven], None), V::Unsigned);
        assert_eq!(of(Attested, &[V::Proven], Some(V::Expired)), V::Expired);
        assert_eq!(of(Attested, &[V::Failing], Some(V::Attested)), V::Failing);
    }

    #[test]
    fn only_what_was_seen_broken_or_unclear_fails_a_run() {
        let failing = [V::Failing, V::Inconclusive, V::Expired, V::Stale];
        assert!(failing.iter().all(|v| v.fails(false)));
        assert!(!V::Unproven.fails(false) && V::Unproven.fails(true) && V::Unsigned.fails(true));
        assert!(!V::Provider.fails(true) && !V::NotApplicable.fails(true));
    }
}
