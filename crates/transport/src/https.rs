//! Plain HTTP beside TLS.

use http::{HeaderMap, Method, StatusCode, header};
use kernel::Failure;
use route::{Body, Reply};

/// The answer to a request that came over plain HTTP where TLS is wanted: pages are sent to the same place over TLS, anything
/// else is refused unrun, so that a client which leaks its token learns of it. `host` must be one that we serve.
///
/// # Errors
/// `BadInput`.
pub fn insist(method: &Method, host: &str, path_and_query: &str, headers: &HeaderMap) -> Result<Reply, Failure> {
    let accepts = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("text/html"));
    let page = matches!(*method, Method::GET | Method::HEAD)
        && accepts
        && !path_and_query.starts_with("/api/")
        && path_and_query.starts_with('/')
        && !headers.contains_key(header::AUTHORIZATION);
    if !page {
        return Err(Failure::bad("this is answered over https only"));
    }
    let to = format!("https://{}{path_and_query}", host.split_once(':').map_or(host, |(name, _)| name));
    Ok(Reply::new(StatusCode::PERMANENT_REDIRECT, Body::Empty).with(header::LOCATION, &to))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn pages_are_redirected_and_calls_refused() {
        let mut browser = HeaderMap::new();
        browser.insert(header::ACCEPT, HeaderValue::from_static("text/html,*/*"));
        let reply = insist(&Method::GET, "acme.example.com:80", "/a?b=c", &browser).unwrap();
        assert_eq!(reply.status, 308);
        assert_eq!(reply.headers[header::LOCATION], "https://acme.example.com/a?b=c");
        assert!(insist(&Method::POST, "acme.example.com", "/a", &browser).is_err());
        assert!(insist(&Method::GET, "acme.example.com", "/api/v1/me", &browser).is_err());
        assert!(insist(&Method::GET, "acme.example.com", "@evil.example/", &browser).is_err());
        assert!(insist(&Method::GET, "acme.example.com", "/a", &HeaderMap::new()).is_err());
        browser.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        assert!(insist(&Method::GET, "acme.example.com", "/a", &browser).is_err());
    }
}
