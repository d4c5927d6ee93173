//! A key service of the prober's own, which speaks what Vault and OpenBao call transit: it encrypts, decrypts and turns keys
//! that it never lets out, counts what it is asked for, and can be away.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::random;

/// Longest request that is read, in bytes.
const LONGEST: usize = 64 * 1024;

#[derive(Default)]
struct State {
    /// Versions of each key, from 1.
    keys: BTreeMap<String, Vec<[u8; 32]>>,
    /// How often each verb was asked for.
    asked: BTreeMap<String, usize>,
    /// Versions that open nothing any more.
    forgotten: usize,
}

/// A running service.
#[derive(Clone)]
pub struct KeyService {
    address: SocketAddr,
    token: String,
    away: Arc<AtomicBool>,
    state: Arc<Mutex<State>>,
}

impl KeyService {
    /// Starts one; it ends with the process.
    ///
    /// # Errors
    /// No port.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (away, state) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let service = Self { address: listener.local_addr()?, token: format!("hvs.{}", random::hex(12)), away, state };
        let serving = service.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if serving.away.load(Ordering::SeqCst) {
                    continue; // Closed without a word.
                }
                let serving = serving.clone();
                tokio::spawn(async move { serving.answer(stream).await });
            }
        });
        Ok(service)
    }
    /// The address of a key as a pointer has it, without `kms:`.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        format!("http://{}/transit/{name}", self.address)
    }
    /// What callers must show.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }
    /// Goes away, or comes back.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }
    /// From now on the first so many versions of every key open nothing.
    pub fn forget(&self, versions: usize) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).forgotten = versions;
    }
    /// How often a verb (`encrypt`, `decrypt`, `rotate`) was asked for.
    #[must_use]
    pub fn asked(&self, verb: &str) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).asked.get(verb).copied().unwrap_or(0)
    }
    /// How many versions a key has.
    #[must_use]
    pub fn versions(&self, key: &str) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).keys.get(key).map_or(0, Vec::len)
    }

    async fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let mut text = Vec::new();
        let (head, body) = loop {
            let mut piece = [0; 4096];
            let n = stream.read(&mut piece).await.ok()?;
            text.extend_from_slice(piece.get(..n)?);
            if n == 0 || text.len() > LONGEST {
                return None;
            }
            let whole = String::from_utf8_lossy(&text).into_owned();
            let Some((head, body)) = whole.split_once("\r\n\r\n") else { continue };
            let lower = head.to_lowercase();
            let length = lower.split("content-length: ").nth(1)?.split("\r\n").next()?.trim();
            if body.len() >= length.parse().ok()? {
                break (head.to_owned(), body.to_owned());
            }
        };
        let known = head.lines().any(|l| l.eq_ignore_ascii_case(&format!("x-vault-token: {}", self.token)));
        let path = head.strip_prefix("POST /v1/transit/").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        let (status, told) = if known { self.decide(path, &body) } else { (403, Value::Null) };
        let told = told.to_string();
        let head = format!("HTTP/1.1 {status} -\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", told.len());
        stream.write_all(format!("{head}{told}").as_bytes()).await.ok()
    }

    fn decide(&self, path: &str, body: &Value) -> (u16, Value) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let bound = STANDARD.decode(text("associated_data")).unwrap_or_default();
        let (verb, key) = match path.split('/').collect::<Vec<_>>().as_slice() {
            [verb @ ("encrypt" | "decrypt"), key] => ((*verb).to_owned(), (*key).to_owned()),
            ["keys", key, "rotate"] => ("rotate".to_owned(), (*key).to_owned()),
            _ => return (404, Value::Null),
        };
        *state.asked.entry(verb.clone()).or_default() += 1;
        let forgotten = state.forgotten;
        let versions = state.keys.entry(key).or_insert_with(|| vec![random::bytes()]);
        let refused = (400, json!({"errors": ["refused"]}));
        match verb.as_str() {
            "encrypt" => {
                let sealed = versions.last().zip(STANDARD.decode(text("plaintext")).ok());
                let sealed = sealed.and_then(|(key, plain)| seal(key, &bound, plain));
                let told = |sealed| format!("vault:v{}:{}", versions.len(), STANDARD.encode::<Vec<u8>>(sealed));
                sealed.map_or(refused, |sealed| (200, json!({"data": {"ciphertext": told(sealed)}})))
            }
            "decrypt" => {
                let opened = text("ciphertext").strip_prefix("vault:v").and_then(|rest| {
                    let (version, sealed) = rest.split_once(':')?;
                    let version = version.parse::<usize>().ok().filter(|version| *version > forgotten)?;
                    let key = versions.get(version.checked_sub(1)?)?;
                    open(key, &bound, &STANDARD.decode(sealed).ok()?)
                });
                opened.map_or(refused, |plain| (200, json!({"data": {"plaintext": STANDARD.encode(plain)}})))
            }
            _ => {
                versions.push(random::bytes());
                (200, json!({"data": {"latest_version": versions.len()}}))
            }
        }
    }
}

fn cipher(key: &[u8; 32]) -> Option<LessSafeKey> {
    Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?))
}

fn seal(key: &[u8; 32], bound: &[u8], mut plain: Vec<u8>) -> Option<Vec<u8>> {
    let nonce: [u8; 12] = random::bytes();
    cipher(key)?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut plain).ok()?;
    Some([&nonce[..], &plain].concat())
}

fn open(key: &[u8; 32], bound: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, body) = sealed.split_first_chunk::<12>()?;
    let mut body = body.to_vec();
    let plain = cipher(key)?.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(bound), &mut body).ok()?;
    Some(plain.to_vec())
}
