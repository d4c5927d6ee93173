//! What an app is, after every default was filled in and every rule checked. Other crates see only this.
//! Names (`&'static str`) are interned: they live as long as the program.

mod action;
mod data;
mod edge;
mod identity;
mod keeping;
mod outside;
mod product;
mod rights;

use std::collections::BTreeMap;

pub use action::*;
pub use data::*;
pub use edge::*;
pub use identity::*;
pub use keeping::*;
pub use outside::*;
pub use product::*;
pub use rights::*;

/// Milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

/// One app: a product as its team declares it.
#[derive(Clone, Debug)]
pub struct App {
    /// ASCII id: data folder, token issuer.
    pub id: &'static str,
    /// Name for people.
    pub name: String,
    /// One line under the name.
    pub tagline: String,
    /// `#rrggbb`.
    pub color: String,
    /// The app's domain in production; `localhost` on a development server.
    pub domain: String,
    /// ISO 4217 code: all money of an app has one currency.
    pub currency: &'static str,
    /// What a tenant is called and how one is found.
    pub tenant: Tenancy,
    /// At least one; the first is where new tenants go unless told otherwise.
    pub regions: Vec<Region>,
    /// Folder of static files for each tenant's host, relative to the app folder.
    pub site: Option<String>,
    /// Roles in the file's order; index 0 owns the tenant. At most 64.
    pub roles: Vec<Role>,
    /// What a person without an account may do.
    pub visitor: Grants,
    /// Custom roles.
    pub custom_roles: CustomRoles,
    /// Collections in the file's order.
    pub collections: Vec<Collection>,
    /// Public forms.
    pub submissions: Vec<Submission>,
    /// Public links with an optional PIN.
    pub shares: Vec<Share>,
    /// Signing in.
    pub auth: Auth,
    /// Sessions.
    pub sessions: Sessions,
    /// API keys.
    pub keys: ApiKeys,
    /// The SaaS team's own people.
    pub operators: Operators,
    /// Paid features.
    pub modules: Vec<Module>,
    /// Every tier in force, built-in ones included, by name.
    pub limits: Limits,
    /// TLS, HSTS, flood caps.
    pub edge: Edge,
    /// Encryption.
    pub encryption: Encryption,
    /// Audit.
    pub audit: Audit,
    /// Backups.
    pub backups: Backups,
    /// Export, purge, billing retention.
    pub data: Data,
    /// Payments, if any.
    pub payments: Option<Payments>,
    /// Outgoing mail.
    pub mail: Mail,
    /// Outside services.
    pub connectors: Vec<Connector>,
    /// Inbound webhooks.
    pub webhooks_in: Vec<InboundWebhook>,
    /// Outbound webhooks.
    pub webhooks_out: OutboundWebhooks,
    /// Metered secrets.
    pub secrets: Vec<MeteredSecret>,
    /// Logs and error reports.
    pub observability: Observability,
    /// The page's own data.
    pub page: PageInfo,
    /// How to report a weakness.
    pub disclosure: Disclosure,
    /// Attestations.
    pub attest: Attest,
    /// Probing.
    pub verify: Verify,
    /// Demo tenants of a development server.
    pub demo: Vec<DemoTenant>,
    /// Every key of the file with defaults filled in, as a tree: what figures `{key.path}` are printed from.
    pub figures: BTreeMap<String, Figure>,
    /// Paths among the figures that the file does not write: their defaults are in force.
    pub defaults: Vec<String>,
    /// Collections that tenants declare themselves.
    pub content_types: ContentTypes,
    /// A copy in a second region, if the app offers it.
    pub failover: Option<Failover>,
}

/// A value a page may print, with its type so that it prints as speech.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// Text, printed as it is.
    Text(String),
    /// A whole number.
    Number(i64),
    /// "15 minutes".
    Duration(Millis),
    /// "8 MB"; bytes.
    Size(u64),
    /// "12 a minute per address".
    Rates(Vec<Rate>),
    /// "yes" or "no".
    Flag(bool),
    /// "a, b and c"; `none` when empty. `.count` prints its length.
    List(Vec<String>),
    /// Tables: printed by the labels of their members, like a list.
    Table(Vec<String>),
}

/// A pointer to a secret or setting: never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pointer {
    /// Environment variable.
    Env(String),
    /// File.
    File(String),
    /// A key service.
    Kms(String),
}
