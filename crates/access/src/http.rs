//! Handlers: members, invitations, and what one may do oneself.

pub(crate) mod acceptance;
pub(crate) mod invitations;
pub(crate) mod members;
#[cfg(test)]
mod tests;

use std::{str::FromStr, sync::Arc};

use kernel::{Failure, may};
use route::{Asking, Route, delete, get, patch, post, with};

use crate::{Means, Right, pages};

pub(crate) fn routes(desk: &Arc<Means>) -> Vec<Route> {
    let (read, manage) = (may("members", "read"), may("members", "manage"));
    let route = |path: &str, action, tier, serve| Route { path: path.to_owned(), action, tier, serve };
    let mut routes = vec![
        route("/api/v1/me/rights", may("public", "read"), "api", get(with(desk, rights))),
        route(
            "/api/v1/me/membership",
            may("account", "write"),
            "api",
            delete("member.left", with(desk, members::leave)),
        ),
        route("/api/v1/members", read, "api", get(members::list)),
        route("/api/v1/members/{user}", read, "api", get(members::show)),
        route("/api/v1/members/{user}", manage, "api", patch("member.role_changed", with(desk, members::assign))),
        route("/api/v1/members/{user}", manage, "api", delete("member.removed", with(desk, members::remove))),
        route("/api/v1/members/{user}/suspend", manage, "api", post("member.suspended", with(desk, members::suspend))),
        route("/api/v1/members/{user}/resume", manage, "api", post("member.resumed", with(desk, members::resume))),
        route("/api/v1/members/invitations", read, "api", get(invitations::list)),
        route("/api/v1/members/invitations", manage, "api", post("member.invited", with(desk, invitations::invite))),
        route(
            "/api/v1/members/invitations/{id}",
            manage,
            "api",
            delete("member.invitation_withdrawn", invitations::withdraw),
        ),
        route(
            "/api/v1/invitations/accept",
            may("public", "write"),
            "sign_up",
            post("member.joined", with(desk, acceptance::accept)),
        ),
    ];
    routes.extend(pages::routes(desk));
    routes
}

/// What the caller may do here.
async fn rights(desk: Arc<Means>, call: Asking<()>) -> Result<Vec<Right>, Failure> {
    Ok(desk.access.rights(call.tx.permit().principal()))
}

/// An id of a path; what is none names nothing.
pub(crate) fn id<T: FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::NotFound)
}
