//! Invitations: a link in a mail, single use, seven days, kept as a hash. Whoever invited must still be able to confer the
//! role when it is accepted.

use encryption::hash;
use kernel::{Failure, Home, Id, Rng, TenantId, Time, UserId};
use manifest::App;
use store::{FromRow, Row};

/// How long a link works, in milliseconds: seven days.
pub const LIFE: i64 = 7 * 24 * 60 * 60 * 1000;
/// How long a spent or expired one is remembered, in milliseconds: thirty days.
pub const MEMORY: i64 = 30 * 24 * 60 * 60 * 1000;

/// One that was found by its token.
pub(crate) struct Invitation {
    pub(crate) id: Id,
    pub(crate) tenant: TenantId,
    pub(crate) email: String,
    pub(crate) role: String,
    pub(crate) invited_by: UserId,
    expires: Time,
    used: Option<Time>,
}

impl FromRow for Invitation {
    fn from_row(row: &Row<'_>) -> Result<Self, Failure> {
        Ok(Self {
            id: row.get(0)?,
            tenant: row.get(1)?,
            email: row.get(2)?,
            role: row.get(3)?,
            invited_by: row.get(4)?,
            expires: row.get(5)?,
            used: row.get(6)?,
        })
    }
}

impl Invitation {
    /// Whether it still works.
    ///
    /// # Errors
    /// `Gone`.
    pub(crate) fn live(&self, now: Time) -> Result<(), Failure> {
        if self.used.is_none() && now < self.expires { Ok(()) } else { Err(Failure::Gone) }
    }
}

/// One that waits, as the tenant's list shows it.
pub(crate) struct Waiting {
    pub(crate) id: Id,
    pub(crate) email: String,
    pub(crate) role: String,
    pub(crate) invited_by: UserId,
    pub(crate) created_at: Time,
    pub(crate) expires: Time,
}

impl FromRow for Waiting {
    fn from_row(row: &Row<'_>) -> Result<Self, Failure> {
        Ok(Self {
            id: row.get(0)?,
            email: row.get(1)?,
            role: row.get(2)?,
            invited_by: row.get(3)?,
            created_at: row.get(4)?,
            expires: row.get(5)?,
        })
    }
}

/// A fresh token and what is stored of it.
pub(crate) fn token(rng: &dyn Rng) -> (String, Vec<u8>) {
    let token = hash::token32(rng);
    let stored = stored(&token);
    (token, stored)
}

/// What is stored of a token.
pub(crate) fn stored(token: &str) -> Vec<u8> {
    hash::sha256(token.as_bytes()).to_vec()
}

/// Where people sign in: on a shared host that is the host itself, because nobody but a member reaches `/w/...`.
pub(crate) fn door<'h>(app: &App, home: &'h Home) -> &'h str {
    let host = if app.tenant.membership_slug { home.url.split("/w/").next() } else { None };
    host.unwrap_or(&home.url)
}

/// The link of the mail: from the tenant's stored url, never from a header.
pub(crate) fn link(app: &App, home: &Home, token: &str) -> String {
    format!("{}/invitation?token={token}", door(app, home))
}

/// The letter, as the outbox takes it: JSON of `to`, `subject`, `text`.
pub(crate) fn letter(app: &App, home: &Home, to: &str, link: &str) -> Result<Vec<u8>, Failure> {
    let name = home.name.replace(char::is_control, " ");
    let letter = serde_json::json!({
        "to": to,
        "tenant": home.id,
        "subject": format!("You are invited to {name} on {}", app.name),
        "text": format!(
            "You are invited to join {name} on {}.\n\nOpen this link to accept; it works once, for seven days:\n\n{link}\n\n\
             If you did not expect this, do nothing.\n",
            app.name,
        ),
    });
    serde_json::to_vec(&letter).map_err(|_| Failure::internal("access: a letter is not JSON"))
}
