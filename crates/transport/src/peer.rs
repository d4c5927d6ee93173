//! The gate of `Peer`.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::{HeaderMap, HeaderName, Response};
use ipnet::IpNet;
use kernel::{Failure, Mint, Peer, RequestId, Secret, Time};
use route::Reply;

use crate::{About, Body, Headers, proxies::declared};

/// How the server stands to the network.
#[derive(Clone, Debug)]
pub enum Mode {
    /// A development server: loopback only, no proxy in front.
    Development,
    /// Everything else.
    Production {
        /// Proxies whose forwarding headers are believed; see [`crate::proxies`].
        proxies: Vec<IpNet>,
    },
}

/// The edge of one server. It alone makes a `Peer`.
pub struct Transport {
    mint: Mint<Peer>,
    mode: Mode,
    lock: Lock,
    headers: Headers,
}

/// What opens a locked origin.
#[derive(Clone, Debug, Default)]
pub enum Lock {
    /// It is not locked.
    #[default]
    None,
    /// Coming from a declared proxy; the TLS listener has checked the proxy's certificate.
    Proxies,
    /// Coming from a declared proxy with this secret in `x-origin-lock`.
    Secret(Secret),
}

/// The header in which a declared proxy sends the shared secret of `edge.origin_lock`.
const LOCK: HeaderName = HeaderName::from_static("x-origin-lock");

impl Transport {
    /// With the gate's key.
    #[must_use]
    pub fn new(mint: Mint<Peer>, edge: &manifest::Edge, mode: Mode) -> Self {
        let headers = Headers::new(edge, matches!(mode, Mode::Development));
        Self { mint, mode, lock: Lock::None, headers }
    }

    /// Whoever goes around the declared proxies is turned away (`edge.origin_lock`). Not in force on a development server.
    #[must_use]
    pub fn locked(mut self, lock: Lock) -> Self {
        self.lock = lock;
        self
    }

    /// Who is at the other end. `tls`: whether this socket is encrypted.
    ///
    /// # Errors
    /// `BadInput`: a forwarding header, or a stranger's address, on a development server; a declared proxy that forwards
    /// something that is no address. `UnknownHost`: the origin is locked, and this did not come through a proxy.
    pub fn peer(
        &self,
        socket: SocketAddr,
        headers: &HeaderMap,
        request: RequestId,
        tls: bool,
        at: Time,
    ) -> Result<Peer, Failure> {
        let ip = socket.ip().to_canonical();
        let (address, secure) = match &self.mode {
            Mode::Development => {
                development(ip, headers)?;
                (ip, tls)
            }
            Mode::Production { proxies } if !self.unlocks(proxies, ip, headers) => return Err(Failure::UnknownHost),
            Mode::Production { proxies } if declared(proxies, ip) => {
                (client(proxies, ip, headers)?, encrypted(headers).unwrap_or(tls))
            }
            Mode::Production { .. } => (ip, tls),
        };
        Ok(Peer::seen(&self.mint, address, request, secure, at))
    }

    fn unlocks(&self, proxies: &[IpNet], ip: IpAddr, headers: &HeaderMap) -> bool {
        if kernel::sabotage::off("edge.origin_lock") {
            return true;
        }
        let shown = |secret: &Secret| {
            let given = headers.get(LOCK).map_or(&[][..], |value| value.as_bytes());
            verify_slices_are_equal(given, secret.expose()).is_ok()
        };
        match &self.lock {
            Lock::None => true,
            Lock::Proxies => declared(proxies, ip),
            Lock::Secret(secret) => declared(proxies, ip) && shown(secret),
        }
    }

    /// A peer where no request could be read: for the answer and the log.
    #[must_use]
    pub fn stranger(&self, socket: SocketAddr, request: RequestId, tls: bool, at: Time) -> Peer {
        Peer::seen(&self.mint, socket.ip().to_canonical(), request, tls, at)
    }

    /// Whether the socket's other end is a declared proxy: caps per address are then not for it.
    #[must_use]
    pub fn is_proxy(&self, ip: IpAddr) -> bool {
        match &self.mode {
            Mode::Development => false,
            Mode::Production { proxies } => declared(proxies, ip.to_canonical()),
        }
    }

    /// The answer with every header that the page promises.
    #[must_use]
    pub fn dress(&self, reply: Reply, about: &About<'_>) -> Response<Body> {
        self.headers.dress(reply, about)
    }
}

/// Where a development server is reached through something that forwards, it is reached from elsewhere.
fn development(ip: IpAddr, headers: &HeaderMap) -> Result<(), Failure> {
    if !ip.is_loopback() {
        return Err(Failure::bad("a development server answers this machine only"));
    }
    if headers.keys().any(forwards) {
        return Err(Failure::bad("a development server does not answer forwarded requests"));
    }
    Ok(())
}

fn forwards(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-forwarded")
        || matches!(
            name,
            "forwarded"
                | "x-real-ip"
                | "x-client-ip"
                | "x-cluster-client-ip"
                | "x-original-forwarded-for"
                | "x-original-host"
                | "x-original-url"
                | "x-rewrite-url"
                | "x-host"
                | "x-remote-ip"
                | "x-remote-addr"
                | "x-envoy-external-address"
                | "x-appengine-user-ip"
                | "x-azure-clientip"
                | "x-azure-socketip"
                | "client-ip"
                | "true-client-ip"
                | "cf-connecting-ip"
                | "cf-connecting-ipv6"
                | "fastly-client-ip"
                | "fly-client-ip"
        )
}

/// From right to left: what a declared proxy wrote is believed, what stands further left only if a declared proxy wrote it.
fn client(proxies: &[IpNet], proxy: IpAddr, headers: &HeaderMap) -> Result<IpAddr, Failure> {
    let unreadable = || Failure::bad("the forwarded address cannot be read");
    let mut nearest = proxy;
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        for hop in value.as_bytes().rsplit(|b| *b == b',') {
            let text = std::str::from_utf8(hop).map_err(|_| unreadable())?.trim();
            nearest = address(text).ok_or_else(unreadable)?;
            if !declared(proxies, nearest) {
                return Ok(nearest);
            }
        }
    }
    Ok(nearest)
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|s| s.ip())).ok()?;
    Some(ip.to_canonical())
}

/// Whether the client came encrypted to the first declared proxy, when the proxies say: each of them must.
fn encrypted(headers: &HeaderMap) -> Option<bool> {
    let mut said = None;
    for value in &headers.get_all("x-forwarded-proto") {
        let https = value.to_str().is_ok_and(|v| v.split(',').all(|p| p.trim().eq_ignore_ascii_case("https")));
        said = Some(said.unwrap_or(true) && https);
    }
    said
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use kernel::{Id, Keys};

    use super::*;
    use crate::{headers::tests::edge, proxies};

    #[expect(clippy::disallowed_methods, reason = "a test is its own server")]
    fn transport(mode: Mode) -> Transport {
        Transport::new(Keys::forge().peer, &edge(), mode)
    }

    fn seen(t: &Transport, socket: &str, given: &[(&'static str, &str)]) -> Result<(String, bool), Failure> {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let peer = t.peer(format!("{socket}:1").parse().unwrap(), &headers, RequestId(Id::NIL), false, Time(0))?;
        Ok((peer.address().to_string(), peer.secure()))
    }

    #[test]
    fn a_development_server_answers_this_machine_and_nothing_forwarded() {
        let t = transport(Mode::Development);
        assert_eq!(seen(&t, "127.0.0.1", &[]), Ok(("127.0.0.1".to_owned(), false)));
        assert_eq!(seen(&t, "[::1]", &[]), Ok(("::1".to_owned(), false)));
        assert_eq!(seen(&t, "[::ffff:127.0.0.1]", &[]), Ok(("127.0.0.1".to_owned(), false)));
        assert!(seen(&t, "192.0.2.1", &[]).is_err());
        for name in [
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-forwarded-anything",
            "x-real-ip",
            "cf-connecting-ip",
            "true-client-ip",
        ] {
            assert!(matches!(seen(&t, "127.0.0.1", &[(name, "")]), Err(Failure::BadInput(_))), "{name}");
        }
    }

    #[test]
    fn strangers_forwarding_headers_are_ignored() {
        let t = transport(Mode::Production { proxies: proxies(&["10.0.0.0/8"]).unwrap() });
        let forged = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", "https"), ("x-real-ip", "1.1.1.1")];
        assert_eq!(seen(&t, "203.0.113.5", &forged), Ok(("203.0.113.5".to_owned(), false)));
    }

    #[test]
    fn declared_proxies_are_walked_right_to_left() {
        let t = transport(Mode::Production { proxies: proxies(&["10.0.0.0/8, 2001:db8:f::/48"]).unwrap() });
        let via = |given: &[(&'static str, &str)]| seen(&t, "10.0.0.1", given).map(|(ip, _)| ip);
        assert_eq!(via(&[("x-forwarded-for", "198.51.100.1")]).unwrap(), "198.51.100.1");
        assert_eq!(via(&[("x-forwarded-for", "8.8.8.8, 198.51.100.1, 10.9.9.9")]).unwrap(), "198.51.100.1");
        assert_eq!(
            via(&[("x-forwarded-for", "8.8.8.8"), ("x-forwarded-for", "198.51.100.1")]).unwrap(),
            "198.51.100.1"
        );
        assert_eq!(via(&[("x-forwarded-for", "garbage, 198.51.100.1")]).unwrap(), "198.51.100.1");
        assert_eq!(via(&[("x-forwarded-for", "[2001:db8::7]:443")]).unwrap(), "2001:db8::7");
        assert_eq!(via(&[("x-forwarded-for", "198.51.100.1:99")]).unwrap(), "198.51.100.1");
        assert_eq!(via(&[("x-forwarded-for", "10.1.1.1, 10.2.2.2")]).unwrap(), "10.1.1.1");
        assert_eq!(via(&[("x-real-ip", "198.51.100.1")]).unwrap(), "10.0.0.1");
        for unreadable in ["", "unknown", "198.51.100.1, ", "_hidden", "\u{fe}"] {
            assert!(via(&[("x-forwarded-for", unreadable)]).is_err(), "{unreadable}");
        }
    }

    #[test]
    fn encryption_is_what_every_proxy_says() {
        let t = transport(Mode::Production { proxies: proxies(&["10.0.0.1"]).unwrap() });
        let via = |given: &[(&'static str, &str)]| seen(&t, "10.0.0.1", given).unwrap().1;
        assert!(via(&[("x-forwarded-proto", "https")]));
        assert!(!via(&[("x-forwarded-proto", "https, http")]));
        assert!(!via(&[("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")]));
        assert!(!via(&[]));
    }

    #[test]
    fn a_locked_origin_answers_its_proxies_only() {
        let t = transport(Mode::Production { proxies: proxies(&["10.0.0.1"]).unwrap() })
            .locked(Lock::Secret(Secret::new("s3cret")));
        assert_eq!(seen(&t, "203.0.113.5", &[("x-origin-lock", "s3cret")]), Err(Failure::UnknownHost));
        assert!(seen(&t, "10.0.0.1", &[("x-origin-lock", "s3cret")]).is_ok());
        for given in [&[][..], &[("x-origin-lock", "")], &[("x-origin-lock", "s3cre")], &[("x-origin-lock", "s3creT")]]
        {
            assert_eq!(seen(&t, "10.0.0.1", given), Err(Failure::UnknownHost));
            assert_eq!(seen(&t, "203.0.113.5", given), Err(Failure::UnknownHost));
        }
    }

    #[test]
    fn networks_are_read_or_named() {
        assert_eq!(proxies(&["10.1.2.3/8", "::1\n192.0.2.1"]).unwrap().len(), 3);
        assert!(proxies(&["10.0.0.0/33"]).unwrap_err().contains("proxy 1"));
        assert!(proxies(&["10.0.0.1, proxy.example"]).unwrap_err().contains("proxy 2"));
    }
}
