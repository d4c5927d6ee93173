//! From a request's pieces to a handler's typed input.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use http::HeaderMap;
use kernel::Failure;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A body that is read piece by piece, under the deadlines and size cap of the edge.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// How a handler takes its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// No body: one that is sent is refused.
    None,
    /// Read whole, at most so many bytes (and never more than the edge's cap).
    Whole(u64),
    /// Handed over as a stream of at most so many bytes.
    Stream(u64),
}

/// A request's pieces, after the permit.
pub struct Raw {
    /// Path segments by name, percent-decoded.
    pub params: Vec<(&'static str, String)>,
    /// Query members, decoded, in order; a name given twice was refused already.
    pub query: Vec<(String, String)>,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body, for [`Intake::Whole`].
    pub body: Bytes,
    /// The streamed body, for [`Intake::Stream`].
    pub stream: Option<BodyStream>,
}

impl Raw {
    /// A path segment.
    #[must_use]
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v.as_str())
    }
    /// A header as text, when there is exactly one and it is visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(first)
    }
    /// The media type of the body, lower case, without parameters.
    #[must_use]
    pub fn media_type(&self) -> Option<String> {
        let text = self.header("content-type")?;
        Some(text.split(';').next().unwrap_or("").trim().to_ascii_lowercase())
    }
}

/// What a handler takes. Every `Deserialize` type with a schema is one: it is read from path, query and a JSON object (or
/// form) together; a name given twice is refused.
pub trait Input: Sized + Send + 'static {
    /// How the body is taken.
    const INTAKE: Intake;
    /// Reads it.
    ///
    /// # Errors
    /// `BadInput`, `Invalid`, `UnsupportedType`.
    fn read(raw: Raw) -> Result<Self, Failure>;
    /// JSON Schema, for OpenAPI; `Null` when there is nothing to say.
    fn schema() -> Value;
}

impl<T: DeserializeOwned + schemars::JsonSchema + Send + 'static> Input for T {
    const INTAKE: Intake = Intake::Whole(256 * 1024);

    fn read(raw: Raw) -> Result<Self, Failure> {
        let form = raw.media_type().is_some_and(|t| t == "application/x-www-form-urlencoded");
        let mut members: Map<String, Value> = if raw.body.is_empty() {
            Map::new()
        } else if form {
            pairs(&raw.body)?
        } else {
            object(&raw)?
        };
        let named = raw.params.into_iter().map(|(n, v)| (n.to_owned(), v)).chain(raw.query);
        for (name, text) in named {
            if members.insert(name, Value::String(text)).is_some() {
                return Err(Failure::bad("a name is given twice"));
            }
        }
        let value = if members.is_empty() { Value::Null } else { Value::Object(members) };
        // `()` takes null, a struct takes an object: an empty request is tried as both.
        match serde_json::from_value(value.clone()) {
            Err(_) if value.is_null() => serde_json::from_value(Value::Object(Map::new())),
            other => other,
        }
        .map_err(|e| Failure::BadInput(shape(&e).into()))
    }

    fn schema() -> Value {
        schemars::schema_for!(T).to_value()
    }
}

/// Serde's words, without the value it saw. A name that was sent is repeated only when it is a plain one.
fn shape(error: &serde_json::Error) -> String {
    let text = error.to_string();
    for start in ["missing field", "unknown field", "duplicate field"] {
        if let Some(rest) = text.strip_prefix(start) {
            let words = text.split(" at line").next().unwrap_or(start);
            let name = rest.strip_prefix(" `").and_then(|rest| rest.split('`').next()).unwrap_or("");
            let plain = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
            return if plain { words.to_owned() } else { start.to_owned() };
        }
    }
    "the input does not have the declared shape; see /api/v1/openapi.json".to_owned()
}

fn object(raw: &Raw) -> Result<Map<String, Value>, Failure> {
    if raw.media_type().is_some_and(|t| t != "application/json" && !t.ends_with("+json")) {
        return Err(Failure::UnsupportedType("application/json".into()));
    }
    let Unique(members) = serde_json::from_slice(&raw.body).map_err(|e| Failure::BadInput(malformed(&e).into()))?;
    Ok(members)
}

/// What is wrong with a JSON text, with its position but without its content.
pub(crate) fn malformed(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "the JSON ends too early",
        serde_json::error::Category::Syntax => "the JSON is malformed",
        _ if error.to_string().starts_with("a name is given twice") => "a name is given twice",
        _ => "a JSON object is expected",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// A JSON object in which no name occurs twice.
struct Unique(Map<String, Value>);

impl<'de> serde::Deserialize<'de> for Unique {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Unique;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("a name is given twice"));
                    }
                }
                Ok(Unique(members))
            }
        }
        from.deserialize_map(Visitor)
    }
}

fn pairs(body: &[u8]) -> Result<Map<String, Value>, Failure> {
    let mut members = Map::new();
    for (name, value) in form(body)? {
        if members.insert(name, Value::String(value)).is_some() {
            return Err(Failure::bad("a name is given twice"));
        }
    }
    Ok(members)
}

/// Decodes `application/x-www-form-urlencoded` text (also a query string), in order.
///
/// # Errors
/// `BadInput` when it is not UTF-8 after decoding, or has a broken escape.
pub fn form(text: &[u8]) -> Result<Vec<(String, String)>, Failure> {
    let broken = || Failure::bad("the query or form is not correctly encoded");
    let decode = |part: &[u8]| -> Result<String, Failure> {
        let mut out = Vec::with_capacity(part.len());
        let mut bytes = part.iter().copied();
        while let Some(b) = bytes.next() {
            out.push(match b {
                b'+' => b' ',
                b'%' => {
                    let mut digit = || bytes.next().and_then(|d| char::from(d).to_digit(16)).ok_or_else(broken);
                    u8::try_from(digit()? * 16 + digit()?).map_err(|_| broken())?
                }
                other => other,
            });
        }
        String::from_utf8(out).map_err(|_| broken())
    };
    text.split(|b| *b == b'&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let mut halves = part.splitn(2, |b| *b == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            Ok((name, decode(halves.next().unwrap_or_default())?))
        })
        .collect()
}
