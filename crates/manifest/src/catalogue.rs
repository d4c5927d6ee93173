//! The check catalogue: every atomic statement a page can bind words to.

use std::sync::LazyLock;

use crate::near;

/// How a check's truth is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckKind {
    /// A program keeps it, and a probe shows it from outside.
    Probed,
    /// A program keeps it, and a probe shows it on the host.
    Enforced,
    /// A person signs it, with an expiry.
    Attested,
    /// A hosting company would keep it; a self-hosted program does what it can instead.
    Provider,
}

impl CheckKind {
    /// Its word in the catalogue and in marks.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Probed => "probed",
            Self::Enforced => "enforced",
            Self::Attested => "attested",
            Self::Provider => "provider",
        }
    }
    /// By its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Probed, Self::Enforced, Self::Attested, Self::Provider].into_iter().find(|k| k.word() == word)
    }
}

/// One check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// `tenant.cross_read`.
    pub id: &'static str,
    /// The control it belongs to.
    pub control: &'static str,
    /// What is tested, in a sentence.
    pub statement: &'static str,
    /// How its truth is known.
    pub kind: CheckKind,
    /// From where: `anon`, `canary`, `host`, `person`, joined by `+`.
    pub vantages: &'static str,
}

static TEXT: &str = include_str!("../../../ledger/checks.tsv");

static CHECKS: LazyLock<Vec<Check>> = LazyLock::new(|| TEXT.lines().skip(1).filter_map(row).collect());

fn row(line: &'static str) -> Option<Check> {
    let mut cells = line.split('\t');
    let (id, control, statement) = (cells.next()?, cells.next()?, cells.next()?);
    let kind = CheckKind::parse(cells.next()?)?;
    Some(Check { id, control, statement, kind, vantages: cells.next()? })
}

/// Every check, in the ledger's order.
#[must_use]
pub fn checks() -> &'static [Check] {
    &CHECKS
}

/// One check by id.
#[must_use]
pub fn check(id: &str) -> Option<&'static Check> {
    checks().iter().find(|c| c.id == id)
}

/// "Did you mean ...?" for an id that is none; the catalogue is too long to list.
pub(crate) fn hint(id: &str) -> String {
    let area = id.split('.').next().unwrap_or("");
    let near = near::nearest(id, checks().iter().map(|c| c.id));
    let mean = near.map(|c| format!("Did you mean `{c}`? ")).unwrap_or_default();
    let siblings: Vec<&str> = checks().iter().map(|c| c.id).filter(|c| c.split('.').next() == Some(area)).collect();
    if siblings.is_empty() {
        format!("{mean}All are listed by `vouchsafe checks`.")
    } else {
        format!("{mean}Checks of {area}: {}.", siblings.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_ledger_is_read() {
        assert_eq!(checks().len(), TEXT.lines().filter(|l| !l.is_empty()).count() - 1);
        assert_eq!(check("tenant.cross_read").unwrap().kind, CheckKind::Probed);
        assert!(check("tenant.nothing").is_none());
        assert!(hint("tenant.cross_raed").starts_with("Did you mean `tenant.cross_read`?"));
    }
}
