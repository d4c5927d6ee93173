//! Reading OpenPGP as a receiver does (RFC 4880): a cleartext message, its signature, an armoured Ed25519 key.

use aws_lc_rs::{
    digest,
    signature::{ED25519, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A public key and its fingerprint.
pub struct Key {
    point: Vec<u8>,
    print: Vec<u8>,
}

impl Key {
    /// From an armoured public key block.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let bytes = armour(text, "PUBLIC KEY BLOCK")?;
        let (tag, body, _) = packet(&bytes)?;
        // Version 4, four bytes of time, algorithm 22, curve, then the point behind 0x40.
        let (head, point) = body.split_at_checked(body.len().checked_sub(32)?)?;
        if tag != 6 || head.first() != Some(&4) || head.get(5) != Some(&22) || head.last() != Some(&0x40) {
            return None;
        }
        let mut framed = vec![0x99];
        framed.extend(u16::try_from(body.len()).ok()?.to_be_bytes());
        framed.extend(body);
        let print = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &framed).as_ref().to_vec();
        Some(Self { point: point.to_vec(), print })
    }
}

/// A signed text.
pub struct Signed {
    /// The text without its frame.
    pub text: String,
    signature: Vec<u8>,
}

impl Signed {
    /// From a cleartext message.
    #[must_use]
    pub fn read(message: &str) -> Option<Self> {
        let rest = message.strip_prefix("-----BEGIN PGP SIGNED MESSAGE-----\n")?;
        let (head, rest) = rest.split_once("\n\n")?;
        if head != "Hash: SHA256" {
            return None;
        }
        let at = rest.find("-----BEGIN PGP SIGNATURE-----")?;
        let (text, signature) = rest.split_at_checked(at)?;
        let (tag, body, more) = packet_owned(&armour(signature, "SIGNATURE")?)?;
        if tag != 2 || !more {
            return None;
        }
        let plain = text.lines().map(|l| l.strip_prefix("- ").unwrap_or(l)).collect::<Vec<_>>().join("\n");
        Some(Self { text: plain, signature: body })
    }
    /// Whether this key signed it.
    #[must_use]
    pub fn by(&self, key: &Key) -> bool {
        self.holds(key).unwrap_or(false)
    }
    fn holds(&self, key: &Key) -> Option<bool> {
        let s = &self.signature;
        let hashed = usize::from(u16::from_be_bytes(*s.get(4..)?.first_chunk()?));
        let (trailer, rest) = s.split_at_checked(6 + hashed)?;
        // Version 4, a text, EdDSA, SHA-256; the fingerprint of the issuer stands among what is signed.
        if !trailer.starts_with(&[4, 1, 22, 8]) || !trailer.windows(key.print.len()).any(|w| w == key.print) {
            return Some(false);
        }
        let loose = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
        let numbers = rest.get(2 + loose + 2..)?;
        let (r, numbers) = integer(numbers)?;
        let (s, _) = integer(numbers)?;
        let mut signed = self.text.lines().map(str::trim_end).collect::<Vec<_>>().join("\r\n").into_bytes();
        signed.extend(trailer);
        signed.extend([4, 0xFF]);
        signed.extend(u32::try_from(trailer.len()).ok()?.to_be_bytes());
        let digest = digest::digest(&digest::SHA256, &signed);
        Some(UnparsedPublicKey::new(&ED25519, &key.point).verify(digest.as_ref(), &[r, s].concat()).is_ok())
    }
}

/// A number of at most 32 bytes, filled up with zeros in front.
fn integer(bytes: &[u8]) -> Option<([u8; 32], &[u8])> {
    let bits = usize::from(u16::from_be_bytes(*bytes.first_chunk()?));
    let (number, rest) = bytes.get(2..)?.split_at_checked(bits.div_ceil(8))?;
    let mut out = [0; 32];
    out.get_mut(32_usize.checked_sub(number.len())?..)?.copy_from_slice(number);
    Some((out, rest))
}

fn armour(text: &str, what: &str) -> Option<Vec<u8>> {
    let inside = text.split_once(&format!("-----BEGIN PGP {what}-----\n"))?.1;
    let inside = inside.split_once(&format!("-----END PGP {what}-----"))?.0;
    let body = inside.split_once("\n\n").map_or(inside, |(_, body)| body);
    let body = body.strip_prefix('\n').unwrap_or(body);
    let lines: String = body.lines().take_while(|l| !l.starts_with('=')).collect();
    STANDARD.decode(lines).ok()
}

/// The first packet: tag, body, rest. New format only.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=191 => (usize::from(*first), rest),
        192..=223 => {
            let (second, rest) = rest.split_first()?;
            ((usize::from(*first) - 192) * 256 + usize::from(*second) + 192, rest)
        }
        255 => (usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?, rest.get(4..)?),
        _ => return None,
    };
    let (body, rest) = rest.split_at_checked(length)?;
    (tag & 0xC0 == 0xC0).then_some((tag & 0x3F, body, rest))
}

/// The first packet, and whether it is the only one.
fn packet_owned(bytes: &[u8]) -> Option<(u8, Vec<u8>, bool)> {
    packet(bytes).map(|(tag, body, rest)| (tag, body.to_vec(), rest.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_texts_are_nothing() {
        for text in [
            "",
            "-----BEGIN PGP SIGNED MESSAGE-----\n",
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nx\n-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n",
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: MD5\n\nx\n-----BEGIN PGP SIGNATURE-----\n",
        ] {
            assert!(Signed::read(text).is_none());
            assert!(Key::read(text).is_none());
        }
        for length in 0..40 {
            let short = STANDARD.encode(vec![0xC6; length]);
            assert!(
                Key::read(&format!(
                    "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{short}\n-----END PGP PUBLIC KEY BLOCK-----"
                ))
                .is_none()
            );
        }
    }
}
