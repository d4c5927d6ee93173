use super::{Key, Ty, key, must};

pub(super) static APP: &[Key] = &[
    must("name", Ty::Text, "name for people"),
    key("id", Ty::Name, "", "machine name; absent: the name in ASCII"),
    key("tagline", Ty::Text, "\"\"", "one line under the name"),
    key("color", Ty::Color, "\"#1f5c4a\"", "#rrggbb"),
    key("domain", Ty::Text, "\"localhost\"", "the app's domain in production"),
    key("currency", Ty::Text, "\"EUR\"", "ISO 4217; all money of an app has one currency"),
];

pub(super) static TENANT: &[Key] = &[
    must("noun", Ty::Text, "what a tenant is called"),
    key("plural", Ty::Text, "", "absent: the noun with an s"),
    key("key", Ty::Name, "", "the tenant's name in exports, events and tokens; absent: noun_id"),
    key(
        "resolve",
        Ty::SomeOf(&["subdomain", "custom_domain", "membership_slug"]),
        "[\"subdomain\"]",
        "how a request finds its tenant; membership_slug stands alone",
    ),
    key("host", Ty::Text, "\"app\"", "first label of the shared host (membership_slug)"),
    key("slug", Ty::OneOf(&["unique", "not_unique"]), "\"unique\"", "whether two tenants may have one slug"),
    key("reserved", Ty::Texts, "[]", "names no tenant may take, besides the built-in ones"),
    key("public", Ty::Maybe(PUBLIC), "", "delivery without an account (membership_slug)"),
    key("sign_up", Ty::OneOf(&["open", "invite", "operator"]), "\"open\"", "who may make tenants"),
];

static PUBLIC: &[Key] = &[
    must("path", Ty::Text, "path with the tenant's key in braces: /d/{workspace_id}"),
    key("serves", Ty::OneOf(&["published"]), "\"published\"", "which records"),
];

pub(super) static REGION: &[Key] = &[
    key("label", Ty::Text, "", "for people"),
    key("country", Ty::Text, "", "ISO 3166, two letters"),
    key("root_key", Ty::Pointer, "\"env:VOUCHSAFE_ROOT\"", "where the region's root key comes from"),
    key("database", Ty::Pointer, "", "PostgreSQL URL; absent: SQLite files"),
    key("blobs", Ty::Pointer, "", "object store URL; absent: a folder"),
    key("backups", Ty::Pointers, "", "where backups go; absent: [backups] to"),
];

pub(super) static SITE: &[Key] = &[must("root", Ty::Text, "folder of static files, relative to the app's")];
