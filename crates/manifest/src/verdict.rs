//! Verdicts, and how a promise gets one from its checks. The prober and the trust page share these words, and nothing else.

use crate::CheckKind;

/// What is known of a check or a promise, from worst to best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Seen broken, and not seen whole since.
    Failing,
    /// Looked at, and it could not be told.
    Inconclusive,
    /// A signed statement is past its date.
    Expired,
    /// The last proof is too old.
    Stale,
    /// No proof yet.
    Unproven,
    /// A person has to sign it, and nobody has.
    Unsigned,
    /// A person signed it.
    Attested,
    /// Kept by whoever hosts; what this program does instead was looked at.
    Provider,
    /// Shown.
    Proven,
    /// The app has no such thing.
    NotApplicable,
}

impl Verdict {
    /// Every one, from worst to best.
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
    /// Its word, everywhere.
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
    /// By its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.word() == word)
    }
    /// Its word in a table.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            Self::NotApplicable => "n/a",
            other => other.word(),
        }
    }
    /// Whether a run with it ends with exit code 1; `strict`: also where something is still to be done.
    #[must_use]
    pub const fn fails(self, strict: bool) -> bool {
        self.alarming() || strict && matches!(self, Self::Unproven | Self::Unsigned)
    }
    /// Place in the order, as a day's worst is stored.
    #[must_use]
    pub const fn rank(self) -> i64 {
        self as i64
    }
    /// By its place.
    #[must_use]
    pub fn at(rank: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.rank() == rank)
    }
    /// Whether nothing speaks against the promise: shown, signed, or somebody else's to keep.
    #[must_use]
    pub const fn kept(self) -> bool {
        matches!(self, Self::Proven | Self::Provider | Self::Attested)
    }
    /// Whether people must be told before anything else.
    #[must_use]
    pub const fn alarming(self) -> bool {
        matches!(self, Self::Failing | Self::Inconclusive | Self::Expired | Self::Stale)
    }
}

/// Verdict of a promise of `kind`: the weakest of its checks that apply; a provider's or a person's promise stays that unless
/// what a program can look at fails or has lapsed. `signed`: what its attestation says, when there is one.
#[must_use]
pub fn verdict_of(kind: CheckKind, checks: &[Verdict], signed: Option<Verdict>) -> Verdict {
    let applicable = checks.iter().copied().filter(|v| *v != Verdict::NotApplicable);
    let Some(weakest) = applicable.min() else { return Verdict::NotApplicable };
    match kind {
        CheckKind::Probed | CheckKind::Enforced => weakest,
        CheckKind::Provider if weakest <= Verdict::Stale => weakest,
        CheckKind::Provider => Verdict::Provider,
        CheckKind::Attested if matches!(weakest, Verdict::Failing | Verdict::Expired) => weakest,
        CheckKind::Attested => signed.unwrap_or(Verdict::Unsigned),
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict as V, *};
    use CheckKind::{Attested, Enforced, Probed, Provider};

    #[test]
    fn the_weakest_applicable_check_decides() {
        for (kind, checks, signed, verdict) in [
            (Probed, vec![V::Proven, V::Unproven], None, V::Unproven),
            (Probed, vec![V::Proven, V::Failing, V::Inconclusive], None, V::Failing),
            (Provider, vec![V::Proven], None, V::Provider),
            (Attested, vec![V::Proven], None, V::Unsigned),
            (Probed, vec![V::Proven, V::Stale], None, V::Stale),
            (Enforced, vec![V::NotApplicable, V::Proven], None, V::Proven),
            (Enforced, vec![V::NotApplicable], None, V::NotApplicable),
            (Provider, vec![V::Unproven], None, V::Provider),
            (Provider, vec![V::Stale], None, V::Stale),
            (Provider, vec![V::Failing, V::Proven], None, V::Failing),
            (Attested, vec![V::Unsigned], None, V::Unsigned),
            (Attested, vec![V::Unsigned], Some(V::Expired), V::Expired),
            (Attested, vec![V::Failing], Some(V::Attested), V::Failing),
            (Attested, vec![V::Expired], Some(V::Attested), V::Expired),
        ] {
            assert_eq!(verdict_of(kind, &checks, signed), verdict, "{kind:?} {checks:?}");
        }
    }

    #[test]
    fn only_what_was_seen_broken_or_unclear_fails_a_run() {
        let failing = [V::Failing, V::Inconclusive, V::Expired, V::Stale];
        assert!(failing.iter().all(|v| v.fails(false)));
        assert!(!V::Unproven.fails(false) && V::Unproven.fails(true) && V::Unsigned.fails(true));
        assert!(!V::Provider.fails(true) && !V::NotApplicable.fails(true));
    }

    #[test]
    fn words_and_ranks_lead_back() {
        for verdict in V::ALL {
            assert_eq!(V::parse(verdict.word()), Some(verdict));
            assert_eq!(V::at(verdict.rank()), Some(verdict));
        }
        assert_eq!(V::parse("green"), None);
    }
}
