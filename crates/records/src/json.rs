//! Stored values as JSON text, straight into the answer's buffer.

use kernel::Failure;
use manifest::{Field, Kind};
use store::{Row, Type};

use crate::{date, shelf::column_type};

/// A stored value, wherever it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen<'v> {
    Null,
    Int(i64),
    Text(&'v str),
    Blob(&'v [u8]),
}

impl<'v> Seen<'v> {
    /// A field's value in a row.
    pub(crate) fn of(row: &'v Row<'_>, column: usize, field: &Field) -> Result<Self, Failure> {
        Ok(match column_type(field) {
            Type::Int => row.opt_int(column)?.map_or(Self::Null, Self::Int),
            Type::Text => row.opt_text(column)?.map_or(Self::Null, Self::Text),
            Type::Blob => row.opt_blob(column)?.map_or(Self::Null, Self::Blob),
        })
    }
    /// Of a value held.
    pub(crate) fn value(value: &'v store::Value) -> Self {
        match value {
            store::Value::Null => Self::Null,
            store::Value::Int(i) => Self::Int(*i),
            store::Value::Text(t) => Self::Text(t),
            store::Value::Blob(b) => Self::Blob(b),
        }
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// What a byte is written as; 0: as it is.
const fn escape(byte: u8) -> u8 {
    match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        0..=0x1F => b'u',
        _ => 0,
    }
}

/// A JSON string.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|b| escape(*b) != 0) {
        let (plain, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let Some((byte, after)) = tail.split_first() else { break };
        match escape(*byte) {
            b'u' => {
                let digit = |n: u8| HEX.get(usize::from(n & 15)).copied().unwrap_or(b'0');
                out.extend_from_slice(b"\\u00");
                out.extend([digit(byte >> 4), digit(*byte)]);
            }
            short => out.extend([b'\\', short]),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// A whole number.
pub(crate) fn int(out: &mut Vec<u8>, value: i64) {
    let mut digits = [0_u8; 20];
    let mut rest = value.unsigned_abs();
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(digits.get(20 - used..).unwrap_or(&digits));
}

/// A moment as RFC 3339, in quotes.
pub(crate) fn moment(out: &mut Vec<u8>, millis: i64) {
    out.push(b'"');
    date::moment(out, millis);
    out.push(b'"');
}

/// Millionths as a JSON number.
pub(crate) fn decimal(out: &mut Vec<u8>, millionths: i64) {
    scaled(out, millionths, 6, true);
}

/// `-12.50`; trailing zeros of the fraction are left out when `short`.
fn scaled(out: &mut Vec<u8>, value: i64, digits: u32, short: bool) {
    let scale = 10_u64.pow(digits.min(9));
    let size = value.unsigned_abs();
    if value < 0 {
        out.push(b'-');
    }
    int(out, i64::try_from(size / scale).unwrap_or(i64::MAX));
    let mut fraction = size % scale;
    let mut left = digits;
    while short && left > 0 && fraction.is_multiple_of(10) {
        fraction /= 10;
        left -= 1;
    }
    if left == 0 {
        return;
    }
    out.push(b'.');
    let mut place = 10_u64.pow(left - 1);
    while place > 0 {
        out.push(b'0' + u8::try_from(fraction / place % 10).unwrap_or(0));
        place /= 10;
    }
}

/// `"12.50 EUR"`.
pub(crate) fn money(out: &mut Vec<u8>, minor: i64, digits: u32, currency: &str) {
    out.push(b'"');
    amount(out, minor, digits, currency);
    out.push(b'"');
}

/// `12.50 EUR`.
pub(crate) fn amount(out: &mut Vec<u8>, minor: i64, digits: u32, currency: &str) {
    scaled(out, minor, digits, false);
    out.push(b' ');
    out.extend_from_slice(currency.as_bytes());
}

/// A field's value that is not sealed. Rich text is the caller's: it is sanitised first.
pub(crate) fn value(out: &mut Vec<u8>, field: &Field, seen: Seen<'_>, digits: u32, currency: &str) {
    match (seen, &field.kind) {
        (Seen::Null | Seen::Blob(_), _) => out.extend_from_slice(b"null"),
        // Stored as the JSON it is shown as.
        (Seen::Text(json), _) if field.many => out.extend_from_slice(json.as_bytes()),
        (Seen::Text(json), Kind::Json | Kind::File { .. }) => out.extend_from_slice(json.as_bytes()),
        (Seen::Text(plain), _) => text(out, plain),
        (Seen::Int(n), Kind::Boolean) => out.extend_from_slice(if n == 0 { b"false" } else { b"true" }),
        (Seen::Int(n), Kind::Money) => money(out, n, digits, currency),
        (Seen::Int(n), Kind::Decimal) => decimal(out, n),
        (Seen::Int(n), Kind::DateTime) => moment(out, n),
        (Seen::Int(n), _) => int(out, n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn texts_are_escaped_as_serde_escapes_them() {
        let every: String = (0..0x250).filter_map(char::from_u32).chain("😀\u{2028}".chars()).collect();
        for sample in ["", "plain", "a\"b\\c\n\t\r\u{8}\u{c}\u{0}\u{1f}", every.as_str()] {
            assert_eq!(made(|o| text(o, sample)), serde_json::to_string(sample).unwrap());
        }
    }

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for n in [0, 7, -7, 10, i64::MAX, i64::MIN, 1_000_000] {
            assert_eq!(made(|o| int(o, n)), n.to_string());
        }
        for (n, shown) in [(0, "0"), (1, "0.000001"), (-12_500_000, "-12.5"), (3_000_000, "3"), (1_010_000, "1.01")] {
            assert_eq!(made(|o| decimal(o, n)), shown);
        }
        assert_eq!(made(|o| money(o, -1205, 2, "EUR")), "\"-12.05 EUR\"");
        assert_eq!(made(|o| money(o, 7, 0, "JPY")), "\"7 JPY\"");
    }
}
