//! One request to a service that an operator named: HTTP/1.1, one connection each, over verified TLS; in the clear only to
//! the same machine. No redirects; answers are read up to a cap.

use std::{fmt::Display, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, rustls};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer that is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// What came back.
#[derive(Clone, Debug)]
pub struct Posted {
    /// Status.
    pub status: u16,
    /// Content type; empty without one.
    pub kind: String,
    /// Body.
    pub body: Bytes,
}

/// Where requests go.
#[derive(Clone)]
pub struct Post {
    host: String,
    port: u16,
    path: String,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Post {
    /// Whom it talks to.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
    /// From `https://HOST[:PORT][/PATH]`, or `http:` to this machine. `tls` says which authorities are believed.
    ///
    /// # Errors
    /// Words: an address of another shape, no authorities.
    pub fn new(
        address: &str,
        port: u16,
        tls: impl FnOnce() -> Result<Arc<rustls::ClientConfig>, String>,
    ) -> Result<Self, String> {
        let shape = || "the address must be https://HOST[:PORT]/PATH".to_owned();
        let (scheme, rest) = address.split_once("://").ok_or_else(shape)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| shape())?),
            None => (authority, port),
        };
        let path = path.trim_end_matches('/');
        if !plain_name(host) || !(path.is_empty() || path.split('/').all(plain_name)) {
            return Err(shape());
        }
        let tls = match scheme {
            "https" => Some(tls()?),
            "http" if matches!(host, "127.0.0.1" | "localhost") => None,
            "http" => return Err("http: is for a service on the same machine; write https:".to_owned()),
            _ => return Err(shape()),
        };
        Ok(Self { host: host.to_owned(), port, path: path.to_owned(), tls })
    }
    /// `HOST:PORT`.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
    /// The path of the address, without slashes around it.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }
    /// Asks for `path`, from the root of the service, with headers of the caller's.
    ///
    /// # Errors
    /// Words without anything that the service said.
    pub async fn send(&self, path: &str, headers: &[(&str, &str)], body: Bytes) -> Result<Posted, String> {
        let asked = tokio::time::timeout(PATIENCE, self.exchange(path, headers, body)).await;
        asked.map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?.map_err(|e| e.to_string())
    }
    /// Asks for a path below the address.
    ///
    /// # Errors
    /// As [`Post::send`].
    pub async fn send_below(&self, path: &str, headers: &[(&str, &str)], body: Bytes) -> Result<Posted, String> {
        let between = if self.path.is_empty() { "" } else { "/" };
        self.send(&format!("{between}{}/{path}", self.path), headers, body).await
    }

    async fn exchange(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Posted, Box<dyn Display + Send>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(told)?;
        match &self.tls {
            None => self.over(stream, path, headers, body).await,
            Some(config) => {
                let name = rustls::pki_types::ServerName::try_from(self.host.clone()).map_err(told)?;
                let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await.map_err(told)?;
                self.over(stream, path, headers, body).await
            }
        }
    }

    async fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Posted, Box<dyn Display + Send>> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
        let driver = tokio::spawn(connection);
        let mut request = Request::post(path).header(header::HOST, self.authority());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = sender.send_request(request.body(Full::new(body)).map_err(told)?).await.map_err(told)?;
        let status = response.status().as_u16();
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let kind = kind.to_owned();
        let read = Limited::new(response.into_body(), LONGEST).collect().await;
        driver.abort();
        let body = read.map_err(|e| told(e.to_string()))?.to_bytes();
        Ok(Posted { status, kind, body })
    }
}

fn told<E: Display + Send + 'static>(error: E) -> Box<dyn Display + Send> {
    Box::new(error)
}

pub(crate) fn plain_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !text.is_empty() && text.bytes().all(fits) && !text.contains("..")
}
