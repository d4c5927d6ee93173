//! Whose forwarding headers are believed.

use std::net::IpAddr;

use ipnet::IpNet;

/// Networks from `192.0.2.0/24`, `2001:db8::/32` or single addresses, also several in one text, by comma or line.
///
/// # Errors
/// Words naming the position of the one that is none.
pub fn proxies<T: AsRef<str>>(texts: &[T]) -> Result<Vec<IpNet>, String> {
    let all = texts.iter().flat_map(|t| t.as_ref().split([',', '\n', ' ', '\t', '\r'])).filter(|t| !t.is_empty());
    all.enumerate()
        .map(|(at, text)| {
            let single = || text.parse::<IpAddr>().map(|ip| IpNet::from(ip.to_canonical()));
            text.parse::<IpNet>()
                .map(|net| net.trunc())
                .or_else(|_| single())
                .map_err(|_| format!("proxy {} is neither an address nor a network such as 192.0.2.0/24", at + 1))
        })
        .collect()
}

/// Whether the address is one of them.
pub(crate) fn declared(proxies: &[IpNet], ip: IpAddr) -> bool {
    proxies.iter().any(|net| net.contains(&ip))
}
