//! Statements sent together, their answers awaited together.

use deadpool_postgres::Object;
use futures_util::future;
use kernel::{Failure, TenantId};
use tokio_postgres::{Row, Statement, types::ToSql};

use super::fault::{self, Keys};
use crate::Value;

/// Statements sent before answers are read: both sides' buffers are finite.
const WINDOW: usize = 28;
/// Statements that a connection keeps prepared; one with more is closed.
const PREPARED: usize = 1500;

/// A connection out of the pool. It goes back only when it is known to be idle.
pub(super) struct Seat {
    object: Option<Object>,
    idle: bool,
}

impl Seat {
    pub(super) fn new(object: Object) -> Self {
        Self { object: Some(object), idle: true }
    }
    pub(super) fn client(&self) -> Result<&Object, Failure> {
        self.object.as_ref().ok_or_else(|| Failure::internal("store: no connection"))
    }
    /// A transaction begins: until [`Seat::ended`], dropping the seat closes the connection.
    pub(super) fn begun(&mut self) {
        self.idle = false;
    }
    pub(super) fn ended(&mut self) {
        self.idle = true;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(object) = self.object.take()
            && (!self.idle || object.statement_cache.size() > PREPARED)
        {
            drop(Object::take(object));
        }
    }
}

/// Sets the transaction's tenant. Ids are typed, so nothing is injected.
pub(super) fn scope(tenant: TenantId) -> String {
    if kernel::sabotage::off("tenant.query_scope") {
        return String::new();
    }
    format!("SELECT set_config('app.tenant', '{tenant}', true)")
}

/// What a statement's answer must be.
#[derive(Clone, Copy)]
pub(super) enum Check {
    /// Whatever number of rows.
    Any,
    /// So many rows, or this step was not met.
    Rows(usize, usize),
    /// One row, or the idempotency key is in use.
    Once,
    /// One row, or another node wrote first.
    Head,
}

/// One statement of a flight.
pub(super) struct Leg {
    pub(super) sql: String,
    pub(super) args: Vec<Value>,
    pub(super) check: Check,
    pub(super) keep: bool,
}

pub(super) struct Answer {
    pub(super) count: usize,
    pub(super) rows: Vec<Row>,
}

pub(super) fn params(args: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    args.iter().map(|v| v as &(dyn ToSql + Sync)).collect()
}

/// Prepares a statement once per connection.
pub(super) async fn prepared(client: &Object, sql: &str, args: usize, keys: &Keys) -> Result<Statement, Failure> {
    let statement = client.prepare_cached(sql).await.map_err(|e| fault::failure(&e, keys))?;
    if statement.params().len() != args {
        return Err(Failure::internal("store: a statement was given another number of arguments"));
    }
    Ok(statement)
}

/// Flies `legs` behind `before`; the first error ends it.
pub(super) async fn fly(client: &Object, before: &str, legs: &[Leg]) -> Result<Vec<Answer>, Wrong> {
    let keys = Keys::new();
    let mut statements = Vec::with_capacity(legs.len());
    for leg in legs {
        statements.push(prepared(client, &leg.sql, leg.args.len(), &keys).await.map_err(Wrong::Failure)?);
    }
    let mut answers = Vec::with_capacity(legs.len());
    let mut first = (!before.is_empty()).then_some(before);
    let mut pairs = legs.iter().zip(&statements).peekable();
    while first.is_some() || pairs.peek().is_some() {
        let window = pairs.by_ref().take(WINDOW).map(|(leg, statement)| one(client, leg, statement));
        let begin = async {
            match first.take() {
                Some(sql) => client.batch_execute(sql).await,
                None => Ok(()),
            }
        };
        // Both poll in order, and a request is sent at its first poll.
        let (begun, window) = future::join(begin, future::join_all(window)).await;
        begun.map_err(Wrong::Error)?;
        for answer in window {
            answers.push(answer.map_err(Wrong::Error)?);
        }
    }
    Ok(answers)
}

pub(super) enum Wrong {
    Error(tokio_postgres::Error),
    Failure(Failure),
}

async fn one(client: &Object, leg: &Leg, statement: &Statement) -> Result<Answer, tokio_postgres::Error> {
    let args = params(&leg.args);
    if statement.columns().is_empty() {
        let count = client.execute(statement, &args).await?;
        return Ok(Answer { count: usize::try_from(count).unwrap_or(usize::MAX), rows: Vec::new() });
    }
    let rows = client.query(statement, &args).await?;
    Ok(Answer { count: rows.len(), rows })
}
