use super::{Key, Own, Ty, key};

pub(super) static EDGE: &[Key] = &[
    key("tls", Ty::Table(TLS), "", "TLS"),
    key("http", Ty::OneOf(&["redirect"]), "\"redirect\"", "fixed"),
    key("hsts", Ty::Table(HSTS), "", "Strict-Transport-Security"),
    key("ports", Ty::Ints(1, 65_535), "[80, 443]", "public ports"),
    key("proxies", Ty::Texts, "[]", "CIDRs, or pointers to lists of them, whose forwarding headers are believed"),
    key("origin_lock", Ty::Own(Own::OriginLock), "\"none\"", "\"client_certificate\" or a pointer to a shared secret"),
    key("blocklist", Ty::Table(BLOCKLIST), "", "addresses turned away"),
    key(
        "services",
        Ty::OneOf(&["private_or_verified_tls", "private"]),
        "\"private_or_verified_tls\"",
        "how databases and stores may be reached",
    ),
    key("flood", Ty::Table(FLOOD), "", "caps against floods"),
];

static TLS: &[Key] = &[
    key("min", Ty::OneOf(&["1.2", "1.3"]), "\"1.2\"", "least version"),
    key("prefer", Ty::OneOf(&["1.2", "1.3"]), "\"1.3\"", "preferred version"),
    key("suites", Ty::OneOf(&["aead_ecdhe"]), "\"aead_ecdhe\"", "fixed"),
];

static HSTS: &[Key] = &[
    key("max_age", Ty::Duration, "\"2 years\"", "how long"),
    key("include_subdomains", Ty::Bool, "false", "subdomains too"),
    key("preload", Ty::Bool, "false", "as the browsers' lists require it"),
];

static BLOCKLIST: &[Key] = &[
    key("from", Ty::Pointers, "[]", "files or variables with lists"),
    key("max_age", Ty::Duration, "\"24 h\"", "oldest list in force"),
];

static FLOOD: &[Key] = &[
    key("connections_per_ip", Ty::Int(1, 100_000), "100", "connections of one address"),
    key("header", Ty::Duration, "\"10 s\"", "until the header is read"),
    key("body_idle", Ty::Duration, "\"20 s\"", "between two pieces of a body"),
    key("total", Ty::Duration, "\"60 s\"", "for a whole request"),
    key("header_bytes", Ty::Size, "\"16 KiB\"", "header bytes"),
    key("body", Ty::Size, "\"10 MB\"", "body bytes"),
];
