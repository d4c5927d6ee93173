//! Routes and handlers. Which exist follows from the manifest: in delegated mode none takes a password.

mod development;
mod magic;
mod me;
mod password;
mod refresh;
mod sign_in;
mod sign_up;

use std::sync::Arc;

use kernel::{Action, Failure, Outcome, Principal, TenantId, Write, may};
use manifest::{Method, SignUp};
use route::{Input, Output, Route, Serve, get, post, with};
use store::{Control, Own, Receipt, Tx};

use crate::{Authentication, pages, session::Tokens};

const PUBLIC: Action = may("public", "sign_in");
const ACCOUNT: Action = may("account", "manage");

fn line(path: &str, action: Action, tier: &'static str, serve: Serve) -> Route {
    Route { path: path.to_owned(), action, tier, serve }
}

pub(crate) fn routes(a: &Arc<Authentication>) -> Vec<Route> {
    let own = a.keeps_identities() || kernel::sabotage::off("auth.delegated_mode");
    let declared = |method| a.app.auth.methods.contains(&method);
    let password = own && (declared(Method::Password) || !a.keeps_identities());
    let magic = own && declared(Method::MagicLink);

    let mut routes = vec![
        line("/api/v1/me", may("account", "read"), "api", get(with(a, me::show))),
        line("/sign-in", PUBLIC, "api", get(with(a, pages::sign_in))),
        line("/sign-out", PUBLIC, "api", get(with(a, pages::sign_out))),
        line("/sign-out", ACCOUNT, "api", post("session.ended", with(a, refresh::sign_out_form))),
        line("/console/account", may("account", "read"), "api", get(with(a, pages::account))),
        line(
            "/console/account/sign-out-everywhere",
            ACCOUNT,
            "api",
            post("session.ended_everywhere", with(a, refresh::everywhere_form)),
        ),
        line(
            "/api/v1/auth/sign-out-everywhere",
            ACCOUNT,
            "api",
            post("session.ended_everywhere", with(a, refresh::sign_out_everywhere)),
        ),
    ];
    if own {
        routes.extend(session_routes(a));
    }
    if password {
        routes.extend(password_routes(a));
    }
    if magic {
        routes.extend(magic_routes(a));
    }
    if a.app.tenant.sign_up == SignUp::Open && (password || magic) {
        routes.extend(sign_up_routes(a));
    }
    if a.app.tenant.sign_up != SignUp::Operator {
        routes.push(line(
            "/api/v1/tenants",
            may("house", "sign_up"),
            "sign_up",
            post("tenant.created", with(a, sign_up::tenant)),
        ));
    }
    if a.demo.is_some() {
        routes.extend(development_routes(a, own));
    }
    routes
}

fn session_routes(a: &Arc<Authentication>) -> Vec<Route> {
    let refresh = post("session.refreshed", with(a, refresh::refresh));
    vec![
        line("/console/account/sessions/{id}/end", ACCOUNT, "api", post("session.ended", with(a, refresh::end))),
        line("/api/v1/auth/refresh", PUBLIC, "sign_in", tokens::<refresh::Refresh>(refresh)),
        line("/api/v1/auth/sign-out", ACCOUNT, "api", post("session.ended", with(a, refresh::sign_out))),
    ]
}

fn password_routes(a: &Arc<Authentication>) -> Vec<Route> {
    let sign_in = post("session.created", with(a, sign_in::sign_in));
    let change = post("password.changed", with(a, password::change));
    let change_form = post("password.changed", with(a, password::change_form));
    let sign_in_form = post("session.created", with(a, sign_in::form));
    let forgot = post("password.reset_requested", with(a, password::forgot));
    let reset = || post("password.reset", with(a, password::reset));
    vec![
        line("/sign-in", PUBLIC, "sign_in", sign_in_form.redrawn(with(a, pages::sign_in_again))),
        line("/forgot", PUBLIC, "api", get(with(a, pages::forgot))),
        line("/forgot", PUBLIC, "password_reset", forgot.redrawn(with(a, pages::forgot_again))),
        line("/auth/reset", PUBLIC, "password_reset", reset().redrawn(with(a, pages::reset_again))),
        line("/console/account/password", ACCOUNT, "sign_in", change_form.redrawn(with(a, pages::account_again))),
        line("/api/v1/auth/sign-in", PUBLIC, "sign_in", tokens::<sign_in::SignIn>(sign_in)),
        line("/api/v1/auth/password", ACCOUNT, "sign_in", tokens::<password::Change>(change)),
        line(
            "/api/v1/auth/reset-request",
            PUBLIC,
            "password_reset",
            post("password.reset_requested", with(a, password::request_reset)),
        ),
        line("/api/v1/auth/reset", PUBLIC, "password_reset", reset()),
        line("/auth/reset", PUBLIC, "api", get(with(a, pages::reset))),
    ]
}

fn magic_routes(a: &Arc<Authentication>) -> Vec<Route> {
    let sign_in = post("session.created", with(a, magic::sign_in));
    let form = post("session.created", with(a, magic::sign_in));
    let request = post("session.link_requested", with(a, magic::request_form));
    let mut routes = vec![
        line("/api/v1/auth/magic-link", PUBLIC, "magic_link", post("session.link_requested", with(a, magic::request))),
        line("/api/v1/auth/magic", PUBLIC, "magic_link", tokens::<magic::SignIn>(sign_in)),
        line("/auth/magic", PUBLIC, "api", get(with(a, pages::magic))),
        line("/auth/magic", PUBLIC, "magic_link", form.redrawn(with(a, pages::magic_again))),
    ];
    if !a.app.auth.methods.contains(&Method::Password) {
        let again = with(a, pages::sign_in_again);
        routes.push(line("/sign-in", PUBLIC, "magic_link", request.redrawn(again)));
    }
    routes
}

fn sign_up_routes(a: &Arc<Authentication>) -> Vec<Route> {
    let house = may("house", "sign_up");
    let verify = post("account.verified", with(a, sign_up::verify));
    let tenant = post("tenant.created", with(a, sign_up::tenant_form));
    vec![
        line("/api/v1/auth/sign-up", house, "sign_up", post("account.requested", with(a, sign_up::account))),
        line("/api/v1/auth/verify", PUBLIC, "email_verify", post("account.verified", with(a, sign_up::verify))),
        line("/auth/verify", PUBLIC, "api", get(with(a, pages::verify))),
        line("/auth/verify", PUBLIC, "email_verify", verify.redrawn(with(a, pages::verify_again))),
        line("/sign-up", house, "api", get(with(a, pages::sign_up))),
        line("/sign-up", house, "sign_up", tenant.redrawn(with(a, pages::sign_up_again))),
    ]
}

fn development_routes(a: &Arc<Authentication>, own: bool) -> Vec<Route> {
    let action = may("development", "sign_in");
    let event = "session.created";
    if own {
        return vec![line("/dev/sign-in", action, "sign_in", post(event, with(a, development::sign_in)))];
    }
    vec![
        line("/dev/issuer", action, "api", get(with(a, pages::issuer))),
        line("/dev/issuer/jwks.json", action, "api", get(with(a, development::keys))),
        line("/dev/issuer/sign-in", action, "sign_in", post(event, with(a, development::issue))),
        line("/dev/issuer/refresh", action, "sign_in", post("session.refreshed", with(a, development::renew))),
    ]
}

/// Answers by hand, because of cookies; described as what they are.
fn tokens<In: Input>(serve: Serve) -> Serve {
    serve.described(In::schema(), Tokens::schema())
}

/// The tenant a request is about; none at the house.
fn tenant_of(principal: &Principal) -> Option<TenantId> {
    Some(principal.tenant()).filter(|tenant| *tenant != TenantId::HOUSE)
}

/// A leaf that stands alone, in the log of the tenant or the house.
async fn leaf(tx: Tx<Write>, target: String, outcome: Outcome) -> Result<Receipt, Failure> {
    match tenant_of(tx.permit().principal()) {
        Some(_) => tx.batch::<Own>(target).outcome(outcome).commit().await,
        None => tx.batch::<Control>(target).outcome(outcome).commit().await,
    }
}
