use std::{
    borrow::Cow,
    fmt::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use http::Method;
use kernel::{Actor, RequestId, TenantId, Time};

use crate::scrub;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For developers.
    Debug,
    /// What happens all day.
    Info,
    /// Somebody should look at it.
    Warn,
    /// Something failed on our side.
    Error,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// One answered request.
#[derive(Clone, Debug)]
pub struct Line {
    /// When it arrived.
    pub at: Time,
    /// Its id.
    pub request: RequestId,
    /// The tenant, once known.
    pub tenant: Option<TenantId>,
    /// Method.
    pub method: Method,
    /// The route's template, never the path; empty when no route matched.
    pub route: &'static str,
    /// Status of the answer.
    pub status: u16,
    /// Microseconds from arrival to the answer's head.
    pub micros: u64,
    /// Bytes of the answer's body, when known.
    pub bytes: u64,
    /// `visitor`, `member`, `account`, `operator` or `system`.
    pub actor: &'static str,
    /// The client's address; only its network (/24, /48) is written.
    pub address: IpAddr,
}

impl Line {
    /// The kind of an actor: the word for [`Line::actor`]. Who exactly stands in the audit log, not here.
    #[must_use]
    pub const fn kind(actor: &Actor) -> &'static str {
        match actor {
            Actor::Visitor => "visitor",
            Actor::Member { .. } => "member",
            Actor::Account { .. } => "account",
            Actor::Operator(_) => "operator",
            Actor::System(_) => "system",
        }
    }
}

/// A value of an event line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// A number.
    Number(i64),
    /// A constant of the program.
    Word(&'static str),
    /// Free text: scrubbed and cut before it is written.
    Text(String),
}

impl From<i64> for Field {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}
impl From<&'static str> for Field {
    fn from(word: &'static str) -> Self {
        Self::Word(word)
    }
}
impl From<String> for Field {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Something else that happened.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub at: Time,
    pub level: Level,
    pub request: Option<RequestId>,
    pub tenant: Option<TenantId>,
    pub message: &'static str,
    pub fields: Vec<(&'static str, Field)>,
}

/// Longest free text in a line, in characters.
const LONGEST: usize = 2000;

// Writing to a String cannot fail, so the results are dropped.

fn head(out: &mut String, at: Time, level: Level, request: Option<RequestId>, tenant: Option<TenantId>, message: &str) {
    let mut buffer = [0; 36];
    let _ = write!(out, "{{\"time\":\"{at}\",\"level\":\"{}\",\"request_id\":", level.word());
    id(out, request.map(|r| r.0.encode(&mut buffer)));
    out.push_str(",\"tenant\":");
    id(out, tenant.map(|t| t.0.encode(&mut buffer)));
    out.push_str(",\"message\":");
    string(out, message);
}

fn id(out: &mut String, id: Option<&str>) {
    match id {
        Some(id) => {
            let _ = write!(out, "\"{id}\"");
        }
        None => out.push_str("null"),
    }
}

/// Appends a request's line.
pub(crate) fn access(line: &Line, out: &mut String) {
    let level = if line.status >= 500 { Level::Error } else { Level::Info };
    if kernel::sabotage::off("obs.json_logs") {
        out.push_str("plain text ");
    }
    head(out, line.at, level, Some(line.request), line.tenant, "request");
    out.push_str(",\"method\":");
    // An extension method is the client's text.
    string(out, if standard(&line.method) { line.method.as_str() } else { "other" });
    out.push_str(",\"route\":");
    match line.route {
        "" => out.push_str("null"),
        route => string(out, route),
    }
    let _ = write!(
        out,
        ",\"status\":{},\"duration_us\":{},\"bytes\":{},\"actor\":\"{}\",\"network\":\"",
        line.status, line.micros, line.bytes, line.actor
    );
    network(out, line.address);
    out.push_str("\"}\n");
}

/// Appends an event's line.
pub(crate) fn note(note: &Note, out: &mut String) {
    head(out, note.at, note.level, note.request, note.tenant, note.message);
    for (name, value) in &note.fields {
        let _ = write!(out, ",\"{name}\":");
        match value {
            Field::Number(number) => {
                let _ = write!(out, "{number}");
            }
            Field::Word(word) => string(out, word),
            Field::Text(text) => string(out, &cut(&scrub(text))),
        }
    }
    out.push_str("}\n");
}

fn standard(method: &Method) -> bool {
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD, Method::OPTIONS]
        .contains(method)
}

fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => Cow::Owned(format!("{}...", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

fn string(out: &mut String, text: &str) {
    match serde_json::to_string(text) {
        Ok(json) => out.push_str(&json),
        Err(_) => out.push_str("null"),
    }
}

/// An address without the part that tells one person from the next.
fn network(out: &mut String, address: IpAddr) {
    let _ = match address.to_canonical() {
        IpAddr::V4(ip) => write!(out, "{}/24", Ipv4Addr::from(u32::from(ip) & 0xffff_ff00)),
        IpAddr::V6(ip) => write!(out, "{}/48", Ipv6Addr::from(u128::from(ip) & (u128::MAX << 80))),
    };
}

#[cfg(test)]
mod tests {
    use kernel::Id;
    use serde_json::Value;

    use super::*;

    fn line(address: &str) -> Line {
        Line {
            at: Time(1_700_000_000_000),
            request: RequestId(Id::from_bytes([1; 16])),
            tenant: None,
            method: Method::from_bytes(b"MY-TOKEN-abc").unwrap(),
            route: "/api/v1/notes/{id}",
            status: 200,
            micros: 12,
            bytes: 34,
            actor: "member",
            address: address.parse().unwrap(),
        }
    }

    #[test]
    fn a_line_is_json_and_names_no_person() {
        for (address, network) in [("203.0.113.77", "203.0.113.0/24"), ("2001:db8:1:2::3", "2001:db8:1::/48")] {
            let mut out = String::new();
            access(&line(address), &mut out);
            assert!(out.ends_with("}\n") && out.matches('\n').count() == 1);
            let json: Value = serde_json::from_str(&out).unwrap();
            for key in ["time", "level", "request_id", "tenant"] {
                assert!(json.get(key).is_some(), "{key}");
            }
            assert_eq!(json["network"], network);
            assert_eq!(json["method"], "other");
            assert!(!out.contains(address));
        }
    }

    #[test]
    fn hostile_text_cannot_forge_a_line() {
        let mut out = String::new();
        let fields = vec![(
            "detail",
            Field::Text("x\"}\n{\"level\":\"info\"} a@b.example \u{0}".to_owned() + &"é".repeat(5000)),
        )];
        note(&Note { at: Time(0), level: Level::Error, request: None, tenant: None, message: "m", fields }, &mut out);
        assert_eq!(out.matches('\n').count(), 1);
        let json: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["level"], "error");
        assert!(json["detail"].as_str().unwrap().chars().count() <= LONGEST + 3);
        assert!(!out.contains("a@b.example"));
    }
}
