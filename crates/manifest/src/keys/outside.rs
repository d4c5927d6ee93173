use super::{Key, Names, Own, Ty, key, must};

pub(super) static PAYMENTS: &[Key] = &[
    must("processor", Ty::Text, "who charges cards"),
    key("model", Ty::OneOf(&["direct", "connect"]), "\"direct\"", "whose merchant account"),
    key("card_entry", Ty::OneOf(&["hosted", "frame"]), "\"hosted\"", "the processor's page, or its frame on ours"),
    key("account", Ty::Own(Own::Account), "", "{ type = \"secret\", per = \"tenant\" }"),
    key("token", Ty::Pointer, "", "the processor's API token"),
];

pub(super) static MAIL: &[Key] = &[
    key("from", Ty::Text, "", "From header; absent: the app's name at its domain"),
    key("smtp", Ty::Pointer, "\"env:VOUCHSAFE_SMTP_URL\"", "SMTP URL"),
    key("region", Ty::Text, "", "region stated on the page"),
];

pub(super) static CONNECTOR: &[Key] = &[
    key("auth", Ty::OneOf(&["oauth2", "token"]), "\"token\"", "how it is signed in to"),
    must("domains", Ty::Texts, "domains it may call"),
    key("client", Ty::Maybe(CLIENT), "", "OAuth client"),
];

static CLIENT: &[Key] = &[must("id", Ty::Pointer, "client id"), must("secret", Ty::Pointer, "client secret")];

pub(super) static WEBHOOKS: &[Key] = &[
    key("in", Ty::Map(Names::Plain, INBOUND), "", "inbound, by name"),
    key("out", Ty::Table(OUTBOUND), "", "outbound"),
];

static INBOUND: &[Key] = &[
    must(
        "scheme",
        Ty::OneOf(&["stripe", "twilio", "quickbooks", "shopify", "square", "slack", "github", "standard"]),
        "signature scheme",
    ),
    must("secret", Ty::Pointers, "secret, or [new, old]"),
    key("on", Ty::Own(Own::On), "", "event = { find, when, set }"),
];

static OUTBOUND: &[Key] = &[
    key("header", Ty::Text, "", "signature header, ASCII; absent: X-<App>-Signature"),
    key("scheme", Ty::OneOf(&["sha256"]), "\"sha256\"", "fixed"),
    key("events", Ty::Texts, "[\"*\"]", "event patterns"),
    key(
        "retries",
        Ty::Durations,
        "[\"5 s\", \"5 min\", \"30 min\", \"2 h\", \"5 h\", \"10 h\", \"14 h\", \"20 h\", \"24 h\"]",
        "waits between attempts",
    ),
    key("history", Ty::Duration, "\"90 days\"", "how long attempts are kept"),
];

pub(super) static SECRET: &[Key] = &[
    must("from", Ty::Pointer, "where it comes from"),
    key("max_age", Ty::Duration, "", "longest age"),
    key(
        "on",
        Ty::SomeOf(&["compromise", "offboarding"]),
        "[\"compromise\", \"offboarding\"]",
        "events that demand a new one",
    ),
];

pub(super) static OBSERVABILITY: &[Key] = &[
    key("logs", Ty::OneOf(&["json"]), "\"json\"", "fixed"),
    key("sentry", Ty::Pointer, "", "DSN for error reports"),
    key("otlp", Ty::Pointer, "", "OpenTelemetry endpoint"),
];

pub(super) static PAGE: &[Key] = &[
    key("version", Ty::Text, "\"1.0\"", "version of the page"),
    key("reviewed", Ty::Date, "", "date of the last review"),
    key("cadence", Ty::Duration, "\"180 days\"", "longest time between reviews"),
    key("owner", Ty::Text, "", "who owns the page"),
];

pub(super) static DISCLOSURE: &[Key] = &[
    key("contact", Ty::Text, "", "mail address; required outside loopback"),
    key("ack", Ty::Text, "\"3 business days\"", "time to the first answer"),
    key("clock", Ty::Duration, "\"90 days\"", "time until disclosure"),
    key("asks", Ty::Texts, "[]", "what a report should hold"),
    key("bounty", Ty::Bool, "false", "whether reports are paid for"),
    key("credit", Ty::Text, "\"/trust/thanks\"", "page of thanks"),
    key("policies", Ty::Words, "", "links by name"),
];

pub(super) static ATTEST: &[Key] = &[
    key("default", Ty::Duration, "\"365 days\"", "longest age of a statement"),
    key("certifications", Ty::Texts, "[]", "certificates held"),
    key("modelled_on", Ty::Texts, "[]", "frameworks followed"),
    key("pci", Ty::Text, "", "PCI DSS questionnaire"),
];

pub(super) static VERIFY: &[Key] = &[
    key("every", Ty::Every, "\"1 h\"", "between two rounds"),
    key("ages", Ty::Ages, "", "check = longest age of its verdict"),
];

pub(super) static DEMO: &[Key] =
    &[key("tenants", Ty::Own(Own::Demo), "[\"acme\", \"globex\"]", "slugs, or { slug, name, region }")];
