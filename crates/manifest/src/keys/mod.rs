//! Every key of `app.toml` as data. The parser, its unknown-key faults, `explain` and the JSON schema read these tables.

mod data;
mod edge;
mod identity;
mod keeping;
mod outside;
mod product;
mod rights;

pub(crate) use data::{FIELD, PUBLISH};

/// One key.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) ty: Ty,
    /// TOML; empty when there is none or it follows from other keys.
    pub(crate) default: &'static str,
    pub(crate) required: bool,
    pub(crate) doc: &'static str,
}

/// What a key takes.
#[derive(Clone, Copy)]
pub(crate) enum Ty {
    Text,
    /// `[a-z][a-z0-9_]{0,39}`
    Name,
    Color,
    Int(i64, i64),
    Bool,
    Duration,
    /// A duration, or hourly, daily, weekly.
    Every,
    Size,
    Rates,
    Pointer,
    /// One or a list.
    Pointers,
    OneOf(&'static [&'static str]),
    /// A list, or one alone.
    Texts,
    SomeOf(&'static [&'static str]),
    Ints(i64, i64),
    Durations,
    Date,
    /// A table whose keys are filled in when it is absent.
    Table(&'static [Key]),
    /// A table that may be left out as a whole.
    Maybe(&'static [Key]),
    /// Named tables.
    Map(Names, &'static [Key]),
    /// Either the word or the table.
    WordOr(&'static str, &'static [Key]),
    /// Named durations; names may hold dots.
    Ages,
    /// Named texts.
    Words,
    /// Tiers by name, and `repeat`.
    Limits,
    /// Read by a parser of its own.
    Own(Own),
}

/// How the entries of a map are named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// `[a-z][a-z0-9_]{0,39}`
    Plain,
    /// The same with `-`.
    Dashed,
}

/// Values with a grammar of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Own {
    Grants,
    Fields,
    Rows,
    Unique,
    PartOf,
    Versions,
    Guard,
    Sets,
    Create,
    Input,
    Accepts,
    Counts,
    Literals,
    Shows,
    Literal,
    Bound,
    On,
    Targets,
    OriginLock,
    Account,
    Demo,
    Index,
    Many,
}

const fn key(name: &'static str, ty: Ty, default: &'static str, doc: &'static str) -> Key {
    Key { name, ty, default, required: false, doc }
}

const fn must(name: &'static str, ty: Ty, doc: &'static str) -> Key {
    Key { name, ty, default: "", required: true, doc }
}

/// The sections of `app.toml` in the order of the reference.
pub(crate) static SECTIONS: &[Key] = &[
    must("app", Ty::Table(product::APP), "the product"),
    must("tenant", Ty::Table(product::TENANT), "what a tenant is called and how one is found"),
    key("regions", Ty::Map(Names::Dashed, product::REGION), "", "where data lives; none written: one region `main`"),
    key("site", Ty::Maybe(product::SITE), "", "static files on each tenant's host"),
    must("roles", Ty::Map(Names::Plain, rights::ROLE), "roles in order; the first owns the tenant"),
    key("visitor", Ty::Own(Own::Grants), "", "what a person without an account may do"),
    key("custom_roles", Ty::Table(rights::CUSTOM_ROLES), "", "roles that tenants make"),
    key("collections", Ty::Map(Names::Plain, data::COLLECTION), "", "kinds of records"),
    key("content_types", Ty::Table(data::CONTENT_TYPES), "", "collections that tenants declare themselves"),
    key("submissions", Ty::Map(Names::Plain, data::SUBMISSION), "", "public forms"),
    key("shares", Ty::Map(Names::Plain, data::SHARE), "", "public links"),
    key("auth", Ty::Table(identity::AUTH), "", "signing in"),
    key("sessions", Ty::Table(identity::SESSIONS), "", "sessions"),
    key("keys", Ty::Table(identity::KEYS), "", "API keys"),
    key("operators", Ty::Table(identity::OPERATORS), "", "the team's own people"),
    key("modules", Ty::Map(Names::Plain, identity::MODULE), "", "paid features"),
    key("limits", Ty::Limits, "", "rate tiers by name"),
    key("edge", Ty::Table(edge::EDGE), "", "TLS, HSTS, caps"),
    key("encryption", Ty::Table(keeping::ENCRYPTION), "", "encryption at rest"),
    key("audit", Ty::Table(keeping::AUDIT), "", "the audit log"),
    key("backups", Ty::Table(keeping::BACKUPS), "", "backups"),
    key("failover", Ty::Maybe(keeping::FAILOVER), "", "a copy in a second region, behind a module"),
    key("data", Ty::Table(keeping::DATA), "", "export, purge, billing rows"),
    key("payments", Ty::Maybe(outside::PAYMENTS), "", "the payment processor; absent: no payments"),
    key("mail", Ty::Table(outside::MAIL), "", "outgoing mail"),
    key("connectors", Ty::Map(Names::Plain, outside::CONNECTOR), "", "outside services acted on for tenants"),
    key("webhooks", Ty::Table(outside::WEBHOOKS), "", "webhooks in and out"),
    key("secrets", Ty::Map(Names::Plain, outside::SECRET), "", "secrets whose age is metered"),
    key("observability", Ty::Table(outside::OBSERVABILITY), "", "logs and error reports"),
    key("page", Ty::Table(outside::PAGE), "", "the page's own data"),
    key("disclosure", Ty::Table(outside::DISCLOSURE), "", "how to report a weakness"),
    key("attest", Ty::Table(outside::ATTEST), "", "statements that people sign"),
    key("verify", Ty::Table(outside::VERIFY), "", "how often promises are tested"),
    key("demo", Ty::Table(outside::DEMO), "", "demo tenants of a development server"),
];
