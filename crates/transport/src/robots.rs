//! "Robots that knock on the sign-in door meet declared rules." A member that people never see must stay empty.

use bytes::Bytes;
use kernel::Failure;
use serde_json::{Map, Value};

/// The member that programs fill in.
pub const HONEYPOT: &str = "website";

/// A body of a public form without the member that people never see.
///
/// # Errors
/// Invalid when somebody filled it in: in the same words as every public form says it.
pub fn people_only(body: Bytes, media_type: Option<&str>) -> Result<Bytes, Failure> {
    if memchr::memmem::find(&body, HONEYPOT.as_bytes()).is_none() || kernel::sabotage::off("edge.bot_rules") {
        return Ok(body);
    }
    match media_type {
        Some("application/x-www-form-urlencoded") => {
            let filled = |pair: &[u8]| name(pair) == HONEYPOT.as_bytes() && pair.len() > HONEYPOT.len() + 1;
            if body.split(|b| *b == b'&').any(filled) {
                return Err(refused());
            }
            let rest: Vec<&[u8]> =
                body.split(|b| *b == b'&').filter(|pair| name(pair) != HONEYPOT.as_bytes()).collect();
            Ok(rest.join(&b'&').into())
        }
        _ => {
            // What is no object is somebody else's to refuse.
            let Ok(mut members) = serde_json::from_slice::<Map<String, Value>>(&body) else { return Ok(body) };
            match members.remove(HONEYPOT) {
                None => Ok(body),
                Some(Value::Null) => Ok(Value::Object(members).to_string().into()),
                Some(Value::String(text)) if text.is_empty() => Ok(Value::Object(members).to_string().into()),
                Some(_) => Err(refused()),
            }
        }
    }
}

fn name(pair: &[u8]) -> &[u8] {
    pair.split(|b| *b == b'=').next().unwrap_or_default()
}

fn refused() -> Failure {
    Failure::field("form", "refused", "this could not be accepted")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(kind: &str, body: &'static str) -> Option<String> {
        let body = people_only(Bytes::from_static(body.as_bytes()), Some(kind)).ok()?;
        Some(String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn the_hidden_member_must_stay_empty() {
        let json = "application/json";
        assert_eq!(asked(json, r#"{"email":"a","website":"x"}"#), None);
        assert_eq!(asked(json, r#"{"email":"a","website":1}"#), None);
        assert_eq!(asked(json, r#"{"email":"a","website":""}"#).unwrap(), r#"{"email":"a"}"#);
        assert_eq!(asked(json, r#"{"email":"website"}"#).unwrap(), r#"{"email":"website"}"#);
        assert_eq!(asked(json, "website, not JSON").unwrap(), "website, not JSON");
        let form = "application/x-www-form-urlencoded";
        assert_eq!(asked(form, "email=a&website=x"), None);
        assert_eq!(asked(form, "email=a&website=&b=c").unwrap(), "email=a&b=c");
        assert_eq!(asked(form, "email=website&websites=x").unwrap(), "email=website&websites=x");
    }
}
