//! A request's JSON, read under bounds: duplicated names, depth, members of one object.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use http::HeaderMap;
use kernel::Failure;
use route::{BodyStream, Input, Intake, Raw};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

const MEMBERS: usize = 1000;
const ELEMENTS: usize = 100_000;
const DEPTH: usize = 32;

/// The pieces of a request, for handlers that read them by their collection's rules.
pub(crate) struct Pieces {
    params: Vec<(&'static str, String)>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
    media_type: Option<String>,
    /// Shared between nobody; the lock makes the pieces `Sync`.
    stream: Mutex<Option<BodyStream>>,
}

impl Input for Pieces {
    const INTAKE: Intake = Intake::Whole(10_000_000);
    fn read(raw: Raw) -> Result<Self, Failure> {
        let media_type = raw.media_type();
        let Raw { params, query, headers, body, stream, .. } = raw;
        Ok(Self { params, query, headers, body, media_type, stream: Mutex::new(stream) })
    }
    fn schema() -> Value {
        Value::Null
    }
}

impl Pieces {
    /// A path segment.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v.as_str())
    }

    /// The media type of the body, lower case, without parameters.
    pub(crate) fn media_type(&self) -> Option<&str> {
        self.media_type.as_deref()
    }

    /// A header, when there is exactly one.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(first)
    }

    /// The streamed body, once.
    pub(crate) fn stream(&self) -> Result<BodyStream, Failure> {
        let taken = self.stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or_else(|| Failure::internal("records: a streamed route without a stream"))
    }

    /// The record's id, as the path names it. Anything else names no record.
    pub(crate) fn id(&self) -> Result<String, Failure> {
        let text = self.param("id");
        text.parse::<kernel::Id>().map(|_| text.to_owned()).map_err(|()| Failure::NotFound)
    }

    /// A query member.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Refuses query members that mean nothing here.
    pub(crate) fn only(&self, names: &[&str]) -> Result<(), Failure> {
        match self.query.iter().find(|(n, _)| !names.contains(&n.as_str())) {
            Some((unknown, _)) => Err(Failure::field(named(unknown), "unknown", "no such query parameter")),
            None => Ok(()),
        }
    }

    /// The body as an object; an absent one is empty.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, Failure> {
        match self.json()? {
            Value::Null => Ok(Map::new()),
            Value::Object(members) => Ok(members),
            _ => Err(Failure::bad("the body must be a JSON object")),
        }
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<Value, Failure> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        if self.media_type().is_some_and(|t| t != "application/json" && !t.ends_with("+json")) {
            return Err(Failure::UnsupportedType("application/json".into()));
        }
        parse(&self.body)
    }

    /// The version that `If-Match` demands. `*` demands nothing more than that the record exists.
    pub(crate) fn if_match(&self) -> Result<Option<i64>, Failure> {
        let Some(header) = self.headers.get(http::header::IF_MATCH) else { return Ok(None) };
        let text = header.to_str().unwrap_or("").trim();
        if text == "*" {
            return Ok(None);
        }
        let tag = text.strip_prefix("W/").unwrap_or(text);
        let version = tag.strip_prefix("\"v").and_then(|t| t.strip_suffix('"')).and_then(|t| t.parse().ok());
        version.map(Some).ok_or_else(|| Failure::bad("If-Match: send the record's ETag, such as \"v3\""))
    }
}

/// A member's name, when it can be repeated safely; otherwise nothing of it is.
pub(crate) fn named(name: &str) -> String {
    let plain = name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if plain { name.to_owned() } else { "?".to_owned() }
}

/// Reads JSON under the bounds.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Failure> {
    let mut left = ELEMENTS;
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let found = Bounded { depth: 0, left: &mut left }.deserialize(&mut from).and_then(|v| from.end().map(|()| v));
    found.map_err(|error| words(&error))
}

/// Words for the caller, with the place and without the content.
fn words(error: &serde_json::Error) -> Failure {
    let text = error.to_string();
    let ours = [
        "a name is given twice",
        "an object has more than 1000 members",
        "more than 32 levels deep",
        "too many values",
    ];
    let known = ours.iter().find(|o| text.starts_with(**o)).copied();
    let what = known.unwrap_or(match error.classify() {
        serde_json::error::Category::Eof => "the JSON ends too early",
        _ if text.contains("recursion") => "more than 32 levels deep",
        _ => "the JSON is malformed",
    });
    Failure::BadInput(format!("{what}, line {}, column {}", error.line(), error.column()).into())
}

struct Bounded<'l> {
    depth: usize,
    left: &'l mut usize,
}

impl Bounded<'_> {
    fn deeper<E: Error>(&mut self) -> Result<Bounded<'_>, E> {
        *self.left = self.left.checked_sub(1).ok_or_else(|| E::custom("too many values"))?;
        if self.depth >= DEPTH {
            return Err(E::custom("more than 32 levels deep"));
        }
        Ok(Bounded { depth: self.depth + 1, left: self.left })
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut from: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        loop {
            let seed = self.deeper()?;
            match from.next_element_seed(seed)? {
                Some(element) => out.push(element),
                None => return Ok(Value::Array(out)),
            }
        }
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut from: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(name) = from.next_key::<String>()? {
            if out.len() >= MEMBERS {
                return Err(A::Error::custom("an object has more than 1000 members"));
            }
            let seed = self.deeper()?;
            let value = from.next_value_seed(seed)?;
            if out.insert(name, value).is_some() {
                return Err(A::Error::custom("a name is given twice"));
            }
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        match parse(text.as_bytes()) {
            Err(Failure::BadInput(words)) => words.into_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn hostile_json_is_refused_in_clear_words() {
        assert!(refused(r#"{"a":1,"a":2}"#).starts_with("a name is given twice"));
        assert!(refused(r#"{"x":{"a":1,"\u0061":2}}"#).starts_with("a name is given twice"));
        assert!(refused(&"[".repeat(40)).starts_with("more than 32 levels deep"));
        assert!(refused(&"[".repeat(100_000)).starts_with("more than 32 levels deep"));
        let many: Vec<String> = (0..10_000).map(|i| format!("\"f{i}\":1")).collect();
        assert!(refused(&format!("{{{}}}", many.join(","))).starts_with("an object has more than 1000 members"));
        assert!(refused("{\"a\":").starts_with("the JSON ends too early"));
        assert!(refused("{\"secret\" 1}").starts_with("the JSON is malformed"));
        assert!(!refused("{\"secret\" 1}").contains("secret"));
        assert!(refused("1 2").starts_with("the JSON is malformed"));
        assert!(matches!(parse(b"\"\xff\""), Err(Failure::BadInput(_))));
        assert_eq!(parse(br#"{"a":[1,-2,3.5,null,true,"x"]}"#).unwrap()["a"][2], 3.5);
    }
}
