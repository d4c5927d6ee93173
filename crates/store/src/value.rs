use kernel::{Id, RequestId, SessionId, TenantId, Time, UserId};

/// What a column holds. Both engines have exactly these: `INTEGER`/`bigint`, `TEXT`/`text COLLATE "C"`, `BLOB`/`bytea`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// Integers; booleans as 0 and 1; times as milliseconds.
    Int(i64),
    /// Texts, ids, dates, JSON.
    Text(String),
    /// Sealed values, hashes.
    Blob(Vec<u8>),
}

macro_rules! from {
    ($($t:ty => |$v:ident| $e:expr;)*) => {$(
        impl From<$t> for Value {
            fn from($v: $t) -> Self {
                $e
            }
        }
    )*};
}

from! {
    i64 => |v| Self::Int(v);
    i32 => |v| Self::Int(v.into());
    u32 => |v| Self::Int(v.into());
    u8 => |v| Self::Int(v.into());
    bool => |v| Self::Int(v.into());
    Time => |v| Self::Int(v.0);
    &str => |v| Self::Text(v.to_owned());
    String => |v| Self::Text(v);
    Vec<u8> => |v| Self::Blob(v);
    &[u8] => |v| Self::Blob(v.to_vec());
    [u8; 32] => |v| Self::Blob(v.to_vec());
    Id => |v| Self::Text(v.to_string());
    TenantId => |v| Self::Text(v.to_string());
    UserId => |v| Self::Text(v.to_string());
    SessionId => |v| Self::Text(v.to_string());
    RequestId => |v| Self::Text(v.to_string());
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
