//! One transaction: BEGIN IMMEDIATE, a savepoint per order, the head, COMMIT.

use std::time::Instant;

use kernel::Time;
use rusqlite::{CachedStatement, Connection};

use super::{
    fault::Fault,
    file::{File, Queued, bind},
    writer::{Desk, SLICE, Writer},
};
use crate::{
    Head, Placed, Value,
    apply::{self, APPLY, Job},
    engine::{APPLIED, House, IN_USE, ONCE, Order, REVOKED, Step},
    tx::Refusal,
};

/// Statements of one commit, unless a single order has more.
const ROWS: usize = 8192;

/// What an order left when it was kept.
pub(super) struct Kept {
    pub(super) rows: Vec<Vec<Value>>,
    pub(super) follow: Vec<Job>,
}

/// Why an order was not kept.
pub(super) enum Stop {
    Refused(Refusal),
    Fault(Fault),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        match Fault::from(error) {
            Fault::Order(failure) => Self::Refused(Refusal::Failure(failure)),
            fault => Self::Fault(fault),
        }
    }
}

/// Commits the first orders of a group; as many as there are outcomes.
pub(super) fn commit(desk: &Desk, file: &File, writer: &Writer, group: &[Queued]) -> Result<Outcomes, Fault> {
    let connection = &writer.connection;
    let done = attempt(desk, file, connection, group);
    if done.is_err() && !connection.is_autocommit() {
        // When even this fails, the connection is dropped by the caller, and the transaction with it.
        let _dropped_then = connection.execute_batch("ROLLBACK");
    }
    done
}

type Outcomes = Vec<Result<Kept, Refusal>>;

fn attempt(desk: &Desk, file: &File, connection: &Connection, group: &[Queued]) -> Result<Outcomes, Fault> {
    let began = Instant::now();
    let now = desk.house.clock.now();
    run(connection, "BEGIN IMMEDIATE")?;
    let finished = if file.control { desk.lines.finished(connection)? } else { Vec::new() };
    forget(connection, group, now)?;
    // Read under the lock, not remembered: it is right even when another process wrote.
    let before = read_head(connection)?;
    let mut head = before.clone();
    let mut outcomes = Vec::with_capacity(group.len());
    let mut rows = 0;
    for queued in group {
        if !outcomes.is_empty() && (rows + queued.order.steps.len() > ROWS || began.elapsed() > SLICE) {
            break;
        }
        rows += queued.order.steps.len();
        outcomes.push(savepoint(connection, &desk.house, &mut head, &queued.order, now)?);
    }
    if head != before {
        let sql = "UPDATE _head SET size = ?1, hash = ?2, at = ?3 WHERE id = 0";
        prepared(connection, sql)?.execute((head.size.cast_signed(), head.hash, head.at.0))?;
    }
    #[cfg(test)]
    if desk.fail.swap(false, std::sync::atomic::Ordering::SeqCst) {
        return Err(Fault::Lost("a failed fsync".to_owned()));
    }
    run(connection, "COMMIT")?;
    desk.lines.deleted(&finished);
    Ok(outcomes)
}

fn read_head(connection: &Connection) -> Result<Head, Fault> {
    let mut statement = prepared(connection, "SELECT size, hash, at FROM _head WHERE id = 0")?;
    let mut rows = statement.raw_query();
    let Some(row) = rows.next()? else { return Err(Fault::Lost("store: a file without a head".to_owned())) };
    let size: i64 = row.get(0)?;
    Ok(Head { size: size.cast_unsigned(), hash: row.get(1)?, at: Time(row.get(2)?) })
}

/// What has served its time goes with the commits that add more of it.
fn forget(connection: &Connection, group: &[Queued], now: Time) -> Result<(), Fault> {
    if group.iter().any(|q| q.order.once.is_some()) {
        prepared(connection, "DELETE FROM _once WHERE at < ?1")?.execute([now.0 - ONCE])?;
    }
    if group.iter().any(|q| q.order.applied.is_some()) {
        prepared(connection, "DELETE FROM _applied WHERE at < ?1")?.execute([now.0 - APPLIED])?;
    }
    if group.iter().any(|q| !q.order.revoke.is_empty()) {
        // The last stays, so that a number is never given twice.
        let sql = "DELETE FROM revocation WHERE at < ?1 AND seq < (SELECT MAX(seq) FROM revocation)";
        prepared(connection, sql)?.execute([now.0 - REVOKED])?;
    }
    Ok(())
}

fn prepared<'c>(connection: &'c Connection, sql: &str) -> rusqlite::Result<CachedStatement<'c>> {
    connection.prepare_cached(sql)
}

fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    prepared(connection, sql)?.raw_execute().map(drop)
}

/// The order happens whole, with its leaf, or not at all.
fn savepoint(
    connection: &Connection,
    house: &House,
    head: &mut Head,
    order: &Order,
    now: Time,
) -> Result<Result<Kept, Refusal>, Fault> {
    run(connection, "SAVEPOINT an_order")?;
    match perform(connection, house, head, order, now) {
        Ok((kept, next)) => {
            run(connection, "RELEASE an_order")?;
            if let Some(next) = next {
                *head = next;
            }
            Ok(Ok(kept))
        }
        Err(Stop::Fault(fault)) => Err(fault),
        Err(Stop::Refused(Refusal::Failure(failure))) if connection.is_autocommit() => Err(Fault::Group(failure)),
        Err(Stop::Refused(refusal)) => {
            run(connection, "ROLLBACK TO an_order")?;
            run(connection, "RELEASE an_order")?;
            Ok(Err(refusal))
        }
    }
}

fn perform(
    connection: &Connection,
    house: &House,
    head: &Head,
    order: &Order,
    now: Time,
) -> Result<(Kept, Option<Head>), Stop> {
    let mut kept = Kept { rows: Vec::new(), follow: Vec::new() };
    if let Some(id) = &order.applied {
        let sql = "INSERT INTO _applied (id, at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        if prepared(connection, sql)?.execute((id, now.0))? == 0 {
            return Ok((kept, None));
        }
    }
    if let Some(once) = &order.once {
        let sql = "INSERT INTO _once (key, request, at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        if prepared(connection, sql)?.execute((&once.key, &once.request, now.0))? == 0 {
            return Err(Stop::Refused(Refusal::Failure(kernel::Failure::Conflict(IN_USE.into()))));
        }
    }
    for (i, step) in order.steps.iter().enumerate() {
        let changed = change(connection, step, &mut kept.rows)?;
        if step.rows.is_some_and(|n| n != changed) {
            return Err(Stop::Refused(Refusal::Step(i)));
        }
    }
    let outbox = "INSERT INTO _outbox (id, kind, payload, at, attempts, due) VALUES (?1, ?2, ?3, ?4, 0, ?4)";
    for (kind, payload) in &order.outbox {
        prepared(connection, outbox)?.execute((house.id(now).to_string(), kind, payload, now.0))?;
    }
    for job in apply::jobs(house, order, now).map_err(|f| Stop::Refused(Refusal::Failure(f)))? {
        prepared(connection, outbox)?.execute((&job.id, APPLY, &*job.payload, now.0))?;
        kept.follow.push(job);
    }
    for what in &order.revoke {
        let (kind, tenant, subject) = what.parts();
        let sql = "INSERT INTO revocation (kind, tenant, subject, at) VALUES (?1, ?2, ?3, ?4)";
        prepared(connection, sql)?.execute((kind, tenant, subject, now.0))?;
    }
    let Some(event) = &order.event else { return Ok((kept, None)) };
    let placed = house.chain.next(head, event, now, house.rng.as_ref());
    leaf(connection, &placed)?;
    Ok((kept, Some(placed.head)))
}

fn leaf(connection: &Connection, placed: &Placed) -> Result<(), rusqlite::Error> {
    let seq = placed.head.size.saturating_sub(1).cast_signed();
    let sql = "INSERT INTO _leaf (seq, body, hash, at) VALUES (?1, ?2, ?3, ?4)";
    prepared(connection, sql)?.execute((seq, &placed.body, placed.head.hash, placed.head.at.0))?;
    let sql = "INSERT INTO _leaf_value (leaf, field, salt, value) VALUES (?1, ?2, ?3, ?4)";
    for (field, salt, value) in &placed.values {
        prepared(connection, sql)?.execute((seq, field, salt, value))?;
    }
    Ok(())
}

/// Number of rows changed; a statement with RETURNING is read to its end.
fn change(connection: &Connection, step: &Step, kept: &mut Vec<Vec<Value>>) -> Result<usize, Stop> {
    let mut statement = prepared(connection, &step.sql)?;
    bind(&mut statement, &step.args).map_err(|fault| match fault {
        Fault::Order(failure) => Stop::Refused(Refusal::Failure(failure)),
        other => Stop::Fault(other),
    })?;
    let columns = statement.column_count();
    if columns == 0 {
        return Ok(statement.raw_execute()?);
    }
    let mut rows = statement.raw_query();
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        if step.keep {
            let row = crate::Row(crate::row::Source::Sqlite(row));
            let values: Result<_, _> = (0..columns).map(|i| row.get::<Value>(i)).collect();
            kept.push(values.map_err(|f| Stop::Refused(Refusal::Failure(f)))?);
        }
    }
    Ok(count)
}
