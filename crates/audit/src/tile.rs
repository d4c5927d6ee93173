//! The C2SP tlog-tiles layout: tiles of 256 hashes, bundles of 256 entries, and the tree's right edge.

use kernel::{Failure, Id};

use crate::merkle::{Hash, fold, node};

/// Hashes of a full tile, entries of a full bundle.
pub(crate) const WIDTH: u64 = 256;

/// What a path under `tile/` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Tile {
    /// Level; none: entries.
    pub(crate) level: Option<u8>,
    /// Index within the level.
    pub(crate) index: u64,
    /// Hashes or entries: 1 to 256.
    pub(crate) width: u16,
}

impl Tile {
    /// A full tile of hashes.
    pub(crate) const fn hashes(level: u8, index: u64) -> Self {
        Self { level: Some(level), index, width: 256 }
    }
    /// A bundle of entries.
    pub(crate) const fn entries(index: u64, width: u16) -> Self {
        Self { level: None, index, width }
    }
    /// `1/x001/234.p/7` below `tile/`.
    pub(crate) fn path(&self) -> String {
        let level = self.level.map_or_else(|| "entries".to_owned(), |level| level.to_string());
        let mut groups = vec![format!("{:03}", self.index % 1000)];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        let partial = if self.width < 256 { format!(".p/{}", self.width) } else { String::new() };
        format!("{level}/{}{partial}", groups.join("/"))
    }
    /// Reads a path; only the one spelling that [`Tile::path`] gives.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.split_once('/')?;
        let level = if level == "entries" { None } else { Some(level.parse().ok().filter(|l| *l < 64)?) };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse().ok()?),
            None => (rest, 256),
        };
        if index.len() > 27 {
            return None;
        }
        let digits: String = index.chars().filter(char::is_ascii_digit).collect();
        let tile = Self { level, index: digits.parse().ok()?, width };
        (tile.path() == path).then_some(tile)
    }
    /// The object's name in the blob store.
    pub(crate) fn object(&self) -> Id {
        object(&format!("tile/{}", self.path()))
    }
}

/// The name of an object of the log: the first bytes of a hash, as an id.
pub(crate) fn object(path: &str) -> Id {
    let mut bytes = [0; 16];
    let hash = encryption::hash::sha256(format!("audit/{path}").as_bytes());
    bytes.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    Id::from_bytes(bytes)
}

/// An entry of a bundle, behind its length.
pub(crate) fn entry(bundle: &mut Vec<u8>, leaf: &[u8]) -> Result<(), Failure> {
    let length =
        u16::try_from(leaf.len()).map_err(|_| Failure::internal("audit: a leaf longer than a bundle's entry"))?;
    bundle.extend(length.to_be_bytes());
    bundle.extend(leaf);
    Ok(())
}

/// The first `count` entries of a bundle. None when it is shorter or damaged.
pub(crate) fn split(bundle: &[u8], count: usize) -> Option<Vec<&[u8]>> {
    let mut rest = bundle;
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        let (length, behind) = rest.split_first_chunk::<2>()?;
        let (entry, behind) = behind.split_at_checked(u16::from_be_bytes(*length).into())?;
        out.push(entry);
        rest = behind;
    }
    Some(out)
}

/// Hashes one behind the other.
pub(crate) fn join(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flatten().copied().collect()
}

/// The reverse of [`join`]; a rest of less than a hash is none.
pub(crate) fn hashes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| hashes.to_vec())
}

/// The root over a full tile's hashes, or any power of two of them.
pub(crate) fn perfect(hashes: &[Hash]) -> Option<Hash> {
    if !hashes.len().is_power_of_two() {
        return None;
    }
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        let (pairs, _) = row.as_chunks::<2>();
        row = pairs.iter().map(|[left, right]| node(left, right)).collect();
    }
    row.first().copied()
}

/// The partial tiles at the right edge, one per level: all that is needed to go on, O(log n).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The edge of a tree of `size` without its lowest level, as [`Edge::upper`] gave it.
    pub(crate) fn above(size: u64, upper: &[u8]) -> Option<Self> {
        let base = size - size % WIDTH;
        let (mut all, mut levels, mut count) = (hashes(upper)?.into_iter(), vec![Vec::new()], base / WIDTH);
        while count > 0 {
            let width = usize::try_from(count % WIDTH).ok()?;
            let level: Vec<Hash> = all.by_ref().take(width).collect();
            if level.len() != width {
                return None;
            }
            levels.push(level);
            count /= WIDTH;
        }
        all.next().is_none().then_some(Self { size: base, levels })
    }
    /// Levels above the lowest, one behind the other.
    pub(crate) fn upper(&self) -> Vec<u8> {
        self.levels.iter().skip(1).flat_map(|level| join(level)).collect()
    }
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }
    /// The partial tile of a level.
    pub(crate) fn level(&self, level: u8) -> &[Hash] {
        self.levels.get(usize::from(level)).map_or(&[], Vec::as_slice)
    }
    /// One more leaf; every tile it fills goes to `full`.
    pub(crate) fn push(&mut self, leaf: Hash, full: &mut Vec<(Tile, Vec<u8>)>) {
        self.size += 1;
        let (mut hash, mut count) = (leaf, self.size);
        for level in 0_u8..8 {
            let at = usize::from(level);
            if self.levels.len() <= at {
                self.levels.push(Vec::new());
            }
            let Some(row) = self.levels.get_mut(at) else { return };
            row.push(hash);
            if row.len() < 256 {
                return;
            }
            full.push((Tile::hashes(level, count / WIDTH - 1), join(row)));
            let Some(up) = perfect(row) else { return };
            row.clear();
            hash = up;
            count /= WIDTH;
        }
    }
    /// The root.
    pub(crate) fn root(&self) -> Hash {
        fold(&self.peaks())
    }
    /// Perfect subtrees, largest first.
    pub(crate) fn peaks(&self) -> Vec<Hash> {
        let mut peaks = Vec::new();
        for row in self.levels.iter().rev() {
            let mut rest = row.as_slice();
            while !rest.is_empty() {
                let width = 1 << (usize::BITS - 1 - rest.len().leading_zeros());
                let (first, behind) = rest.split_at(width);
                peaks.extend(perfect(first));
                rest = behind;
            }
        }
        peaks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{leaf_hash, merkle::Frontier};

    /// Not a byte per leaf: a tile's worth of hashes for each level of 256.
    #[test]
    fn the_memory_of_a_tree_grows_with_the_logarithm() {
        let (mut edge, mut full) = (Edge::default(), Vec::new());
        for at in 0..300_000_u64 {
            edge.push([1; 32], &mut full);
            full.clear();
            let held: usize = edge.levels.iter().map(Vec::len).sum();
            let levels = 1 + at.checked_ilog(256).unwrap_or(0) as usize;
            assert!(held <= 255 * (levels + 1), "{held} hashes for {at} leaves");
        }
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(Tile::hashes(1, 1_234_067).path(), "1/x001/x234/067");
        assert_eq!(Tile { level: Some(0), index: 273, width: 112 }.path(), "0/273.p/112");
        assert_eq!(Tile::entries(0, 256).path(), "entries/000");
        for path in ["1/x001/x234/067", "0/273.p/112", "entries/000", "entries/x018/446/744/073/709/551/615.p/1"] {
            assert_eq!(
                Tile::parse(path).map(|t| t.path()).unwrap_or_default() == path,
                path != "entries/x018/446/744/073/709/551/615.p/1"
            );
        }
        for wrong in [
            "",
            "0",
            "0/",
            "0/1",
            "00/001",
            "64/000",
            "0/001.p/0",
            "0/001.p/256",
            "0/x000/001",
            "0/001.p/01",
            "x/001",
            "0/001.p/",
        ] {
            let parsed = Tile::parse(wrong);
            assert!(parsed.is_none_or(|t| t.width == 0), "{wrong}");
        }
    }

    #[test]
    fn an_edge_grows_as_the_tree_does_and_survives_its_bytes() {
        let (mut edge, mut tree, mut full) = (Edge::default(), Frontier::default(), Vec::new());
        for n in 0..70_000_u32 {
            let hash = leaf_hash(&n.to_be_bytes());
            edge.push(hash, &mut full);
            tree.push(hash);
            if n % 1117 == 0 || n % 256 == 255 {
                assert_eq!(edge.root(), tree.root(), "{n}");
                let mut again = Edge::above(edge.size(), &edge.upper()).unwrap();
                for hash in edge.level(0) {
                    again.push(*hash, &mut Vec::new());
                }
                assert_eq!((again.root(), again.peaks()), (edge.root(), tree.peaks().to_vec()));
            }
        }
        // The specification's example: 273 full tiles at level 0 and a partial one of 112, one full at level 1 and 17, and 1.
        assert_eq!(full.iter().filter(|(tile, _)| tile.level == Some(0)).count(), 273);
        assert_eq!(full.iter().filter(|(tile, _)| tile.level == Some(1)).count(), 1);
        assert_eq!([0, 1, 2].map(|l| edge.level(l).len()), [112, 17, 1]);
        assert!(Edge::above(70_000, &edge.upper()[1..]).is_none());
    }

    #[test]
    fn a_bundle_comes_apart_as_it_was_put_together() {
        let mut bundle = Vec::new();
        for leaf in [b"one".as_slice(), b"", b"three"] {
            entry(&mut bundle, leaf).unwrap();
        }
        assert_eq!(split(&bundle, 3).unwrap(), [b"one".as_slice(), b"", b"three"]);
        assert!(split(&bundle, 4).is_none());
        assert!(entry(&mut bundle, &vec![0; 70_000]).is_err());
    }
}
