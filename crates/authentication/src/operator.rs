//! The team's own people in a browser: a link from the admin socket opens a session once; the session is a random token in a
//! cookie of its own, kept as its hash, and is over within a working day. It counts at the operators' pages alone.

use encryption::hash;
use http::{HeaderMap, header};
use kernel::{Failure, Mode, Rng, Time};
use route::{Reply, page::see_other};
use store::{Batch, Control, Tx};

use crate::{
    browser::{cookie, set, uncached},
    sql,
};

/// How long a link works, in milliseconds.
pub const LINK: i64 = 5 * 60_000;
/// How long a session lasts, in milliseconds, whatever happens in it.
pub const SESSION: i64 = 8 * 3_600_000;
const COOKIE: &str = "__Host-operator";

fn key(token: &str) -> Option<[u8; 32]> {
    let shaped = token.len() == 64 && token.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    shaped.then(|| hash::sha256(token.as_bytes()))
}

/// The hash of the session that a request shows.
pub(crate) fn shown(headers: &HeaderMap) -> Option<[u8; 32]> {
    key(cookie(headers, COOKIE)?)
}

/// A link's token: 32 random bytes, of which the row keeps the hash.
pub fn mint(batch: Batch<Control>, rng: &dyn Rng, name: &str, now: Time) -> (Batch<Control>, String) {
    let token = hash::token32(rng);
    let row = (hash::sha256(token.as_bytes()), name.to_owned(), now, now.plus(LINK));
    (batch.rows(1, &sql::LINK_PUT, row), token)
}

/// Whose link it is, while it works.
///
/// # Errors
/// `Gone` for used, expired and unknown ones alike; those of the store.
pub async fn find<M: Mode>(tx: &Tx<M>, token: &str, now: Time) -> Result<String, Failure> {
    let key = key(token).ok_or(Failure::Gone)?;
    let (name, expires, used) = tx.maybe(&sql::LINK, (key,)).await?.ok_or(Failure::Gone)?;
    if used.is_some() || expires <= now { Err(Failure::Gone) } else { Ok(name) }
}

/// Spends the link and begins the session. Of many at the same moment, one batch commits.
///
/// # Errors
/// `Gone`.
pub fn enter(
    batch: Batch<Control>,
    rng: &dyn Rng,
    token: &str,
    name: &str,
    now: Time,
) -> Result<(Batch<Control>, Reply), Failure> {
    let key = key(token).ok_or(Failure::Gone)?;
    let session = hash::token32(rng);
    let row = (hash::sha256(session.as_bytes()), name.to_owned(), now, now.plus(SESSION));
    let batch = batch.expect(1, &sql::LINK_USE, (key, now), Failure::Gone).rows(1, &sql::DESK_PUT, row);
    let line = set(COOKIE, &session, "Strict", SESSION / 1000);
    Ok((batch, uncached(see_other("/operator").with(header::SET_COOKIE, &line))))
}

/// Ends the session that a request shows.
pub fn leave(batch: Batch<Control>, headers: &HeaderMap, now: Time) -> (Batch<Control>, Reply) {
    let batch = match shown(headers) {
        Some(key) => batch.any(&sql::DESK_END, (key, now)),
        None => batch,
    };
    let reply = see_other("/operator/enter?said=left").with(header::SET_COOKIE, &set(COOKIE, "", "Strict", 0));
    (batch, uncached(reply))
}

/// Ends whatever the named operator has open.
#[must_use]
pub fn close(batch: Batch<Control>, name: &str, now: Time) -> Batch<Control> {
    let batch = batch.any(&sql::DESK_END_ALL, (name.to_owned(), now));
    batch.any(&sql::LINK_END_ALL, (name.to_owned(), now))
}
