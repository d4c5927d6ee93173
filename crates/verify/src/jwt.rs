//! Tokens made by the prober: an outside issuer of its own for delegated apps, and forgeries.

use std::{io, path::Path};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Base64url without padding.
#[must_use]
pub fn pack(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads base64url without padding.
#[must_use]
pub fn unpack(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// Header and claims of a token, unverified.
#[must_use]
pub fn open(token: &str) -> Option<(Value, Value)> {
    let mut parts = token.split('.');
    let head = serde_json::from_slice(&unpack(parts.next()?)?).ok()?;
    let claims = serde_json::from_slice(&unpack(parts.next()?)?).ok()?;
    parts.next()?;
    Some((head, claims))
}

/// A token signed with HMAC-SHA256.
#[must_use]
pub fn hs256(key: &[u8], header: &Value, claims: &Value) -> String {
    let text = format!("{}.{}", pack(header.to_string().as_bytes()), pack(claims.to_string().as_bytes()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
    format!("{text}.{}", pack(tag.as_ref()))
}

/// A token without a signature.
#[must_use]
pub fn none(claims: &Value) -> String {
    let header = json!({"alg": "none", "typ": "JWT"});
    format!("{}.{}.", pack(header.to_string().as_bytes()), pack(claims.to_string().as_bytes()))
}

/// An outside identity provider with one ES256 key.
pub struct Issuer {
    key: EcdsaKeyPair,
    kid: String,
    /// X.509-free public point, uncompressed: what an attacker knows of the key.
    pub public: Vec<u8>,
}

impl Issuer {
    /// A new key.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new(kid: &str) -> io::Result<Self> {
        let fail = |_| io::Error::other("no key");
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).map_err(fail)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref())
            .map_err(|_| io::Error::other("no key"))?;
        let public = key.public_key().as_ref().to_vec();
        Ok(Self { key, kid: kid.to_owned(), public })
    }
    /// Writes the JWKS (RFC 7517) with the public key.
    ///
    /// # Errors
    /// As the file system says.
    pub fn publish(&self, file: &Path) -> io::Result<()> {
        let point = self.public.get(1..).unwrap_or_default();
        let (x, y) = point.split_at_checked(32).unwrap_or_default();
        let key = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid, "x": pack(x), "y": pack(y)});
        std::fs::write(file, json!({"keys": [key]}).to_string())
    }
    /// A token of this issuer.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        self.with_header(&json!({"alg": "ES256", "typ": "JWT", "kid": self.kid}), claims)
    }
    /// A token with a header of the caller's, signed all the same.
    #[must_use]
    pub fn with_header(&self, header: &Value, claims: &Value) -> String {
        let text = format!("{}.{}", pack(header.to_string().as_bytes()), pack(claims.to_string().as_bytes()));
        let signed = self.key.sign(&SystemRandom::new(), text.as_bytes());
        format!("{text}.{}", signed.map(|s| pack(s.as_ref())).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    #[test]
    fn a_token_opens_and_verifies() {
        let issuer = Issuer::new("k1").unwrap();
        let token = issuer.token(&json!({"sub": "x"}));
        let (header, claims) = open(&token).unwrap();
        assert_eq!((header["alg"].as_str(), claims["sub"].as_str()), (Some("ES256"), Some("x")));
        let (text, tag) = token.rsplit_once('.').unwrap();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &issuer.public);
        key.verify(text.as_bytes(), &unpack(tag).unwrap()).unwrap();
        assert!(open("a.b").is_none());
    }
}
