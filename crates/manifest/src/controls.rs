//! The controls that checks belong to, as questionnaires ask for them.

use std::sync::LazyLock;

/// One control.
#[derive(Clone, Debug)]
pub struct Control {
    /// `auth.password_hash`.
    pub id: &'static str,
    /// `identity`, `tenancy`, ...
    pub area: &'static str,
    /// Statements of its checks, one after the other.
    pub statement: &'static str,
    /// Ids of its checks.
    pub checks: Vec<&'static str>,
}

static TEXT: &str = include_str!("../../../ledger/controls.tsv");

static CONTROLS: LazyLock<Vec<Control>> = LazyLock::new(|| TEXT.lines().skip(1).filter_map(row).collect());

fn row(line: &'static str) -> Option<Control> {
    let cells: Vec<&'static str> = line.split('\t').collect();
    let checks = cells.get(8)?.split(',').filter(|c| !c.is_empty()).collect();
    Some(Control { id: cells.first()?, area: cells.get(1)?, statement: cells.get(2)?, checks })
}

/// Every control, in the ledger's order.
#[must_use]
pub fn controls() -> &'static [Control] {
    &CONTROLS
}

/// One control by id.
#[must_use]
pub fn control(id: &str) -> Option<&'static Control> {
    controls().iter().find(|c| c.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_and_controls_name_each_other() {
        assert_eq!(controls().len(), 113);
        for check in crate::checks() {
            assert!(control(check.control).is_some_and(|c| c.checks.contains(&check.id)), "{}", check.id);
        }
        for control in controls() {
            assert!(
                control.checks.iter().all(|c| crate::check(c).is_some_and(|c| c.control == control.id)),
                "{}",
                control.id
            );
        }
    }
}
