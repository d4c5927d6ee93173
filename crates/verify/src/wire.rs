//! A small HTTP/1.1 client that does as it is told: chosen source address, chosen host, header order, raw bytes.
//! Written apart from the server's stack on purpose: a shared mistake would not show.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::evidence::{Miss, unclear};

/// How long an answer may take before the probe gives up.
pub const PATIENCE: Duration = Duration::from_secs(25);

/// Where the instance listens, and which certificates count.
#[derive(Clone)]
pub struct Net {
    /// Address of the listener.
    pub address: SocketAddr,
    /// Trusts the throw-away authority alone (of a live server: its own certificate); offers HTTP/1.1.
    pub tls: Arc<rustls::ClientConfig>,
    /// The listener speaks plain HTTP: a development server.
    pub clear: bool,
}

/// A request to be.
#[derive(Clone, Debug)]
pub struct Ask {
    method: &'static str,
    path: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Ask {
    /// Any method.
    #[must_use]
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), host: None, headers: Vec::new(), body: Vec::new() }
    }
    /// GET.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }
    /// POST with JSON.
    #[must_use]
    pub fn post(path: impl Into<String>, body: &Value) -> Self {
        Self::new("POST", path).json(body)
    }
    /// PATCH with JSON.
    #[must_use]
    pub fn patch(path: impl Into<String>, body: &Value) -> Self {
        Self::new("PATCH", path).json(body)
    }
    /// DELETE.
    #[must_use]
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new("DELETE", path)
    }
    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.bytes("application/json", body.to_string().into_bytes())
    }
    /// With a body of any kind.
    #[must_use]
    pub fn bytes(mut self, kind: &str, body: Vec<u8>) -> Self {
        self.body = body;
        self.header("content-type", kind)
    }
    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
    /// With an access token, if there is one.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        if token.is_empty() { self } else { self.header("authorization", &format!("Bearer {token}")) }
    }
    /// As a browser with a session cookie would send it, from a page of `origin`.
    #[must_use]
    pub fn cookie(self, token: &str) -> Self {
        self.header("cookie", &format!("__Host-session={token}"))
    }
    /// To another host than the client's (the TLS name stays).
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }
    /// Method and path, for findings.
    #[must_use]
    pub fn said(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn bytes_for(&self, host: &str) -> Vec<u8> {
        let mut text =
            format!("{} {} HTTP/1.1\r\nhost: {}\r\n", self.method, self.path, self.host.as_deref().unwrap_or(host));
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() || matches!(self.method, "POST" | "PUT" | "PATCH") {
            text.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers, names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// Body, decoded from its chunks.
    pub body: Vec<u8>,
    /// From the first byte sent to the last received.
    pub took: Duration,
}

impl Answer {
    /// First value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    /// Every value of a header.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    /// Body as JSON; `Null` when it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
    /// A text member of the JSON body.
    #[must_use]
    pub fn text(&self, member: &str) -> String {
        self.json().get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
    /// Body as text.
    #[must_use]
    pub fn page(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    /// 2xx.
    #[must_use]
    pub const fn good(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
    /// Stops the probe as unclear when the server was too busy or the limits bit: such an answer decides nothing.
    ///
    /// # Errors
    /// On 429 and 503.
    pub fn decided(self) -> Result<Self, Miss> {
        match self.status {
            429 => unclear("429 where an answer was wanted"),
            503 => unclear("503 where an answer was wanted"),
            _ => Ok(self),
        }
    }
    /// The answer of a step that must work before the question can be asked.
    ///
    /// # Errors
    /// Unclear, naming the step, when it is not 2xx.
    pub fn step(self, name: &str) -> Result<Self, Miss> {
        if self.good() { Ok(self) } else { unclear(format!("step `{name}` answered {}", self.status)) }
    }
}

/// A connection, with what was read too far.
pub struct Link {
    stream: Box<dyn Duplex>,
    rest: Vec<u8>,
}

/// Bytes in both directions, encrypted or not.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Net {
    /// Opens a plain connection from `source`; to another machine, from whatever address leads there.
    ///
    /// # Errors
    /// As the operating system says.
    pub async fn plain(&self, source: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if to.is_ipv4() && !source.is_unspecified() {
            socket.set_reuseaddr(true)?;
            socket.bind(SocketAddr::from((source, 0)))?;
        }
        let stream =
            tokio::time::timeout(PATIENCE, socket.connect(to)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
    /// Opens a connection from `source`, naming `host`: TLS, unless the listener has none.
    ///
    /// # Errors
    /// When it cannot be opened or the certificate does not fit.
    pub async fn open(&self, source: Ipv4Addr, host: &str) -> io::Result<Link> {
        let stream: Box<dyn Duplex> = match self.clear {
            true => Box::new(self.plain(source, self.address).await?),
            false => Box::new(self.secure(source, host, Arc::clone(&self.tls)).await?),
        };
        Ok(Link { stream, rest: Vec::new() })
    }
    /// Opens a TLS connection with a configuration of the caller's.
    ///
    /// # Errors
    /// When it cannot be opened or the certificate does not fit.
    pub async fn secure(
        &self,
        source: Ipv4Addr,
        host: &str,
        config: Arc<rustls::ClientConfig>,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(bare(host).to_owned()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let stream = self.plain(source, self.address).await?;
        let tls = TlsConnector::from(config).connect(name, stream);
        tokio::time::timeout(PATIENCE, tls).await.map_err(|_| io::ErrorKind::TimedOut)?
    }
}

/// A host without its port.
fn bare(host: &str) -> &str {
    host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(name, _)| name)
}

impl Link {
    /// Sends bytes as they are and reads one answer; `head` when the answer has no body whatever its headers say.
    ///
    /// # Errors
    /// When the connection ends or time runs out first.
    pub async fn exchange(&mut self, bytes: &[u8], head: bool) -> io::Result<Answer> {
        let started = Instant::now();
        let work = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await?;
            self.answer(head).await
        };
        let mut answer = tokio::time::timeout(PATIENCE, work).await.map_err(|_| io::ErrorKind::TimedOut)??;
        answer.took = started.elapsed();
        Ok(answer)
    }
    /// Sends bytes and reads nothing.
    ///
    /// # Errors
    /// When the connection ended.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }
    /// Reads one answer.
    ///
    /// # Errors
    /// When the connection ends first.
    pub async fn answer(&mut self, head: bool) -> io::Result<Answer> {
        let end = loop {
            if let Some(at) = find(&self.rest, b"\r\n\r\n") {
                break at;
            }
            self.more().await?;
        };
        let text = String::from_utf8_lossy(self.rest.get(..end).unwrap_or_default()).into_owned();
        self.rest.drain(..end + 4);
        let mut answer = read_head(&text)?;
        if (100..200).contains(&answer.status) {
            return Box::pin(self.answer(head)).await;
        }
        if head || answer.status == 204 || answer.status == 304 {
            return Ok(answer);
        }
        if answer.header("transfer-encoding").is_some_and(|v| v.to_ascii_lowercase().contains("chunked")) {
            answer.body = self.chunks().await?;
        } else if let Some(length) = answer.header("content-length").and_then(|v| v.parse::<usize>().ok()) {
            answer.body = self.take(length).await?;
        } else {
            while self.more().await.is_ok() {}
            answer.body = std::mem::take(&mut self.rest);
        }
        Ok(answer)
    }
    /// Waits until the other side closes; `false` when it still has not after `limit`.
    pub async fn closed_within(&mut self, limit: Duration) -> bool {
        tokio::time::timeout(limit, async { while self.more().await.is_ok() {} }).await.is_ok()
    }

    async fn more(&mut self) -> io::Result<()> {
        let mut buffer = [0_u8; 16 * 1024];
        let n = self.stream.read(&mut buffer).await?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.rest.extend_from_slice(buffer.get(..n).unwrap_or_default());
        Ok(())
    }
    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.rest.len() < length {
            self.more().await?;
        }
        Ok(self.rest.drain(..length).collect())
    }
    async fn line(&mut self) -> io::Result<String> {
        let end = loop {
            if let Some(at) = find(&self.rest, b"\r\n") {
                break at;
            }
            self.more().await?;
        };
        let line = String::from_utf8_lossy(self.rest.get(..end).unwrap_or_default()).into_owned();
        self.rest.drain(..end + 2);
        Ok(line)
    }
    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.take(size).await?);
            self.take(2).await?;
        }
    }
}

fn read_head(text: &str) -> io::Result<Answer> {
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|l| l.split(' ').nth(1)).and_then(|s| s.parse().ok());
    let status = status.ok_or(io::ErrorKind::InvalidData)?;
    let headers = lines
        .filter_map(|l| l.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Ok(Answer { status, headers, ..Answer::default() })
}

/// One answer over a plain connection that the other side closes.
///
/// # Errors
/// When no answer comes.
pub async fn plain(mut stream: TcpStream, bytes: &[u8]) -> io::Result<Answer> {
    let work = async {
        stream.write_all(bytes).await?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await?;
        Ok::<_, io::Error>(all)
    };
    let all = tokio::time::timeout(PATIENCE, work).await.map_err(|_| io::ErrorKind::TimedOut)??;
    let end = find(&all, b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(all.get(..end).unwrap_or_default()).into_owned();
    Ok(Answer { body: all.get(end + 4..).unwrap_or_default().to_vec(), ..read_head(&head)? })
}

/// Where `needle` starts in `hay`.
#[must_use]
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() { None } else { memchr::memmem::find(hay, needle) }
}

/// Someone at one address, talking to one host over connections that are kept.
pub struct Client {
    net: Net,
    /// Host with port, as sent.
    pub host: String,
    /// Path before every path: empty, or `/w/<slug>` on a shared host.
    pub prefix: String,
    /// Where they come from.
    pub source: Ipv4Addr,
    idle: Mutex<Vec<Link>>,
}

impl Client {
    /// Nobody has connected yet.
    #[must_use]
    pub const fn new(net: Net, host: String, prefix: String, source: Ipv4Addr) -> Self {
        Self { net, host, prefix, source, idle: Mutex::new(Vec::new()) }
    }
    /// Sends a request whose path is below the tenant's url.
    ///
    /// # Errors
    /// Unclear when no answer came.
    pub async fn send(&self, ask: Ask) -> Result<Answer, Miss> {
        let ask = Ask { path: format!("{}{}", self.prefix, ask.path), ..ask };
        self.at_root(ask).await
    }
    /// Sends a request whose path is the host's.
    ///
    /// # Errors
    /// Unclear when no answer came.
    pub async fn at_root(&self, ask: Ask) -> Result<Answer, Miss> {
        let said = ask.said();
        let bytes = ask.bytes_for(&self.host);
        self.raw(&bytes, ask.method == "HEAD").await.map_err(|e| Miss::Unclear(format!("{said}: {}", e.kind())))
    }
    /// Sends bytes as they are; on a kept connection that had ended, once more on a new one.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn raw(&self, bytes: &[u8], head: bool) -> io::Result<Answer> {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut link) = kept
            && let Ok(answer) = link.exchange(bytes, head).await
        {
            self.keep(link, &answer);
            return Ok(answer);
        }
        let mut link = self.net.open(self.source, &self.host).await?;
        let answer = link.exchange(bytes, head).await?;
        self.keep(link, &answer);
        Ok(answer)
    }
    /// A connection of its own, for what goes on below requests.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn link(&self) -> io::Result<Link> {
        self.net.open(self.source, &self.host).await
    }

    fn keep(&self, link: Link, answer: &Answer) {
        let ends = answer.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
        let framed = answer.header("content-length").is_some()
            || answer.header("transfer-encoding").is_some()
            || answer.status == 204;
        if !ends && framed {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(link);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_it_was_told() {
        let bytes = Ask::post("/x", &serde_json::json!({"a": 1})).bearer("t").bytes_for("h:1");
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text,
            "POST /x HTTP/1.1\r\nhost: h:1\r\ncontent-type: application/json\r\nauthorization: Bearer t\r\ncontent-length: 7\r\n\r\n{\"a\":1}"
        );
        assert!(!String::from_utf8(Ask::get("/").bytes_for("h")).unwrap().contains("content-length"));
    }

    #[test]
    fn a_head_is_read_and_nonsense_refused() {
        let answer = read_head("HTTP/1.1 421 Misdirected Request\r\nX-A: 1\r\nx-a:  2 ").unwrap();
        assert_eq!((answer.status, answer.all("x-a").collect::<Vec<_>>()), (421, vec!["1", "2"]));
        assert!(read_head("nonsense").is_err());
        assert_eq!(bare("a.example:8443"), "a.example");
    }
}
