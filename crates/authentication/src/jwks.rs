//! The keys of the declared issuer, fetched when needed and kept for a while.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
};

use kernel::{Failure, Time};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::jws::{Jwk, PublicKey};

/// Fetches a document by its URL, through the server's one outbound client.
pub type Fetch = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, Failure>> + Send>> + Send + Sync>;

/// Keys are asked for again after so many milliseconds.
const FRESH: i64 = 10 * 60_000;
/// Keys that could not be renewed are used no longer.
const STALE: i64 = 24 * 3_600_000;
/// Unknown key ids make us ask at most so often.
const PAUSE: i64 = 30_000;
const KEYS: usize = 64;

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

/// Keys by id.
#[derive(Default)]
struct Known {
    keys: HashMap<String, Arc<PublicKey>>,
    read_at: Option<Time>,
}

/// The issuer's keys.
pub(crate) struct Keys {
    url: String,
    fetch: Option<Fetch>,
    known: RwLock<Known>,
    asked_at: Mutex<Option<Time>>,
}

impl Keys {
    pub(crate) fn fetched(issuer: &str, fetch: Fetch) -> Self {
        let url = format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/'));
        Self { url, fetch: Some(fetch), known: RwLock::default(), asked_at: Mutex::new(None) }
    }

    /// One key, never fetched.
    pub(crate) fn fixed(kid: &str, key: PublicKey) -> Self {
        let known = Known { keys: HashMap::from([(kid.to_owned(), Arc::new(key))]), read_at: None };
        Self { url: String::new(), fetch: None, known: RwLock::new(known), asked_at: Mutex::new(None) }
    }

    /// The key of that id; none when the issuer has no such key.
    ///
    /// # Errors
    /// `Busy` when the issuer's keys were never reached, or not for a day.
    pub(crate) async fn find(&self, kid: &str, now: Time) -> Result<Option<Arc<PublicKey>>, Failure> {
        let Some(fetch) = &self.fetch else { return Ok(self.held(kid).0) };
        if let (Some(key), Some(at)) = self.held(kid)
            && (0..FRESH).contains(&now.since(at))
        {
            return Ok(Some(key));
        }
        self.renew(fetch, now).await;
        match self.held(kid) {
            (key, Some(at)) if now.since(at) < STALE => Ok(key),
            _ => Err(Failure::Busy(5)),
        }
    }

    fn held(&self, kid: &str) -> (Option<Arc<PublicKey>>, Option<Time>) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        (known.keys.get(kid).cloned(), known.read_at)
    }

    /// Asks the issuer, unless that was done a moment ago. Others wait for the one that asks.
    async fn renew(&self, fetch: &Fetch, now: Time) {
        let mut asked = self.asked_at.lock().await;
        if asked.is_some_and(|at| (0..PAUSE).contains(&now.since(at))) {
            return;
        }
        *asked = Some(now);
        let Ok(bytes) = fetch(self.url.clone()).await else { return };
        let Some(keys) = read(&bytes) else { return };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known { keys, read_at: Some(now) };
    }
}

/// Keys of a set that we can use; those we cannot are left out, as RFC 7517, 5 wants.
fn read(bytes: &[u8]) -> Option<HashMap<String, Arc<PublicKey>>> {
    let set: Set = serde_json::from_slice(bytes).ok()?;
    let usable = |value| {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        Some((jwk.kid.clone(), Arc::new(jwk.key()?)))
    };
    Some(set.keys.into_iter().take(KEYS).filter_map(usable).collect())
}
