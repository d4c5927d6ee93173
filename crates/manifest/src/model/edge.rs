//! Limits and the edge.

use std::collections::BTreeMap;

use super::{Millis, Pointer};

/// `[limits]`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// By name.
    pub tiers: BTreeMap<&'static str, Vec<Rate>>,
    /// How repeat offences lengthen the block.
    pub repeat: Vec<Millis>,
    /// Tiers that the file writes itself.
    pub own: Vec<&'static str>,
}

/// One rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many.
    pub count: u32,
    /// In so long.
    pub window: Millis,
    /// For each.
    pub per: Per,
}

/// What a rate counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Per {
    /// Client address (/64 for IPv6).
    Ip,
    /// Account: the signed-in user, or the address that a sign-in names.
    Account,
    /// API key.
    Key,
    /// Tenant.
    Tenant,
    /// Source of an inbound webhook.
    Source,
    /// The route as a whole.
    Route,
}

/// `[edge]`.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Least TLS version: "1.2" or "1.3".
    pub tls_min: String,
    /// Preferred.
    pub tls_prefer: String,
    /// HSTS.
    pub hsts: Hsts,
    /// Public ports.
    pub ports: Vec<u16>,
    /// CIDRs, or `env:` pointers to lists of them, whose forwarding headers are believed.
    pub proxies: Vec<String>,
    /// Caps.
    pub flood: Flood,
    /// Who may reach the origin past a proxy.
    pub origin_lock: OriginLock,
    /// Sources of addresses turned away.
    pub blocklist: Vec<Pointer>,
    /// Oldest list in force.
    pub blocklist_age: Millis,
    /// Databases and stores may be reached over private addresses only; otherwise over verified TLS too.
    pub private_services: bool,
}

/// How the origin is locked against whoever goes around the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginLock {
    /// Not at all.
    None,
    /// The proxy shows a client certificate.
    ClientCertificate,
    /// The proxy sends a shared secret.
    Secret(Pointer),
}

/// HSTS.
#[derive(Clone, Copy, Debug)]
pub struct Hsts {
    /// How long.
    pub max_age: Millis,
    /// Subdomains too.
    pub include_subdomains: bool,
    /// Says so to the lists.
    pub preload: bool,
}

/// Caps against floods.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// Connections of one address.
    pub connections_per_ip: u32,
    /// Until the header is read.
    pub header: Millis,
    /// Between two pieces of a body.
    pub body_idle: Millis,
    /// For the whole request.
    pub total: Millis,
    /// Header bytes.
    pub header_bytes: u64,
    /// Body bytes of ordinary requests.
    pub body: u64,
}
