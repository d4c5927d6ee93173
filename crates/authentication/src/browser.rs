//! Credentials in headers, and cookies going out.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use kernel::Failure;
use route::{Input, Intake, Raw, Reply, page::see_other};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::session::Tokens;

const SESSION: &str = "__Host-session";
const REFRESH: &str = "__Host-refresh";
const DEVICE: &str = "__Host-device";

/// What a request shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shown<'h> {
    Nothing,
    Bearer(&'h str),
    Cookie(&'h str),
}

/// The credential in the headers. An `Authorization` header counts before cookies.
pub(crate) fn shown(headers: &HeaderMap) -> Result<Shown<'_>, Failure> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    if let Some(first) = given.next() {
        if given.next().is_some() {
            return Err(Failure::SignInNeeded);
        }
        let text = first.to_str().map_err(|_| Failure::SignInNeeded)?;
        let (scheme, token) = text.split_once(' ').ok_or(Failure::SignInNeeded)?;
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.contains(' ') {
            return Err(Failure::SignInNeeded);
        }
        return Ok(Shown::Bearer(token));
    }
    Ok(cookie(headers, SESSION).map_or(Shown::Nothing, Shown::Cookie))
}

/// Whether a browser brought a refresh token.
#[must_use]
pub fn renewable(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::AUTHORIZATION) && cookie(headers, REFRESH).is_some()
}

/// The Cookie header of a browser that has just been given these cookies.
#[must_use]
pub fn carried(set: &[HeaderValue]) -> Option<HeaderValue> {
    let start = format!("{SESSION}=");
    let lines = set.iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.filter(|line| line.starts_with(&start)).filter_map(|line| line.split(';').next());
    HeaderValue::from_str(pairs.next()?).ok()
}

/// Set-Cookie lines that end a session in the browser.
#[must_use]
pub fn cleared() -> Vec<HeaderValue> {
    signed_out(true).headers.get_all(header::SET_COOKIE).iter().cloned().collect()
}

pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(n, value)| *n == name && !value.is_empty())
        .map(|(_, value)| value)
}

/// How an answer reaches its asker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// JSON.
    Api,
    /// Tokens in cookies, the rest as JSON.
    Cookies,
    /// A form in a browser: cookies, and on to a page.
    Form,
}

/// An address to go on to, when it is a path of this site; sent along with forms and links.
#[must_use]
pub(crate) fn onward(next: Option<&str>) -> Option<String> {
    let fits = |text: &&str| {
        let plain = text.bytes().all(|b| (0x21..0x7f).contains(&b) && b != b'\\');
        text.len() <= 600 && plain && text.starts_with('/') && !text.starts_with("//")
    };
    next.filter(fits).map(str::to_owned)
}

/// An input with what else of the request matters here.
pub(crate) struct Web<T> {
    pub body: T,
    pub refresh: Option<String>,
    pub device: Option<String>,
    pub form: bool,
}

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Input for Web<T> {
    const INTAKE: Intake = Intake::Whole(16 * 1024);

    fn read(raw: Raw) -> Result<Self, Failure> {
        let page = raw.header("accept").is_some_and(|accept| accept.contains("text/html"));
        let form = page && raw.media_type().is_some_and(|t| t == "application/x-www-form-urlencoded");
        let own = |name| cookie(&raw.headers, name).map(str::to_owned);
        let (refresh, device) = (own(REFRESH), own(DEVICE));
        Ok(Self { body: T::read(raw)?, refresh, device, form })
    }
    fn schema() -> serde_json::Value {
        T::schema()
    }
}

impl<T> Web<T> {
    /// The way an answer goes, when the body may ask for cookies.
    pub(crate) const fn way(&self, cookies: bool) -> Way {
        match (self.form, cookies) {
            (true, _) => Way::Form,
            (false, true) => Way::Cookies,
            (false, false) => Way::Api,
        }
    }
}

/// What a browser's script learns of a sign-in: not the tokens.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Kept {
    expires_in: i64,
    token_type: &'static str,
}

/// The answer to a sign-in.
pub(crate) fn signed_in(tokens: &Tokens, way: Way, refresh_lives: i64) -> Result<Reply, Failure> {
    let json = |value: Result<Vec<u8>, serde_json::Error>| {
        value.map_err(|_| Failure::internal("authentication: an answer cannot be written"))
    };
    let reply = match way {
        Way::Api => return Ok(uncached(Reply::json(StatusCode::OK, json(serde_json::to_vec(tokens))?))),
        Way::Cookies => {
            let kept = Kept { expires_in: tokens.expires_in, token_type: "Cookie" };
            Reply::json(StatusCode::OK, json(serde_json::to_vec(&kept))?)
        }
        Way::Form => return Ok(entered(tokens, refresh_lives, "/console")),
    };
    Ok(with_cookies(reply, tokens, refresh_lives))
}

/// The answer to a form: cookies, and on to `to`.
pub(crate) fn entered(tokens: &Tokens, refresh_lives: i64, to: &str) -> Reply {
    with_cookies(see_other(to), tokens, refresh_lives)
}

/// Cookies of a development issuer's token, which nothing renews.
pub(crate) fn entered_once(access_token: &str, lives: i64, to: &str) -> Reply {
    uncached(see_other(to).with(header::SET_COOKIE, &set(SESSION, access_token, "Lax", lives)))
}

fn with_cookies(reply: Reply, tokens: &Tokens, refresh_lives: i64) -> Reply {
    let reply = reply
        .with(header::SET_COOKIE, &set(SESSION, &tokens.access_token, "Lax", tokens.expires_in))
        .with(header::SET_COOKIE, &set(REFRESH, &tokens.refresh_token, "Strict", refresh_lives));
    uncached(match &tokens.device {
        Some(device) => reply.with(header::SET_COOKIE, &set(DEVICE, device, "Strict", refresh_lives)),
        None => reply,
    })
}

/// The answer to a sign-out.
pub(crate) fn signed_out(cookies: bool) -> Reply {
    let reply = uncached(Reply::new(StatusCode::NO_CONTENT, route::Body::Empty));
    if !cookies {
        return reply;
    }
    [(SESSION, "Lax"), (REFRESH, "Strict"), (DEVICE, "Strict")]
        .into_iter()
        .fold(reply, |reply, (name, same_site)| reply.with(header::SET_COOKIE, &set(name, "", same_site, 0)))
}

/// The same for a browser's form.
pub(crate) fn left(to: &str) -> Reply {
    cleared()
        .iter()
        .fold(uncached(see_other(to)), |reply, line| reply.with(header::SET_COOKIE, line.to_str().unwrap_or_default()))
}

pub(crate) fn uncached(reply: Reply) -> Reply {
    reply.with(header::CACHE_CONTROL, "no-store")
}

/// RFC 6265bis, 4.1.3.2: `__Host-` is kept only with Secure, Path=/ and no Domain.
pub(crate) fn set(name: &str, value: &str, same_site: &str, lives: i64) -> String {
    if kernel::sabotage::off("auth.session_cookie") {
        return format!("{name}={value}; Path=/; Max-Age={lives}");
    }
    format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite={same_site}; Max-Age={lives}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn what_is_shown() {
        let is = |lines: &[(&'static str, &str)], expected: Option<Shown<'_>>| {
            assert_eq!(shown(&headers(lines)).ok(), expected, "{lines:?}");
        };
        is(&[], Some(Shown::Nothing));
        is(&[("authorization", "Bearer abc")], Some(Shown::Bearer("abc")));
        is(&[("authorization", "bearer abc"), ("cookie", "__Host-session=x")], Some(Shown::Bearer("abc")));
        is(&[("cookie", "a=b; __Host-session=xyz; c=d")], Some(Shown::Cookie("xyz")));
        is(&[("cookie", "a=b"), ("cookie", "__Host-session=xyz")], Some(Shown::Cookie("xyz")));
        is(&[("cookie", "session=xyz; __host-session=x; __Host-session=")], Some(Shown::Nothing));
        for bad in ["Bearer", "Bearer ", "Basic abc", "Bearer a b", "abc"] {
            is(&[("authorization", bad)], None);
        }
        is(&[("authorization", "Bearer a"), ("authorization", "Bearer a")], None);
    }

    #[test]
    fn only_paths_of_this_site_are_gone_on_to() {
        for fine in ["/", "/console", "/w/north/console?after=1&b=%20"] {
            assert_eq!(onward(Some(fine)).as_deref(), Some(fine));
        }
        for bad in [
            "",
            "console",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\r\nb",
            "/a b",
            "javascript:x",
            "/\u{e9}",
        ] {
            assert_eq!(onward(Some(bad)), None, "{bad:?}");
        }
        assert_eq!(onward(Some(&format!("/{}", "a".repeat(600)))), None);
        assert_eq!(onward(None), None);
    }

    #[test]
    fn a_renewed_session_is_carried() {
        let lines = [set(REFRESH, "r", "Strict", 1), set(SESSION, "s", "Lax", 1)].map(|l| l.parse().unwrap());
        assert_eq!(carried(&lines).unwrap(), "__Host-session=s");
        assert_eq!(carried(&lines[..1]), None);
        assert_eq!(cleared().len(), 3);
    }

    #[test]
    fn cookies_have_every_attribute() {
        let line = set(SESSION, "x", "Lax", 900);
        assert_eq!(line, "__Host-session=x; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=900");
    }
}
