//! Merkle trees as in RFC 6962, section 2.1. Pure: hashes in, hashes out.

use encryption::hash::{Sha256, sha256};

/// SHA-256.
pub type Hash = [u8; 32];

/// The hash over two children.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut both = [1; 65];
    both.iter_mut().skip(1).zip(left.iter().chain(right)).for_each(|(to, from)| *to = *from);
    let mut hash = Sha256::new();
    hash.update(&both);
    hash.finish()
}

/// The root over nothing.
#[must_use]
pub fn empty() -> Hash {
    sha256(b"")
}

/// The largest power of two below `n`, which is at least 2.
const fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The perfect subtrees that make up the leaves of `begin..end`, left to right, as (level, index): those of a range that
/// this section's trees have as a node.
#[must_use]
pub fn cover(mut begin: u64, end: u64) -> Vec<(u8, u64)> {
    let mut out = Vec::new();
    while begin < end {
        let level = u8::try_from(63 - (end - begin).leading_zeros()).unwrap_or(0);
        out.push((level, begin >> level));
        begin += 1 << level;
    }
    out
}

/// The root over perfect subtrees as [`cover`] lists them.
#[must_use]
pub fn fold(hashes: &[Hash]) -> Hash {
    let mut from_right = hashes.iter().rev();
    let Some(last) = from_right.next() else { return empty() };
    from_right.fold(*last, |right, left| node(left, &right))
}

/// The leaves under each hash of the path of leaf `index` in a tree of `size`, from the leaf's sibling to the root's child.
/// None when there is no such leaf.
#[must_use]
pub fn inclusion_path(index: u64, size: u64) -> Option<Vec<(u64, u64)>> {
    if index >= size {
        return None;
    }
    let (mut low, mut high, mut path) = (0, size, Vec::new());
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            path.push((middle, high));
            high = middle;
        } else {
            path.push((low, middle));
            low = middle;
        }
    }
    path.reverse();
    Some(path)
}

/// The leaves under each hash of the proof that the tree of `old` leaves is the beginning of that of `new`. None when `old`
/// is 0 or more than `new`.
#[must_use]
pub fn consistency_path(old: u64, new: u64) -> Option<Vec<(u64, u64)>> {
    if old == 0 || old > new {
        return None;
    }
    let (mut low, mut high, mut path) = (0, new, Vec::new());
    while old != high {
        let middle = low + split(high - low);
        if old <= middle {
            path.push((middle, high));
            high = middle;
        } else {
            path.push((low, middle));
            low = middle;
        }
    }
    if low > 0 {
        path.push((low, high));
    }
    path.reverse();
    Some(path)
}

/// The root that a leaf's path leads to (RFC 9162, 2.1.3.2); none when the path has another length.
#[must_use]
pub fn inclusion_root(leaf: &Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for step in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            hash = node(step, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, step);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

/// Whether the tree of `old` leaves is the beginning of that of `new` (RFC 9162, 2.1.4.2).
#[must_use]
pub fn consistent(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((m, first), (n, second)) = (old, new);
    // Everything begins with the empty tree: that proves nothing of anybody.
    if m == 0 || m > n {
        return false;
    }
    if m == n {
        return proof.is_empty() && first == second;
    }
    let start = m.is_power_of_two().then_some(first);
    let mut path = start.into_iter().chain(proof);
    let Some(seed) = path.next().filter(|_| !proof.is_empty()) else { return false };
    let (mut at, mut last) = (m - 1, n - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut a, mut b) = (*seed, *seed);
    for step in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            a = node(step, &a);
            b = node(step, &b);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            b = node(&b, step);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && a == *first && b == *second
}

/// The perfect subtrees of a growing tree, largest first: at most one per level, so O(log n).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// From the hashes that [`cover`] lists for `0..size`. None when their number is another.
    #[must_use]
    pub fn new(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (u64::from(size.count_ones()) == peaks.len() as u64).then_some(Self { size, peaks })
    }
    /// Leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }
    /// The hashes.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }
    /// One more leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }
    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        fold(&self.peaks)
    }
}

#[cfg(test)]
mod tests;
