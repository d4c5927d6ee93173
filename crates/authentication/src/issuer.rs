//! Delegated mode: who a token of the declared issuer speaks of. On a development server the issuer is here, in memory.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as B64};
use kernel::{DAY, Failure, Time};
use serde_json::{Value, json};

use crate::{
    jwks::{Fetch, Keys},
    jws::{PublicKey, Unverified},
};

/// How far the issuer's clock may be ahead of ours, in milliseconds.
const SKEW: i64 = 30_000;
const DEVELOPMENT_KID: &str = "development";

/// Who a verified token speaks of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub subject: String,
    pub tenant: Option<String>,
    pub issued: Time,
    pub proved: Time,
}

/// The declared issuer.
pub(crate) struct Issuer {
    declared: manifest::Issuer,
    keys: Keys,
    development: Option<Development>,
}

/// The issuer of a development server.
pub(crate) struct Development {
    pair: Ed25519KeyPair,
    public: Vec<u8>,
}

impl Issuer {
    pub(crate) fn new(declared: &manifest::Issuer, fetch: Option<Fetch>) -> Result<Self, Failure> {
        let (keys, development) = match fetch {
            Some(fetch) => (Keys::fetched(&declared.url, fetch), None),
            None => {
                let own = Development::new()?;
                (Keys::fixed(DEVELOPMENT_KID, PublicKey::EdDsa(own.public.clone())), Some(own))
            }
        };
        Ok(Self { declared: declared.clone(), keys, development })
    }

    pub(crate) fn url(&self) -> &str {
        &self.declared.url
    }

    pub(crate) const fn development(&self) -> Option<&Development> {
        self.development.as_ref()
    }

    /// Who the token speaks of, if everything about it is right.
    pub(crate) async fn verify(&self, token: &str, now: Time) -> Result<Option<Identity>, Failure> {
        let Some(payload) = self.payload(token, now).await? else { return Ok(None) };
        Ok(identity(&payload, &self.declared, &self.declared.audience, now))
    }

    async fn payload(&self, token: &str, now: Time) -> Result<Option<Value>, Failure> {
        let Some(unverified) = Unverified::read(token) else { return Ok(None) };
        let Some(key) = self.keys.find(unverified.kid(), now).await? else { return Ok(None) };
        Ok(unverified.verified(&key).and_then(|payload| serde_json::from_slice(&payload).ok()))
    }

    /// An access token and a refresh token for a person of the development server.
    pub(crate) fn issue(&self, subject: &str, tenant: &str, now: Time, life: i64) -> Option<(String, String)> {
        let own = self.development.as_ref()?;
        let claims = |audience: &str, life: i64| {
            let mut claims = json!({
                "iss": self.declared.url, "aud": audience, "sub": subject, "iat": now.seconds(), "nbf": now.seconds(),
                "exp": now.plus(life).seconds(), "auth_time": now.seconds(),
            });
            if let Some(claims) = claims.as_object_mut() {
                claims.insert(self.declared.tenant_claim.clone(), tenant.into());
            }
            own.sign(&claims)
        };
        Some((claims(&self.declared.audience, life), claims("vouchsafe development refresh", 14 * DAY)))
    }

    /// Subject and tenant of the development server's own refresh token.
    pub(crate) async fn refreshed(&self, token: &str, now: Time) -> Result<Option<(String, String)>, Failure> {
        if self.development.is_none() {
            return Ok(None);
        }
        let Some(payload) = self.payload(token, now).await? else { return Ok(None) };
        let identity = identity(&payload, &self.declared, "vouchsafe development refresh", now);
        Ok(identity.and_then(|i| Some((i.subject, i.tenant?))))
    }
}

impl Development {
    fn new() -> Result<Self, Failure> {
        let broken = |_| Failure::internal("authentication: the development issuer has no key");
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(broken)?;
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref())
            .map_err(|_| Failure::internal("authentication: the development issuer's key cannot be read"))?;
        let public = pair.public_key().as_ref().to_vec();
        Ok(Self { pair, public })
    }

    /// The public key as a JWK set.
    pub(crate) fn set(&self) -> Value {
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": DEVELOPMENT_KID,
            "x": B64.encode(&self.public) }] })
    }

    fn sign(&self, claims: &Value) -> String {
        let header = B64.encode(format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{DEVELOPMENT_KID}"}}"#));
        let signed = format!("{header}.{}", B64.encode(claims.to_string()));
        let mark = B64.encode(self.pair.sign(signed.as_bytes()));
        format!("{signed}.{mark}")
    }
}

/// Decides over the claims of a token whose signature is right (RFC 7519, 4.1; RFC 8725).
fn identity(claims: &Value, issuer: &manifest::Issuer, audience: &str, now: Time) -> Option<Identity> {
    let time = |name: &str| match claims.get(name) {
        None => Some(None),
        Some(value) => value.as_f64().filter(|s| s.is_finite() && s.abs() < 1e11).map(|s| Some(millis(s))),
    };
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let subject = text("sub").filter(|s| !s.is_empty() && s.len() <= 255)?;
    let (expires, from, issued) = (time("exp")?, time("nbf")?, time("iat")?);
    let right = text("iss") == Some(issuer.url.as_str())
        && for_us(claims.get("aud")?, audience)
        && expires.is_some_and(|at| now < at)
        && from.is_none_or(|at| at <= now.plus(SKEW))
        && issued.is_none_or(|at| at <= now.plus(SKEW));
    let tenant = match claims.get(&issuer.tenant_claim) {
        None => None,
        Some(value) => Some(value.as_str()?.to_owned()),
    };
    // A token that does not say when it was issued is as old as can be: it does not survive a sign-out everywhere.
    let issued = issued.unwrap_or(Time(0));
    let proved = time("auth_time")?.unwrap_or(issued);
    let passes = right || kernel::sabotage::off("auth.external_jwt");
    passes.then(|| Identity { subject: subject.to_owned(), tenant, issued, proved })
}

fn for_us(audience: &Value, us: &str) -> bool {
    match audience {
        Value::String(one) => one == us,
        Value::Array(many) => many.iter().any(|one| one.as_str() == Some(us)),
        _ => false,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the caller bounds it")]
fn millis(seconds: f64) -> Time {
    Time((seconds * 1000.0) as i64)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const NOW: Time = Time(1_700_000_000_000);

    fn declared() -> manifest::Issuer {
        manifest::Issuer { url: "https://id.example".into(), audience: "portal".into(), tenant_claim: "org".into() }
    }
    fn good() -> Value {
        json!({ "iss": "https://id.example", "aud": ["x", "portal"], "sub": "u1", "exp": 1_700_000_600, "iat": 1_699_999_900,
            "org": "acme" })
    }

    #[tokio::test]
    async fn the_development_issuer_is_believed_and_no_other() {
        let one = Issuer::new(&declared(), None).unwrap();
        let two = Issuer::new(&declared(), None).unwrap();
        let (access, refresh) = one.issue("ada@acme.example", "acme", NOW, 900_000).unwrap();
        let identity = one.verify(&access, NOW).await.unwrap().unwrap();
        assert_eq!((identity.subject.as_str(), identity.tenant.as_deref()), ("ada@acme.example", Some("acme")));
        assert_eq!(two.verify(&access, NOW).await.unwrap(), None);
        assert_eq!(one.verify(&access, NOW.plus(900_000)).await.unwrap(), None);
        assert_eq!(one.verify(&refresh, NOW).await.unwrap(), None);
        assert!(one.refreshed(&refresh, NOW).await.unwrap().is_some());
        assert!(one.refreshed(&access, NOW).await.unwrap().is_none());
    }

    #[test]
    fn every_claim_must_be_right() {
        let id = |claims: &Value| identity(claims, &declared(), "portal", NOW);
        assert!(id(&good()).is_some());
        let with = |name: &str, value: Value| {
            let mut claims = good();
            claims[name] = value;
            claims
        };
        for (name, value) in [
            ("iss", json!("https://id.example/")),
            ("iss", json!(null)),
            ("aud", json!("other")),
            ("aud", json!(["x"])),
            ("aud", json!(1)),
            ("sub", json!("")),
            ("sub", json!(7)),
            ("exp", json!(1_700_000_000)),
            ("exp", json!("soon")),
            ("exp", json!(null)),
            ("nbf", json!(1_700_000_031)),
            ("nbf", json!(null)),
            ("iat", json!(1_700_000_031)),
            ("org", json!(7)),
            ("org", json!(["acme"])),
            ("auth_time", json!("x")),
        ] {
            assert_eq!(id(&with(name, value.clone())), None, "{name} {value}");
        }
        for name in ["iss", "aud", "sub", "exp"] {
            let mut claims = good();
            claims.as_object_mut().unwrap().remove(name);
            assert_eq!(id(&claims), None, "{name}");
        }
        assert!(id(&with("nbf", json!(1_700_000_029))).is_some());
    }

    #[tokio::test]
    async fn keys_are_fetched_when_needed_and_not_for_every_guess() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let own = Issuer::new(&declared(), None).unwrap();
        let set = own.development().unwrap().set().to_string().into_bytes();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let fetch: Fetch = Arc::new(move |url| {
            assert_eq!(url, "https://id.example/.well-known/jwks.json");
            count.fetch_add(1, Ordering::SeqCst);
            let set = set.clone();
            Box::pin(async move { Ok(set) })
        });
        let remote = Issuer::new(&declared(), Some(fetch)).unwrap();
        let (access, _) = own.issue("u", "acme", NOW, 90_000_000).unwrap();
        for _ in 0..3 {
            assert!(remote.verify(&access, NOW).await.unwrap().is_some());
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        let unknown = format!("{}.e30.AA", B64.encode(r#"{"alg":"EdDSA","kid":"other"}"#));
        for at in 0..10 {
            assert!(remote.verify(&unknown, NOW.plus(at)).await.unwrap().is_none());
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert!(remote.verify(&access, NOW.plus(FRESH_FOR)).await.unwrap().is_some());
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
    const FRESH_FOR: i64 = 11 * 60_000;
}
