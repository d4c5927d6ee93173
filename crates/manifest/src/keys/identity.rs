use super::{Key, Ty, key, must};

pub(super) static AUTH: &[Key] = &[
    key(
        "methods",
        Ty::SomeOf(&["password", "passkey", "totp", "magic_link", "google", "saml"]),
        "[\"password\", \"passkey\", \"totp\"]",
        "the first that signs in alone is the default",
    ),
    key("issuer", Ty::WordOr("self", ISSUER), "\"self\"", "or an outside issuer: no password exists then"),
    key("mfa", Ty::OneOf(&["optional", "tenant", "required"]), "\"optional\"", "whether a second factor is wanted"),
    key("password", Ty::OneOf(&["argon2id", "bcrypt"]), "\"argon2id\"", "scheme of password hashes"),
    key("breach", Ty::OneOf(&["open", "closed"]), "\"open\"", "what an outage of the breach list does"),
    key("lockout", Ty::Table(LOCKOUT), "", "after wrong passwords in a row"),
    key("bots", Ty::SomeOf(&["honeypot"]), "[\"honeypot\"]", "rules against bots at sign-in"),
    key("magic_link", Ty::Table(LINK), "", "mailed links"),
    key("reset", Ty::Table(RESET), "", "password resets"),
    key("verify", Ty::Table(VERIFY), "", "verification of mail addresses"),
    key("passkey", Ty::Table(PASSKEY), "", "passkeys"),
    key("saml", Ty::Table(SAML), "", "SAML"),
    key("scim", Ty::Table(SCIM), "", "SCIM"),
    key("google", Ty::Table(GOOGLE), "", "Google"),
];

static ISSUER: &[Key] = &[
    must("url", Ty::Text, "iss"),
    must("audience", Ty::Text, "aud"),
    must("tenant_claim", Ty::Text, "claim that names the tenant"),
];

static LOCKOUT: &[Key] = &[
    key("failures", Ty::Int(1, 100), "5", "consecutive failures"),
    key("for", Ty::Duration, "\"15 min\"", "how long"),
];

static LINK: &[Key] = &[key("ttl", Ty::Duration, "\"15 min\"", "life of a link")];
static RESET: &[Key] = &[key("ttl", Ty::Duration, "\"1 h\"", "life of a token")];
static VERIFY: &[Key] = &[key("ttl", Ty::Duration, "\"24 h\"", "life of a token")];

static PASSKEY: &[Key] = &[
    key("offer", Ty::OneOf(&["always", "after_first_sign_in"]), "\"always\"", "when one is offered"),
    key("user_verification", Ty::OneOf(&["required"]), "\"required\"", "fixed"),
];

static SAML: &[Key] = &[
    key("module", Ty::Name, "", "module that gates it"),
    key("skew", Ty::Duration, "\"60 s\"", "clock skew allowed"),
    key("idp_initiated", Ty::Bool, "false", "whether sign-in may start at the identity provider"),
];

static SCIM: &[Key] = &[key("module", Ty::Name, "", "module that gates it")];

static GOOGLE: &[Key] = &[
    key("id", Ty::Pointer, "\"env:GOOGLE_CLIENT_ID\"", "client id"),
    key("secret", Ty::Pointer, "\"env:GOOGLE_CLIENT_SECRET\"", "client secret"),
];

pub(super) static SESSIONS: &[Key] = &[
    key("access_token", Ty::Duration, "\"15 min\"", "life of an access token"),
    key("refresh", Ty::Table(REFRESH), "", "refresh tokens"),
    key("deactivation", Ty::OneOf(&["at once"]), "\"at once\"", "fixed"),
    key("algorithm", Ty::OneOf(&["HS256", "EdDSA"]), "\"HS256\"", "signature of access tokens"),
    key("key", Ty::Maybe(SESSION_KEY), "", "signing key; absent: derived from the region's root key"),
];

static REFRESH: &[Key] = &[
    key("reuse_window", Ty::Duration, "\"10 s\"", "how long the last spent token is answered again"),
    key("idle", Ty::Duration, "\"14 days\"", "a session unused for so long ends"),
    key("absolute", Ty::Duration, "\"90 days\"", "every session ends after so long"),
];

static SESSION_KEY: &[Key] =
    &[must("from", Ty::Pointer, "where it comes from"), key("min_bits", Ty::Int(256, 4096), "256", "least length")];

pub(super) static KEYS: &[Key] = &[
    key("prefix", Ty::Name, "", "text before a key; absent: the app's id"),
    key("hash", Ty::OneOf(&["SHA-256"]), "\"SHA-256\"", "fixed"),
    key("default", Ty::OneOf(&["read", "read_draft", "write", "management"]), "\"read\"", "scope of a new key"),
    key("binds_to", Ty::OneOf(&["tenant"]), "\"tenant\"", "fixed"),
    key("caps", Ty::Table(CAPS), "", "calls of one key"),
    key("scopes", Ty::Table(SCOPES), "", "verbs of each scope"),
];

static CAPS: &[Key] = &[
    key("minute", Ty::Int(1, 1_000_000), "120", "calls a minute"),
    key("month", Ty::Int(1, 1_000_000_000), "100_000", "calls a month"),
];

static SCOPES: &[Key] = &[
    key("read", Ty::Text, "\"read\"", "verbs"),
    key("read_draft", Ty::Text, "\"read read_draft\"", "verbs"),
    key("write", Ty::Text, "\"read read_draft create write delete publish actions\"", "verbs"),
    key("management", Ty::Text, "\"all\"", "verbs"),
];

pub(super) static OPERATORS: &[Key] = &[
    key("names", Ty::Texts, "[]", "mail addresses"),
    key("mfa", Ty::OneOf(&["hardware_key"]), "\"hardware_key\"", "fixed"),
    key("elevate", Ty::Duration, "\"1 h\"", "longest elevation; at most an hour"),
    key("reads", Ty::OneOf(&["audited"]), "\"audited\"", "fixed"),
    key("review", Ty::Duration, "\"92 days\"", "longest time between reviews"),
];

pub(super) static MODULE: &[Key] = &[
    key("label", Ty::Text, "", "for people; absent: the name"),
    key("price", Ty::Text, "\"\"", "as people read it"),
    key("default", Ty::OneOf(&["on", "off"]), "\"off\"", "for new tenants"),
    must("gates", Ty::Texts, "custom_roles, keys, auth.saml, auth.scim, failover, a collection, or collection.action"),
    key("consent", Ty::Maybe(CONSENT), "", "what must be signed to switch it on"),
];

static CONSENT: &[Key] = &[
    must("by", Ty::Name, "role that signs"),
    must("text", Ty::Text, "file of the text, relative to the app's folder"),
];
