use kernel::Claim;

const fn claim(check: &'static str, keeps: &'static str) -> Claim {
    Claim { check, keeps }
}

/// Checks this section keeps.
pub const CLAIMS: [Claim; 15] = [
    claim("edge.tls", "TLS 1.2 at least, 1.3 preferred, only suites with AEAD and ephemeral keys"),
    claim("edge.https_redirect", "Plain HTTP answers pages with a redirect and refuses everything else unrun"),
    claim("edge.hsts", "Answers over TLS carry HSTS as the manifest has it; answers over plain HTTP none"),
    claim("edge.csp", "Every answer carries a strict policy with a nonce of 128 random bits"),
    claim(
        "edge.csp_report",
        "Policy violations are reported to an endpoint of their own, capped, counted by page and directive",
    ),
    claim(
        "edge.waf",
        "Numbered rules over path, query and headers refuse attacks before a host is looked up, and name the rule",
    ),
    claim("edge.bot_rules", "At sign-in and sign-up, a member that people never see must stay empty"),
    claim("edge.blocklist", "Lists of networks are read again by themselves and enforced before TLS begins"),
    claim("edge.origin_lock", "Where proxies are declared with a lock, whoever goes around them is refused"),
    claim("edge.framing", "X-Frame-Options DENY and frame-ancestors 'none' on every answer"),
    claim("edge.referrer", "Referrer-Policy strict-origin-when-cross-origin on every answer"),
    claim("edge.permissions", "Permissions-Policy turns off camera, microphone and geolocation on every answer"),
    claim("edge.csrf", "Changing requests from another site are refused: with a cookie, an exact Origin is needed"),
    claim("edge.flood_caps", "Connections, header, body and time of a request are capped"),
    claim("obs.request_id", "Every answer carries the x-request-id that logs and audit leaves carry"),
];
