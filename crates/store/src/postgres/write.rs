//! A write is two flights: BEGIN, the tenant, every statement with the leaf; then, once every answer was compared,
//! COMMIT or ROLLBACK.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use kernel::{Event, Failure, TenantId, Time};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    Database,
    fault::{self},
    flight::{Answer, Check, Leg, Seat, Wrong, fly, scope},
};
use crate::{
    Apply, Head, Row, Value,
    engine::{APPLIED, House, IN_USE, ONCE, Order, REVOKED},
    row::Source,
    text::{Compiled, Dialect},
    tx::Refusal,
};

/// Tries, when another node wrote first or a deadlock was broken.
const TRIES: usize = 5;
/// How long an order waits for those before it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a tenant's log ends, as far as this node knows. Held while one order of the tenant is under way.
pub(super) type Sequencer = Arc<Mutex<Option<Head>>>;
type Heads = BTreeMap<TenantId, OwnedMutexGuard<Option<Head>>>;
type Kept = Vec<Vec<Value>>;

/// Why a transaction was rolled back.
enum Stop {
    Refused(Refusal),
    /// It can succeed when tried again.
    Again,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Refused(Refusal::Failure(failure))
    }
}

impl Database {
    /// Runs on a task of its own, so that a client that goes away cancels nothing.
    pub(super) async fn write(&self, control: bool, tenant: TenantId, order: Order) -> Result<Kept, Refusal> {
        let done = self.attempts(control, tenant, &order).await?;
        order.revoke.iter().for_each(|what| self.house.hooks.revoked(what));
        order.outbox.iter().for_each(|(kind, _)| self.house.hooks.outbox(tenant, kind));
        Ok(done)
    }

    async fn attempts(&self, control: bool, tenant: TenantId, order: &Order) -> Result<Kept, Refusal> {
        self.exists(tenant).await.map_err(Refusal::Failure)?;
        let mut heads = self.heads(tenant, order).await.map_err(Refusal::Failure)?;
        for _ in 0..TRIES {
            let object = self.seat(control).await.map_err(Refusal::Failure)?;
            let mut seat = Seat::new(object);
            match self.attempt(&mut seat, tenant, order, &mut heads).await {
                Ok(kept) => return Ok(kept),
                Err(stop) => {
                    // What is known of the ends may be wrong now; it is read again.
                    heads.values_mut().for_each(|head| **head = None);
                    if let Stop::Refused(refusal) = stop {
                        return Err(refusal);
                    }
                }
            }
        }
        Err(Refusal::Failure(Failure::Busy(1)))
    }

    /// In order of ids, the house's first: nobody waits in a circle.
    async fn heads(&self, tenant: TenantId, order: &Order) -> Result<Heads, Failure> {
        let mut heads = Heads::new();
        if order.event.is_none() {
            return Ok(heads);
        }
        let wanted: BTreeSet<_> = order.then.iter().map(|(t, _)| *t).chain([tenant]).collect();
        for id in wanted {
            let line = self.sequencer(id);
            let turn = tokio::time::timeout(PATIENCE, line.lock_owned()).await;
            heads.insert(id, turn.map_err(|_| Failure::Busy(1))?);
        }
        Ok(heads)
    }

    async fn attempt(&self, seat: &mut Seat, tenant: TenantId, order: &Order, heads: &mut Heads) -> Result<Kept, Stop> {
        let now = self.house.clock.now();
        seat.begun();
        let mut next = BTreeMap::new();
        let done = self.perform(seat, tenant, order, heads, &mut next, now).await;
        if done.is_err() {
            if let Ok(client) = seat.client()
                && client.batch_execute("ROLLBACK").await.is_ok()
            {
                seat.ended();
            }
            return done;
        }
        // An aborted transaction answers COMMIT with ROLLBACK, and without an error; `SELECT 1` fails in it.
        match seat.client()?.batch_execute("SELECT 1; COMMIT").await {
            Ok(()) => seat.ended(),
            Err(error) if error.as_db_error().is_some() => return Err(self.stop(&error)),
            // The connection broke: whether it was committed is not known.
            Err(_) => return Err(Failure::Unknown.into()),
        }
        for (id, head) in next {
            if let Some(slot) = heads.get_mut(&id) {
                **slot = Some(head);
            }
            self.learn(id);
        }
        done
    }

    async fn perform(
        &self,
        seat: &Seat,
        tenant: TenantId,
        order: &Order,
        heads: &Heads,
        next: &mut BTreeMap<TenantId, Head>,
        now: Time,
    ) -> Result<Kept, Stop> {
        let begin = format!("BEGIN; {}", scope(tenant));
        let known = heads.get(&tenant).and_then(|h| h.as_ref().cloned());
        let (before, head) = match (&order.event, known) {
            (Some(_), None) => (String::new(), Some(self.head(seat, &begin, false).await?)),
            (_, known) => (begin, known),
        };
        let mut legs = legs(order, now, &self.house);
        if let (Some(event), Some(head)) = (&order.event, &head) {
            next.insert(tenant, self.seal(&mut legs, head, event, now));
        }
        let kept = self.compare(&legs, fly(seat.client()?, &before, &legs).await)?;
        for (to, apply) in &order.then {
            if let Some(event) = &order.event {
                self.follow(seat, *to, apply, event, heads, next, now).await?;
            }
        }
        Ok(kept)
    }

    /// The same transaction goes on in another tenant's scope.
    #[expect(clippy::too_many_arguments, reason = "the state of one transaction")]
    async fn follow(
        &self,
        seat: &Seat,
        to: TenantId,
        apply: &Apply,
        event: &Event,
        heads: &Heads,
        next: &mut BTreeMap<TenantId, Head>,
        now: Time,
    ) -> Result<(), Stop> {
        let enter = format!("SET LOCAL search_path TO tenants; {}", scope(to));
        let known = next.get(&to).cloned().or_else(|| heads.get(&to).and_then(|h| h.as_ref().cloned()));
        let client = seat.client()?;
        let head = match known {
            Some(head) => {
                client.batch_execute(&enter).await.map_err(|e| self.stop(&e))?;
                head
            }
            None => self.head(seat, &enter, true).await?,
        };
        let mut legs = Vec::new();
        for (sql, args) in &apply.steps {
            let compiled = Compiled::new(sql, false);
            let args = compiled.bind(args.clone(), &kernel::Rows::All, None)?;
            // Prepared under this path, and never taken for a statement of the house.
            let sql = format!("/* tenants */ {}", compiled.text(Dialect::Postgres, &kernel::Rows::All));
            legs.push(Leg { sql, args, check: Check::Any, keep: false });
        }
        let event = Event { target: apply.target.clone(), fields: apply.facts.clone(), ..event.clone() };
        next.insert(to, self.seal(&mut legs, &head, &event, now));
        self.compare(&legs, fly(client, "", &legs).await).map(drop)
    }

    /// Where the scope's log ends. `create`: a tenant without one gets one.
    async fn head(&self, seat: &Seat, before: &str, create: bool) -> Result<Head, Stop> {
        let mut legs = Vec::new();
        if create {
            let sql = "INSERT INTO _head (id, size, hash, at) VALUES (0, 0, $1, 0) ON CONFLICT DO NOTHING".to_owned();
            legs.push(Leg { sql, args: vec![Value::Blob(vec![0; 32])], check: Check::Any, keep: false });
            let sql = "INSERT INTO house.database (id) VALUES (current_setting('app.tenant')) ON CONFLICT DO NOTHING";
            legs.push(Leg { sql: sql.to_owned(), args: Vec::new(), check: Check::Any, keep: false });
        }
        let sql = "SELECT size, hash, at FROM _head WHERE id = 0".to_owned();
        legs.push(Leg { sql, args: Vec::new(), check: Check::Any, keep: true });
        let kept = self.compare(&legs, fly(seat.client()?, before, &legs).await)?;
        match kept.into_iter().next().as_deref() {
            Some([Value::Int(size), Value::Blob(hash), Value::Int(at)]) => {
                let hash =
                    hash.as_slice().try_into().map_err(|_| Failure::internal("store: a head of another size"))?;
                Ok(Head { size: size.cast_unsigned(), hash, at: Time(*at) })
            }
            _ => Err(Failure::NotFound.into()),
        }
    }

    /// The leaf, last: its place in the log is expected, and compared by the database.
    fn seal(&self, legs: &mut Vec<Leg>, head: &Head, event: &Event, now: Time) -> Head {
        let placed = self.house.chain.next(head, event, now, self.house.rng.as_ref());
        let seq = placed.head.size.saturating_sub(1).cast_signed();
        let mut leg =
            |sql: &str, args: Vec<Value>, check| legs.push(Leg { sql: sql.to_owned(), args, check, keep: false });
        let Head { size, hash, at } = &placed.head;
        let args = vec![size.cast_signed().into(), (*hash).into(), (*at).into(), head.size.cast_signed().into()];
        leg("UPDATE _head SET size = $1, hash = $2, at = $3 WHERE id = 0 AND size = $4", args, Check::Head);
        let args = vec![seq.into(), placed.body.into(), (*hash).into(), (*at).into()];
        // Sent before the answer above is read: where another node wrote first, it adds nothing and breaks nothing.
        let sql = "INSERT INTO _leaf (seq, body, hash, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        leg(sql, args, Check::Head);
        for (field, salt, value) in placed.values {
            let args = vec![seq.into(), field.into(), salt.into(), value.into()];
            let sql = "INSERT INTO _leaf_value (leaf, field, salt, value) VALUES ($1, $2, $3, $4)
                       ON CONFLICT DO NOTHING";
            leg(sql, args, Check::Any);
        }
        placed.head
    }

    fn stop(&self, error: &tokio_postgres::Error) -> Stop {
        if fault::again(error) { Stop::Again } else { fault::failure(error, &self.keys).into() }
    }

    /// Every answer against what was expected; the rows that were asked for.
    fn compare(&self, legs: &[Leg], answers: Result<Vec<Answer>, Wrong>) -> Result<Kept, Stop> {
        let answers = answers.map_err(|wrong| match wrong {
            Wrong::Error(error) => self.stop(&error),
            Wrong::Failure(failure) => failure.into(),
        })?;
        let mut kept = Kept::new();
        for (leg, answer) in legs.iter().zip(&answers) {
            match leg.check {
                Check::Rows(n, step) if answer.count != n => return Err(Stop::Refused(Refusal::Step(step))),
                Check::Once if answer.count != 1 => return Err(Failure::Conflict(IN_USE.into()).into()),
                Check::Head if answer.count != 1 => return Err(Stop::Again),
                _ => {}
            }
            if leg.keep {
                for row in &answer.rows {
                    let row_of = Row(Source::Postgres(row));
                    let values: Result<_, Failure> = (0..row.len()).map(|i| row_of.get::<Value>(i)).collect();
                    kept.push(values?);
                }
            }
        }
        Ok(kept)
    }

    fn sequencer(&self, tenant: TenantId) -> Sequencer {
        let mut lines = super::lock(&self.lines);
        if lines.len() > 10_000 {
            // Nobody waits in those that only the map holds.
            lines.retain(|_, line| Arc::strong_count(line) > 1);
        }
        Arc::clone(lines.entry(tenant).or_default())
    }

    /// Makes a tenant: its log, empty.
    pub(crate) async fn create(&self, tenant: TenantId) -> Result<(), Failure> {
        self.queued.fetch_add(1, Ordering::Relaxed);
        let made = async {
            let mut seat = Seat::new(self.seat(false).await?);
            seat.begun();
            let begin = format!("BEGIN; {}", scope(tenant));
            self.head(&seat, &begin, true).await.map_err(|stop| match stop {
                Stop::Refused(refusal) => refusal.failure(),
                Stop::Again => Failure::Busy(1),
            })?;
            seat.client()?.batch_execute("SELECT 1; COMMIT").await.map_err(|e| fault::failure(&e, &self.keys))?;
            seat.ended();
            Ok(())
        }
        .await;
        self.queued.fetch_sub(1, Ordering::Relaxed);
        self.learn(tenant);
        made
    }
}

fn legs(order: &Order, now: Time, house: &House) -> Vec<Leg> {
    let mut legs = Vec::new();
    let mut leg = |sql: &str, args: Vec<Value>, check| legs.push(Leg { sql: sql.to_owned(), args, check, keep: false });
    if let Some(once) = &order.once {
        leg("DELETE FROM _once WHERE at < $1", vec![(now.0 - ONCE).into()], Check::Any);
        let sql = "INSERT INTO _once (key, request, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        leg(sql, vec![once.key.clone().into(), once.request.clone().into(), now.into()], Check::Once);
    }
    if let Some(id) = &order.applied {
        leg("DELETE FROM _applied WHERE at < $1", vec![(now.0 - APPLIED).into()], Check::Any);
        let sql = "INSERT INTO _applied (id, at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        leg(sql, vec![id.as_str().into(), now.into()], Check::Any);
    }
    for (i, step) in order.steps.iter().enumerate() {
        let check = step.rows.map_or(Check::Any, |n| Check::Rows(n, i));
        legs.push(Leg { sql: step.sql.to_string(), args: step.args.clone(), check, keep: step.keep });
    }
    let mut leg = |sql: &str, args: Vec<Value>| {
        legs.push(Leg { sql: sql.to_owned(), args, check: Check::Any, keep: false });
    };
    for (kind, payload) in &order.outbox {
        let sql = "INSERT INTO _outbox (id, kind, payload, at, attempts, due) VALUES ($1, $2, $3, $4, 0, $4)";
        leg(sql, vec![house.id(now).into(), (*kind).into(), payload.clone().into(), now.into()]);
    }
    if !order.revoke.is_empty() {
        leg("DELETE FROM revocation WHERE at < $1", vec![(now.0 - REVOKED).into()]);
    }
    for what in &order.revoke {
        let (kind, tenant, subject) = what.parts();
        let sql = "INSERT INTO revocation (kind, tenant, subject, at) VALUES ($1, $2, $3, $4)";
        leg(sql, vec![kind.into(), tenant.into(), subject.into(), now.into()]);
    }
    legs
}
