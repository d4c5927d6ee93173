//! The instance's log holds every tenant's: once a day one leaf names the root over a sorted list with one entry per log.
//! Two histories of a tenant then need two histories of the instance, which anyone can compare.
//!
//! An entry is 64 bytes: label, SHA-256 of the log's public key; value, SHA-256 over [`ENTRY`], label, salt and checkpoint,
//! each behind its length. Labels ascend; one that stands twice makes the list invalid.

use encryption::hash::{Sha256, sha256};
use kernel::{Failure, TenantId, Write};
use store::{Control, Reader, Tx};

use crate::{
    leaf::leaf_hash,
    merkle::{Frontier, Hash},
    note::Vkey,
    seal::{Audit, date},
    sql,
    tile::object,
    tree,
};

/// The domain of entries' values.
pub const ENTRY: &str = "audit/instance/v1";

/// A log's name in the list.
#[must_use]
pub fn label(key: &Vkey) -> Hash {
    sha256(&key.public)
}

/// What the list says of a log: nothing to whom the salt is unknown.
#[must_use]
pub fn value(label: &Hash, salt: &[u8], checkpoint: &str) -> Hash {
    let mut hash = Sha256::new();
    for piece in [ENTRY.as_bytes(), label, salt, checkpoint.as_bytes()] {
        hash.framed(piece);
    }
    hash.finish()
}

/// A list and the root over its entries; none when it does not ascend strictly: a label stands twice, or was put aside.
#[must_use]
pub fn root(entries: &[u8]) -> Option<Hash> {
    let (entries, rest) = entries.as_chunks::<64>();
    let ascending = entries.is_sorted_by(|a, b| a.first_chunk::<32>() < b.first_chunk::<32>());
    let mut tree = Frontier::default();
    entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
    (rest.is_empty() && ascending).then(|| tree.root())
}

/// The object that holds a day's list.
pub(crate) fn list(day: i64) -> kernel::Id {
    object(&format!("instance/{}", date(day)))
}

impl Audit {
    /// Seals a day of the instance: the list of what was published of every log, durable, then the leaf that names it. A day
    /// that is sealed stays as it is; a log published later is in the next.
    ///
    /// # Errors
    /// Internal, when two logs have one key; those of the store.
    pub async fn seal_instance(&self, tx: Tx<Write>, day: i64) -> Result<(), Failure> {
        let reader = tx.reader();
        if sealed(&reader, day).await?.is_some() {
            return Ok(());
        }
        let mut entries = Vec::new();
        for (note, vkey, salt) in reader.all(&sql::OF_DAY, (day, TenantId::HOUSE.to_string())).await? {
            let key = Vkey::parse(&vkey).ok_or_else(|| Failure::internal("audit: a published key is damaged"))?;
            let label = label(&key);
            entries.push([label, value(&label, &salt, &note)]);
        }
        entries.sort_unstable();
        let count = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        let entries = entries.concat().concat();
        let root = root(&entries).ok_or_else(|| Failure::internal("audit: two logs with one key"))?;
        tree::put(&reader.blobs(), list(day), entries).await?;
        let target = format!("day/{}/{count}/{}", date(day), hex::encode(root));
        let twice = Failure::Conflict("the day is sealed".into());
        let batch = tx.batch::<Control>(target);
        let args = (day, count, root.to_vec(), self.means.clock.now().0);
        match batch.expect(1, &sql::SEAL, args, twice.clone()).commit().await {
            Err(failure) if failure == twice => Ok(()),
            other => other.map(drop),
        }
    }
}

/// A sealed day: entries, root, place of its leaf in the house's log.
pub(crate) async fn sealed(reader: &Reader, day: i64) -> Result<Option<(i64, Vec<u8>, i64)>, Failure> {
    let row = reader.all(&sql::SEALED, (day,)).await?.into_iter().next();
    Ok(row.map(|(_, count, root, leaf)| (count, root, leaf)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_that_stands_twice_or_out_of_order_makes_no_list() {
        let entry = |label: u8, value: u8| [[label; 32], [value; 32]].concat();
        let list = |entries: &[Vec<u8>]| root(&entries.concat());
        assert!(list(&[]).is_some());
        let whole = list(&[entry(1, 9), entry(2, 8), entry(3, 7)]).unwrap();
        assert!(list(&[entry(1, 9), entry(2, 8), entry(2, 7)]).is_none());
        assert!(list(&[entry(2, 8), entry(1, 9), entry(3, 7)]).is_none());
        assert_ne!(list(&[entry(1, 9), entry(2, 8)]), Some(whole));
        assert!(root(&[0; 63]).is_none());
    }

    #[test]
    fn a_value_is_of_its_log_its_salt_and_its_checkpoint() {
        let one = value(&[1; 32], &[2; 32], "note");
        assert_ne!(one, value(&[3; 32], &[2; 32], "note"));
        assert_ne!(one, value(&[1; 32], &[3; 32], "note"));
        assert_ne!(one, value(&[1; 32], &[2; 32], "nota"));
    }
}
