//! Many requests over one HTTP/2 connection.

use std::{io, net::Ipv4Addr};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::version::TLS13;

use crate::instance::Instance;

/// An HTTP/2 connection.
#[derive(Clone)]
pub struct Many(SendRequest<Empty<Bytes>>);

impl Many {
    /// Opens one from `source`, naming `host`.
    ///
    /// # Errors
    /// When it cannot be opened or the server does not speak HTTP/2.
    pub async fn open(instance: &Instance, source: Ipv4Addr, host: &str) -> io::Result<Self> {
        let config = instance.authority.client(&[&TLS13], &["h2"])?;
        let stream = instance.net.secure(source, host, config).await?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let (send, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(async move {
            let _ended = connection.await;
        });
        Ok(Self(send))
    }
    /// GETs `path` of `host` and gives status and body.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn get(&self, host: &str, path: &str, token: &str) -> io::Result<(u16, Bytes)> {
        let request = http::Request::get(format!("https://{host}{path}"))
            .header("authorization", format!("Bearer {token}"))
            .body(Empty::new())
            .map_err(io::Error::other)?;
        let mut send = self.0.clone();
        send.ready().await.map_err(io::Error::other)?;
        let answer = send.send_request(request).await.map_err(io::Error::other)?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
        Ok((status, body))
    }
}
