//! What a visitor types to see the same from outside. Pure.

/// A command for a check that one request shows; `url` is the site's own. None: it takes more than a request.
pub(crate) fn curl(check: &str, url: &str) -> Option<String> {
    let header = |name: &str| Some(format!("curl -sI {url}/ | grep -i {name}"));
    let plain = || url.replacen("https://", "http://", 1);
    match check {
        // A development server has no TLS: what they show is not there to be seen.
        "edge.tls" | "edge.https_redirect" | "edge.hsts" if !url.starts_with("https://") => None,
        "edge.hsts" => header("strict-transport"),
        "edge.csp" => header("content-security"),
        "edge.framing" => header("-E 'x-frame|frame-anc'"),
        "edge.referrer" => header("referrer"),
        "edge.permissions" => header("permissions"),
        "edge.csp_report" => header("reporting-endpoints"),
        "obs.request_id" => header("x-request-id"),
        "edge.tls" => Some(format!("curl -sv --tls-max 1.1 {url}/")),
        "edge.https_redirect" => Some(format!("curl -si {}/trust", plain())),
        "auth.external_jwt" | "auth.session_jwt" | "auth.access_token" => {
            Some(format!("curl -si {url}/api/v1/me -H 'Authorization: Bearer x'"))
        }
        "tenant.resolve" => Some(format!("curl -si {url}/ -H 'Host: nobody.example'")),
        "gov.disclosure_channel" => Some(format!("curl -s {url}/.well-known/security.txt")),
        "ops.build_identity" => Some(format!("curl -s {url}/healthz")),
        "gov.claims_bound" | "gov.monitoring_live" => Some(format!("curl -s {url}/trust.json")),
        _ => None,
    }
}

/// The command that repeats any promise by its name.
pub(crate) fn verify(claim: &str) -> String {
    format!("vouchsafe verify . --only {claim}")
}
