//! HTTP/1.1 by hand: what is sent is exactly what the test says.

use std::{net::Ipv4Addr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection.
pub struct Wire {
    stream: TcpStream,
    kept: Vec<u8>,
}

pub async fn connect(from: Ipv4Addr, port: u16) -> Wire {
    let socket = TcpSocket::new_v4().unwrap();
    if from != Ipv4Addr::LOCALHOST {
        socket.bind((from, 0).into()).unwrap();
    }
    let stream = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await.unwrap();
    Wire { stream, kept: Vec::new() }
}

impl Wire {
    /// Sends, as far as the other end still takes it.
    pub async fn write(&mut self, bytes: &[u8]) -> bool {
        tokio::time::timeout(PATIENCE, self.stream.write_all(bytes)).await.is_ok_and(|sent| sent.is_ok())
    }
    /// Says that nothing more will be sent.
    pub async fn half_close(&mut self) {
        let _gone = self.stream.shutdown().await;
    }
    async fn more(&mut self) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        match tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer)).await {
            Ok(Ok(count)) if count > 0 => {
                self.kept.extend_from_slice(&buffer[..count]);
                true
            }
            _ => false,
        }
    }
    /// The next answer, whole; none when the connection ends before one begins.
    pub async fn answer(&mut self, headless: bool) -> Option<Answer> {
        let end = loop {
            if let Some(end) = find(&self.kept, b"\r\n\r\n") {
                break end;
            }
            if !self.more().await {
                return None;
            }
        };
        let head = String::from_utf8(self.kept[..end].to_vec()).unwrap();
        self.kept.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let status: u16 = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| line.split_once(':').map(|(n, v)| (n.trim().to_lowercase(), v.trim().to_owned()));
        let headers: Vec<_> = lines.filter_map(header).collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        if status == 100 {
            return Box::pin(self.answer(headless)).await;
        }
        if headless || status == 204 || status == 304 {
            return Some(answer);
        }
        if answer.header("transfer-encoding").is_some() {
            answer.body = self.chunks().await?;
            return Some(answer);
        }
        let length = answer.header("content-length").map(|l| l.parse::<usize>().unwrap());
        while length.is_none_or(|l| self.kept.len() < l) {
            if !self.more().await {
                break;
            }
        }
        let length = length.unwrap_or(self.kept.len()).min(self.kept.len());
        answer.body = self.kept.drain(..length).collect();
        Some(answer)
    }
    async fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = find(&self.kept, b"\r\n") {
                    break end;
                }
                if !self.more().await {
                    return None;
                }
            };
            let size = usize::from_str_radix(std::str::from_utf8(&self.kept[..end]).unwrap(), 16).unwrap();
            while self.kept.len() < end + 2 + size + 2 {
                if !self.more().await {
                    return None;
                }
            }
            body.extend_from_slice(&self.kept[end + 2..end + 2 + size]);
            self.kept.drain(..end + 2 + size + 2);
            if size == 0 {
                return Some(body);
            }
        }
    }
    /// Whether the other end closes, sending nothing more, within `within`.
    pub async fn closes(&mut self, within: Duration) -> bool {
        let mut buffer = [0; 1024];
        loop {
            match tokio::time::timeout(within, self.stream.read(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => return true,
                Ok(Ok(_)) => {}
                Err(_) => return false,
            }
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|w| w == what)
}

/// What the server said.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.text()))
    }
    /// The answer, if it has this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
    pub const fn good(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
    /// The `code` of a problem document.
    pub fn code(&self) -> String {
        serde_json::from_slice::<Value>(&self.body)
            .ok()
            .and_then(|v| v["code"].as_str().map(str::to_owned))
            .unwrap_or_default()
    }
    /// That it is a problem document (RFC 9457) with this status.
    #[track_caller]
    pub fn problem(self, status: u16) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.text());
        let body = answer.json();
        assert!(body["type"].is_string() && body["title"].is_string(), "{body}");
        assert_eq!(body["status"], status, "{body}");
        answer
    }
}
