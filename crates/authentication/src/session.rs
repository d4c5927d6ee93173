//! Sessions: how they begin, and whether one still lives.

use encryption::hash;
use kernel::{Failure, Rng, SessionId, TenantId, Time, UserId};
use manifest::Sessions;
use schemars::JsonSchema;
use serde::Serialize;
use store::{Apply, Batch, Control, FromRow, Value};

use crate::{
    access_token::{AccessTokens, Claims},
    refresh_token::RefreshTokens,
    sql,
};

/// What a sign-in gives.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tokens {
    /// For the `Authorization: Bearer` header.
    pub access_token: String,
    /// Good for one refresh.
    pub refresh_token: String,
    /// Life of the access token in seconds.
    pub expires_in: i64,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Sent along with a refresh, it lets a refresh whose answer got lost be repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// A session with its user's state, as a refresh needs it.
pub(crate) struct Row {
    pub user: UserId,
    pub tenant: Option<TenantId>,
    pub salt: Vec<u8>,
    pub counter: i64,
    pub epoch: i64,
    pub device: Option<Vec<u8>>,
    pub created_at: Time,
    pub proved_at: Time,
    pub used_at: Time,
    pub ended_at: Option<Time>,
    pub user_epoch: i64,
    pub user_active: bool,
}

impl FromRow for Row {
    fn from_row(row: &store::Row<'_>) -> Result<Self, Failure> {
        Ok(Self {
            user: row.get(0)?,
            tenant: row.get(1)?,
            salt: row.get(2)?,
            counter: row.get(3)?,
            epoch: row.get(4)?,
            device: row.get(5)?,
            created_at: row.get(6)?,
            proved_at: row.get(7)?,
            used_at: row.get(8)?,
            ended_at: row.get(9)?,
            user_epoch: row.get(10)?,
            user_active: row.text(11)? == "active",
        })
    }
}

impl Row {
    /// Whether a refresh may be considered at all.
    pub(crate) fn lives(&self, rules: &Sessions, now: Time) -> bool {
        self.ended_at.is_none()
            && self.user_active
            && self.epoch == self.user_epoch
            && now.since(self.used_at) < rules.idle.0
            && now.since(self.created_at) < rules.absolute.0
    }
}

/// A session that has not ended, as its own person sees it.
pub(crate) struct Open {
    pub id: SessionId,
    pub method: String,
    pub created_at: Time,
    pub used_at: Time,
}

impl FromRow for Open {
    fn from_row(row: &store::Row<'_>) -> Result<Self, Failure> {
        Ok(Self { id: row.get(0)?, method: row.get(1)?, created_at: row.get(2)?, used_at: row.get(3)? })
    }
}

/// A session about to begin.
pub(crate) struct Beginning {
    pub id: SessionId,
    pub user: UserId,
    pub epoch: i64,
    pub tenant: Option<TenantId>,
    pub method: &'static str,
    pub at: Time,
    salt: [u8; 32],
    device: String,
}

impl Beginning {
    pub(crate) fn new(
        rng: &dyn Rng,
        (user, epoch): (UserId, i64),
        tenant: Option<TenantId>,
        method: &'static str,
        at: Time,
    ) -> Self {
        let id = SessionId(rng.id(at));
        Self { id, user, epoch, tenant, method, at, salt: rng.array(), device: hash::token32(rng) }
    }

    /// What the leaf names.
    pub(crate) fn target(&self) -> String {
        format!("session/{}", self.id)
    }

    /// Writes the row, if the user is still the one the decision was about; the tenant's own log hears of it.
    pub(crate) fn put(&self, batch: Batch<Control>) -> Batch<Control> {
        let row: Vec<Value> = vec![
            self.id.into(),
            self.user.into(),
            self.tenant.into(),
            self.method.into(),
            self.salt.into(),
            self.epoch.into(),
            device_hash(&self.device).into(),
            self.at.into(),
        ];
        let batch = batch.expect(1, &sql::USER_STANDS, (self.user, self.epoch), Failure::WrongCredentials).rows(
            1,
            &sql::SESSION_PUT,
            row,
        );
        match self.tenant {
            // The leaf is a visitor's, as whoever signs in still is: who they turned out to be is its value.
            Some(tenant) => batch.then(tenant, Apply::new(self.target()).fact("user", self.user.to_string())),
            None => batch,
        }
    }

    pub(crate) fn tokens(&self, mint: &Minting) -> Result<Tokens, Failure> {
        let of = Of { session: self.id, user: self.user, tenant: self.tenant, created: self.at, proved: self.at };
        let tokens = mint.tokens(&of, 0, &self.salt, self.at)?;
        Ok(Tokens { device: Some(self.device.clone()), ..tokens })
    }
}

/// Whose tokens.
pub(crate) struct Of {
    pub session: SessionId,
    pub user: UserId,
    pub tenant: Option<TenantId>,
    pub created: Time,
    pub proved: Time,
}

/// Makes a pair of tokens.
pub(crate) struct Minting {
    pub access: AccessTokens,
    pub refresh: RefreshTokens,
    pub rules: Sessions,
}

impl Minting {
    pub(crate) fn tokens(&self, of: &Of, counter: i64, salt: &[u8], now: Time) -> Result<Tokens, Failure> {
        let issued = Time(now.seconds().saturating_mul(1000));
        let expires = issued.plus(self.rules.access_token.0).min(of.created.plus(self.rules.absolute.0));
        let claims =
            Claims { user: of.user, session: of.session, tenant: of.tenant, proved: of.proved, issued, expires };
        Ok(Tokens {
            access_token: self.access.sign(&claims)?,
            refresh_token: self.refresh.make(of.session, counter, salt),
            expires_in: expires.since(issued) / 1000,
            token_type: "Bearer",
            device: None,
        })
    }
}

/// How a device's secret is kept.
pub(crate) fn device_hash(device: &str) -> Vec<u8> {
    hash::sha256(device.as_bytes()).to_vec()
}

/// What is remembered of a session between requests.
#[derive(Clone, Copy)]
pub(crate) struct Live {
    pub user: UserId,
    pub epoch: i64,
    pub created_at: Time,
    pub ended: bool,
}

/// What is remembered of a user between requests.
#[derive(Clone, Copy)]
pub(crate) struct Person {
    pub active: bool,
    pub epoch: i64,
    pub not_before: Time,
}

impl Live {
    /// Whether an access token of this session still opens anything.
    pub(crate) fn opens(&self, user: UserId, person: Person, rules: &Sessions, now: Time) -> bool {
        let current = (!self.ended && self.epoch == person.epoch) || kernel::sabotage::off("auth.session_revoke");
        let active = person.active || kernel::sabotage::off("auth.deactivation");
        self.user == user && current && active && now.since(self.created_at) < rules.absolute.0
    }
}
