//! The end of a day: its last leaf, then its checkpoint. Every step can be done twice with the same outcome, so a crash
//! between any two is mended by the next try.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use encryption::{Signer, Vault};
use kernel::{Clock, DAY, Failure, Home, Mode, Rng, TenantId, Time, Write};
use store::{Batch, Control, Own, Reader, Tx};
use tokio::sync::OwnedMutexGuard;

use crate::{
    merkle::Hash,
    note::{Checkpoint, Vkey},
    sql,
    tile::{Edge, Tile, WIDTH, object},
    tree::{self, State},
    witness::Witness,
};

/// What the section is made from.
pub struct Means {
    /// Where the logs' keys come from.
    pub vault: Vault,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// The app's domain: the first half of every log's origin.
    pub domain: String,
    /// The app's name, for its pages.
    pub name: String,
    /// How long leaves are kept, in milliseconds.
    pub retention: i64,
}

/// Keeps and publishes every tenant's log.
pub struct Audit {
    pub(crate) means: Means,
    /// One at a time writes a log's tiles.
    turns: Mutex<HashMap<TenantId, Arc<Turn>>>,
    pub(crate) witnesses: OnceLock<Vec<Witness>>,
}

type Turn = tokio::sync::Mutex<()>;

/// The day of a moment, counted from 1970-01-01, in UTC.
#[must_use]
pub const fn day_of(at: Time) -> i64 {
    at.0.div_euclid(DAY)
}

/// `2026-05-04`.
#[must_use]
pub fn date(day: i64) -> String {
    Time(day.saturating_mul(DAY)).to_string().chars().take(10).collect()
}

/// A checkpoint whose leaves are durable, ready to be published.
pub struct Sealed {
    tenant: TenantId,
    day: i64,
    grown: State,
    /// The signed note.
    pub note: String,
    vkey: String,
    salt: [u8; 32],
    at: Time,
    /// The bundle it replaces.
    stale: Option<Tile>,
    reader: Reader,
}

impl Audit {
    /// The section's service.
    #[must_use]
    pub fn new(means: Means) -> Self {
        Self { means, turns: Mutex::default(), witnesses: OnceLock::new() }
    }
    /// The log's turn to have its tiles written.
    pub(crate) async fn turn(&self, tenant: TenantId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() > 256 {
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(turns.entry(tenant).or_default())
        };
        turn.lock_owned().await
    }
    /// A log's name.
    #[must_use]
    pub fn origin(&self, tenant: TenantId) -> String {
        format!("{}/{tenant}", self.means.domain)
    }
    /// A log's key: of its region's root, for this and nothing else.
    pub(crate) fn key(&self, home: &Home) -> Result<(Signer, Vkey), Failure> {
        let id = home.id.to_string();
        let region = (home.id != TenantId::HOUSE).then_some(home.region.as_str());
        let signer = self.means.vault.signer(region, "log", &[id.as_bytes()])?;
        let public = signer.public().try_into().map_err(|_| Failure::internal("audit: a key of another length"))?;
        Ok((signer, Vkey { name: self.origin(home.id), public }))
    }
    /// Closes a day of the transaction's log: its leaf once, then everything its checkpoint speaks of, durable. The
    /// checkpoint is published by [`publish`].
    ///
    /// # Errors
    /// Internal, with the place, when the log does not hold: such a log is not signed. Those of the store.
    pub async fn close_day(&self, tx: Tx<Write>, day: i64) -> Result<Sealed, Failure> {
        let home = Arc::clone(tx.permit().principal().home());
        let reader = tx.reader();
        let size = match reader.all(&sql::CLOSED, (day,)).await?.into_iter().next() {
            Some((size,)) => size,
            None => close(tx, &reader, day, self.means.clock.now()).await?,
        };
        self.seal(&home, reader, size.unsigned_abs(), day).await
    }

    async fn seal(&self, home: &Home, reader: Reader, size: u64, day: i64) -> Result<Sealed, Failure> {
        let _turn = self.turn(home.id).await;
        let (state, blobs) = (State::load(&reader).await?, reader.blobs());
        let grown = tree::grow(&reader, &blobs, &state, size).await?;
        let (note, vkey) = self.sign(home, &grown.edge)?;
        // Last: whoever finds it finds everything it speaks of.
        tree::put(&blobs, object("checkpoint"), note.clone().into_bytes()).await?;
        let stale = u16::try_from(state.head.size % WIDTH).ok().filter(|width| *width > 0 && state.head.size < size);
        Ok(Sealed {
            tenant: home.id,
            day,
            grown: State { head: grown.head, root: grown.edge.root(), upper: grown.edge.upper() },
            note,
            vkey,
            salt: self.means.rng.array(),
            at: self.means.clock.now(),
            stale: stale.map(|width| Tile::entries(state.head.size / WIDTH, width)),
            reader,
        })
    }

    pub(crate) fn sign(&self, home: &Home, edge: &Edge) -> Result<(String, String), Failure> {
        let (signer, vkey) = self.key(home)?;
        let root: Hash = edge.root();
        let checkpoint = Checkpoint { origin: vkey.name.clone(), size: edge.size(), root };
        Ok((checkpoint.sign(&signer), vkey.to_string()))
    }
}

/// The day's leaf. Whoever comes second finds it there.
async fn close(tx: Tx<Write>, reader: &Reader, day: i64, now: Time) -> Result<i64, Failure> {
    let twice = Failure::Conflict("the day is closed".into());
    let closed = tx
        .batch::<Own>(format!("day/{}", date(day)))
        .returning(1, &sql::CLOSE, (day, now.0), twice.clone())
        .commit()
        .await;
    match closed {
        Ok(receipt) => receipt.row::<(i64,)>()?.map(|(size,)| size).ok_or(Failure::NotFound),
        Err(failure) if failure == twice => {
            reader.all(&sql::CLOSED, (day,)).await?.into_iter().next().map(|(size,)| size).ok_or(Failure::NotFound)
        }
        Err(failure) => Err(failure),
    }
}

/// Publishes checkpoints: until this batch commits nobody is shown them.
#[must_use]
pub fn publish(mut batch: Batch<Control>, sealed: &[Sealed]) -> Batch<Control> {
    for one in sealed {
        let (tenant, State { head, root, upper }) = (one.tenant.to_string(), &one.grown);
        let size = head.size.cast_signed();
        batch = batch
            .any(
                &sql::GROW,
                vec![
                    tenant.clone().into(),
                    one.day.into(),
                    size.into(),
                    head.hash.into(),
                    head.at.into(),
                    (*root).into(),
                    upper.clone().into(),
                ],
            )
            .any(
                &sql::PUBLISH,
                vec![
                    tenant.into(),
                    one.day.into(),
                    size.into(),
                    one.note.clone().into(),
                    one.vkey.clone().into(),
                    one.salt.into(),
                    one.at.into(),
                ],
            );
    }
    batch
}

/// Removes what published checkpoints no longer need.
pub async fn tidy(sealed: Vec<Sealed>) {
    for one in sealed {
        if let Some(stale) = one.stale {
            let _found_next_time = one.reader.blobs().delete(stale.object()).await;
        }
    }
}

/// Which day each log published last.
///
/// # Errors
/// Those of the store.
pub async fn days<M: Mode>(tx: &Tx<M>) -> Result<Vec<(TenantId, i64)>, Failure> {
    let rows = tx.all(&sql::DAYS, ()).await?;
    Ok(rows.into_iter().filter_map(|(tenant, day)| Some((tenant.parse().ok()?, day))).collect())
}

/// When the log's oldest leaf was written; none when it is empty.
///
/// # Errors
/// Those of the store.
pub async fn began<M: Mode>(tx: &Tx<M>) -> Result<Option<Time>, Failure> {
    Ok(tx.maybe(&sql::OLDEST, ()).await?.map(|(_, at)| Time(at)))
}
