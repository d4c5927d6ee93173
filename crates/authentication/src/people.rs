//! Accounts: how they are made, and how they are closed. Pieces of a batch, for every path that does so.

use kernel::{Failure, Mode, Time, UserId};
use store::{Batch, Control, FromRow, Revoke, Row, Tx, Value};

use crate::sql;

/// An account with its password's hash.
#[derive(Clone)]
pub struct Account {
    /// Its id.
    pub id: UserId,
    /// Address.
    pub email: Option<String>,
    /// Name.
    pub name: String,
    /// Not deactivated.
    pub active: bool,
    /// Counts on when every session must end.
    pub epoch: i64,
    /// When the address was confirmed.
    pub verified_at: Option<Time>,
    pub(crate) phc: Option<String>,
}

impl FromRow for Account {
    fn from_row(row: &Row<'_>) -> Result<Self, Failure> {
        Ok(Self {
            id: row.get(0)?,
            email: row.get(1)?,
            name: row.get(2)?,
            active: row.text(3)? == "active",
            epoch: row.get(4)?,
            verified_at: row.get(5)?,
            phc: row.get(6)?,
        })
    }
}

impl Account {
    /// Whether it may sign in at all: active, and its address confirmed.
    #[must_use]
    pub const fn usable(&self) -> bool {
        self.active && self.verified_at.is_some()
    }
}

/// What a person sees of their own account.
pub(crate) struct Profile {
    pub email: Option<String>,
    pub name: String,
    pub verified: bool,
}

impl FromRow for Profile {
    fn from_row(row: &Row<'_>) -> Result<Self, Failure> {
        let verified: Option<Time> = row.get(2)?;
        Ok(Self { email: row.get(0)?, name: row.get(1)?, verified: verified.is_some() })
    }
}

/// An account about to be made.
#[derive(Clone, Debug)]
pub struct NewPerson {
    /// Its id: random, or [`crate::external_id`] for a person of an outside issuer.
    pub id: UserId,
    /// Address, as [`crate::address`] gives it.
    pub email: Option<String>,
    /// Name.
    pub name: String,
    /// The password's hash, from [`crate::Authentication::hash`]; none for people without one.
    pub phc: Option<String>,
    /// When the address was confirmed; an account without is inert.
    pub verified_at: Option<Time>,
    /// Issuer and subject, for people of an outside issuer.
    pub external: Option<(String, String)>,
}

/// Makes an account. `Unique` at commit when the address has one.
#[must_use]
pub fn enrol(batch: Batch<Control>, who: NewPerson, at: Time) -> Batch<Control> {
    let (issuer, subject) = who.external.unzip();
    let row: Vec<Value> = vec![
        who.id.into(),
        who.email.into(),
        who.name.into(),
        who.verified_at.into(),
        issuer.into(),
        subject.into(),
        at.into(),
    ];
    let batch = batch.rows(1, &sql::USER_PUT, row);
    match who.phc {
        Some(phc) => batch.any(&sql::CREDENTIAL_PUT, (who.id, phc, at)),
        None => batch,
    }
}

/// Closes an account: every session and token ends with the commit. The one function for every path that deactivates.
#[must_use]
pub fn deactivate(batch: Batch<Control>, user: UserId, at: Time) -> Batch<Control> {
    if kernel::sabotage::off("auth.deactivation") {
        return batch;
    }
    batch.rows(1, &sql::USER_STATUS, (user, "active", "deactivated", at)).revoke(Revoke::User(user))
}

/// Opens it again; sessions from before stay ended.
#[must_use]
pub fn reactivate(batch: Batch<Control>, user: UserId, at: Time) -> Batch<Control> {
    batch.rows(1, &sql::USER_STATUS, (user, "deactivated", "active", at)).revoke(Revoke::User(user))
}

/// Ends every session of a user, and refuses tokens of an outside issuer that were issued before.
#[must_use]
pub fn end_sessions(batch: Batch<Control>, user: UserId, at: Time) -> Batch<Control> {
    batch.any(&sql::USER_ANY_EPOCH, (user, at)).revoke(Revoke::User(user))
}

/// The account of an address.
///
/// # Errors
/// Those of the store.
pub async fn by_email<M: Mode>(tx: &Tx<M>, email: &str) -> Result<Option<Account>, Failure> {
    tx.maybe(&sql::BY_EMAIL, (email.to_owned(),)).await
}

/// The account of an id.
///
/// # Errors
/// Those of the store.
pub async fn by_id<M: Mode>(tx: &Tx<M>, user: UserId) -> Result<Option<Account>, Failure> {
    tx.maybe(&sql::BY_ID, (user,)).await
}

/// A person's name as it may be: trimmed, 1 to 120 characters.
///
/// # Errors
/// `Invalid` for the member `name`.
pub fn named(name: &str) -> Result<String, Failure> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 120 || name.chars().any(char::is_control) {
        return Err(Failure::field("name", "length", "1 to 120 characters"));
    }
    Ok(name.to_owned())
}
