//! Blind indexes: an encrypted value is found by equality through a keyed, truncated hash in front of its blob.
//!
//! A tag: 0x80 + the normaliser's number (1 byte), version of the tenant's key (4), then the first 11 bytes of
//! HMAC-SHA-256 of the normalised text under a key of its own (purpose `blind-index`). The tag is one more piece of the
//! blob's associated data, so a tag cannot be exchanged. Whoever reads the store learns which records of one field hold
//! equal values, and nothing else: that is why fields with few values are refused one.

use kernel::{Failure, Rng, Secret};

use crate::{
    Spot, Vault,
    blob::{self, Blob},
    hash,
    ring::Ring,
    vault::{field_key, place, unopened},
};

/// Bytes of a tag.
pub const TAG: usize = 16;
const MARK: u8 = 0x80;
/// Normalisers by number, from 1; the last one is in use. Changing one means adding one: the sweeper then writes every
/// value anew, and until it is done filters ask by all.
const NORMALISERS: [fn(&str) -> String; 1] = [folded];

/// White space around it is left out and case is folded: what a person means by "the same address".
fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

/// A stored value's tag and blob; one without a tag is a blob.
pub(crate) fn split(stored: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match stored.split_at_checked(TAG) {
        Some((tag, blob)) if tag.first().is_some_and(|first| *first >= MARK) => (Some(tag), blob),
        _ => (None, stored),
    }
}

/// The smallest tag of a version and the normaliser in use.
pub(crate) fn least(version: u32) -> [u8; TAG] {
    let mut tag = [0; TAG];
    let number = u8::try_from(NORMALISERS.len()).unwrap_or(1);
    tag.iter_mut().zip([MARK + number].into_iter().chain(version.to_be_bytes())).for_each(|(to, from)| *to = from);
    tag
}

/// The number of the tenant's key that a stored value is sealed under.
#[must_use]
pub fn key_version(stored: &[u8]) -> Option<u32> {
    Blob::parse(split(stored).1).map(|blob| blob.key_version())
}

fn tag(number: u8, version: u32, kek: &Secret, spot: &Spot<'_>, text: &str) -> Result<Vec<u8>, Failure> {
    let id = spot.tenant.to_string();
    let key = field_key(kek, "blind-index", spot, &id)?;
    let normaliser = NORMALISERS.get(usize::from(number) - 1).ok_or_else(unopened)?;
    let mac = hash::hmac_sha256(key.as_slice(), normaliser(text).as_bytes());
    let head = [MARK + number].into_iter().chain(version.to_be_bytes());
    Ok(head.chain(mac).take(TAG).collect())
}

fn tag_now(ring: &Ring, spot: &Spot<'_>, text: &str) -> Result<Vec<u8>, Failure> {
    let kek = ring.key(ring.live).ok_or_else(unopened)?;
    tag(u8::try_from(NORMALISERS.len()).unwrap_or(1), ring.live, kek, spot, text)
}

fn seal_tagged(ring: &Ring, spot: &Spot<'_>, text: &str, rng: &dyn Rng) -> Result<Vec<u8>, Failure> {
    let mut stored = tag_now(ring, spot, text)?;
    let id = spot.tenant.to_string();
    let [a, b, c, d, e] = place(spot, &id);
    let bound: [&[u8]; 6] = [a, b, c, d, e, &stored];
    let blob = blob::seal_field(&*ring.cipher(ring.live, "seal", spot)?, ring.live, &bound, text.as_bytes(), rng)?;
    stored.extend(blob);
    Ok(stored)
}

impl Vault {
    /// As [`Vault::seal`], with a blind index in front. [`Vault::open`] opens it.
    ///
    /// # Errors
    /// As [`Vault::seal`].
    pub async fn seal_indexed(&self, spot: &Spot<'_>, text: &str) -> Result<Vec<u8>, Failure> {
        let ring = self.ring(spot.tenant, spot.region).await?;
        seal_tagged(&ring, spot, text, self.0.rng.as_ref())
    }

    /// Every tag that a record with this text may have now: one for each normaliser and each key that still seals rows.
    /// The row of `spot` says nothing.
    ///
    /// # Errors
    /// As [`Vault::seal`].
    pub async fn tags(&self, spot: &Spot<'_>, text: &str) -> Result<Vec<Vec<u8>>, Failure> {
        let ring = self.ring(spot.tenant, spot.region).await?;
        let numbers = || (1..).take(NORMALISERS.len());
        let each = ring.keys.iter().flat_map(|(version, kek)| numbers().map(move |n| (n, *version, kek)));
        each.map(|(number, version, kek)| tag(number, version, kek, spot, text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_and_a_blob_are_told_apart() {
        assert_eq!(split(&[1, 1, 0, 0, 0, 1]).0, None);
        let mut stored = least(7).to_vec();
        stored.extend([1, 1]);
        assert_eq!(split(&stored), (Some(&least(7)[..]), &[1, 1][..]));
        assert_eq!(split(&stored[..15]).0, None);
        assert!(least(7) < least(8) && least(0xffff_ffff) > least(8));
    }

    #[test]
    fn people_mean_the_same_address() {
        assert_eq!(folded(" Ann@Example.COM\n"), "ann@example.com");
    }
}
