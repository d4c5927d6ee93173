//! Secrets that travel by mail: 32 random bytes, stored as their SHA-256, used once.

use encryption::hash;
use kernel::{Failure, Rng, TenantId, Time, UserId};
use serde::{Deserialize, Serialize};
use store::{Batch, Change, Control, FromRow, Row, Tx, Value};

use crate::sql;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Confirms an address, and makes the account.
    Verify,
    /// Sets a password.
    Reset,
    /// Signs in.
    Magic,
}

impl Purpose {
    const fn word(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
            Self::Magic => "magic",
        }
    }
    /// The check whose control is that a token works once.
    const fn check(self) -> &'static str {
        match self {
            Self::Verify => "auth.email_verify",
            Self::Reset => "auth.password_reset",
            Self::Magic => "auth.magic_link",
        }
    }
}

/// What a confirmed address becomes. The password chosen at sign-up stands here as its hash until the address is confirmed,
/// so whoever did not receive the mail has set no password.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub name: String,
    pub phc: Option<String>,
}

/// A token about to be sent.
pub(crate) struct New {
    pub purpose: Purpose,
    pub user: Option<UserId>,
    pub email: String,
    pub tenant: Option<TenantId>,
    pub pending: Option<Pending>,
    pub at: Time,
    pub expires: Time,
}

impl New {
    /// Writes the row and gives the secret.
    pub(crate) fn put(&self, batch: Batch<Control>, rng: &dyn Rng) -> Result<(Batch<Control>, String), Failure> {
        let secret = hash::token32(rng);
        let data = self.pending.as_ref().map(serde_json::to_string).transpose();
        let data = data.map_err(|_| Failure::internal("authentication: a sign-up cannot be written"))?;
        let row: Vec<Value> = vec![
            key(&secret).into(),
            self.purpose.word().into(),
            self.user.into(),
            self.email.clone().into(),
            self.tenant.into(),
            data.into(),
            self.at.into(),
            self.expires.into(),
        ];
        Ok((batch.rows(1, &sql::TOKEN_PUT, row), secret))
    }
}

/// A row, by the hash of what was shown.
pub(crate) struct Found {
    pub user: Option<UserId>,
    pub email: String,
    pub tenant: Option<TenantId>,
    pub pending: Option<Pending>,
    expires_at: Time,
    used_at: Option<Time>,
}

impl FromRow for Found {
    fn from_row(row: &Row<'_>) -> Result<Self, Failure> {
        let data = row.opt_text(3)?.map(serde_json::from_str).transpose();
        Ok(Self {
            user: row.get(0)?,
            email: row.get(1)?,
            tenant: row.get(2)?,
            pending: data.map_err(|_| Failure::internal("authentication: a sign-up cannot be read"))?,
            expires_at: row.get(4)?,
            used_at: row.get(5)?,
        })
    }
}

fn key(secret: &str) -> Vec<u8> {
    hash::sha256(secret.as_bytes()).to_vec()
}

/// The row of a secret that still works. `Gone` for used, expired and unknown ones alike.
pub(crate) async fn find<M: kernel::Mode>(
    tx: &Tx<M>,
    purpose: Purpose,
    secret: &str,
    now: Time,
) -> Result<Found, Failure> {
    let shaped = secret.len() == 64 && secret.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !shaped {
        return Err(Failure::Gone);
    }
    let found = tx.maybe(&sql::TOKEN, (key(secret), purpose.word())).await?.ok_or(Failure::Gone)?;
    let spent = found.used_at.is_some() && !kernel::sabotage::off(purpose.check());
    if spent || found.expires_at <= now { Err(Failure::Gone) } else { Ok(found) }
}

/// Spends it: of many at the same moment, one batch commits.
pub(crate) fn spend(batch: Batch<Control>, purpose: Purpose, secret: &str, now: Time) -> Batch<Control> {
    let spend: &Change<Control, (Vec<u8>, Time)> = &sql::TOKEN_USE;
    if kernel::sabotage::off(purpose.check()) {
        return batch;
    }
    batch.expect(1, spend, (key(secret), now), Failure::Gone)
}
