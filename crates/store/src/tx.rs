//! What a handler holds. Reads run at once; a batch consumes the permit, so a request commits once.

use std::{marker::PhantomData, time::Duration};

use kernel::{Event, Failure, Mint, Mode, Outcome, Permit, Read, Rows, SessionId, TenantId, UserId, Write};
use tokio::sync::mpsc;

use crate::{
    Args, Blobs, Change, Control, FromRow, Own, Query, Realm, Row, Store, Value,
    engine::{Order, Step},
};

/// Reads under a permit, and, for `Tx<Write>`, one batch.
pub struct Tx<M: Mode> {
    store: Store,
    permit: Permit<M>,
    once: Option<Once>,
}

/// An idempotency key to be remembered with the batch: hash of key, principal and route, and hash of the request.
#[derive(Clone, Debug)]
pub(crate) struct Once {
    pub(crate) key: Vec<u8>,
    pub(crate) request: Vec<u8>,
}

/// Rows on their way in a stream.
const STREAM: usize = 256;
/// Bytes of a leaf's target at most: a leaf that no bundle of the log can hold would end the log.
const TARGET: usize = 2048;
/// The longest read.
const LONGEST: Duration = Duration::from_mins(10);
/// How long a stream waits for its reader.
const STALLED: Duration = Duration::from_secs(30);

fn give<R: Send>(
    runtime: &tokio::runtime::Handle,
    rows: &mpsc::Sender<Result<R, Failure>>,
    row: R,
) -> Result<(), Failure> {
    let gone = || Failure::Busy(1);
    match rows.try_send(Ok(row)) {
        Ok(()) => Ok(()),
        Err(mpsc::error::TrySendError::Closed(_)) => Err(gone()),
        Err(mpsc::error::TrySendError::Full(row)) => {
            runtime.block_on(rows.send_timeout(row, STALLED)).map_err(|_| gone())
        }
    }
}

impl<M: Mode> Tx<M> {
    /// Opens the store under a permit. Called by `route`, for handlers.
    #[must_use]
    pub fn open(store: &Store, permit: Permit<M>) -> Self {
        Self { store: store.clone(), permit, once: None }
    }
    /// The permit.
    #[must_use]
    pub const fn permit(&self) -> &Permit<M> {
        &self.permit
    }
    /// Reads beside this, under another decision of the gate: a console's page shows what several rights reach. The permit
    /// must be the same tenant's.
    ///
    /// # Errors
    /// Internal, when it is another's.
    pub fn beside(&self, permit: Permit<Read>) -> Result<Tx<Read>, Failure> {
        if permit.principal().tenant() != self.permit.principal().tenant() {
            return Err(Failure::internal("store: a permit of another tenant"));
        }
        Ok(Tx::open(&self.store, permit))
    }
    /// Every row, in order.
    ///
    /// # Errors
    /// `Busy` when the engine has no capacity within the queue deadline; internal ones.
    pub async fn all<W: Realm, A: Args, R: FromRow>(&self, query: &Query<W, A, R>, args: A) -> Result<Vec<R>, Failure> {
        let mut found = Vec::new();
        self.each(query, args, |row| {
            found.push(R::from_row(row)?);
            Ok(())
        })
        .await?;
        Ok(found)
    }
    /// Calls `with` for every row, in order, without keeping them.
    ///
    /// # Errors
    /// As [`Tx::all`], and whatever `with` returns.
    pub async fn each<W: Realm, A: Args, R>(
        &self,
        query: &Query<W, A, R>,
        args: A,
        with: impl FnMut(&Row<'_>) -> Result<(), Failure> + Send,
    ) -> Result<(), Failure> {
        let me = self.permit.principal().user();
        let tenant = self.permit.principal().tenant();
        self.store.read::<W>(tenant, &query.0, args.values(), &self.permit.reach().rows, me, with).await
    }
    /// Every row, in order, read on a thread of its own: for exports and other long reads. A reader that takes nothing for
    /// half a minute, and a read of more than ten minutes, end with `Busy`. Call it within the runtime.
    pub fn stream<W: Realm, A: Args, R: FromRow + 'static>(
        &self,
        query: &Query<W, A, R>,
        args: A,
    ) -> mpsc::Receiver<Result<R, Failure>> {
        let (rows, taken) = mpsc::channel(STREAM);
        let principal = self.permit.principal();
        match self.store.prepare::<W>(&query.0, args.values(), &self.permit.reach().rows, principal.user()) {
            Ok(statement) => {
                let (runtime, last) = (tokio::runtime::Handle::current(), rows.clone());
                let with = move |row: &Row<'_>| give(&runtime, &rows, R::from_row(row)?);
                let done = move |outcome: Result<(), Failure>| {
                    if let Err(failure) = outcome
                        && let Err(mpsc::error::TrySendError::Full(late)) = last.try_send(Err(failure))
                    {
                        let _reader_gone = last.blocking_send(late);
                    }
                };
                self.store.scan::<W>(principal.tenant(), statement, LONGEST, with, done);
            }
            Err(failure) => drop(rows.try_send(Err(failure))),
        }
        taken
    }
    /// Reads on under the same decision when the transaction is spent: for audited reads whose answer is
    /// streamed, and for long reads in pieces.
    #[must_use]
    pub fn reader(&self) -> Reader {
        let principal = self.permit.principal();
        Reader {
            store: self.store.clone(),
            tenant: principal.tenant(),
            rows: self.permit.reach().rows.clone(),
            me: principal.user(),
        }
    }
    /// The tenant's objects.
    #[must_use]
    pub fn blobs(&self) -> Blobs {
        self.store.blobs().of(self.permit.principal().tenant())
    }
    /// The first row, if any.
    ///
    /// # Errors
    /// As [`Tx::all`].
    pub async fn maybe<W: Realm, A: Args, R: FromRow>(
        &self,
        query: &Query<W, A, R>,
        args: A,
    ) -> Result<Option<R>, Failure> {
        Ok(self.all(query, args).await?.into_iter().next())
    }
    /// The one row, or `NotFound`, also when it exists and the permit does not reach it.
    ///
    /// # Errors
    /// As [`Tx::all`], and `NotFound`.
    pub async fn one<W: Realm, A: Args, R: FromRow>(&self, query: &Query<W, A, R>, args: A) -> Result<R, Failure> {
        self.maybe(query, args).await?.ok_or(Failure::NotFound)
    }
}

impl Tx<Write> {
    /// Starts the request's one batch; `target` is what the audit leaf will name: `collection/id`.
    #[must_use]
    pub fn batch<W: Realm>(self, target: impl Into<String>) -> Batch<W> {
        let event = self.permit.event(target, Outcome::Done);
        Batch {
            order: Order { event: Some(event), ..Order::default() },
            tx: self,
            step_failures: Vec::new(),
            realm: PhantomData,
        }
    }
    /// A change that goes on after this request was answered, under a decision of its own.
    ///
    /// # Errors
    /// Internal, when the permit is another tenant's.
    pub fn later(&self, permit: Permit<Write>) -> Result<Self, Failure> {
        if permit.principal().tenant() != self.permit.principal().tenant() {
            return Err(Failure::internal("store: a permit of another tenant"));
        }
        Ok(Self::open(&self.store, permit))
    }
    /// Starts an import: rows go to a staging table in slices and become visible with one batch.
    #[must_use]
    pub const fn staging(self) -> Staging {
        Staging { tx: self }
    }
    /// Remembers an idempotency key with the batch that follows. Called by the pipeline.
    pub fn once(&mut self, key: Vec<u8>, request: Vec<u8>) {
        self.once = Some(Once { key, request });
    }
}

/// What must be forgotten at once, on every node, before the change is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoke {
    /// One session.
    Session(SessionId),
    /// Everything known of a user.
    User(UserId),
    /// A membership.
    Member(TenantId, UserId),
    /// A tenant's directory entry.
    Tenant(TenantId),
}

impl Revoke {
    /// As a row of the table `revocation`: kind, tenant, session or user.
    pub(crate) fn parts(&self) -> (&'static str, Option<String>, Option<String>) {
        match self {
            Self::Session(session) => ("session", None, Some(session.to_string())),
            Self::User(user) => ("user", None, Some(user.to_string())),
            Self::Member(tenant, user) => ("member", Some(tenant.to_string()), Some(user.to_string())),
            Self::Tenant(tenant) => ("tenant", Some(tenant.to_string()), None),
        }
    }
}

/// Changes that commit together with one audit leaf, or not at all.
pub struct Batch<W: Realm> {
    tx: Tx<Write>,
    order: Order,
    step_failures: Vec<(usize, Failure)>,
    realm: PhantomData<fn() -> W>,
}

impl<W: Realm> Batch<W> {
    fn step(mut self, text: &crate::statement::Text, args: Vec<Value>, rows: Option<usize>, keep: bool) -> Self {
        let permit = &self.tx.permit;
        match self.tx.store.prepare::<W>(text, args, &permit.reach().rows, permit.principal().user()) {
            Ok((sql, args)) => self.order.steps.push(Step { sql, args, rows, keep }),
            Err(failure) => self.order.fault = self.order.fault.take().or(Some(failure)),
        }
        self
    }
    /// Whatever number of rows changes.
    #[must_use]
    pub fn any<A: Args>(self, change: &Change<W, A>, args: A) -> Self {
        self.step(&change.0, args.values(), None, false)
    }
    /// Exactly `n` rows change, or nothing of the batch happens and the answer is `NotFound`.
    #[must_use]
    pub fn rows<A: Args>(self, n: usize, change: &Change<W, A>, args: A) -> Self {
        self.step(&change.0, args.values(), Some(n), false)
    }
    /// Exactly `n` rows change, or nothing of the batch happens and the answer is `failure`.
    #[must_use]
    pub fn expect<A: Args>(mut self, n: usize, change: &Change<W, A>, args: A, failure: Failure) -> Self {
        self.step_failures.push((self.order.steps.len(), failure));
        self.rows(n, change, args)
    }
    /// Exactly `n` rows come back from a statement with RETURNING; the receipt keeps them.
    #[must_use]
    pub fn returning<A: Args>(mut self, n: usize, change: &Change<W, A>, args: A, failure: Failure) -> Self {
        self.step_failures.push((self.order.steps.len(), failure));
        self.step(&change.0, args.values(), Some(n), true)
    }
    /// The log's leaves before a place go; on PostgreSQL the server itself may not delete leaves, and asks the owner's
    /// function, which keeps a year of them whoever asks.
    #[must_use]
    pub fn prune(mut self, floor: i64) -> Self {
        let sql = self.tx.store.pruning();
        self.order.steps.push(Step { sql: sql.into(), args: vec![floor.into()], rows: None, keep: false });
        self
    }
    /// A value that the leaf commits to (salted hash); the value itself goes to an erasable table.
    #[must_use]
    pub fn fact(mut self, field: &'static str, value: impl Into<String>) -> Self {
        if let Some(event) = &mut self.order.event {
            event.fields.push((field, value.into()));
        }
        self
    }
    /// The leaf says that it was tried and did not happen. The answer is then a failure, of course.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        if let Some(event) = &mut self.order.event {
            event.outcome = outcome;
        }
        self
    }
    /// An outbox row: `kind` says which section drains it (`mail`, or the name of an outgoing event).
    #[must_use]
    pub fn emit(mut self, kind: &'static str, payload: Vec<u8>) -> Self {
        self.order.outbox.push((kind, payload));
        self
    }
    /// Durable when it returns.
    ///
    /// # Errors
    /// A failed expectation's failure; `Unique`, `Reference`, `Busy`, `Unknown`, `DiskFull`; internal ones. In every case
    /// but `Unknown` nothing happened.
    pub async fn commit(self) -> Result<Receipt, Failure> {
        let Self { tx, mut order, mut step_failures, .. } = self;
        if order.event.as_ref().is_some_and(|event| event.target.len() > TARGET) {
            return Err(Failure::internal("store: a leaf's target is longer than a name can be"));
        }
        order.once = tx.once;
        let tenant = tx.permit.principal().tenant();
        match tx.store.submit::<W>(tenant, order).await {
            Ok(kept) => Ok(Receipt { kept }),
            Err(Refusal::Step(at)) => Err(step_failures
                .iter()
                .position(|(step, _)| *step == at)
                .map_or(Failure::NotFound, |i| step_failures.swap_remove(i).1)),
            Err(Refusal::Failure(failure)) => Err(failure),
        }
    }
}

/// Why a batch did not commit.
pub(crate) enum Refusal {
    /// The expectation of this step was not met.
    Step(usize),
    /// Anything else.
    Failure(Failure),
}

impl Batch<Control> {
    /// Changes that must follow in `tenant`'s own database: they go into control's outbox with this batch and are applied
    /// exactly once, with a leaf of the same event; `commit` returns after they were. On SQLite the house's commit stands
    /// even where the tenant's database refuses its part: let that part be something that cannot fail.
    #[must_use]
    pub fn then(mut self, tenant: TenantId, apply: Apply) -> Self {
        // Found wrong now rather than after the house's commit.
        for (sql, args) in &apply.steps {
            let bound = crate::text::Compiled::new(sql, false).bind(args.clone(), &Rows::All, None);
            self.order.fault = self.order.fault.take().or(bound.err());
        }
        self.order.then.push((tenant, apply));
        self
    }
    /// Forgets cached rights before the commit is acknowledged.
    #[must_use]
    pub fn revoke(mut self, what: Revoke) -> Self {
        self.order.revoke.push(what);
        self
    }
}

impl Refusal {
    /// Where no expectation was made.
    pub(crate) fn failure(self) -> Failure {
        match self {
            Self::Failure(failure) => failure,
            Self::Step(_) => Failure::internal("store: an expectation was not met"),
        }
    }
}

/// Changes in a tenant's own database that follow from a control batch.
#[derive(Clone, Debug, Default)]
pub struct Apply {
    pub(crate) target: String,
    pub(crate) steps: Vec<(String, Vec<Value>)>,
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) founds: bool,
}

impl Apply {
    /// `target` is what the leaf in the tenant's log names.
    #[must_use]
    pub fn new(target: impl Into<String>) -> Self {
        Self { target: target.into(), ..Self::default() }
    }
    /// It is the tenant's first: its database is made for it. Every other change waits for a database that is there, so that a
    /// lost one is missed and not replaced by an empty one.
    #[must_use]
    pub const fn founding(mut self) -> Self {
        self.founds = true;
        self
    }
    /// Whatever number of rows changes.
    #[must_use]
    pub fn any<A: Args>(mut self, change: &Change<Own, A>, args: A) -> Self {
        self.steps.push((change.0.sql.to_string(), args.values()));
        self
    }
    /// A value that the leaf in the tenant's log commits to.
    #[must_use]
    pub fn fact(mut self, field: &'static str, value: impl Into<String>) -> Self {
        self.facts.push((field, value.into()));
        self
    }
}

/// Reads under a decision whose batch is spent: see [`Tx::reader`].
#[derive(Clone)]
pub struct Reader {
    store: Store,
    tenant: TenantId,
    rows: Rows,
    me: Option<UserId>,
}

impl Reader {
    /// Whose data it reads.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }
    /// The tenant's objects.
    #[must_use]
    pub fn blobs(&self) -> Blobs {
        self.store.blobs().of(self.tenant)
    }
    /// Every row, in order.
    ///
    /// # Errors
    /// As [`Tx::all`].
    pub async fn all<W: Realm, A: Args, R: FromRow>(&self, query: &Query<W, A, R>, args: A) -> Result<Vec<R>, Failure> {
        let mut found = Vec::new();
        let with = |row: &Row<'_>| {
            found.push(R::from_row(row)?);
            Ok(())
        };
        self.store.read::<W>(self.tenant, &query.0, args.values(), &self.rows, self.me, with).await?;
        Ok(found)
    }
}

/// Proof of a durable commit; a changing handler can answer 2xx only with one.
pub struct Receipt {
    kept: Vec<Vec<Value>>,
}

impl Receipt {
    /// The rows that RETURNING statements gave, in order.
    ///
    /// # Errors
    /// Internal, when a row has another shape.
    pub fn rows<R: FromRow>(&self) -> Result<Vec<R>, Failure> {
        self.kept.iter().map(|values| R::from_row(&Row(crate::row::Source::Kept(values)))).collect()
    }
    /// Calls `with` for each of them, in order.
    ///
    /// # Errors
    /// Whatever `with` returns.
    pub fn each(&self, mut with: impl FnMut(&Row<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
        self.kept.iter().try_for_each(|values| with(&Row(crate::row::Source::Kept(values))))
    }
    /// The first of them.
    ///
    /// # Errors
    /// As [`Receipt::rows`].
    pub fn row<R: FromRow>(&self) -> Result<Option<R>, Failure> {
        Ok(self.rows()?.into_iter().next())
    }
}

/// An import under way.
pub struct Staging {
    tx: Tx<Write>,
}

impl Staging {
    /// The permit.
    #[must_use]
    pub const fn permit(&self) -> &Permit<Write> {
        self.tx.permit()
    }
    /// The transaction, for reads.
    #[must_use]
    pub const fn tx(&self) -> &Tx<Write> {
        &self.tx
    }
    /// Runs one statement for each of `rows`, without a leaf: only for staging tables, which nobody can read.
    ///
    /// # Errors
    /// As [`Batch::commit`].
    pub async fn add<A: Args>(&self, change: &Change<Own, A>, rows: Vec<A>) -> Result<(), Failure> {
        let store = &self.tx.store;
        let step = |row: A| {
            let (sql, args) = store.prepare::<Own>(&change.0, row.values(), &Rows::All, None)?;
            Ok(Step { sql, args, rows: None, keep: false })
        };
        let steps = rows.into_iter().map(step).collect::<Result<_, Failure>>()?;
        let order = Order { steps, ..Order::default() };
        match self.tx.store.submit::<Own>(self.permit().principal().tenant(), order).await {
            Ok(_) => Ok(()),
            Err(Refusal::Failure(failure)) => Err(failure),
            Err(Refusal::Step(_)) => Err(Failure::internal("store: staging has no expectations")),
        }
    }
    /// The batch that publishes the staged rows.
    #[must_use]
    pub fn publish(self, target: impl Into<String>) -> Batch<Own> {
        self.tx.batch(target)
    }
}

/// Reads, and leaves without a change (refusals), for gates: before any permit exists. Needs a gate's key.
#[derive(Clone)]
pub struct Lookup(Store);

impl Lookup {
    /// For the gate that holds a key.
    #[must_use]
    pub fn new<T>(_: &Mint<T>, store: &Store) -> Self {
        Self(store.clone())
    }
    /// Every row.
    ///
    /// # Errors
    /// As [`Tx::all`].
    pub async fn all<W: Realm, A: Args, R: FromRow>(
        &self,
        tenant: TenantId,
        query: &Query<W, A, R>,
        args: A,
    ) -> Result<Vec<R>, Failure> {
        let mut found = Vec::new();
        let with = |row: &Row<'_>| {
            found.push(R::from_row(row)?);
            Ok(())
        };
        self.0.read::<W>(tenant, &query.0, args.values(), &Rows::All, None, with).await?;
        Ok(found)
    }
    /// The first row, if any.
    ///
    /// # Errors
    /// As [`Tx::all`].
    pub async fn maybe<W: Realm, A: Args, R: FromRow>(
        &self,
        tenant: TenantId,
        query: &Query<W, A, R>,
        args: A,
    ) -> Result<Option<R>, Failure> {
        Ok(self.all(tenant, query, args).await?.into_iter().next())
    }
    /// As [`Store::rewrap`].
    ///
    /// # Errors
    /// As [`Store::rewrap`].
    pub async fn rewrap(&self, tenant: TenantId) -> Result<crate::Wrapped, Failure> {
        self.0.rewrap(tenant).await
    }
    /// A leaf that stands alone: a refusal.
    ///
    /// # Errors
    /// As [`Batch::commit`].
    pub async fn note(&self, tenant: TenantId, event: Event) -> Result<(), Failure> {
        let order = Order { event: Some(event), ..Order::default() };
        match self.0.submit::<Own>(tenant, order).await {
            Ok(_) => Ok(()),
            Err(Refusal::Failure(failure)) => Err(failure),
            Err(Refusal::Step(_)) => Err(Failure::internal("store: a note has no steps")),
        }
    }
}
