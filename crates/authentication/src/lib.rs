//! "Passwords are kept only as argon2id or bcrypt hashes; a wrong password and an unknown address answer alike." "Five wrong
//! passwords in a row lock an account for a quarter of an hour." "Sign-in links, resets and confirmations work once, and only
//! for a while." "Access tokens live for minutes and are checked against the session on every request." "Every refresh
//! yields a new token; a spent one that comes back ends the session." "Where another provider keeps the identities, we keep
//! no passwords at all."
//!
//! The gates `Site -> Caller` and `Tenant -> Principal`, and every route that makes or ends a session.

mod access_token;
mod browser;
mod claims;
mod email;
mod gate;
mod http;
mod issuer;
mod jobs;
mod jwks;
mod jws;
mod letter;
mod mail_token;
pub mod operator;
mod pages;
pub mod password;
pub mod people;
mod refresh_token;
mod session;
mod sql;

use std::sync::Arc;

pub use browser::{carried, cleared, renewable};
pub use claims::CLAIMS;
pub use email::address;
pub use gate::{Authentication, DemoPeople, Means, external_id};
pub use jwks::Fetch;
use manifest::{App, Method};
use route::Section;
pub use sql::tables;

/// Routes, jobs and claims. Which routes exist follows from the manifest.
#[must_use]
pub fn section(authentication: &Arc<Authentication>) -> Section {
    Section { routes: http::routes(authentication), jobs: jobs::jobs(authentication), claims: CLAIMS.to_vec() }
}

/// Declared methods that have no route yet: to be named at start.
#[must_use]
pub fn not_built(app: &App) -> Vec<&'static str> {
    let built = |m: &Method| matches!(m, Method::Password | Method::MagicLink);
    app.auth.methods.iter().filter(|m| !built(m)).map(|m| m.name()).collect()
}
