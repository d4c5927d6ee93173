//! The bytes of a sealed object: a head (16 bytes of magic, then the envelope of its data key), then pieces of 64 KiB, each
//! AES-256-GCM under the data key. A piece's nonce is seven zero bytes, its number (4 bytes, big-endian) and 1 for the last
//! piece, else 0 (the STREAM construction): pieces cannot be swapped, and an object that was cut has no last one. The key is
//! drawn for the one object and used for its one writing, so no nonce comes twice.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use kernel::{Failure, Secret};

use crate::bulk::{ENVELOPE, Envelope};

/// Plain bytes of a piece; the last one may hold fewer, an empty object's holds none.
pub(crate) const PIECE: usize = 64 * 1024;
const TAG: usize = 16;
const MAGIC: &[u8; 16] = b"vouchsafe blob 1";
/// Bytes before the first piece.
pub(crate) const HEAD: usize = 16 + ENVELOPE;

pub(crate) fn damaged() -> Failure {
    Failure::internal("store: a stored object was changed, cut or put together anew")
}

/// The head of an object.
pub(crate) fn head(envelope: &Envelope) -> [u8; HEAD] {
    let mut out = [0; HEAD];
    out.iter_mut().zip(MAGIC.iter().chain(envelope)).for_each(|(to, from)| *to = *from);
    out
}

/// Whether bytes begin as a sealed object does.
pub(crate) fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The envelope in a head.
pub(crate) fn envelope(head: &[u8; HEAD]) -> Option<Envelope> {
    head.strip_prefix(MAGIC)?.try_into().ok()
}

/// Where pieces lie, from the length of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Plain bytes.
    pub(crate) size: u64,
    /// Number of the last piece.
    pub(crate) last: u32,
}

impl Shape {
    /// None when no object has a file of this length.
    pub(crate) fn of(length: u64) -> Option<Self> {
        let (piece, tag) = ((PIECE + TAG) as u64, TAG as u64);
        let body = length.checked_sub(HEAD as u64)?;
        let last = u32::try_from(body.div_ceil(piece).checked_sub(1)?).ok()?;
        let in_last = body - u64::from(last) * piece;
        // An object ends with an empty piece only when it is empty.
        let sound = in_last > tag || (in_last == tag && last == 0);
        sound.then(|| Self { size: body - (u64::from(last) + 1) * tag, last })
    }
    /// Where a piece begins in the file, and its length there.
    pub(crate) fn place(&self, number: u32) -> (u64, usize) {
        let at = HEAD as u64 + u64::from(number) * (PIECE + TAG) as u64;
        let plain = (self.size - (u64::from(number) * PIECE as u64).min(self.size)).min(PIECE as u64);
        (at, usize::try_from(plain).unwrap_or(PIECE) + TAG)
    }
}

/// An object's cipher.
pub(crate) struct Cipher(LessSafeKey);

impl Cipher {
    pub(crate) fn new(key: &Secret) -> Result<Self, Failure> {
        let key = UnboundKey::new(&AES_256_GCM, key.expose());
        key.map(|k| Self(LessSafeKey::new(k))).map_err(|_| Failure::internal("store: not a data key of 32 bytes"))
    }
    fn nonce(number: u32, last: bool) -> Nonce {
        let [a, b, c, d] = number.to_be_bytes();
        Nonce::assume_unique_for_key([0, 0, 0, 0, 0, 0, 0, a, b, c, d, u8::from(last)])
    }
    /// Seals a piece in place; the tag is appended.
    pub(crate) fn seal(&self, number: u32, last: bool, piece: &mut Vec<u8>) -> Result<(), Failure> {
        self.0
            .seal_in_place_append_tag(Self::nonce(number, last), Aad::empty(), piece)
            .map_err(|_| Failure::internal("store: the cipher failed"))
    }
    /// Opens a piece in place; only plain bytes are left.
    pub(crate) fn open(&self, number: u32, last: bool, piece: &mut Vec<u8>) -> Result<(), Failure> {
        let opened = self.0.open_in_place(Self::nonce(number, last), Aad::empty(), piece);
        let length = opened.map_err(|_| damaged())?.len();
        piece.truncate(length);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_length_tells_the_objects() {
        for size in [0, 1, 100, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 5] {
            let pieces = size.div_ceil(PIECE).max(1);
            let length = (HEAD + size + pieces * TAG) as u64;
            let shape = Shape::of(length).unwrap();
            assert_eq!(shape, Shape { size: size as u64, last: pieces as u32 - 1 });
            let (at, long) = shape.place(shape.last);
            assert_eq!(at + long as u64, length);
        }
        for length in
            [0, HEAD as u64, (HEAD + 15) as u64, (HEAD + PIECE + TAG + 16) as u64, (HEAD + PIECE + TAG + 3) as u64]
        {
            assert_eq!(Shape::of(length), None, "{length}");
        }
    }

    #[test]
    fn a_piece_opens_only_at_its_place() {
        let cipher = Cipher::new(&Secret::new([7; 32])).unwrap();
        let mut sealed = b"piece".to_vec();
        cipher.seal(3, false, &mut sealed).unwrap();
        let opens =
            |cipher: &Cipher, number, last, bytes: &[u8]| cipher.open(number, last, &mut bytes.to_vec()).is_ok();
        assert!(opens(&cipher, 3, false, &sealed));
        assert!(!opens(&cipher, 3, true, &sealed));
        assert!(!opens(&cipher, 2, false, &sealed));
        assert!(!opens(&Cipher::new(&Secret::new([8; 32])).unwrap(), 3, false, &sealed));
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!opens(&cipher, 3, false, &bad), "bit {bit}");
        }
        assert!(Cipher::new(&Secret::new([7; 31])).is_err());
    }
}
