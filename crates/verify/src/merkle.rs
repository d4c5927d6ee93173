//! Merkle trees and signed checkpoints of the prober's own: RFC 6962 by its recursive definitions, C2SP signed notes.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::Value;

use crate::{chain::leaf_hash, random::sha256};

/// SHA-256.
pub type Hash = [u8; 32];

fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left.as_slice(), right].concat())
}

/// Largest power of two below `n`, which is at least 2.
const fn half(n: usize) -> usize {
    n.next_power_of_two() / 2
}

/// The root over leaves (RFC 6962, 2.1).
#[must_use]
pub fn root(leaves: &[Vec<u8>]) -> Hash {
    match leaves {
        [] => sha256(b""),
        [one] => leaf_hash(one),
        more => {
            let (left, right) = more.split_at(half(more.len()));
            node(&root(left), &root(right))
        }
    }
}

/// Where a leaf's path leads (2.1.1).
fn climb(leaf: &Hash, at: usize, size: usize, path: &[Hash]) -> Option<Hash> {
    if size == 1 {
        return path.is_empty().then_some(*leaf);
    }
    let (last, rest) = path.split_last()?;
    let k = half(size);
    if at < k {
        Some(node(&climb(leaf, at, k, rest)?, last))
    } else {
        Some(node(last, &climb(leaf, at - k, size - k, rest)?))
    }
}

/// Whether `leaf` stands at `at` in the tree.
#[must_use]
pub fn includes(signed: &Checkpoint, at: usize, leaf: &[u8], path: &[Hash]) -> bool {
    at < signed.size && climb(&leaf_hash(leaf), at, signed.size, path) == Some(signed.root)
}

/// Old and new root that a proof leads to (2.1.2); `seed`: the old root, while the way goes along its own right edge.
fn both(old: usize, new: usize, path: &[Hash], seed: Option<&Hash>) -> Option<(Hash, Hash)> {
    if old == new {
        return match (seed, path) {
            (Some(seed), []) => Some((*seed, *seed)),
            (None, [one]) => Some((*one, *one)),
            _ => None,
        };
    }
    let (last, rest) = path.split_last()?;
    let k = half(new);
    if old <= k {
        let (a, b) = both(old, k, rest, seed)?;
        Some((a, node(&b, last)))
    } else {
        let (a, b) = both(old - k, new - k, rest, None)?;
        Some((node(last, &a), node(last, &b)))
    }
}

/// Whether the older tree is the beginning of the newer.
#[must_use]
pub fn extends(old: &Checkpoint, new: &Checkpoint, path: &[Hash]) -> bool {
    (1..=new.size).contains(&old.size) && both(old.size, new.size, path, Some(&old.root)) == Some((old.root, new.root))
}

/// What a log's key signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: String,
    /// Leaves.
    pub size: usize,
    /// Root over them.
    pub root: Hash,
    /// The note as it was published.
    pub note: String,
}

/// 32 bytes from Base64.
#[must_use]
pub fn hash(text: &str) -> Option<Hash> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}

/// A key of a key set that can have signed notes.
fn public(key: &Value) -> Option<Hash> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    if text("kty") != Some("OKP") || text("crv") != Some("Ed25519") {
        return None;
    }
    BASE64_URL_SAFE_NO_PAD.decode(text("x")?).ok()?.try_into().ok()
}

impl Checkpoint {
    /// Reads a note that one of the set's keys signed under the log's name.
    #[must_use]
    pub fn open(note: &str, set: &Value) -> Option<Self> {
        let keys: Vec<Hash> = set.get("keys")?.as_array()?.iter().filter_map(public).collect();
        let (text, signatures) = note.split_once("\n\n")?;
        let text = format!("{text}\n");
        let mut lines = text.lines();
        let (origin, size, root) = (lines.next()?.to_owned(), lines.next()?.parse().ok()?, hash(lines.next()?)?);
        let signed = signatures.lines().any(|line| {
            let Some((name, mark)) = line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' ')) else {
                return false;
            };
            let Ok(mark) = BASE64_STANDARD.decode(mark) else { return false };
            let Some((id, signature)) = mark.split_at_checked(4) else { return false };
            name == origin
                && keys.iter().any(|key| {
                    let named = sha256(&[origin.as_bytes(), b"\n\x01", key.as_slice()].concat());
                    named.starts_with(id)
                        && UnparsedPublicKey::new(&ED25519, key).verify(text.as_bytes(), signature).is_ok()
                })
        });
        signed.then(|| Self { origin, size, root, note: note.to_owned() })
    }
}

/// A tlog-proof file: index, path, checkpoint.
#[must_use]
pub fn proof(text: &str) -> Option<(usize, Vec<Hash>, &str)> {
    let (head, note) = text.split_once("\n\n")?;
    let mut lines = head.lines();
    if lines.next()? != "c2sp.org/tlog-proof@v1" {
        return None;
    }
    let index = lines.find_map(|line| line.strip_prefix("index "))?.parse().ok()?;
    Some((index, lines.map(hash).collect::<Option<_>>()?, note))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(n: usize) -> Vec<Vec<u8>> {
        (0..n).map(|at| at.to_be_bytes().to_vec()).collect()
    }

    fn tree(leaves: &[Vec<u8>]) -> Checkpoint {
        Checkpoint { origin: "a".into(), size: leaves.len(), root: root(leaves), note: String::new() }
    }

    fn path(at: usize, leaves: &[Vec<u8>]) -> Vec<Hash> {
        if leaves.len() < 2 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(half(leaves.len()));
        let (mut way, other) =
            if at < left.len() { (path(at, left), right) } else { (path(at - left.len(), right), left) };
        way.push(root(other));
        way
    }

    fn since(old: usize, leaves: &[Vec<u8>], edge: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if edge { Vec::new() } else { vec![root(leaves)] };
        }
        let (left, right) = leaves.split_at(half(leaves.len()));
        let (mut way, other) = if old <= left.len() {
            (since(old, left, edge), right)
        } else {
            (since(old - left.len(), right, false), left)
        };
        way.push(root(other));
        way
    }

    #[test]
    fn proofs_hold_for_their_own_log_alone() {
        let (one, mut two) = (log(21), log(21));
        two[4] = b"other".to_vec();
        for size in 1..=21 {
            let (whole, forged) = (tree(&one[..size]), tree(&two[..size]));
            for at in 0..size {
                let way = path(at, &one[..size]);
                assert!(includes(&whole, at, &one[at], &way));
                assert!(!includes(&whole, at, b"x", &way) && !includes(&whole, at + size, &one[at], &way));
                assert!(size < 5 || !includes(&forged, at, &one[at], &way));
            }
            for old in 1..=size {
                let way = since(old, &one[..size], true);
                assert!(extends(&tree(&one[..old]), &whole, &way));
                assert!(old < 5 || !extends(&tree(&two[..old]), &whole, &way));
                assert!(size < 5 || old == size || !extends(&tree(&one[..old]), &forged, &way));
            }
        }
    }
}
