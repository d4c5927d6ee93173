//! Where the instance's mail goes: an SMTP server on loopback that keeps every message (RFC 5321, the part a client needs).

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use crate::evidence::Miss;

/// One message.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Recipient, lower case.
    pub to: String,
    /// Headers and decoded text together: links and codes are looked for in it.
    pub text: String,
}

impl Mail {
    /// The first run of hex digits, base64url letters or the like that follows `marker` and is at least `least` long.
    #[must_use]
    pub fn token_after(&self, marker: &str, least: usize) -> Option<String> {
        self.text.match_indices(marker).find_map(|(at, _)| {
            let rest = self.text.get(at + marker.len()..)?;
            let token: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
            (token.len() >= least).then_some(token)
        })
    }
    /// Every `https://` address in the text; of a development server's mail, every `http://` one too.
    #[must_use]
    pub fn links(&self) -> Vec<String> {
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | ')');
        let begins = |(at, _): &(usize, &str)| {
            let rest = self.text.get(*at..).unwrap_or_default();
            rest.starts_with("https://") || rest.starts_with("http://")
        };
        self.text
            .match_indices("http")
            .filter(begins)
            .filter_map(|(at, _)| self.text.get(at..)?.split(ends).next())
            .map(|link| link.trim_end_matches(['.', ',']).to_owned())
            .collect()
    }
}

/// The mailbox of everybody.
#[derive(Clone, Default)]
pub struct Sink {
    mails: Arc<Mutex<Vec<Mail>>>,
    came: Arc<Notify>,
}

impl Sink {
    /// Listens on a free loopback port.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let sink = Self::default();
        let inner = sink.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sink = inner.clone();
                tokio::spawn(async move { sink.talk(stream).await });
            }
        });
        Ok((sink, address))
    }
    /// Mails that somebody else keeps for us, asked for again and again as long as the sink lives: each time all of them.
    #[must_use]
    pub fn poll<F: Future<Output = Option<Vec<Mail>>> + Send>(ask: impl Fn() -> F + Send + 'static) -> Self {
        let sink = Self::default();
        let (mails, came) = (Arc::downgrade(&sink.mails), Arc::clone(&sink.came));
        tokio::spawn(async move {
            while let Some(mails) = mails.upgrade() {
                if let Some(told) = ask().await {
                    *mails.lock().unwrap_or_else(PoisonError::into_inner) = told;
                    came.notify_waiters();
                }
                drop(mails);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        sink
    }
    /// How many messages `to` has got.
    #[must_use]
    pub fn count(&self, to: &str) -> usize {
        self.to(to).len()
    }
    /// All messages to `to`, oldest first.
    #[must_use]
    pub fn to(&self, to: &str) -> Vec<Mail> {
        let mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        mails.iter().filter(|m| m.to == to).cloned().collect()
    }
    /// Waits for the message to `to` that follows the first `after`.
    ///
    /// # Errors
    /// Unclear when none comes within 15 s.
    pub async fn wait(&self, to: &str, after: usize) -> Result<Mail, Miss> {
        let work = async {
            loop {
                let next = self.came.notified();
                if let Some(mail) = self.to(to).into_iter().nth(after) {
                    return mail;
                }
                let _woken = tokio::time::timeout(Duration::from_millis(200), next).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(15), work)
            .await
            .map_err(|_| Miss::Unclear("the mail did not come within 15 s".to_owned()))
    }

    async fn talk(&self, stream: TcpStream) -> Option<()> {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        let mut to = Vec::new();
        write.write_all(b"220 sink\r\n").await.ok()?;
        while let Some(line) = lines.next_line().await.ok()? {
            let upper = line.to_ascii_uppercase();
            let answer: &[u8] = if upper.starts_with("EHLO") {
                b"250-sink\r\n250 8BITMIME\r\n"
            } else if upper.starts_with("RCPT") {
                let address = line.split('<').nth(1).and_then(|r| r.split('>').next()).unwrap_or_default();
                to.push(address.to_ascii_lowercase());
                b"250 ok\r\n"
            } else if upper.starts_with("DATA") {
                write.write_all(b"354 go on\r\n").await.ok()?;
                let mut text = String::new();
                while let Some(line) = lines.next_line().await.ok()? {
                    if line == "." {
                        break;
                    }
                    text.push_str(line.strip_prefix('.').unwrap_or(&line));
                    text.push('\n');
                }
                self.keep(&std::mem::take(&mut to), &text);
                b"250 kept\r\n"
            } else if upper.starts_with("QUIT") {
                write.write_all(b"221 bye\r\n").await.ok()?;
                return Some(());
            } else {
                b"250 ok\r\n"
            };
            write.write_all(answer).await.ok()?;
        }
        Some(())
    }
    fn keep(&self, to: &[String], raw: &str) {
        let text = decoded(raw);
        let mut mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        mails.extend(to.iter().map(|to| Mail { to: to.clone(), text: text.clone() }));
        drop(mails);
        self.came.notify_waiters();
    }
}

impl Mail {
    /// As a server tells it.
    pub(crate) fn told(item: &serde_json::Value) -> Option<Self> {
        let text = |name: &str| item.get(name).and_then(serde_json::Value::as_str);
        let (to, subject) = (text("to")?.to_lowercase(), text("subject")?);
        Some(Self { to, text: format!("Subject: {subject}\n\n{}", text("text")?) })
    }
}

/// Headers, and the body out of its transfer encoding.
fn decoded(raw: &str) -> String {
    let (head, body) = raw.split_once("\n\n").unwrap_or(("", raw));
    let lower = head.to_ascii_lowercase();
    let body = if lower.contains("content-transfer-encoding: base64") {
        let packed: String = body.split_whitespace().collect();
        BASE64_STANDARD.decode(packed).map_or_else(|_| body.to_owned(), |b| String::from_utf8_lossy(&b).into_owned())
    } else if lower.contains("content-transfer-encoding: quoted-printable") {
        quoted_printable(body)
    } else {
        body.to_owned()
    };
    format!("{head}\n\n{body}")
}

/// RFC 2045, section 6.7.
fn quoted_printable(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut out = Vec::with_capacity(joined.len());
    let mut rest = joined.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let code = (byte == b'=').then(|| tail.get(..2)).flatten();
        match code.and_then(|c| hex::decode(c).ok()).and_then(|b| b.first().copied()) {
            Some(value) => {
                out.push(value);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    #[test]
    fn encodings_are_undone() {
        assert_eq!(quoted_printable("a=3Db=\nc =C3=A9"), "a=bc é");
        let mail = Mail {
            to: String::new(),
            text: decoded("Content-Transfer-Encoding: base64\n\naHR0cHM6Ly94L3Y/\ndG9rZW49YWJj\n"),
        };
        assert_eq!(mail.links(), ["https://x/v?token=abc"]);
        assert_eq!(mail.token_after("token=", 3).as_deref(), Some("abc"));
    }

    #[tokio::test]
    async fn a_message_is_kept() {
        let (sink, address) = Sink::start().await.unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<C@d.example>\r\nDATA\r\nSubject: s\r\n\r\n..hello\r\n.\r\nQUIT\r\n")
            .await
            .unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).await.unwrap();
        assert!(sink.wait("c@d.example", 0).await.unwrap().text.contains(".hello"));
    }
}
