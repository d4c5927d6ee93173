//! Values on the wire. PostgreSQL infers types of its own (`COUNT` is a bigint, `SUM` a numeric, `EXISTS` a boolean);
//! here they are all integers, texts or bytes again.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::{Value, row::Cell};

type Wrong = Box<dyn Error + Sync + Send>;

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Wrong> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(i) => integer(*i, ty, out),
            Self::Text(text) => match *ty {
                Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => text.as_str().to_sql(ty, out),
                _ => Err(mismatch()),
            },
            Self::Blob(bytes) => match *ty {
                Type::BYTEA => bytes.as_slice().to_sql(ty, out),
                _ => Err(mismatch()),
            },
        }
    }
    fn accepts(_: &Type) -> bool {
        true
    }
    to_sql_checked!();
}

fn mismatch() -> Wrong {
    "an argument of another type than the statement's".into()
}

fn integer(i: i64, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Wrong> {
    match *ty {
        Type::INT8 => i.to_sql(ty, out),
        Type::INT4 => i32::try_from(i)?.to_sql(ty, out),
        Type::INT2 => i16::try_from(i)?.to_sql(ty, out),
        Type::BOOL => (i != 0).to_sql(ty, out),
        Type::NUMERIC => {
            numeric(i, out);
            Ok(IsNull::No)
        }
        _ => Err(mismatch()),
    }
}

/// Number of digits, weight of the first, sign, scale, then digits of base 10,000.
fn numeric(i: i64, out: &mut BytesMut) {
    let mut digits = Vec::new();
    let mut rest = i.unsigned_abs();
    while rest > 0 {
        digits.push(u16::try_from(rest % 10_000).unwrap_or(0));
        rest /= 10_000;
    }
    let count = u16::try_from(digits.len()).unwrap_or(0);
    out.put_u16(count);
    out.put_u16(count.saturating_sub(1));
    out.put_u16(if i < 0 { 0x4000 } else { 0 });
    out.put_u16(0);
    digits.iter().rev().for_each(|d| out.put_u16(*d));
}

/// An integral numeric; none when it has a fraction or does not fit.
fn integral(raw: &[u8]) -> Option<i64> {
    let mut words = raw.as_chunks().0.iter().map(|w| u16::from_be_bytes(*w));
    let (count, weight, sign, _scale) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let mut value: i128 = 0;
    for place in 0..=i32::from(weight.cast_signed()) {
        let digit = if place < i32::from(count) { words.next()? } else { 0 };
        value = value.checked_mul(10_000)?.checked_add(i128::from(digit))?;
    }
    if words.any(|fraction| fraction != 0) {
        return None;
    }
    match sign {
        0 => i64::try_from(value).ok(),
        0x4000 => i64::try_from(-value).ok(),
        _ => None,
    }
}

impl<'a> FromSql<'a> for Cell<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Wrong> {
        Ok(match *ty {
            Type::INT8 => Self::Int(i64::from_sql(ty, raw)?),
            Type::INT4 => Self::Int(i32::from_sql(ty, raw)?.into()),
            Type::INT2 => Self::Int(i16::from_sql(ty, raw)?.into()),
            Type::BOOL => Self::Int(bool::from_sql(ty, raw)?.into()),
            Type::NUMERIC => Self::Int(integral(raw).ok_or_else(mismatch)?),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => {
                Self::Text(<&str>::from_sql(ty, raw)?)
            }
            Type::BYTEA => Self::Blob(raw),
            _ => return Err(mismatch()),
        })
    }
    fn from_sql_null(_: &Type) -> Result<Self, Wrong> {
        Ok(Self::Null)
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerics_go_there_and_back() {
        for i in [0, 1, -1, 9_999, 10_000, -10_001, 123_456_789_012, i64::MAX, i64::MIN] {
            let mut out = BytesMut::new();
            numeric(i, &mut out);
            assert_eq!(integral(&out), Some(i), "{i}");
        }
        // 1.5: digits 1 and 5000, weight 0, scale 1.
        assert_eq!(integral(&[0, 2, 0, 0, 0, 0, 0, 1, 0, 1, 0x13, 0x88]), None);
        // 20,000 is sent as one digit of weight 1.
        assert_eq!(integral(&[0, 1, 0, 1, 0, 0, 0, 0, 0, 2]), Some(20_000));
    }
}
