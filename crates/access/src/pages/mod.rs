//! Pages: where one is, who belongs here, what each role may do, and the invited person's door.

mod invitation;
mod operators;
mod overview;
mod people;
mod person;
mod roles;

use std::sync::Arc;

use kernel::{Action, may};
use route::{Route, Serve, get, post, with};

use crate::Means;

pub(crate) fn routes(desk: &Arc<Means>) -> Vec<Route> {
    let (read, manage, account) = (may("members", "read"), may("members", "manage"), may("account", "read"));
    let route = |path: &str, action: Action, tier, serve: Serve| Route { path: path.to_owned(), action, tier, serve };
    let invite = post("member.invited", with(desk, people::invite)).redrawn(with(desk, people::people_again));
    let again = || with(desk, person::person_again);
    let accept = post("member.joined", with(desk, invitation::accept));
    vec![
        route("/operator/enter", may("operator", "enter"), "sign_in", get(with(desk, operators::door))),
        route(
            "/operator/enter",
            may("operator", "enter"),
            "sign_in",
            post("operator.entered", with(desk, operators::enter)).redrawn(with(desk, operators::door_again)),
        ),
        route("/operator/leave", may("operator", "read"), "api", post("operator.left", with(desk, operators::leave))),
        route("/console", account, "api", get(with(desk, overview::overview))),
        route("/console/people", read, "api", get(with(desk, people::people))),
        route("/console/people/invite", manage, "api", invite),
        route(
            "/console/people/invitations/{id}/withdraw",
            manage,
            "api",
            post("member.invitation_withdrawn", with(desk, people::withdraw))
                .redrawn(with(desk, people::withdraw_again)),
        ),
        route("/console/people/{user}", read, "api", get(with(desk, person::person))),
        route(
            "/console/people/{user}/role",
            manage,
            "api",
            post("member.role_changed", with(desk, person::assign)).redrawn(again()),
        ),
        route(
            "/console/people/{user}/suspend",
            manage,
            "api",
            post("member.suspended", with(desk, person::suspend)).redrawn(again()),
        ),
        route(
            "/console/people/{user}/resume",
            manage,
            "api",
            post("member.resumed", with(desk, person::resume)).redrawn(again()),
        ),
        route(
            "/console/people/{user}/remove",
            manage,
            "api",
            post("member.removed", with(desk, person::remove)).redrawn(again()),
        ),
        route("/console/leave", may("account", "write"), "api", post("member.left", with(desk, overview::leave))),
        route("/console/roles", account, "api", get(with(desk, roles::roles))),
        route("/console/roles/{role}", account, "api", get(with(desk, roles::role))),
        route("/invitation", may("public", "read"), "api", get(with(desk, invitation::invitation))),
        route(
            "/invitation",
            may("public", "write"),
            "sign_up",
            accept.redrawn(with(desk, invitation::invitation_again)),
        ),
    ]
}
