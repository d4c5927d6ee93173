//! Who may make somebody what: the granter's own mask is a second ceiling on every path that confers rights.

use kernel::{Actor, Failure, Principal, Reason, Standing};
use manifest::App;
use tenancy::roster;

use crate::{gate::Policy, matrix::Matrix};

/// Whether a standing confers `role`; the same question is asked again when an invitation is accepted.
#[must_use]
pub(crate) fn stands_above(matrix: &Matrix, standing: Standing, role: u8) -> bool {
    !standing.suspended && matrix.may_confer(standing.role, role)
}

/// Whether `who` may make somebody a `role`, or change a member who is one. Operators make anybody but owners.
///
/// # Errors
/// `Refused(Ceiling)`: the role holds more than they do.
pub(crate) fn may_confer(policy: &Policy, who: &Principal, role: u8) -> Result<(), Failure> {
    let may = match who.actor() {
        Actor::Member { role: own, .. } => policy.matrix.may_confer(*own, role),
        Actor::Operator(_) => role != 0,
        Actor::Visitor | Actor::Account { .. } | Actor::System(_) => false,
    };
    if may { Ok(()) } else { Err(Failure::Refused(Reason::Ceiling)) }
}

/// The role called `id`; none given: the manifest's default.
///
/// # Errors
/// `Invalid` for the member `role`.
pub(crate) fn role(app: &App, id: Option<&str>) -> Result<u8, Failure> {
    let wanted = match id {
        Some(id) => Some(id),
        None => app.roles.iter().find(|r| r.default).map(|r| r.id),
    };
    let wanted = wanted.ok_or_else(|| Failure::field("role", "required", "one of the app's roles"))?;
    roster::role(app, wanted).ok_or_else(|| Failure::field("role", "unknown", "one of the app's roles"))
}
