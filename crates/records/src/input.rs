//! A member of an input, checked against its field and brought into stored form. Pure.

use kernel::Time;
use manifest::{Field, Kind, amount};
use regex_lite::Regex;
use serde_json::Value as Json;
use store::Value;

use crate::{card, rich};

/// Why a value is not taken: a code, and what is expected.
pub(crate) type Unfit = (&'static str, &'static str);

/// Integers beyond this do not survive a JSON parser that reads numbers as doubles (RFC 8259, 6).
const EXACT: i64 = (1 << 53) - 1;
/// Elements of a field of several values.
const ELEMENTS: usize = 100;

const TYPE: &str = "type";

/// Takes a value that is not null. References and files come out as ids, still to be looked up; texts of sealed fields as
/// plain text, still to be sealed.
pub(crate) fn accept(field: &Field, pattern: Option<&Regex>, given: &Json, currency: &str) -> Result<Value, Unfit> {
    cards(given)?;
    if !field.many {
        return one(field, pattern, given, currency);
    }
    let Json::Array(elements) = given else { return Err((TYPE, "expected: a list")) };
    if elements.len() > ELEMENTS {
        return Err(("too_long", "at most 100 values"));
    }
    let mut kept = Vec::with_capacity(elements.len());
    for element in elements {
        match one(field, pattern, element, currency)? {
            Value::Text(text) => kept.push(Json::String(text)),
            _ => return Err((TYPE, "expected: a list of texts")),
        }
    }
    if field.required && kept.is_empty() {
        return Err(("required", "at least one value is needed"));
    }
    Ok(Value::Text(Json::Array(kept).to_string()))
}

/// Card numbers are refused wherever they stand, in numbers too.
fn cards(given: &Json) -> Result<(), Unfit> {
    let found = match given {
        Json::String(text) => card::found(text),
        Json::Number(n) => card::found(&n.to_string()),
        Json::Array(elements) => return elements.iter().try_for_each(cards),
        Json::Object(members) => {
            return members.iter().try_for_each(|(name, value)| match card::found(name) {
                true => Err(("card_number", "card numbers are not accepted here")),
                false => cards(value),
            });
        }
        Json::Null | Json::Bool(_) => false,
    };
    if found { Err(("card_number", "card numbers are not accepted here")) } else { Ok(()) }
}

fn one(field: &Field, pattern: Option<&Regex>, given: &Json, currency: &str) -> Result<Value, Unfit> {
    match &field.kind {
        Kind::Integer => {
            let n = given.as_i64().ok_or((TYPE, "expected: a whole number"))?;
            bounded(field, n).map(Value::Int)
        }
        Kind::Decimal => {
            let n = decimal(given).ok_or((TYPE, "expected: a number with at most six decimals"))?;
            bounded(field, n).map(Value::Int)
        }
        Kind::Money => {
            let n = given.as_str().and_then(|t| amount::parse_money(t, currency));
            bounded(field, n.ok_or((TYPE, "expected: an amount such as \"12.50 EUR\", in the app's currency"))?)
                .map(Value::Int)
        }
        Kind::Boolean => given.as_bool().map(|b| Value::Int(b.into())).ok_or((TYPE, "expected: true or false")),
        Kind::DateTime => {
            let found = given.as_str().and_then(Time::parse).filter(|t| in_calendar(t.0));
            found.map(|t| Value::Int(t.0)).ok_or((TYPE, "expected: a time such as \"2026-05-04T09:30:00Z\""))
        }
        Kind::Date => {
            let found = given.as_str().filter(|t| date(t));
            found.map(Value::from).ok_or((TYPE, "expected: a date such as \"2026-05-04\""))
        }
        Kind::Enum(of) => {
            let found = given.as_str().ok_or((TYPE, "expected: a text"))?;
            if of.iter().any(|v| v == found) {
                Ok(found.into())
            } else {
                Err(("enum", "not one of the declared values"))
            }
        }
        Kind::Json => json(field, given),
        Kind::Reference { .. } => id(given).map(Value::Text).ok_or((TYPE, "expected: a record's id")),
        Kind::File { .. } => file(given).map(Value::Text).ok_or((TYPE, "expected: an uploaded file's id")),
        Kind::Text | Kind::RichText | Kind::Email | Kind::Url | Kind::Secret => {
            text(field, pattern, given.as_str().ok_or((TYPE, "expected: a text"))?)
        }
    }
}

fn bounded(field: &Field, n: i64) -> Result<i64, Unfit> {
    if field.min.is_some_and(|min| n < min) {
        return Err(("min", "smaller than allowed"));
    }
    if n.unsigned_abs() > EXACT.unsigned_abs() || field.max.is_some_and(|max| n > max) {
        return Err(("max", "larger than allowed"));
    }
    Ok(n)
}

/// A JSON number as millionths, exactly.
fn decimal(given: &Json) -> Option<i64> {
    let Json::Number(n) = given else { return None };
    match n.as_i64() {
        Some(whole) => whole.checked_mul(1_000_000),
        // Display of a double is its shortest exact text, without an exponent.
        None => amount::parse_decimal(&n.as_f64()?.to_string()),
    }
}

/// Years 0 to 9999, as RFC 3339 can write them.
const fn in_calendar(millis: i64) -> bool {
    millis >= -62_167_219_200_000 && millis <= 253_402_300_799_999
}

fn date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

fn id(given: &Json) -> Option<String> {
    let text = given.as_str()?;
    text.parse::<kernel::Id>().ok().map(|id| id.to_string())
}

/// `"id"`, `{"file": "id"}`, or the object a record shows.
fn file(given: &Json) -> Option<String> {
    id(given).or_else(|| given.get("file").and_then(id)).or_else(|| given.get("id").and_then(id))
}

fn json(field: &Field, given: &Json) -> Result<Value, Unfit> {
    let text = given.to_string();
    if text.contains("\\u0000") && holds_nul(given) {
        return Err(("characters", "NUL characters are not accepted"));
    }
    let most = field.max.and_then(|m| usize::try_from(m).ok()).unwrap_or(64 << 10);
    if text.len() > most { Err(("too_long", "longer than allowed")) } else { Ok(Value::Text(text)) }
}

fn holds_nul(given: &Json) -> bool {
    match given {
        Json::String(text) => text.contains('\0'),
        Json::Array(elements) => elements.iter().any(holds_nul),
        Json::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

fn text(field: &Field, pattern: Option<&Regex>, given: &str) -> Result<Value, Unfit> {
    if given.contains('\0') {
        return Err(("characters", "NUL characters are not accepted"));
    }
    let length = i64::try_from(given.chars().count()).unwrap_or(i64::MAX);
    if field.required && given.trim().is_empty() {
        return Err(("required", "must not be empty"));
    }
    if field.min.is_some_and(|min| length < min) {
        return Err(("too_short", "shorter than allowed"));
    }
    if field.max.is_some_and(|max| length > max) {
        return Err(("too_long", "longer than allowed"));
    }
    if pattern.is_some_and(|p| !p.is_match(given)) {
        return Err(("pattern", "does not have the declared form"));
    }
    match field.kind {
        Kind::Email if !email(given) => Err(("email", "expected: a mail address")),
        Kind::Url if !url(given) => Err(("url", "expected: an http or https address")),
        Kind::RichText => {
            let clean = rich::clean(given);
            if card::found(&clean) {
                Err(("card_number", "card numbers are not accepted here"))
            } else {
                Ok(clean.into())
            }
        }
        _ => Ok(given.into()),
    }
}

/// A mail address as forms mean it: one `@`, no blanks, a host with a dot.
fn email(text: &str) -> bool {
    let plain =
        |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | ':' | '"');
    let Some((local, host)) = text.split_once('@') else { return false };
    let label = |l: &str| !l.is_empty() && l.len() <= 63 && !l.starts_with('-') && !l.ends_with('-');
    (1..=64).contains(&local.len())
        && text.len() <= 254
        && text.chars().all(plain)
        && !host.contains('@')
        && host.contains('.')
        && host.split('.').all(label)
        && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.'))
}

/// http or https, a host, no user, nothing that a browser reads otherwise.
fn url(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let web = uri.scheme_str().is_some_and(|s| s == "http" || s == "https");
    let host = uri.authority().is_some_and(|a| !a.as_str().contains('@') && !a.host().is_empty());
    web && host && !text.contains(['\\', '<', '>', '"', '\''])
}

/// A value written as text, as filters and CSV files write it, in stored form. Bounds are not looked at.
pub(crate) fn literal(field: &Field, text: &str, currency: &str) -> Option<Value> {
    match &field.kind {
        Kind::Integer => text.parse().ok().map(Value::Int),
        Kind::Decimal => amount::parse_decimal(text).map(Value::Int),
        Kind::Money => amount::parse_money(text, currency).map(Value::Int),
        Kind::DateTime => Time::parse(text).map(|t| Value::Int(t.0)),
        Kind::Date => date(text).then(|| text.into()),
        Kind::Boolean => match text {
            "true" | "1" => Some(Value::Int(1)),
            "false" | "0" => Some(Value::Int(0)),
            _ => None,
        },
        Kind::Enum(of) => of.iter().any(|v| v == text).then(|| text.into()),
        Kind::Reference { .. } => text.parse::<kernel::Id>().ok().map(|id| Value::Text(id.to_string())),
        Kind::Text | Kind::Email | Kind::Url => (!text.contains('\0')).then(|| text.into()),
        Kind::RichText | Kind::Json | Kind::File { .. } | Kind::Secret => None,
    }
}

/// A CSV cell as the JSON that an API call would send; what does not parse stays a text and is refused as one.
pub(crate) fn cell(field: &Field, text: &str) -> Json {
    let parsed = match field.kind {
        _ if field.many => crate::body::parse(text.as_bytes()).ok(),
        Kind::Json => crate::body::parse(text.as_bytes()).ok(),
        Kind::Integer => text.parse::<i64>().ok().map(Json::from),
        Kind::Decimal => text.parse::<f64>().ok().filter(|_| amount::parse_decimal(text).is_some()).map(Json::from),
        Kind::Boolean => match text {
            "true" | "1" => Some(Json::Bool(true)),
            "false" | "0" => Some(Json::Bool(false)),
            _ => None,
        },
        _ => None,
    };
    parsed.unwrap_or_else(|| text.into())
}
