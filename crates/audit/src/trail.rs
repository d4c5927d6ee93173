//! What the newest part of the log says of one target.

use kernel::{Failure, Mode, Time};
use store::Tx;

use crate::{leaf::Leaf, sql};

/// Leaves looked at, at most: a record's page shows what is recent, the export holds everything.
const SCAN: usize = 5_000;
/// Leaves read at once.
const SLICE: usize = 500;

/// A leaf about a target, without what it commits to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Place in the log.
    pub seq: u64,
    /// Name of the event.
    pub action: String,
    /// Who acted: `user/<id>`, `system/<job>`, `visitor`, ...
    pub actor: String,
    /// `done`, `refused` or `failed`.
    pub outcome: String,
    /// When.
    pub at: Option<Time>,
}

/// The newest leaves about `target`, at most so many, none older than `since`, among the newest few thousand of the log.
/// The caller's permit must be one to read the log.
///
/// # Errors
/// The store's.
pub async fn of_target<M: Mode>(tx: &Tx<M>, target: &str, since: Time, most: usize) -> Result<Vec<Trace>, Failure> {
    let low = tx.maybe(&sql::SINCE, (since.0,)).await?.map_or(i64::MAX, |(seq,)| seq);
    let needle = format!("\"target\":\"{target}\"").into_bytes();
    let (mut found, mut seen, mut high) = (Vec::new(), 0, i64::MAX);
    while low < high && found.len() < most && seen < SCAN {
        let stored = tx.all(&sql::BACKWARD, (low, high, i64::try_from(SLICE).unwrap_or(i64::MAX))).await?;
        let end = stored.len() < SLICE;
        for (seq, body, _) in stored {
            high = seq;
            seen += 1;
            let named = found.len() < most && body.windows(needle.len()).any(|w| w == needle);
            found.extend(named.then(|| Leaf::parse(&body).map(|leaf| trace(&leaf))).flatten());
        }
        if end {
            break;
        }
    }
    Ok(found)
}

fn trace(leaf: &Leaf<'_>) -> Trace {
    let owned = |text: &str| text.to_owned();
    let (action, actor, outcome) = (owned(&leaf.action), owned(&leaf.actor), owned(&leaf.outcome));
    Trace { seq: leaf.seq, action, actor, outcome, at: leaf.at() }
}
