use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Time;

/// A 128-bit identifier, UUID version 7 (RFC 9562): ordered by time of creation, 74 random bits.
/// Text form: 36 characters, lower case, hyphenated; that is also how it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(Uuid);

impl Id {
    /// All zero: the house, and "nobody".
    pub const NIL: Self = Self(Uuid::nil());

    /// Version 7 from a moment and ten random bytes.
    #[must_use]
    pub fn v7(now: Time, random: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(now.0.max(0).cast_unsigned(), &random).into_uuid())
    }
    /// The 16 bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
    /// From 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
    /// Writes the text form into `buffer` without allocating.
    pub fn encode<'b>(&self, buffer: &'b mut [u8; 36]) -> &'b str {
        self.0.hyphenated().encode_lower(buffer)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Accepts only the canonical text form: 36 characters, lower case, hyphenated; so one id has one spelling.
impl FromStr for Id {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        if text.len() != 36 || text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(());
        }
        Uuid::try_parse(text).map(Self).map_err(|_| ())
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Id);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl FromStr for $name {
            type Err = ();
            fn from_str(text: &str) -> Result<Self, ()> {
                text.parse().map(Self)
            }
        }
    )*};
}

ids! {
    /// The isolation unit: a workspace, a restaurant, whatever the manifest calls it.
    TenantId
    /// A person with an account. Lives in control.db; may be a member of several tenants.
    UserId
    /// One sign-in on one device: the family of refresh tokens.
    SessionId
    /// One request, as in the `x-request-id` header, log lines and audit leaves.
    RequestId
}

impl TenantId {
    /// The house itself (apex host, sign-up, operators): every request has a tenant and a log.
    pub const HOUSE: Self = Self(Id::NIL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_have_one_spelling() {
        let (early, late) = (Id::v7(Time(1_000), [9; 10]), Id::v7(Time(1_001), [0; 10]));
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!(early.to_string().to_uppercase().parse::<Id>(), Err(()));
        assert_eq!(format!("{{{early}}}").parse::<Id>(), Err(()));
    }
}
