//! PostgreSQL: one database, tenants' tables behind forced row security, a role that owns nothing.

mod fault;
mod flight;
mod schema;
mod start;
mod value;
mod write;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool_postgres::{Object, Pool, PoolError};
use fault::Keys;
use flight::{Seat, params, prepared, scope};
use futures_util::{TryStreamExt, future};
use kernel::{Failure, TenantId};
use write::Sequencer;

use crate::{
    Row, Stats, Value,
    ddl::Schemas,
    engine::{House, Order},
    row::Source,
    tx::Refusal,
};

/// Connections for tenants, and for the house.
const POOLS: (usize, usize) = (24, 8);
/// Orders under way or waiting.
const QUEUE: usize = 4096;

/// The engine.
pub(crate) struct Database {
    own: Pool,
    control: Pool,
    house: Arc<House>,
    keys: Keys,
    lines: Mutex<HashMap<TenantId, Sequencer>>,
    /// Tenants that are there; one that is stays.
    known: RwLock<HashSet<TenantId>>,
    queued: AtomicUsize,
    closed: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Database {
    /// Connects; makes or expands the schema where the owner's URL is given.
    pub(crate) async fn open(
        url: &str,
        owner: Option<&str>,
        schemas: &Schemas,
        house: Arc<House>,
    ) -> Result<Self, Failure> {
        let app = start::config(url, "database URL")?;
        start::prepare(&app, owner, schemas).await?;
        Ok(Self {
            own: start::pool(&app, "tenants", POOLS.0)?,
            control: start::pool(&app, "house,tenants", POOLS.1)?,
            house,
            keys: schema::keys(schemas),
            lines: Mutex::default(),
            known: RwLock::new(HashSet::from([TenantId::HOUSE])),
            queued: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        })
    }

    async fn seat(&self, control: bool) -> Result<Object, Failure> {
        let pool = if control { &self.control } else { &self.own };
        pool.get().await.map_err(|error| match error {
            PoolError::Backend(e) => fault::failure(&e, &self.keys),
            _ => Failure::Busy(1),
        })
    }

    fn learn(&self, tenant: TenantId) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(tenant);
    }

    async fn exists(&self, tenant: TenantId) -> Result<(), Failure> {
        if self.known.read().unwrap_or_else(PoisonError::into_inner).contains(&tenant) {
            return Ok(());
        }
        let mut seat = Seat::new(self.seat(false).await?);
        if self.ask(&mut seat, tenant, "SELECT size FROM _head", &[]).await?.is_empty() {
            return Err(Failure::NotFound);
        }
        self.learn(tenant);
        Ok(())
    }

    /// One flight: BEGIN with the tenant, the query, COMMIT.
    async fn ask(
        &self,
        seat: &mut Seat,
        tenant: TenantId,
        sql: &str,
        args: &[Value],
    ) -> Result<Vec<tokio_postgres::Row>, Failure> {
        let statement = prepared(seat.client()?, sql, args.len(), &self.keys).await?;
        seat.begun();
        let client = seat.client()?;
        let begin = format!("BEGIN READ ONLY; {}", scope(tenant));
        let args = params(args);
        let query = client.query(&statement, &args);
        let (begun, rows, ended) =
            future::join3(client.batch_execute(&begin), query, client.batch_execute("COMMIT")).await;
        let wrong = |e| fault::failure(&e, &self.keys);
        ended.map_err(wrong)?;
        seat.ended();
        begun.map_err(wrong)?;
        rows.map_err(wrong)
    }

    pub(crate) async fn read(
        self: &Arc<Self>,
        control: bool,
        tenant: TenantId,
        sql: Arc<str>,
        args: Vec<Value>,
        with: &mut (dyn FnMut(&Row<'_>) -> Result<(), Failure> + Send),
    ) -> Result<(), Failure> {
        let database = Arc::clone(self);
        // On a task of its own: a client that goes away leaves no connection in the middle of a transaction.
        let flight = tokio::spawn(async move {
            database.exists(tenant).await?;
            let mut seat = Seat::new(database.seat(control).await?);
            database.ask(&mut seat, tenant, &sql, &args).await
        });
        let rows = flight.await.map_err(|_| Failure::internal("store: a read ended early"))??;
        rows.iter().try_for_each(|row| with(&Row(Source::Postgres(row))))
    }

    /// A read on the calling thread, which must not be an async worker. Rows are taken as they come.
    pub(crate) fn scan(
        &self,
        runtime: &tokio::runtime::Handle,
        (control, tenant): (bool, TenantId),
        sql: &str,
        args: &[Value],
        limit: Duration,
        with: &mut (dyn FnMut(&Row<'_>) -> Result<(), Failure> + Send),
    ) -> Result<(), Failure> {
        runtime.block_on(self.exists(tenant))?;
        let mut seat = Seat::new(runtime.block_on(self.seat(control))?);
        let wrong = |e| fault::failure(&e, &self.keys);
        let statement = runtime.block_on(prepared(seat.client()?, sql, args.len(), &self.keys))?;
        let began = Instant::now();
        seat.begun();
        let client = seat.client()?;
        let limit_ms = limit.as_millis();
        let begin = format!(
            "BEGIN READ ONLY; SET LOCAL statement_timeout = {limit_ms};
             SET LOCAL idle_in_transaction_session_timeout = {limit_ms}; {}",
            scope(tenant)
        );
        runtime.block_on(client.batch_execute(&begin)).map_err(wrong)?;
        {
            let rows = runtime.block_on(client.query_raw(&statement, params(args))).map_err(wrong)?;
            let mut rows = std::pin::pin!(rows);
            while let Some(row) = runtime.block_on(rows.try_next()).map_err(wrong)? {
                with(&Row(Source::Postgres(&row)))?;
                if began.elapsed() > limit {
                    return Err(Failure::Busy(1));
                }
            }
        }
        runtime.block_on(client.batch_execute("COMMIT")).map_err(wrong)?;
        seat.ended();
        Ok(())
    }

    pub(crate) async fn submit(
        self: &Arc<Self>,
        control: bool,
        tenant: TenantId,
        order: Order,
    ) -> Result<Vec<Vec<Value>>, Refusal> {
        if self.closed.load(Ordering::Relaxed) || self.queued.load(Ordering::Relaxed) > QUEUE {
            return Err(Refusal::Failure(Failure::Busy(1)));
        }
        self.queued.fetch_add(1, Ordering::Relaxed);
        let database = Arc::clone(self);
        let flight = tokio::spawn(async move {
            let done = database.write(control, tenant, order).await;
            database.queued.fetch_sub(1, Ordering::Relaxed);
            done
        });
        flight.await.unwrap_or(Err(Refusal::Failure(Failure::Unknown)))
    }

    pub(crate) async fn tenants(&self) -> Result<Vec<TenantId>, Failure> {
        let mut seat = Seat::new(self.seat(true).await?);
        let rows = self.ask(&mut seat, TenantId::HOUSE, "SELECT id FROM house.database ORDER BY id", &[]).await?;
        let id = |row| Row(Source::Postgres(row)).get::<TenantId>(0);
        rows.iter().map(id).collect()
    }

    /// Connections at most, and how long a request waits for one.
    pub(crate) const fn capacity() -> (usize, Duration) {
        (POOLS.0 + POOLS.1, start::PATIENCE)
    }

    pub(crate) fn stats(&self) -> Stats {
        let open = self.own.status().size + self.control.status().size;
        Stats { open, handles: open, queued: self.queued.load(Ordering::Relaxed), following: 0, buried: 0 }
    }

    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let began = Instant::now();
        while self.queued.load(Ordering::SeqCst) > 0 && began.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.own.close();
        self.control.close();
    }
}
