//! What every answer carries.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use kernel::{RequestId, sabotage::off};
use limits::Quota;
use route::Reply;

use crate::Body;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const ENDPOINTS: HeaderName = HeaderName::from_static("reporting-endpoints");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What the edge knows of an answer.
pub struct About<'a> {
    /// The request's id.
    pub request: RequestId,
    /// Whether the request came over TLS.
    pub secure: bool,
    /// Fresh random bytes for the policy's nonce.
    pub nonce: [u8; 16],
    /// What remains of the tier, when one was spent.
    pub quota: Option<&'a Quota>,
    /// No cache may keep it, unless the handler says otherwise: every answer of the API and every page behind a sign-in.
    pub no_store: bool,
}

/// Header values that do not change.
pub struct Headers {
    hsts: HeaderValue,
    /// On plain HTTP a browser would ask for style sheets over TLS that nobody serves; so not on a development server.
    development: bool,
}

impl Headers {
    /// As the manifest has them.
    #[must_use]
    pub fn new(edge: &manifest::Edge, development: bool) -> Self {
        let hsts = &edge.hsts;
        let mut text = format!("max-age={}", hsts.max_age.0.max(0) / 1000);
        if hsts.include_subdomains {
            text.push_str("; includeSubDomains");
        }
        if hsts.preload {
            text.push_str("; preload");
        }
        let hsts = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("max-age=63072000"));
        Self { hsts, development }
    }

    /// The answer as the HTTP library takes it. A handler's own policy can only be stricter: both are in force.
    #[must_use]
    pub fn dress(&self, reply: Reply, about: &About<'_>) -> Response<Body> {
        let Reply { status, mut headers, body } = reply;
        let mut text = [0; 24];
        let nonce = nonce(&about.nonce, &mut text);
        headers.reserve(16);
        self.guards(&mut headers, about, nonce);
        if !off("obs.request_id")
            && let Ok(value) = HeaderValue::from_str(about.request.0.encode(&mut [0; 36]))
        {
            headers.insert(REQUEST_ID, value);
        }
        if let Some(quota) = about.quota {
            headers.insert(RATE_LIMIT, quota.state());
            headers.insert(RATE_POLICY, quota.policy());
        }
        if about.no_store && !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        let body = match body {
            route::Body::Empty => Body::Whole(None),
            route::Body::Bytes(bytes) => Body::from(bytes),
            route::Body::Stream(stream) => Body::Stream(stream),
            route::Body::Page(page) => {
                // A page holds its nonce: kept and shown again, it would be a known one.
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                Body::from(Bytes::from(page(nonce)))
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    fn guards(&self, headers: &mut HeaderMap, about: &About<'_>, nonce: &str) {
        if !off("edge.csp") {
            headers.append(header::CONTENT_SECURITY_POLICY, policy(nonce, about.secure || !self.development));
        }
        headers.insert(ENDPOINTS, HeaderValue::from_static("csp=\"/csp-report\""));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if !off("edge.framing") {
            headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        }
        if !off("edge.referrer") {
            headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin"));
        }
        if !off("edge.permissions") {
            headers.insert(PERMISSIONS, HeaderValue::from_static(FEATURES));
        }
        headers.insert(OPENER, HeaderValue::from_static("same-origin"));
        // A handler may let other sites embed what is public anyway: the badge.
        headers.entry(RESOURCE).or_insert(HeaderValue::from_static("same-origin"));
        if about.secure && !off("edge.hsts") {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, self.hsts.clone());
        }
    }
}

/// Features of browsers that nothing here needs.
const FEATURES: &str = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=(), \
    midi=(), magnetometer=(), gyroscope=(), accelerometer=(), display-capture=(), browsing-topics=()";

const POLICY: [&str; 3] = [
    "default-src 'none'; script-src 'nonce-",
    "' 'strict-dynamic'; style-src 'nonce-",
    "'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; \
     require-trusted-types-for 'script'; trusted-types default dompurify; report-uri /csp-report; report-to csp",
];

/// CSP level 3, written once into one buffer.
fn policy(nonce: &str, upgrade: bool) -> HeaderValue {
    let [start, style, rest] = POLICY;
    let mut text = String::with_capacity(512);
    for part in [start, nonce, style, nonce, rest] {
        text.push_str(part);
    }
    if !off("edge.framing") {
        text.push_str("; frame-ancestors 'none'");
    }
    if upgrade {
        text.push_str("; upgrade-insecure-requests");
    }
    HeaderValue::try_from(text)
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
}

/// 16 bytes as 24 characters of base64.
fn nonce<'t>(bytes: &[u8; 16], text: &'t mut [u8; 24]) -> &'t str {
    let written = STANDARD.encode_slice(bytes, text.as_mut_slice()).unwrap_or(0);
    text.get(..written).and_then(|t| std::str::from_utf8(t).ok()).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use http::StatusCode;
    use http_body_util::BodyExt;
    use kernel::Id;
    use manifest::Edge;

    use super::*;

    pub(crate) fn edge() -> Edge {
        let (text, _) = manifest::new_app("probe").unwrap();
        let mut edge = manifest::read(&text, "app.toml").unwrap().edge;
        edge.hsts =
            manifest::Hsts { max_age: manifest::Millis(63_072_000_000), include_subdomains: true, preload: false };
        edge
    }

    fn about(secure: bool, nonce: u8) -> About<'static> {
        let request = RequestId(Id::from_bytes([1; 16]));
        About { request, secure, nonce: [nonce; 16], quota: None, no_store: true }
    }

    fn dressed(reply: Reply, secure: bool, development: bool) -> HeaderMap {
        Headers::new(&edge(), development).dress(reply, &about(secure, 7)).headers().clone()
    }

    #[test]
    fn only_what_says_so_may_be_embedded_elsewhere() {
        let open = Reply::json(StatusCode::OK, "{}").with(RESOURCE, "cross-origin");
        assert_eq!(dressed(open, true, false).get_all(RESOURCE).iter().collect::<Vec<_>>(), ["cross-origin"]);
    }

    #[test]
    fn every_answer_carries_the_set() {
        for status in [200, 404, 500] {
            let h = dressed(Reply::json(StatusCode::from_u16(status).unwrap(), "{}"), true, false);
            assert_eq!(h["x-request-id"], RequestId(Id::from_bytes([1; 16])).to_string());
            assert_eq!(h["x-frame-options"], "DENY");
            assert_eq!(h["x-content-type-options"], "nosniff");
            assert_eq!(h["referrer-policy"], "strict-origin-when-cross-origin");
            assert_eq!(h["cross-origin-opener-policy"], "same-origin");
            assert_eq!(h["cross-origin-resource-policy"], "same-origin");
            assert_eq!(h["strict-transport-security"], "max-age=63072000; includeSubDomains");
            assert_eq!(h["cache-control"], "no-store");
            assert_eq!(h["reporting-endpoints"], "csp=\"/csp-report\"");
            assert!(h["permissions-policy"].to_str().unwrap().starts_with("camera=(), microphone=(), geolocation=()"));
            let csp = h["content-security-policy"].to_str().unwrap();
            let nonce = "'nonce-BwcHBwcHBwcHBwcHBwcHBw=='";
            for part in [
                "default-src 'none'; ",
                &format!("script-src {nonce} 'strict-dynamic'; "),
                &format!("style-src {nonce}; "),
                "frame-ancestors 'none'",
                "base-uri 'none'; ",
                "object-src 'none'; ",
                "require-trusted-types-for 'script'; ",
                "upgrade-insecure-requests",
                "report-uri /csp-report; report-to csp",
            ] {
                assert!(csp.contains(part), "{part}: {csp}");
            }
            assert!(!csp.contains("unsafe"));
        }
    }

    #[test]
    fn plain_http_has_no_hsts_and_development_no_upgrade() {
        let h = dressed(Reply::json(StatusCode::OK, "{}"), false, false);
        assert!(!h.contains_key("strict-transport-security"));
        assert!(h["content-security-policy"].to_str().unwrap().contains("upgrade-insecure-requests"));
        let h = dressed(Reply::json(StatusCode::OK, "{}"), false, true);
        assert!(!h["content-security-policy"].to_str().unwrap().contains("upgrade-insecure-requests"));
    }

    #[tokio::test]
    async fn a_page_gets_the_nonce_of_its_own_policy() {
        let headers = Headers::new(&edge(), false);
        let page =
            || Reply::new(StatusCode::OK, route::Body::Page(Box::new(|nonce| format!("<script nonce=\"{nonce}\">"))));
        let mut seen = Vec::new();
        for byte in [1, 2] {
            let response = headers.dress(page(), &about(true, byte));
            let csp = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let nonce = std::str::from_utf8(&body).unwrap().split('"').nth(1).unwrap().to_owned();
            assert_eq!(nonce.len(), 24);
            assert!(csp.contains(&format!("script-src 'nonce-{nonce}'")));
            seen.push(nonce);
        }
        assert_ne!(seen[0], seen[1]);
    }

    #[test]
    fn a_handler_can_only_tighten() {
        let reply = Reply::json(StatusCode::OK, "{}")
            .with(header::CONTENT_SECURITY_POLICY, "sandbox")
            .with(header::X_FRAME_OPTIONS, "ALLOWALL")
            .with(header::CACHE_CONTROL, "private, max-age=60");
        let h = dressed(reply, true, false);
        assert_eq!(h.get_all("content-security-policy").iter().count(), 2);
        assert_eq!(h.get_all("x-frame-options").iter().collect::<Vec<_>>(), ["DENY"]);
        assert_eq!(h["cache-control"], "private, max-age=60");
    }

    #[test]
    fn lengths_are_known_where_they_are() {
        let headers = Headers::new(&edge(), false);
        let about = about(true, 1);
        assert_eq!(headers.dress(Reply::json(StatusCode::OK, "{}"), &about).body().len(), Some(2));
        assert!(headers.dress(Reply::new(StatusCode::OK, route::Body::Empty), &about).body().is_empty());
    }
}
