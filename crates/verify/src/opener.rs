//! An opener of sealed values that shares nothing with the code that seals them: HKDF (RFC 5869) from HMAC, CMAC
//! (RFC 4493) from AES blocks, XAES-256-GCM (C2SP) from both, written from the documents and the formats that the
//! `encryption` section publishes at its head. The prober knows the root keys: it gave them to the instance.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    cipher::{AES_256, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey},
    hmac,
};

use crate::{
    evidence::Miss,
    instance::Instance,
    random::sha256,
    rows::{self, Cell, Whose},
};

/// 256 bits.
pub type Key = [u8; 32];

/// Bytes before the nonce of a blob.
pub const HEADER: usize = 6;
/// Bytes of a nonce.
pub const NONCE: usize = 24;
const TAG: usize = 16;

/// Where a sealed value stands, as it is bound to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Region, tenant, collection, field, row.
    pub pieces: [String; 5],
}

impl Spot {
    /// From its parts.
    #[must_use]
    pub fn new(region: &str, tenant: &str, collection: &str, field: &str, row: &str) -> Self {
        Self { pieces: [region, tenant, collection, field, row].map(str::to_owned) }
    }
    /// The key that seals here.
    #[must_use]
    pub fn key(&self, kek: &Key, purpose: &str) -> Key {
        let [region, tenant, collection, field, _] = &self.pieces;
        derive(kek, purpose, region, &[tenant.as_bytes(), collection.as_bytes(), field.as_bytes()])
    }
    /// What a blob here is bound to, behind its header.
    #[must_use]
    pub fn bound(&self) -> Vec<Vec<u8>> {
        self.pieces.iter().map(|p| p.as_bytes().to_vec()).collect()
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Key {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    let mut out = [0; 32];
    out.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
    out
}

fn framed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(u32::try_from(piece.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(piece);
    }
    out
}

/// A key from a key: HKDF-SHA256 with the salt and info of the published format.
#[must_use]
pub fn derive(from: &Key, purpose: &str, region: &str, context: &[&[u8]]) -> Key {
    let words = [purpose.as_bytes(), region.as_bytes()];
    let salt = sha256(&framed(words));
    let info = framed(words.into_iter().chain(context.iter().copied()));
    let extracted = mac(&salt, &[from]);
    mac(&extracted, &[&info, &[1]])
}

/// Name of a root: what a wrapped key says it was wrapped by.
#[must_use]
pub fn root_name(root: &Key, region: &str) -> String {
    hex::encode(derive(root, "root-name", region, &[]).get(..8).unwrap_or_default())
}

fn block(key: &Key, block: [u8; 16]) -> Option<[u8; 16]> {
    let mut out = block;
    let cipher = EncryptingKey::ecb(UnboundCipherKey::new(&AES_256, key).ok()?).ok()?;
    cipher.encrypt(&mut out).ok()?;
    Some(out)
}

fn unblock(key: &Key, block: [u8; 16]) -> Option<[u8; 16]> {
    let mut out = block;
    let cipher = DecryptingKey::ecb(UnboundCipherKey::new(&AES_256, key).ok()?).ok()?;
    cipher.decrypt(&mut out, DecryptionContext::None).ok()?;
    Some(out)
}

/// Unwraps 32 bytes wrapped with AES-KWP (RFC 5649, 4.2): 40 bytes; none when anything was changed.
#[must_use]
pub fn unwrap(key: &Key, wrapped: &[u8]) -> Option<Key> {
    let wrapped: &[u8; 40] = wrapped.try_into().ok()?;
    let mut halves = wrapped.chunks_exact(8);
    let mut a = u64::from_be_bytes(halves.next()?.try_into().ok()?);
    let mut r: Vec<[u8; 8]> = halves.filter_map(|half| half.try_into().ok()).collect();
    for step in (1..=24_u64).rev() {
        let half = r.get_mut(usize::try_from((step - 1) % 4).ok()?)?;
        let mut input = [0; 16];
        let (left, right) = input.split_at_mut(8);
        left.copy_from_slice(&(a ^ step).to_be_bytes());
        right.copy_from_slice(half);
        let output = unblock(key, input)?;
        let (left, right) = output.split_at(8);
        a = u64::from_be_bytes(left.try_into().ok()?);
        half.copy_from_slice(right);
    }
    // The constant of RFC 5649, 3, and the length.
    (a == 0xa659_59a6_0000_0020).then(|| r.concat().try_into().ok()).flatten()
}

/// CMAC of exactly one block, which is all that XAES needs.
fn cmac(key: &Key, message: [u8; 16]) -> Option<[u8; 16]> {
    let zero = u128::from_be_bytes(block(key, [0; 16])?);
    let subkey = (zero << 1) ^ if zero >> 127 == 1 { 0x87 } else { 0 };
    block(key, (u128::from_be_bytes(message) ^ subkey).to_be_bytes())
}

fn message_key(key: &Key, half: &[u8; 12]) -> Option<Key> {
    let mut out = [0; 32];
    for (n, part) in (1u8..).zip(out.chunks_exact_mut(16)) {
        let mut message = [0; 16];
        let (label, rest) = message.split_at_mut(4);
        label.copy_from_slice(&[0, n, b'X', 0]);
        rest.copy_from_slice(half);
        part.copy_from_slice(&cmac(key, message)?);
    }
    Some(out)
}

/// Opens a stored value under this key as bound to these pieces; none when it does not open.
#[must_use]
pub fn open(key: &Key, stored: &[u8], bound: &[Vec<u8>]) -> Option<Vec<u8>> {
    let (index, blob) = split(stored);
    let (header, rest) = blob.split_first_chunk::<HEADER>()?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
    if sealed.len() < TAG || !header.starts_with(&[1, 1]) {
        return None;
    }
    let mut aad = header.to_vec();
    let index = Some(index).filter(|index| !index.is_empty());
    aad.extend(framed(bound.iter().map(Vec::as_slice).chain(index)));
    xaes(key, nonce, &aad, sealed)
}

/// Opens XAES-256-GCM: ciphertext, then tag.
#[must_use]
pub fn xaes(key: &Key, nonce: &[u8; NONCE], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (first, last) = nonce.split_first_chunk::<12>()?;
    gcm(&message_key(key, first)?, last.try_into().ok()?, aad, sealed)
}

/// Opens AES-256-GCM (NIST SP 800-38D): ciphertext, then tag.
#[must_use]
pub fn gcm(key: &Key, nonce: [u8; 12], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    let mut body = sealed.to_vec();
    let opened = key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut body);
    opened.ok().map(|plain| plain.to_vec())
}

/// Bytes of a blind index in front of a blob.
pub const INDEX: usize = 16;

/// A stored value's blind index, if it has one, and its blob.
#[must_use]
pub fn split(stored: &[u8]) -> (&[u8], &[u8]) {
    let indexed = stored.first().is_some_and(|first| *first >= 0x80);
    stored.split_at_checked(if indexed { INDEX } else { 0 }).unwrap_or((&[], stored))
}

/// The blind index a text has at a place: the mark, the version of the tenant's key, and a truncated HMAC under a key of
/// its own.
#[must_use]
pub fn index(kek: &Key, version: u32, spot: &Spot, text: &str) -> Vec<u8> {
    let tag = mac(&spot.key(kek, "blind-index"), &[text.trim().to_lowercase().as_bytes()]);
    [0x81].into_iter().chain(version.to_be_bytes()).chain(tag).take(INDEX).collect()
}

/// The version of the tenant's key a stored value names.
#[must_use]
pub fn key_version(stored: &[u8]) -> u32 {
    split(stored).1.get(2..HEADER).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes)
}

/// A root key the prober gave the instance.
#[must_use]
pub fn root(instance: &Instance, region: &str) -> Option<Key> {
    let name = format!("VOUCHSAFE_ROOT_{}", region.to_uppercase().replace('-', "_"));
    hex::decode(instance.secrets.get(&name)?).ok()?.try_into().ok()
}

/// A tenant's key as it is stored, and open.
#[derive(Clone, Debug)]
pub struct Kek {
    /// From 1.
    pub version: u32,
    /// The region whose root wrapped it.
    pub region: String,
    /// The root's name.
    pub root: String,
    /// As stored.
    pub wrapped: Vec<u8>,
    /// When it was made, in milliseconds.
    pub created_at: i64,
    /// Whether it is retired.
    pub retired: bool,
}

impl Kek {
    /// The key itself, unwrapped by this root.
    #[must_use]
    pub fn unwrapped(&self, tenant: &str, root: &Key) -> Option<Key> {
        let context = [tenant.as_bytes(), &self.version.to_be_bytes()];
        unwrap(&derive(root, "wrap", &self.region, &context), &self.wrapped)
    }
}

/// Every key of a tenant that is stored, oldest first.
///
/// # Errors
/// Unclear when there is none.
pub async fn keks(instance: &Instance, tenant: &str) -> Result<Vec<Kek>, Miss> {
    let sql = format!(
        "SELECT version, region, root, wrapped, created_at, retired_at FROM tenant_key WHERE tenant = '{tenant}' ORDER BY version"
    );
    let read = |row: Vec<Cell>| {
        let [version, region, root, wrapped, created_at, retired] = <[Cell; 6]>::try_from(row).ok()?;
        Some(Kek {
            version: u32::try_from(version.int()).ok()?,
            region: region.text().to_owned(),
            root: root.text().to_owned(),
            wrapped: wrapped.bytes().to_vec(),
            created_at: created_at.int(),
            retired: retired != Cell::Null,
        })
    };
    let found: Vec<Kek> = rows::all(instance, Whose::House, &sql).await?.into_iter().filter_map(read).collect();
    if found.is_empty() {
        return Err(Miss::Unclear("the tenant has no stored key".to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C2SP's first vector: no header in it, so the pieces are put together here.
    #[test]
    fn the_opener_is_xaes() {
        let nonce: [u8; 24] = *b"ABCDEFGHIJKLMNOPQRSTUVWX";
        let (first, last) = nonce.split_first_chunk::<12>().unwrap();
        let key = message_key(&[1; 32], first).unwrap();
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
        let mut body = hex::decode("ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271").unwrap();
        let opened =
            key.open_in_place(Nonce::try_assume_unique_for_key(last).unwrap(), Aad::empty(), &mut body).unwrap();
        assert_eq!(opened, b"XAES-256-GCM");
    }

    /// RFC 4493's key is AES-128; NIST SP 800-38B D.3, example 2 is AES-256 and one block.
    #[test]
    fn the_mac_is_nists() {
        let key = hex::decode("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4").unwrap();
        let message = hex::decode("6bc1bee22e409f96e93d7e117393172a").unwrap();
        let got = cmac(&key.try_into().unwrap(), message.try_into().unwrap()).unwrap();
        assert_eq!(hex::encode(got), "28a7023f452e8f82bd4bf28d8c37c35c");
    }

    /// Against the library's own wrapping.
    #[test]
    fn unwrapping_refuses_every_changed_bit() {
        use aws_lc_rs::key_wrap::{AES_256 as KW, AesKek, KeyWrapPadded as _};
        let mut wrapped = vec![0; 40];
        AesKek::new(&KW, &[3; 32]).unwrap().wrap_with_padding(&[9; 32], &mut wrapped).unwrap();
        assert_eq!(unwrap(&[3; 32], &wrapped), Some([9; 32]));
        for bit in 0..320 {
            let mut bad = wrapped.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unwrap(&[3; 32], &bad), None);
        }
    }

    #[test]
    fn derived_keys_are_the_published_formats() {
        // Made with Python's hmac and hashlib.
        let key = derive(&[7; 32], "seal", "eu", &[b"t", b"orders", b"iban"]);
        assert_eq!(hex::encode(key), "9381ba116be7d2541bec9b64663b9d79d692e3251c359bb2a24313471f4d8984");
    }
}
