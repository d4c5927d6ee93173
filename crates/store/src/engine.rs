//! The boundary between what sections say and the engine that does it.

use std::{path::PathBuf, sync::Arc};

use kernel::{Clock, Event, Failure, Rng, Rows, TenantId, UserId};

use crate::{
    Apply, Chain, Realm, Revoke, Row, Table, Value,
    statement::Text,
    tx::{Once, Refusal},
};

/// Which engine keeps the data.
#[derive(Clone, Debug)]
pub enum Engine {
    /// A file per tenant under the data folder.
    Sqlite,
    /// A PostgreSQL server.
    Postgres {
        /// URL of the application's role, which owns nothing.
        url: String,
        /// URL of the owner, which creates and migrates; without it an outdated schema is refused.
        owner: Option<String>,
    },
}

/// What a store needs to open.
pub struct Options {
    /// Data folder; locked while open.
    pub folder: PathBuf,
    /// Engine.
    pub engine: Engine,
    /// Every section's tables.
    pub tables: Vec<Table>,
    /// The leaf's format.
    pub chain: Arc<dyn Chain>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    _options: Arc<Options>,
}

/// What an engine made of a statement's text, once.
pub(crate) struct Compiled {}

/// One statement of a batch.
pub(crate) struct Step {
    pub(crate) sql: Arc<str>,
    pub(crate) args: Vec<Value>,
    pub(crate) rows: Option<usize>,
    pub(crate) keep: bool,
}

/// A batch on its way to the writer.
#[derive(Default)]
pub(crate) struct Order {
    pub(crate) steps: Vec<Step>,
    pub(crate) event: Option<Event>,
    pub(crate) outbox: Vec<(&'static str, Vec<u8>)>,
    pub(crate) then: Vec<(TenantId, Apply)>,
    pub(crate) revoke: Vec<Revoke>,
    pub(crate) once: Option<Once>,
}

/// Arguments of a statement with those of the permit's row predicate behind them.
pub(crate) fn bind(args: Vec<Value>, _rows: &Rows, _text: &Text, _me: Option<UserId>) -> Vec<Value> {
    args
}

impl Store {
    /// Opens the data folder, or connects, creating what is missing.
    ///
    /// # Errors
    /// Internal, with words for the log: the folder is locked by another server, a newer schema, an unsafe role.
    pub async fn open(options: Options) -> Result<Self, Failure> {
        Ok(Self { _options: Arc::new(options) })
    }
    /// Calls `listener` after each commit that revokes something, before it is acknowledged.
    pub fn on_revoke(&self, _listener: impl Fn(&Revoke) + Send + Sync + 'static) {}

    pub(crate) fn scoped(&self, text: &Text, _rows: &Rows) -> Arc<str> {
        Arc::from(text.sql.as_ref())
    }
    pub(crate) async fn read<W: Realm>(
        &self,
        _tenant: TenantId,
        _text: &Text,
        _args: Vec<Value>,
        _rows: &Rows,
        _me: Option<UserId>,
        _with: impl FnMut(&Row<'_>) -> Result<(), Failure> + Send,
    ) -> Result<(), Failure> {
        Err(Failure::internal("engine"))
    }
    pub(crate) async fn submit<W: Realm>(
        &self,
        _tenant: TenantId,
        _order: Order,
    ) -> Result<Vec<Vec<Value>>, Refusal> {
        Err(Refusal::Failure(Failure::internal("engine")))
    }
}
