//! The product: tenants, regions, modules, its page and what is disclosed.

use std::collections::BTreeMap;

use super::{Millis, Pointer};

/// `[tenant]`.
#[derive(Clone, Debug)]
pub struct Tenancy {
    /// "restaurant".
    pub noun: String,
    /// "restaurants".
    pub plural: String,
    /// "restaurant_id": the tenant's name in exports, events and tokens.
    pub key: String,
    /// Tenants are found by host name (subdomain).
    pub subdomain: bool,
    /// ... and by custom domains.
    pub custom_domain: bool,
    /// Tenants are found by `/w/<slug>` on the shared host, among the caller's memberships. Excludes the others.
    pub membership_slug: bool,
    /// First label of the shared host.
    pub host: String,
    /// Whether two tenants may have one slug.
    pub slug_unique: bool,
    /// Reserved names, the built-in ones included; lower-case ASCII.
    pub reserved: Vec<String>,
    /// Delivery without an account: the path with `{..._id}` in it.
    pub public_path: Option<String>,
    /// Who may make tenants.
    pub sign_up: SignUp,
}

/// Who may make tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignUp {
    /// Anybody.
    Open,
    /// Invited people.
    Invite,
    /// Operators.
    Operator,
}

/// `[regions.ID]`.
#[derive(Clone, Debug)]
pub struct Region {
    /// Its id.
    pub id: &'static str,
    /// For people.
    pub label: String,
    /// ISO 3166.
    pub country: Option<String>,
    /// Where its root key comes from.
    pub root_key: Pointer,
    /// Database, if not the default.
    pub database: Option<Pointer>,
    /// Object store, if not the default.
    pub blobs: Option<Pointer>,
    /// Where its backups go; empty: as `[backups] to` says.
    pub backups: Vec<Pointer>,
}

/// `[modules.M]`.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its id.
    pub id: &'static str,
    /// For people.
    pub label: String,
    /// Text.
    pub price: String,
    /// On for new tenants.
    pub on: bool,
    /// What it gates: `custom_roles`, `keys`, `auth.saml`, `auth.scim`, `failover`, a collection, or `C.action`.
    pub gates: Vec<String>,
    /// What must be signed to switch it on: (role, file of the text).
    pub consent: Option<(&'static str, String)>,
}

/// `[page]`.
#[derive(Clone, Debug, Default)]
pub struct PageInfo {
    /// Version.
    pub version: String,
    /// Date of the last review, as written.
    pub reviewed: String,
    /// Who owns the page.
    pub owner: String,
    /// Longest time between reviews.
    pub cadence: Option<Millis>,
}

/// `[disclosure]`.
#[derive(Clone, Debug, Default)]
pub struct Disclosure {
    /// Mail address.
    pub contact: String,
    /// Whether the file names it, as it must outside loopback.
    pub declared: bool,
    /// Time to the first answer, as written: "3 business days".
    pub ack: String,
    /// Time until disclosure.
    pub clock: Option<Millis>,
    /// What a report should hold.
    pub asks: Vec<String>,
    /// Whether reports are paid for.
    pub bounty: bool,
    /// Page of thanks.
    pub credit: String,
    /// Links by name.
    pub policies: Vec<(String, String)>,
}

/// `[attest]`.
#[derive(Clone, Debug)]
pub struct Attest {
    /// Longest age of a statement.
    pub default: Millis,
    /// Certificates held.
    pub certifications: Vec<String>,
    /// Frameworks followed.
    pub modelled_on: Vec<String>,
    /// PCI DSS questionnaire.
    pub pci: Option<String>,
}

/// `[verify]`.
#[derive(Clone, Debug)]
pub struct Verify {
    /// Between two rounds.
    pub every: Millis,
    /// Longest age of a verdict, by check.
    pub ages: BTreeMap<String, Millis>,
}

/// A demo tenant.
#[derive(Clone, Debug)]
pub struct DemoTenant {
    /// Slug.
    pub slug: String,
    /// Name.
    pub name: String,
    /// Region id.
    pub region: &'static str,
    /// Host part of its people's addresses: `<slug>.example`, counted on for a repeated slug.
    pub people: String,
}
