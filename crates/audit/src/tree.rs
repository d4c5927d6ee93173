//! A log's tree as it lies in the store: what was published last, how it grows, what its nodes are. Tiles and bundles are
//! written before anything that speaks of them; at most one tile per level is in memory.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use kernel::{Failure, Time};
use store::{Blobs, Head, Reader, Whole};

use crate::{
    leaf::leaf_hash,
    merkle::{self, Hash},
    sql,
    tile::{self, Edge, Tile, WIDTH},
    verify::{Broken, Checker, Why},
};

/// Leaves read at once.
const SLICE: i64 = 512;
/// Longest object of a log: a bundle of 256 entries of 64 KiB.
const CAP: u64 = 256 * (65_536 + 2);

/// A log up to its last published leaf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// The last leaf.
    pub(crate) head: Head,
    /// Root over all of them.
    pub(crate) root: Hash,
    /// Tiles at the right edge, without the lowest level.
    pub(crate) upper: Vec<u8>,
}

impl State {
    /// What was published of the reader's log; the beginning when nothing was.
    pub(crate) async fn load(reader: &Reader) -> Result<Self, Failure> {
        let rows = reader.all(&sql::TREE, (reader.tenant().to_string(),)).await?;
        let Some((size, hash, at, root, upper)) = rows.into_iter().next() else { return Ok(Self::default()) };
        let fixed = |bytes: Vec<u8>| bytes.try_into().map_err(|_| Failure::internal("audit: a hash of another length"));
        Ok(Self {
            head: Head { size: size.unsigned_abs(), hash: fixed(hash)?, at: Time(at) },
            root: fixed(root)?,
            upper,
        })
    }
}

/// What does not hold, for the log: never signed, never published.
pub(crate) fn rotten(broken: Broken) -> Failure {
    Failure::Internal(format!("audit: not signed: {broken}").into())
}

/// Stores an object, durable when it returns.
pub(crate) async fn put(blobs: &Blobs, name: kernel::Id, bytes: Vec<u8>) -> Result<(), Failure> {
    blobs.put(name, CAP, Whole::new(bytes)).await.map(drop)
}

/// An object's bytes.
pub(crate) async fn take(blobs: &Blobs, name: kernel::Id) -> Result<Vec<u8>, Failure> {
    let (size, stream) = blobs.get(name).await?;
    if size > CAP {
        return Err(Failure::internal("audit: an object longer than any of a log"));
    }
    let room = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    stream
        .try_fold(room, |mut all, piece: Bytes| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await
}

/// A log grown to some size, its tiles and bundles durable.
pub(crate) struct Grown {
    pub(crate) head: Head,
    pub(crate) edge: Edge,
}

/// Takes the log from what was published to `size` leaves. What is already published is not believed: the leaves of the
/// last bundle must still lead to the published root, and every new one must link to the one before.
///
/// # Errors
/// Internal, with the place that does not hold; those of the store.
pub(crate) async fn grow(reader: &Reader, blobs: &Blobs, state: &State, size: u64) -> Result<Grown, Failure> {
    let from = state.head.size;
    let damaged = || Failure::internal("audit: the published edge of a log is damaged");
    let mut edge = Edge::above(from, &state.upper).ok_or_else(damaged)?;
    let changed = || rotten(Broken { seq: from.saturating_sub(1), why: Why::Changed });
    if size < from {
        return Err(rotten(Broken { seq: size, why: Why::Short }));
    }
    if edge.size() == from && from > 0 && edge.root() != state.root {
        return Err(changed());
    }
    let mut checker = Checker::from(state.head.clone());
    let (mut bundle, mut full) = (Vec::new(), Vec::new());
    while edge.size() < size {
        let low = edge.size();
        let rows = reader.all(&sql::FORWARD, (low.cast_signed(), size.cast_signed(), SLICE)).await?;
        if rows.is_empty() {
            return Err(rotten(Broken { seq: low, why: Why::Short }));
        }
        for (seq, body, _) in rows {
            let place = edge.size();
            if seq.unsigned_abs() != place {
                return Err(rotten(Broken { seq: place, why: Why::Place { found: seq.unsigned_abs() } }));
            }
            let hash = leaf_hash(&body);
            if place >= from {
                checker.push_hashed(&body, hash).map_err(rotten)?;
            }
            tile::entry(&mut bundle, &body)?;
            edge.push(hash, &mut full);
            if edge.size() == from && edge.root() != state.root {
                return Err(changed());
            }
            if !full.is_empty() {
                let index = edge.size() / WIDTH - 1;
                put(blobs, Tile::entries(index, 256).object(), std::mem::take(&mut bundle)).await?;
                for (tile, bytes) in full.drain(..) {
                    put(blobs, tile.object(), bytes).await?;
                }
                if index == from / WIDTH {
                    // What exports before left of it. What the published checkpoint speaks of stays until the next one is out.
                    for width in (1..256).filter(|width| u64::from(*width) != from % WIDTH) {
                        blobs.delete(Tile::entries(index, width).object()).await?;
                    }
                }
            }
        }
    }
    if !bundle.is_empty() {
        let width = u16::try_from(size % WIDTH).unwrap_or(0);
        put(blobs, Tile::entries(size / WIDTH, width).object(), bundle).await?;
    }
    Ok(Grown { head: checker.head().clone(), edge })
}

/// Nodes of a published tree.
pub(crate) struct Nodes {
    blobs: Blobs,
    edge: Edge,
    kept: HashMap<Tile, Vec<Hash>>,
}

impl Nodes {
    /// Of a log that was grown.
    pub(crate) fn new(reader: &Reader, edge: Edge) -> Self {
        Self { blobs: reader.blobs(), edge, kept: HashMap::new() }
    }
    /// Of what was published last as far as its full tiles go; the lowest level's edge is missing.
    pub(crate) fn full(reader: &Reader, state: &State) -> Option<Self> {
        Some(Self::new(reader, Edge::above(state.head.size, &state.upper)?))
    }
    /// Of what was published last; its lowest level is read again. None when nothing was.
    pub(crate) async fn published(reader: &Reader, state: &State) -> Result<Option<Self>, Failure> {
        if state.head.size == 0 {
            return Ok(None);
        }
        let damaged = || Failure::internal("audit: the published edge of a log is damaged");
        let mut edge = Edge::above(state.head.size, &state.upper).ok_or_else(damaged)?;
        for hash in lowest(reader, edge.size(), state.head.size).await? {
            edge.push(hash, &mut Vec::new());
        }
        if edge.root() != state.root {
            return Err(rotten(Broken { seq: state.head.size - 1, why: Why::Changed }));
        }
        Ok(Some(Self::new(reader, edge)))
    }
    /// Leaves.
    pub(crate) const fn size(&self) -> u64 {
        self.edge.size()
    }
    /// The hashes of a tile, as far as they are published: a full tile from its object, the right edge from here.
    pub(crate) async fn tile(&mut self, level: u8, index: u64) -> Result<Vec<Hash>, Failure> {
        let whole = self.size().checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0);
        if index >= whole {
            let edge = if index == whole { self.edge.level(level) } else { &[] };
            return Ok(edge.to_vec());
        }
        let tile = Tile::hashes(level, index);
        if let Some(kept) = self.kept.get(&tile) {
            return Ok(kept.clone());
        }
        let bytes = take(&self.blobs, tile.object()).await.map_err(|failure| match failure {
            Failure::NotFound => Failure::internal("audit: a tile of a published tree is gone"),
            other => other,
        })?;
        let hashes = tile::hashes(&bytes).filter(|h| h.len() == 256);
        let hashes = hashes.ok_or_else(|| Failure::internal("audit: a tile of another length"))?;
        self.kept.insert(tile, hashes.clone());
        Ok(hashes)
    }
    /// The root over some leaves that are perfect subtrees from left to right, as in proofs.
    pub(crate) async fn range(&mut self, begin: u64, end: u64) -> Result<Hash, Failure> {
        Ok(merkle::fold(&self.peaks(begin, end).await?))
    }
    /// The perfect subtrees of a range.
    pub(crate) async fn peaks(&mut self, begin: u64, end: u64) -> Result<Vec<Hash>, Failure> {
        let mut hashes = Vec::new();
        for (level, index) in merkle::cover(begin, end) {
            let (row, shift) = (level / 8, level % 8);
            let first = index << shift;
            let tile = self.tile(row, first / WIDTH).await?;
            let at = usize::try_from(first % WIDTH).unwrap_or(0);
            let hash = tile.get(at..at + (1 << shift)).and_then(tile::perfect);
            hashes.push(hash.ok_or_else(|| Failure::internal("audit: a node past the end of a tree"))?);
        }
        Ok(hashes)
    }
    /// The path of a leaf in the tree of `size` leaves.
    pub(crate) async fn inclusion(&mut self, index: u64, size: u64) -> Result<Vec<Hash>, Failure> {
        let path = merkle::inclusion_path(index, size).filter(|_| size <= self.size()).ok_or(Failure::NotFound)?;
        self.along(path).await
    }
    /// The proof that the tree of `old` leaves is the beginning of that of `new`.
    pub(crate) async fn consistency(&mut self, old: u64, new: u64) -> Result<Vec<Hash>, Failure> {
        let path = merkle::consistency_path(old, new).filter(|_| new <= self.size()).ok_or(Failure::NotFound)?;
        self.along(path).await
    }
    async fn along(&mut self, path: Vec<(u64, u64)>) -> Result<Vec<Hash>, Failure> {
        let mut hashes = Vec::with_capacity(path.len());
        for (begin, end) in path {
            hashes.push(self.range(begin, end).await?);
        }
        Ok(hashes)
    }
}

/// Hashes of the leaves from one place to another, less than a tile apart.
async fn lowest(reader: &Reader, low: u64, high: u64) -> Result<Vec<Hash>, Failure> {
    let rows = reader.all(&sql::FORWARD, (low.cast_signed(), high.cast_signed(), SLICE)).await?;
    let mut hashes = Vec::with_capacity(rows.len());
    for ((seq, body, _), place) in rows.into_iter().zip(low..) {
        if seq.unsigned_abs() != place {
            return Err(rotten(Broken { seq: place, why: Why::Place { found: seq.unsigned_abs() } }));
        }
        hashes.push(leaf_hash(&body));
    }
    Ok(hashes)
}
