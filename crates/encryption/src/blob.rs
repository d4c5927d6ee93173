//! The bytes a sealed value is stored as: header (version, algorithm, key version), nonce, ciphertext, tag.

use kernel::{Failure, Rng, Secret};

use crate::{
    derive::Key,
    hash::length,
    xaes::{Cipher, NONCE, TAG},
};

const VERSION: u8 = 1;
const XAES_256_GCM: u8 = 1;
/// Not sealed at all: written and read only by a test build whose encryption is switched off.
const PLAIN: u8 = 0;
const HEADER: usize = 6;

fn header(algorithm: u8, key_version: u32) -> [u8; HEADER] {
    let [a, b, c, d] = key_version.to_be_bytes();
    [VERSION, algorithm, a, b, c, d]
}

/// Header, then each piece of the context behind its length.
fn associated(header: [u8; HEADER], context: &[&[u8]]) -> Vec<u8> {
    let mut aad = Vec::with_capacity(192);
    aad.extend(header);
    for piece in context {
        aad.extend(length(piece));
        aad.extend_from_slice(piece);
    }
    aad
}

/// Seals under a key of that version, with a nonce drawn here: no caller can supply one.
pub(crate) fn seal(
    key: &Key,
    key_version: u32,
    context: &[&[u8]],
    plaintext: &[u8],
    rng: &dyn Rng,
) -> Result<Vec<u8>, Failure> {
    let nonce = drawn(rng);
    sealed(&Cipher::new(key)?, header(XAES_256_GCM, key_version), &nonce, context, plaintext)
}

/// As [`seal`], for a field's value, with a key made ready.
pub(crate) fn seal_field(
    cipher: &Cipher,
    key_version: u32,
    context: &[&[u8]],
    plaintext: &[u8],
    rng: &dyn Rng,
) -> Result<Vec<u8>, Failure> {
    let nonce = drawn(rng);
    if kernel::sabotage::off("vault.field_encryption") {
        let pieces: [&[u8]; 4] = [&header(PLAIN, key_version), &nonce, plaintext, &[0; TAG]];
        return Ok(pieces.concat());
    }
    sealed(cipher, header(XAES_256_GCM, key_version), &nonce, separated(context), plaintext)
}

fn drawn(rng: &dyn Rng) -> [u8; NONCE] {
    if kernel::sabotage::off("vault.unique_nonce") { [0; NONCE] } else { rng.array() }
}

/// The context, unless a test build shall not tell places apart.
fn separated<'c, 'p>(context: &'c [&'p [u8]]) -> &'c [&'p [u8]] {
    if kernel::sabotage::off("vault.key_separation") { &[] } else { context }
}

fn sealed(
    cipher: &Cipher,
    header: [u8; HEADER],
    nonce: &[u8; NONCE],
    context: &[&[u8]],
    plaintext: &[u8],
) -> Result<Vec<u8>, Failure> {
    let mut blob = Vec::with_capacity(HEADER + NONCE + plaintext.len() + TAG);
    blob.extend(header);
    blob.extend(nonce);
    cipher.seal(nonce, &associated(header, context), plaintext, &mut blob)?;
    Ok(blob)
}

/// A blob taken apart, not yet opened.
#[derive(Clone, Copy)]
pub(crate) struct Blob<'b> {
    header: [u8; HEADER],
    nonce: &'b [u8; NONCE],
    sealed: &'b [u8],
}

impl<'b> Blob<'b> {
    /// None when the bytes are not a blob of a version and algorithm known here.
    pub(crate) fn parse(bytes: &'b [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
        let [version, algorithm, ..] = *header;
        let known = algorithm == XAES_256_GCM || algorithm == PLAIN && kernel::sabotage::off("vault.field_encryption");
        (version == VERSION && known && sealed.len() >= TAG).then_some(Self { header: *header, nonce, sealed })
    }
    /// The version of the key it was sealed under.
    pub(crate) const fn key_version(&self) -> u32 {
        let [_, _, a, b, c, d] = self.header;
        u32::from_be_bytes([a, b, c, d])
    }
    /// The plaintext, or none when key or context are not those it was sealed with, or a bit was changed.
    pub(crate) fn open(&self, key: &Key, context: &[&[u8]]) -> Result<Option<Secret>, Failure> {
        self.opened(&Cipher::new(key)?, context)
    }
    /// As [`Blob::open`], for a field's value, with a key made ready.
    pub(crate) fn open_field(&self, cipher: &Cipher, context: &[&[u8]]) -> Result<Option<Secret>, Failure> {
        let [_, algorithm, ..] = self.header;
        if algorithm == PLAIN {
            let plain = self.sealed.len().checked_sub(TAG).and_then(|end| self.sealed.get(..end));
            return Ok(plain.map(Secret::new));
        }
        self.opened(cipher, separated(context))
    }
    fn opened(&self, cipher: &Cipher, context: &[&[u8]]) -> Result<Option<Secret>, Failure> {
        let opened = cipher.open(self.nonce, &associated(self.header, context), self.sealed)?;
        Ok(opened.map(|mut plain| Secret::new(std::mem::take(&mut *plain))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OsRng;

    const CONTEXT: [&[u8]; 5] = [b"eu", b"tenant", b"orders", b"iban", b"row"];

    fn sealed() -> (Key, Vec<u8>) {
        let key = Key::new([5; 32]);
        let blob = seal(&key, 258, &CONTEXT, b"NO93", &OsRng).unwrap();
        (key, blob)
    }

    #[test]
    fn a_blob_has_the_documented_shape() {
        let (key, blob) = sealed();
        assert_eq!(blob.len(), 6 + 24 + 4 + 16);
        assert_eq!(blob[..6], [1, 1, 0, 0, 1, 2]);
        let parsed = Blob::parse(&blob).unwrap();
        assert_eq!(parsed.key_version(), 258);
        assert_eq!(parsed.open(&key, &CONTEXT).unwrap().unwrap().expose(), b"NO93");
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_refused() {
        let (key, blob) = sealed();
        let opens = |bytes: &[u8]| Blob::parse(bytes).and_then(|b| b.open(&key, &CONTEXT).unwrap()).is_some();
        assert!(opens(&blob));
        for bit in 0..blob.len() * 8 {
            let mut bad = blob.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!opens(&bad), "bit {bit}");
        }
        for cut in 0..blob.len() {
            assert!(!opens(&blob[..cut]), "cut to {cut}");
        }
        assert!(!opens(&[&blob[..], &[0]].concat()));
    }

    #[test]
    fn another_place_does_not_open_it() {
        let (key, blob) = sealed();
        let parsed = Blob::parse(&blob).unwrap();
        for at in 0..CONTEXT.len() {
            let mut other = CONTEXT;
            other[at] = b"other";
            assert!(parsed.open(&key, &other).unwrap().is_none(), "piece {at}");
            other = CONTEXT;
            other.swap(at, (at + 1) % CONTEXT.len());
            assert!(parsed.open(&key, &other).unwrap().is_none(), "swap {at}");
        }
        assert!(parsed.open(&key, &CONTEXT[..4]).unwrap().is_none());
        assert!(parsed.open(&key, &[b"eut", b"enant", b"orders", b"iban", b"row"]).unwrap().is_none());
    }

    #[test]
    fn equal_values_never_look_equal() {
        let key = Key::new([5; 32]);
        let mut nonces: Vec<_> =
            (0..10_000).map(|_| seal(&key, 1, &CONTEXT, b"same", &OsRng).unwrap()[6..30].to_vec()).collect();
        nonces.sort_unstable();
        nonces.dedup();
        assert_eq!(nonces.len(), 10_000);
    }

    #[cfg(not(feature = "sabotage"))]
    #[test]
    fn a_plain_blob_is_not_read() {
        let (_, mut blob) = sealed();
        blob[1] = PLAIN;
        assert!(Blob::parse(&blob).is_none());
    }

    #[test]
    #[ignore = "a measurement; see bench/README.md"]
    #[expect(clippy::print_stdout, reason = "a measurement")]
    fn cost_of_a_field() {
        use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
        let text = [b'x'; 1024];
        let bare = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[5; 32]).unwrap());
        let aad = associated(header(1, 1), &CONTEXT);
        let mut alone = || {
            let drawn = drawn(&OsRng);
            let nonce = || Nonce::try_assume_unique_for_key(&drawn[..12]).unwrap();
            let mut body = text.to_vec();
            let tag = bare.seal_in_place_separate_tag(nonce(), Aad::from(&aad[..]), &mut body).unwrap();
            body.extend_from_slice(tag.as_ref());
            let mut read = body.clone();
            assert_eq!(bare.open_in_place(nonce(), Aad::from(&aad[..]), &mut read).unwrap().len(), 1024);
        };
        let aad = associated(header(1, 1), &CONTEXT);
        let mut keyed = || {
            let drawn = drawn(&OsRng);
            let key = || LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[drawn, drawn].concat()[..32]).unwrap());
            let nonce = || Nonce::try_assume_unique_for_key(&drawn[..12]).unwrap();
            let mut body = text.to_vec();
            let tag = key().seal_in_place_separate_tag(nonce(), Aad::from(&aad[..]), &mut body).unwrap();
            body.extend_from_slice(tag.as_ref());
            let mut read = body.clone();
            assert_eq!(key().open_in_place(nonce(), Aad::from(&aad[..]), &mut read).unwrap().len(), 1024);
        };
        let derive = || crate::derive::derive(&Secret::new([5; 32]), "seal", "eu", &CONTEXT[1..4]).unwrap();
        let ready = Cipher::new(&derive()).unwrap();
        let mut ours = || {
            let blob = seal_field(&ready, 1, &CONTEXT, &text, &OsRng).unwrap();
            let opened = Blob::parse(&blob).unwrap().open_field(&ready, &CONTEXT).unwrap().unwrap();
            assert_eq!(opened.expose().len(), 1024);
        };
        let (mut first, mut deriving) = (|| drop(drawn(&OsRng).to_vec()), || drop(derive()));
        let mut works: [(&str, &mut dyn FnMut()); 5] = [
            ("aws-lc-rs alone, one key", &mut alone),
            ("aws-lc-rs alone, a key for each message, as 192-bit nonces need", &mut keyed),
            ("ours", &mut ours),
            ("of both, the nonce", &mut first),
            ("kept, a derivation", &mut deriving),
        ];
        // In turns and the least of many: other work on the machine slows all alike.
        let mut least = [f64::MAX; 5];
        for _ in 0..400 {
            for ((_, work), least) in works.iter_mut().zip(&mut least) {
                let start = std::time::Instant::now();
                (0..200).for_each(|_| work());
                *least = least.min(start.elapsed().as_secs_f64() / 200.0);
            }
        }
        works.iter().zip(least).for_each(|((what, _), s)| println!("{what}: {:.0} ns", s * 1e9));
        println!("ratio {:.2} to one key, {:.2} to a key for each message", least[2] / least[0], least[2] / least[1]);
    }
}
