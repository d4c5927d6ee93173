//! Requests from another site.

use http::{HeaderMap, HeaderName, Method, header};
use kernel::{Failure, Reason};

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses a changing request that another site sent. Tenants are siblings on one domain, so the same site is another site.
///
/// With a cookie, the Origin must be exactly `own` (`https://acme.example.com`), and Sec-Fetch-Site, where the browser sends it,
/// `same-origin`. Without one there is no ambient authority: only a request that names a foreign origin is refused.
///
/// # Errors
/// `Refused(CrossSite)`.
pub fn cross_site(method: &Method, headers: &HeaderMap, own: &str, cookie: bool) -> Result<(), Failure> {
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if safe || kernel::sabotage::off("edge.csrf") {
        return Ok(());
    }
    let fine = match (only(headers, &header::ORIGIN), only(headers, &SITE)) {
        (Given::Twice, _) | (_, Given::Twice) => false,
        (Given::Once(origin), site) => origin == own && allowed(&site, cookie),
        (Given::Never, site) => !cookie && allowed(&site, cookie),
    };
    if fine { Ok(()) } else { Err(Failure::Refused(Reason::CrossSite)) }
}

fn allowed(site: &Given<'_>, cookie: bool) -> bool {
    match site {
        Given::Never | Given::Once("same-origin") => true,
        // Typed into the address bar, or sent by a program; with a cookie nothing that changes comes so.
        Given::Once("none") => !cookie,
        _ => false,
    }
}

enum Given<'h> {
    Never,
    /// Empty when it is not text.
    Once(&'h str),
    Twice,
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Given<'h> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Given::Never,
        (Some(value), None) => Given::Once(value.to_str().unwrap_or_default()),
        (Some(_), Some(_)) => Given::Twice,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const OWN: &str = "https://acme.example.com";

    fn passes(method: &Method, cookie: bool, given: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        cross_site(method, &headers, OWN, cookie).is_ok()
    }

    #[test]
    fn with_a_cookie_only_the_own_origin_changes_anything() {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE] {
            assert!(passes(&method, true, &[("origin", OWN)]));
            assert!(passes(&method, true, &[("origin", OWN), ("sec-fetch-site", "same-origin")]));
            for refused in [
                &[][..],
                &[("sec-fetch-site", "same-origin")],
                &[("origin", "https://globex.example.com")],
                &[("origin", "https://globex.example.com"), ("sec-fetch-site", "same-origin")],
                &[("origin", "null")],
                &[("origin", "http://acme.example.com")],
                &[("origin", "https://acme.example.com:8443")],
                &[("origin", "https://acme.example.com.evil.example")],
                &[("origin", "https://acme.example.com/")],
                &[("origin", "")],
                &[("origin", "\u{fe}")],
                &[("origin", OWN), ("origin", "https://evil.example")],
                &[("origin", OWN), ("sec-fetch-site", "same-site")],
                &[("origin", OWN), ("sec-fetch-site", "cross-site")],
                &[("origin", OWN), ("sec-fetch-site", "none")],
                &[("origin", OWN), ("sec-fetch-site", "")],
                &[("origin", OWN), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")],
            ] {
                assert!(!passes(&method, true, refused), "{refused:?}");
            }
        }
    }

    #[test]
    fn without_a_cookie_only_a_foreign_origin_is_refused() {
        for fine in [
            &[][..],
            &[("origin", OWN)],
            &[("origin", OWN), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(passes(&Method::POST, false, fine), "{fine:?}");
        }
        for refused in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "https://globex.example.com")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("origin", OWN), ("sec-fetch-site", "same-site")],
        ] {
            assert!(!passes(&Method::POST, false, refused), "{refused:?}");
        }
    }

    #[test]
    fn reading_needs_nothing() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(passes(&method, true, &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]));
        }
    }
}
