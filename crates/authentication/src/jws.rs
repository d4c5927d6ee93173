//! Signatures of an outside issuer's tokens: compact JWS (RFC 7515) with keys from a JWK set (RFC 7517). The algorithm is the
//! key's, never the token's choice.

use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as B64};
use serde::Deserialize;

/// Longest token looked at, in bytes.
const LONGEST: usize = 8 * 1024;

/// A public key with the one algorithm it verifies.
#[derive(Debug)]
pub(crate) enum PublicKey {
    Rs256 { n: Vec<u8>, e: Vec<u8> },
    Es256(Vec<u8>),
    EdDsa(Vec<u8>),
}

/// One key of a set.
#[derive(Deserialize)]
pub(crate) struct Jwk {
    kty: String,
    #[serde(default)]
    pub kid: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    /// The key, if it is one for signatures of a kind we verify.
    pub(crate) fn key(&self) -> Option<PublicKey> {
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        let bytes = |field: &Option<String>| B64.decode(field.as_deref()?).ok();
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", None) => {
                let n = bytes(&self.n)?;
                // 2048 bits at least.
                (n.len() >= 256).then_some(())?;
                PublicKey::Rs256 { n, e: bytes(&self.e)? }
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(&self.x)?, bytes(&self.y)?);
                (x.len() == 32 && y.len() == 32).then_some(())?;
                PublicKey::Es256([&[4], x.as_slice(), y.as_slice()].concat())
            }
            ("OKP", Some("Ed25519")) => PublicKey::EdDsa(bytes(&self.x).filter(|x| x.len() == 32)?),
            _ => return None,
        };
        self.alg.as_deref().is_none_or(|alg| alg == key.alg()).then_some(key)
    }
}

impl PublicKey {
    const fn alg(&self) -> &'static str {
        match self {
            Self::Rs256 { .. } => "RS256",
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
        }
    }

    fn verifies(&self, message: &[u8], mark: &[u8]) -> bool {
        match self {
            Self::Rs256 { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, mark).is_ok()
            }
            Self::Es256(point) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, mark).is_ok()
            }
            Self::EdDsa(key) => UnparsedPublicKey::new(&signature::ED25519, key).verify(message, mark).is_ok(),
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: String,
    crit: Option<serde_json::Value>,
}

/// A token taken apart, not yet believed.
pub(crate) struct Unverified<'t> {
    header: Header,
    signed: &'t str,
    payload: &'t str,
    mark: Vec<u8>,
}

impl<'t> Unverified<'t> {
    /// None when it is no compact JWS.
    pub(crate) fn read(token: &'t str) -> Option<Self> {
        if token.len() > LONGEST {
            return None;
        }
        let (signed, mark) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let header: Header = serde_json::from_slice(&B64.decode(header).ok()?).ok()?;
        let mark = B64.decode(mark).ok()?;
        // RFC 7515, 4.1.11: what must be understood and is not makes the token invalid.
        (header.crit.is_none() && !payload.contains('.')).then_some(Self { header, signed, payload, mark })
    }

    pub(crate) fn kid(&self) -> &str {
        &self.header.kid
    }

    /// The payload, if `key` signed it with its own algorithm.
    pub(crate) fn verified(&self, key: &PublicKey) -> Option<Vec<u8>> {
        let right = self.header.alg == key.alg() && key.verifies(self.signed.as_bytes(), &self.mark);
        (right || kernel::sabotage::off("auth.external_jwt")).then(|| B64.decode(self.payload).ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8037, appendix A.4, and RFC 7515, appendix A.3 and A.2.
    const ED: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    const ED_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    const ES: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    const ES_KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

    fn key(text: &str) -> PublicKey {
        serde_json::from_str::<Jwk>(text).unwrap().key().unwrap()
    }

    #[test]
    fn the_standards_examples_verify() {
        for (token, k) in [(ED, ED_KEY), (ES, ES_KEY)] {
            assert!(Unverified::read(token).unwrap().verified(&key(k)).is_some());
        }
        assert!(Unverified::read(ED).unwrap().verified(&key(ES_KEY)).is_none());
    }

    #[test]
    fn a_changed_token_does_not() {
        for at in (0..ED.len()).step_by(3) {
            let mut bytes = ED.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(bytes).unwrap();
            assert!(Unverified::read(&text).is_none_or(|t| t.verified(&key(ED_KEY)).is_none()), "{at}");
        }
        let crit = B64.encode(r#"{"alg":"EdDSA","crit":["b64"]}"#);
        assert!(Unverified::read(&format!("{crit}.e30.AA")).is_none());
    }

    #[test]
    fn keys_that_are_not_for_us() {
        for text in [
            r#"{"kty":"oct","k":"AAAA"}"#,
            r#"{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAY"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","alg":"HS256","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#,
        ] {
            assert!(serde_json::from_str::<Jwk>(text).unwrap().key().is_none(), "{text}");
        }
    }
}
