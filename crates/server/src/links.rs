//! "Our own parts talk over private addresses only, or over verified TLS." Looked at before anything connects.

use std::net::IpAddr;

/// A service behind us, as a setting names it.
pub(crate) struct Link {
    /// The setting.
    pub(crate) what: &'static str,
    /// Host names and addresses; empty for a socket on this machine.
    pub(crate) hosts: Vec<String>,
    /// Whether the connection is TLS that checks the certificate.
    pub(crate) verified: bool,
}

/// Whether an address belongs to a network of one's own: loopback, private, link-local or shared (RFC 6890).
pub(crate) fn private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let shared = matches!(ip.octets(), [100, second, ..] if second & 0xc0 == 64);
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || shared
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        let pair = || -> Option<u8> {
            let mut ahead = bytes.clone();
            let digits = [ahead.next()?, ahead.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()
        };
        match (byte, pair()) {
            (b'%', Some(value)) => {
                out.push(value);
                let _skipped = (bytes.next(), bytes.next());
            }
            (byte, _) => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// `name:port`, `[v6]:port`, `name`.
fn bare(place: &str) -> &str {
    match place.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => place.rsplit_once(':').map_or(place, |(host, _)| host),
    }
}

/// The places that a URL names: several in the authority, by comma, and those that its query adds.
fn hosts(rest: &str) -> Vec<String> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split('/').next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let added = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| matches!(*name, "host" | "hostaddr"));
    let added: Vec<String> = added.map(|(_, value)| decoded(value)).collect();
    let named = authority.split(',').map(|h| decoded(bare(h)));
    let all = named.chain(added.iter().flat_map(|list| list.split(',')).map(str::to_owned));
    // A path is a socket on this machine.
    all.filter(|host| !host.is_empty() && !host.starts_with('/')).collect()
}

impl Link {
    /// A database. PostgreSQL has no TLS here yet.
    pub(crate) fn database(what: &'static str, url: &str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        Self { what, hosts: hosts(rest), verified: false }
    }
    /// Mail: every way but plain SMTP to this machine is TLS with a checked certificate (see `integrations`).
    pub(crate) fn mail(what: &'static str, url: &str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        Self { what, hosts: hosts(rest), verified: !url.starts_with("smtp://127.") }
    }
    /// Refuses a link that leaves our networks in the open. `private_only`: TLS is no excuse.
    ///
    /// # Errors
    /// Words for the terminal that name the setting, not its value.
    pub(crate) async fn check(&self, private_only: bool) -> Result<(), String> {
        if kernel::sabotage::off("ops.private_links") || (self.verified && !private_only) {
            return Ok(());
        }
        for host in &self.hosts {
            let wrong = || match private_only {
                true => format!("{}: `edge.services = \"private\"` wants a private address", self.what),
                false => format!("{}: a public address needs verified TLS", self.what),
            };
            if let Ok(ip) = host.parse::<IpAddr>() {
                if private(ip) { continue } else { return Err(wrong()) }
            }
            let found =
                tokio::time::timeout(std::time::Duration::from_secs(5), tokio::net::lookup_host((host.as_str(), 0)));
            let found: Vec<_> = match found.await {
                Ok(Ok(addresses)) => addresses.collect(),
                _ => {
                    return Err(format!(
                        "{}: its host has no address, so nobody can say whether it is private",
                        self.what
                    ));
                }
            };
            if !found.iter().all(|at| private(at.ip())) {
                return Err(wrong());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_told_from_public_ones() {
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.9.9",
            "169.254.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(private(ip.parse().unwrap()), "{ip}");
        }
        for ip in
            ["0.0.0.0", "8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.2.1", "::", "2001:db8::1", "::ffff:8.8.8.8"]
        {
            assert!(!private(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn every_place_of_a_url_is_found() {
        let of = |url| Link::database("x", url).hosts;
        assert_eq!(of("postgres://u:p%40@10.0.0.1:5432/db"), ["10.0.0.1"]);
        assert_eq!(of("postgres://u@a.example,b.example:1/db"), ["a.example", "b.example"]);
        assert_eq!(of("postgres://u@10.0.0.1/db?host=evil.example&x=1"), ["10.0.0.1", "evil.example"]);
        assert_eq!(of("postgres://u@/db?hostaddr=8.8.8.8"), ["8.8.8.8"]);
        assert_eq!(of("postgres:///db?host=%2Fvar%2Frun"), [""; 0]);
        assert_eq!(of("postgres://u@[2001:db8::1]:5432/db"), ["2001:db8::1"]);
        assert_eq!(of("postgres://u:a@b@10.0.0.1/db"), ["10.0.0.1"]);
    }

    #[tokio::test]
    async fn a_public_address_needs_tls_or_is_refused() {
        let public = "postgres://u@203.0.113.5/db";
        assert!(Link::database("x", public).check(false).await.is_err());
        assert!(Link::database("x", "postgres://u@127.0.0.1/db").check(true).await.is_ok());
        let mail = |url, only| async move { Link::mail("mail", url).check(only).await.is_ok() };
        assert!(mail("smtps://u:p@203.0.113.5", false).await);
        assert!(!mail("smtps://u:p@203.0.113.5", true).await);
        assert!(mail("smtp://127.0.0.1:25", true).await);
    }
}
