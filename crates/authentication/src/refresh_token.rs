//! Refresh tokens, and what one that comes back means. Bytes, numbers big-endian, as base64url: version (1), key version (4),
//! session (16), counter (8), HMAC-SHA-256 (32) over all before it and the session row's salt, by a key derived from the
//! region's root: nothing in the row makes a token.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as B64};
use encryption::hash;
use kernel::{Id, Secret, SessionId, Time};

const VERSION: u8 = 1;
const KEY_VERSION: u32 = 1;
const HEAD: usize = 29;

/// Makes and checks them.
pub(crate) struct RefreshTokens(Secret);

/// One that was shown, not yet checked.
#[derive(Debug)]
pub(crate) struct Shown {
    pub session: SessionId,
    pub counter: i64,
    head: [u8; HEAD],
    mac: [u8; 32],
}

impl RefreshTokens {
    pub(crate) const fn new(key: Secret) -> Self {
        Self(key)
    }

    pub(crate) fn make(&self, session: SessionId, counter: i64, salt: &[u8]) -> String {
        let mut bytes = Vec::with_capacity(HEAD + 32);
        bytes.push(VERSION);
        bytes.extend(KEY_VERSION.to_be_bytes());
        bytes.extend(session.0.bytes());
        bytes.extend(counter.to_be_bytes());
        let mac = self.mac(&bytes, salt);
        bytes.extend(mac);
        B64.encode(bytes)
    }

    /// Whether it was made here for the session with this salt.
    pub(crate) fn ours(&self, shown: &Shown, salt: &[u8]) -> bool {
        hash::same(&self.mac(&shown.head, salt), &shown.mac)
    }

    fn mac(&self, head: &[u8], salt: &[u8]) -> [u8; 32] {
        hash::hmac_sha256(self.0.expose(), &[head, salt].concat())
    }
}

/// Takes a token apart; none when it has not the shape of one.
pub(crate) fn read(text: &str) -> Option<Shown> {
    if text.len() > 96 {
        return None;
    }
    let bytes = B64.decode(text).ok()?;
    let (head, mac) = bytes.split_at_checked(HEAD)?;
    let head: [u8; HEAD] = head.try_into().ok()?;
    let version = *head.first()?;
    let key = u32::from_be_bytes(head.get(1..5)?.try_into().ok()?);
    if version != VERSION || key != KEY_VERSION {
        return None;
    }
    Some(Shown {
        session: SessionId(Id::from_bytes(head.get(5..21)?.try_into().ok()?)),
        counter: i64::from_be_bytes(head.get(21..)?.try_into().ok()?),
        head,
        mac: mac.try_into().ok()?,
    })
}

/// What a token that is ours means, by the session's counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// In turn: the counter goes on.
    Next,
    /// The one before, at once and from the same device: an answer got lost. The same current token again.
    Again,
    /// Spent: someone else has it.
    Reused,
    /// From the future: the row was restored from a backup. The session ends, but nobody stole anything.
    Ahead,
}

/// Decides. `within`: the last turn was less than the declared window ago.
pub(crate) const fn judge(row: i64, shown: i64, within: bool, same_device: bool) -> Turn {
    if shown == row {
        Turn::Next
    } else if shown > row {
        Turn::Ahead
    } else if shown == row - 1 && within && same_device {
        Turn::Again
    } else {
        Turn::Reused
    }
}

/// The moment after which the last turn must lie. A window of nothing has no such moment.
pub(crate) const fn window_start(now: Time, window: i64) -> Time {
    if window <= 0 { Time(i64::MAX) } else { now.plus(-window) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_bound_to_session_counter_and_salt() {
        let tokens = RefreshTokens::new(Secret::new([5; 32]));
        let session = SessionId(Id::v7(Time(9), [9; 10]));
        let text = tokens.make(session, 3, b"salt");
        let shown = read(&text).unwrap();
        assert_eq!((shown.session, shown.counter), (session, 3));
        assert!(tokens.ours(&shown, b"salt"));
        assert!(!tokens.ours(&shown, b"pepper"));
        assert!(!RefreshTokens::new(Secret::new([6; 32])).ours(&shown, b"salt"));
        let bytes = B64.decode(&text).unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert!(read(&B64.encode(other)).is_none_or(|shown| !tokens.ours(&shown, b"salt")), "byte {at}");
        }
    }

    #[test]
    fn what_a_token_means() {
        assert_eq!(judge(4, 4, false, false), Turn::Next);
        assert_eq!(judge(4, 3, true, true), Turn::Again);
        assert_eq!(judge(4, 3, false, true), Turn::Reused);
        assert_eq!(judge(4, 3, true, false), Turn::Reused);
        assert_eq!(judge(4, 2, true, true), Turn::Reused);
        assert_eq!(judge(4, 5, true, true), Turn::Ahead);
    }

    #[test]
    fn no_window_has_no_start() {
        assert_eq!(window_start(Time(100), 10), Time(90));
        assert_eq!(window_start(Time(100), 0), Time(i64::MAX));
    }
}
