use std::net::IpAddr;

use kernel::TenantId;

/// Whose budgets a request spends. What is absent is not counted.
#[derive(Clone, Copy, Debug)]
pub struct Who<'w> {
    /// The client's address, after declared proxies.
    pub ip: IpAddr,
    /// The signed-in user's id, or the account that a sign-in names.
    pub account: Option<&'w str>,
    /// The API key's id.
    pub key: Option<&'w str>,
    /// The tenant.
    pub tenant: Option<TenantId>,
    /// Source of an inbound webhook.
    pub source: Option<&'w str>,
    /// The route's template.
    pub route: &'w str,
}

/// The part of an address that stands for one customer: IPv4 whole, IPv6 its /64 (one subscriber's, RFC 6177).
#[must_use]
pub fn network(ip: IpAddr) -> u128 {
    prefix(ip, 32, 64)
}

/// The larger network it belongs to: /16 and /32. Whoever shares it shares a budget when memory is full.
pub(crate) fn neighbourhood(ip: IpAddr) -> u128 {
    prefix(ip, 16, 32)
}

fn prefix(ip: IpAddr, v4: u32, v6: u32) -> u128 {
    match ip.to_canonical() {
        // Mapped form, so that the two families cannot meet.
        IpAddr::V4(ip) => u128::from(ip.to_ipv6_mapped()) & (u128::MAX << (32 - v4)),
        IpAddr::V6(ip) => u128::from(ip) & (u128::MAX << (128 - v6)),
    }
}
