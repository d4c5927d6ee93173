//! OpenPGP, as much of it as signing a text takes (RFC 4880; Ed25519 as RFC 9580 calls "EdDSALegacy", which every
//! installed tool reads). A library for it would bring eighty crates of ciphers that nothing here uses; GnuPG judges the
//! bytes in this crate's tests.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{Signer, hash};

/// Algorithm 22 with the curve's object identifier 1.3.6.1.4.1.11591.15.1.
const EDDSA: u8 = 22;
const CURVE: [u8; 10] = [9, 0x2B, 0x06, 0x01, 0x04, 0x01, 0xDA, 0x47, 0x0F, 0x01];
/// SHA-256.
const HASH: u8 = 8;
/// A text, with CR LF at line ends.
const TEXT: u8 = 0x01;
/// A user id, after careful checking: the key's own word for its owner.
const CERTIFIES: u8 = 0x13;
/// 2026-01-01. It is part of the fingerprint, so it is the same for as long as the seed is.
const MADE: u32 = 1_767_225_600;

/// A key that signs texts, with its owner's name.
pub struct TextKey {
    signer: Signer,
    owner: String,
    body: Vec<u8>,
}

impl TextKey {
    /// `owner` is a name with an address: `Security <security@example.com>`.
    #[must_use]
    pub fn new(signer: Signer, owner: String) -> Self {
        let mut body = vec![4];
        body.extend(MADE.to_be_bytes());
        body.push(EDDSA);
        body.extend(CURVE);
        let point: Vec<u8> = std::iter::once(0x40).chain(signer.public().iter().copied()).collect();
        body.extend(integer(&point));
        Self { signer, owner, body }
    }
    /// Fingerprint, 40 hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode_upper(self.print())
    }
    /// The public key, armoured.
    #[must_use]
    pub fn public(&self) -> String {
        let owner = self.owner.as_bytes();
        let mut signed = self.framed();
        signed.push(0xB4);
        signed.extend(four(owner.len()));
        signed.extend(owner);
        let own = self.signature(CERTIFIES, MADE, &signed, &[27, 0x03]);
        let packets = [packet(6, &self.body), packet(13, owner), packet(2, &own)].concat();
        armour("PUBLIC KEY BLOCK", &packets)
    }
    /// The text with its signature, made at this moment (seconds since 1970). Line ends become LF.
    #[must_use]
    pub fn sign(&self, text: &str, at: u32) -> String {
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let signature = self.signature(TEXT, at.max(MADE), lines.join("\r\n").as_bytes(), &[]);
        let mut out = String::from("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n");
        for line in lines {
            if line.starts_with('-') {
                out.push_str("- ");
            }
            out.push_str(line);
            out.push('\n');
        }
        out + &armour("SIGNATURE", &packet(2, &signature))
    }

    fn print(&self) -> Vec<u8> {
        digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.framed()).as_ref().to_vec()
    }
    fn framed(&self) -> Vec<u8> {
        let mut out = vec![0x99];
        out.extend(two(self.body.len()));
        out.extend(&self.body);
        out
    }
    /// The body of a version 4 signature packet; `more` is one more hashed subpacket: type and value.
    fn signature(&self, kind: u8, at: u32, signed: &[u8], more: &[u8]) -> Vec<u8> {
        let print = self.print();
        let mut hashed = subpacket(2, &at.to_be_bytes());
        hashed.extend(subpacket(33, &[&[4], print.as_slice()].concat()));
        if let Some((kind, value)) = more.split_first() {
            hashed.extend(subpacket(*kind, value));
        }
        let mut body = vec![4, kind, EDDSA, HASH];
        body.extend(two(hashed.len()));
        body.extend(&hashed);
        let trailer = [&[0x04, 0xFF][..], &four(body.len())].concat();
        let digest = hash::sha256(&[signed, &body, &trailer].concat());
        let id = subpacket(16, print.get(12..).unwrap_or_default());
        body.extend(two(id.len()));
        body.extend(id);
        body.extend(digest.first_chunk::<2>().copied().unwrap_or_default());
        let signature = self.signer.sign(&digest);
        let (r, s) = signature.split_at(signature.len() / 2);
        body.extend(integer(r));
        body.extend(integer(s));
        body
    }
}

fn two(n: usize) -> [u8; 2] {
    u16::try_from(n).unwrap_or(u16::MAX).to_be_bytes()
}

fn four(n: usize) -> [u8; 4] {
    u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes()
}

/// A packet in the new format with a length of five octets.
fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[0xC0 | tag, 0xFF][..], &four(body.len()), body].concat()
}

/// All of ours are shorter than 192 octets.
fn subpacket(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len() + 1).unwrap_or(u8::MAX);
    [&[length, kind], value].concat()
}

/// A multiprecision integer: its length in bits, then its bytes without leading zeros.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    let rest = bytes.get(zeros..).unwrap_or_default();
    let bits = rest.first().map_or(0, |first| rest.len() * 8 - first.leading_zeros() as usize);
    [&two(bits)[..], rest].concat()
}

fn armour(what: &str, bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let mut out = format!("-----BEGIN PGP {what}-----\n\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = more;
    }
    let sum = crc24(bytes).to_be_bytes();
    out.push('=');
    out.push_str(&STANDARD.encode(sum.last_chunk::<3>().copied().unwrap_or_default()));
    out + &format!("\n-----END PGP {what}-----\n")
}

/// RFC 4880, 6.1.
fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x00B7_04CE, |sum, byte| {
        (0..8).fold(sum ^ (u32::from(*byte) << 16), |sum, _| {
            let sum = sum << 1;
            if sum & 0x0100_0000 == 0 { sum } else { sum ^ 0x0186_4CFB }
        })
    }) & 0x00FF_FFFF
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Secret;
    use std::{
        fs,
        path::Path,
        process::{Command, Output},
    };

    fn key() -> TextKey {
        TextKey::new(
            Signer::from_seed(&Secret::new([9; 32])).unwrap(),
            "Security <security@nordkestrel.example>".into(),
        )
    }

    #[test]
    fn numbers() {
        assert_eq!(crc24(b""), 0x00B7_04CE);
        // RFC 4880's checksum of the customary test string, as catalogues of checksums have it.
        assert_eq!(crc24(b"123456789"), 0x0021_CF02);
        assert_eq!(integer(&[0, 0, 1, 255]), [0, 9, 1, 255]);
        assert_eq!(integer(&[0]), [0, 0]);
    }

    fn gpg(home: &Path, rest: &[&str]) -> Option<Output> {
        Command::new("gpg").arg("--homedir").arg(home).args(["--batch", "--status-fd", "1"]).args(rest).output().ok()
    }

    /// A program nobody here wrote reads the key and the text, and refuses the text with one letter changed.
    #[test]
    fn gnupg_is_the_judge() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name).display().to_string();
        fs::write(at("key.asc"), key().public()).unwrap();
        let text = "Contact: mailto:security@nordkestrel.example\n- a line that begins with a dash\ntrailing spaces   \n\nExpires: 2027-01-01T00:00:00Z\n";
        let signed = key().sign(text, 1_790_000_000);
        fs::write(at("text"), &signed).unwrap();
        fs::write(at("changed"), signed.replace("mailto", "mailtu")).unwrap();
        let Some(imported) = gpg(home.path(), &["--import", &at("key.asc")]) else {
            eprintln!("NOT CHECKED HERE: gpg is not installed");
            return;
        };
        let words = String::from_utf8_lossy(&imported.stdout).into_owned();
        assert!(words.contains(&format!("IMPORT_OK 1 {}", key().fingerprint())), "{words}");
        let good = gpg(home.path(), &["--verify", &at("text")]).unwrap();
        assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
        assert!(String::from_utf8_lossy(&good.stdout).contains("GOODSIG"));
        assert!(!gpg(home.path(), &["--verify", &at("changed")]).unwrap().status.success());
    }
}
