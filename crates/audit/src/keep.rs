//! What goes: whole bundles when their time is over, and single values when their subject asks. Hashes stay, so every
//! proof that was ever given still holds.

use kernel::{Failure, Id, Time, Write};
use store::{Own, Receipt, Tx};

use crate::{
    leaf::Leaf,
    seal::Audit,
    sql,
    tile::{Tile, WIDTH},
    tree::State,
};

/// Leaves looked through at once for a subject.
const SLICE: i64 = 512;

/// Below which index leaves go: whole bundles only, published ones only, and none with a leaf as young as `since`.
fn minimum(since: u64, published: u64) -> u64 {
    let index = since.min(published);
    index - index % WIDTH
}

impl Audit {
    /// The moment before which leaves have served their time.
    #[must_use]
    pub fn expiry(&self, now: Time) -> Time {
        if kernel::sabotage::off("audit.retention") { now } else { now.plus(-self.means.retention) }
    }
    /// Lets go of leaves that have served their time; how many. The leaf `log.pruned` names the new minimum index.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn prune(&self, tx: Tx<Write>) -> Result<u64, Failure> {
        let (reader, now) = (tx.reader(), self.means.clock.now());
        let expiry = self.expiry(now);
        let Some((floor, oldest)) = reader.all(&sql::OLDEST, ()).await?.into_iter().next() else { return Ok(0) };
        if oldest >= expiry.0 {
            return Ok(0);
        }
        let state = State::load(&reader).await?;
        let since = reader.all(&sql::SINCE, (expiry.0,)).await?.into_iter().next();
        let since = since.map_or(state.head.size, |(seq,)| seq.unsigned_abs());
        let (floor, minimum) = (floor.unsigned_abs(), minimum(since, state.head.size));
        if minimum <= floor {
            return Ok(0);
        }
        // The bundles first: when the leaf says so, nothing is left of them.
        let blobs = reader.blobs();
        for index in floor / WIDTH..minimum / WIDTH {
            blobs.delete(Tile::entries(index, 256).object()).await?;
        }
        let place = minimum.cast_signed();
        tx.batch::<Own>(format!("log/{minimum}"))
            .any(&sql::RAISE, (place, now.0))
            .prune(place)
            .any(&sql::PRUNE_VALUES, (place,))
            .commit()
            .await?;
        Ok(minimum - floor)
    }
}

/// Erases what the log's leaves commit to of a subject: values of leaves that they acted in or that are about them, and
/// every one of `values` (addresses, names) wherever it stands, as it is given or in lower case, as addresses are kept. The
/// leaves stay, opaque ids and commitments, and every proof holds.
///
/// # Errors
/// `BadInput` when the subject is not an id: what the leaf of this act names stays for ever. Those of the store.
pub async fn erase(tx: Tx<Write>, subject: &str, values: &[String]) -> Result<Erased, Failure> {
    if subject.parse::<Id>().is_err() {
        return Err(Failure::bad(
            "a subject is named by its id, which stays in the log; addresses and names are values",
        ));
    }
    let reader = tx.reader();
    let (mut found, mut absent) = (std::collections::BTreeSet::new(), 0);
    for value in values {
        let mut held = reader.all(&sql::HOLDING, (value.clone(),)).await?;
        held.extend(reader.all(&sql::HOLDING, (value.to_lowercase(),)).await?);
        absent += usize::from(held.is_empty());
        found.extend(held.into_iter().map(|(leaf,)| leaf));
    }
    let mut low = 0;
    loop {
        let rows = reader.all(&sql::FORWARD, (low, i64::MAX, SLICE)).await?;
        let Some((last, ..)) = rows.last() else { break };
        low = last + 1;
        found.extend(rows.iter().filter(|(_, body, _)| concerns(body, subject)).map(|(seq, ..)| *seq));
    }
    let leaves = found.len();
    let mut batch = tx.batch::<Own>(format!("subject/{subject}"));
    for leaf in found {
        batch = batch.any(&sql::ERASE, (leaf,));
    }
    Ok(Erased { receipt: batch.commit().await?, leaves, absent })
}

/// What was erased.
pub struct Erased {
    /// Of the leaf `audit.erased`.
    pub receipt: Receipt,
    /// Leaves that lost their values.
    pub leaves: usize,
    /// Values that stand nowhere in the log: misspelt, perhaps.
    pub absent: usize,
}

/// Whether a leaf was written by or is about the subject.
fn concerns(body: &[u8], subject: &str) -> bool {
    let named = |text: &str| text.split('/').any(|part| part == subject);
    serde_json::from_slice::<Leaf<'_>>(body).is_ok_and(|leaf| named(&leaf.actor) || named(&leaf.target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_published_bundles_go() {
        assert_eq!(minimum(1000, 5000), 768);
        assert_eq!(minimum(1024, 5000), 1024);
        assert_eq!(minimum(5000, 1000), 768);
        assert_eq!(minimum(255, 5000), 0);
    }
}
