//! A server that other people use, and how the prober reaches it from the same machine.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::authority::Authority;

/// Where a live server is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Live {
    /// Its admin socket.
    pub socket: PathBuf,
    /// Its listener.
    pub address: SocketAddr,
    /// Its apex address.
    pub url: String,
    /// Its certificate chain, PEM; none: a development server, or whatever this machine trusts.
    pub certificate: Option<PathBuf>,
}

impl Live {
    /// Scheme, apex host and the port in its addresses.
    ///
    /// # Errors
    /// Words for the terminal.
    pub(crate) fn parts(&self) -> Result<(&'static str, String, Option<u16>), String> {
        let wrong = || format!("{}: http(s)://host[:port] is expected", self.url);
        let (scheme, rest) = self.url.split_once("://").ok_or_else(wrong)?;
        let scheme = match scheme {
            "https" => "https",
            "http" => "http",
            _ => return Err(wrong()),
        };
        let host = rest.trim_end_matches('/');
        if host.is_empty() || host.contains(['/', '?', '#', '@', ' ', '[']) {
            return Err(wrong());
        }
        match host.split_once(':') {
            None => Ok((scheme, host.to_owned(), None)),
            Some((name, port)) => Ok((scheme, name.to_owned(), Some(port.parse().map_err(|_| wrong())?))),
        }
    }
    /// Whether it has TLS of its own.
    #[must_use]
    pub fn secure(&self) -> bool {
        self.url.starts_with("https://")
    }
    /// Which certificates count.
    ///
    /// # Errors
    /// When the file or the machine's certificates cannot be read.
    pub(crate) fn trust(&self) -> io::Result<Arc<rustls::ClientConfig>> {
        self.certificate.as_deref().map_or_else(Authority::public, Authority::pinned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(url: &str) -> Live {
        Live {
            socket: PathBuf::new(),
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
            url: url.to_owned(),
            certificate: None,
        }
    }

    #[test]
    fn addresses_are_taken_apart_or_refused() {
        assert_eq!(live("http://localhost:8080").parts(), Ok(("http", "localhost".to_owned(), Some(8080))));
        assert_eq!(live("https://a.example/").parts(), Ok(("https", "a.example".to_owned(), None)));
        for bad in
            ["", "a.example", "ftp://a", "https://", "https://a/b", "https://u@a", "http://a:b", "http://[::1]:1"]
        {
            assert!(live(bad).parts().is_err(), "{bad}");
        }
    }
}
