//! What a Host header names. Pure, and strict: one spelling differs from another only in case and a trailing dot.

use std::net::IpAddr;

use crate::names;

/// Where the server answers, as the outside world sees it.
#[derive(Clone, Debug)]
pub struct Hosts {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The app's domain, or `localhost`; lower case.
    pub apex: String,
    /// Port in URLs; none when it is the scheme's own.
    pub port: Option<u16>,
    /// A development server also answers to loopback addresses.
    pub development: bool,
}

impl Hosts {
    /// `scheme://[label.]apex[:port]`
    #[must_use]
    pub fn url(&self, label: &str) -> String {
        let dot = if label.is_empty() { "" } else { "." };
        let port = self.port.map(|p| format!(":{p}")).unwrap_or_default();
        format!("{}://{label}{dot}{}{port}", self.scheme, self.apex)
    }

    fn right(&self, port: u16) -> bool {
        port == self.port.unwrap_or(if self.scheme == "https" { 443 } else { 80 })
    }
}

/// What a host names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// The app's own host.
    Apex,
    /// One label below it, of the shape a tenant's name has; lower case.
    Label(String),
}

/// Reads a Host header or an authority. None: nobody we know.
pub(crate) fn read(host: &str, hosts: &Hosts) -> Option<Named> {
    if host.len() > 253 {
        return None;
    }
    let (name, port) = split(host)?;
    if port.is_some_and(|port| !hosts.right(port)) {
        return None;
    }
    if let Some(address) = literal(name) {
        return (hosts.development && address.is_loopback()).then_some(Named::Apex);
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if name == hosts.apex {
        return Some(Named::Apex);
    }
    let label = name.strip_suffix(hosts.apex.as_str())?.strip_suffix('.')?;
    names::shaped(label).then(|| Named::Label(label.to_owned()))
}

/// Name and port. A colon without a port is refused.
fn split(host: &str) -> Option<(&str, Option<u16>)> {
    let end = if host.starts_with('[') { host.find(']')? + 1 } else { host.find(':').unwrap_or(host.len()) };
    let (name, rest) = host.split_at_checked(end)?;
    if rest.is_empty() {
        return Some((name, None));
    }
    let digits = rest.strip_prefix(':')?;
    if digits.is_empty() || digits.len() > 5 || digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().map(|port| (name, Some(port)))
}

fn literal(name: &str) -> Option<IpAddr> {
    match name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => name.parse().ok().map(IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn development() -> Hosts {
        Hosts { scheme: "http", apex: "localhost".into(), port: Some(8080), development: true }
    }
    fn production() -> Hosts {
        Hosts { scheme: "https", apex: "kontraktr.example".into(), port: None, development: false }
    }
    fn label(name: &str) -> Option<Named> {
        Some(Named::Label(name.into()))
    }

    #[test]
    fn the_known_ones() {
        for host in
            ["localhost", "localhost:8080", "LOCALHOST:8080", "localhost.", "127.0.0.1:8080", "[::1]:8080", "[::1]"]
        {
            assert_eq!(read(host, &development()), Some(Named::Apex), "{host}");
        }
        for host in ["acme.localhost:8080", "ACME.LocalHost", "acme.localhost.:8080"] {
            assert_eq!(read(host, &development()), label("acme"), "{host}");
        }
        assert_eq!(read("kontraktr.example", &production()), Some(Named::Apex));
        assert_eq!(read("kontraktr.example:443", &production()), Some(Named::Apex));
        assert_eq!(read("a1-b.kontraktr.example", &production()), label("a1-b"));
    }

    #[test]
    fn everything_else_is_nobody() {
        for host in [
            "",
            ".",
            ":",
            ":8080",
            "localhost:",
            "localhost:80",
            "localhost:08080",
            "localhost:8080x",
            "localhost:99999",
            "localhost..",
            "user@localhost:8080",
            "acme.localhost@evil.example",
            "evil.example",
            "acme.localhost.evil.example",
            "a.b.localhost",
            ".localhost",
            "-a.localhost",
            "a-.localhost",
            "xn--80ak6aa92e.localhost",
            "ac me.localhost",
            "acme\u{3002}localhost",
            "\u{430}cme.localhost",
            "192.168.0.1",
            "[::2]",
            "[fe80::1%25lo]",
            "[127.0.0.1]",
            "::1",
            "acme.localhost/x",
            "acme.localhost?x",
            "acme_x.localhost",
            "%61cme.localhost",
            "acme.localhost, b.localhost",
            "127.1",
            "0x7f.0.0.1",
            "2130706433",
            "acmelocalhost",
            "acme.localhost\t",
        ] {
            assert_eq!(read(host, &development()), None, "{host}");
        }
        for host in ["127.0.0.1", "[::1]", "localhost", "kontraktr.example:80", "kontraktr.example:8443"] {
            assert_eq!(read(host, &production()), None, "{host}");
        }
        assert_eq!(read(&"a".repeat(300), &development()), None);
    }

    #[test]
    fn urls() {
        assert_eq!(development().url("acme"), "http://acme.localhost:8080");
        assert_eq!(production().url(""), "https://kontraktr.example");
    }
}
