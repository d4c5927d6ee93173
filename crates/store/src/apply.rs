//! What a control batch leaves for a tenant's own database: a durable job, applied there once.

use std::sync::Arc;

use kernel::{Actor, Event, Failure, Outcome, Rows, Source, TenantId, Time, UserId, intern};
use serde::{Deserialize, Serialize};

use crate::{
    Apply, Value,
    engine::{House, Order, Step},
    text::{Compiled, Dialect},
};

/// Kind of a job's row in the house's outbox.
pub(crate) const APPLY: &str = "apply";
/// Kind of a job that can never succeed; kept for a person to look at.
pub(crate) const DEAD: &str = "apply.dead";

/// A job: its id is what makes it happen once.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) tenant: TenantId,
    pub(crate) payload: Arc<[u8]>,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    tenant: TenantId,
    name: String,
    actor: Who,
    source: u8,
    request: kernel::RequestId,
    target: String,
    #[serde(default)]
    founds: bool,
    facts: Vec<(String, String)>,
    steps: Vec<(String, Vec<Cell>)>,
}

#[derive(Serialize, Deserialize)]
enum Who {
    Visitor,
    Member(UserId, u8),
    Account(UserId),
    Operator(String),
    System(String),
}

#[derive(Serialize, Deserialize)]
enum Cell {
    N,
    I(i64),
    T(String),
    B(String),
}

const SOURCES: [Source; 5] = [Source::Api, Source::Browser, Source::Public, Source::Job, Source::Admin];

/// The jobs of an order, in its order.
pub(crate) fn jobs(house: &House, order: &Order, now: Time) -> Result<Vec<Job>, Failure> {
    let Some(event) = &order.event else { return Ok(Vec::new()) };
    let job = |(tenant, apply): &(TenantId, Apply)| {
        let payload = serde_json::to_vec(&payload(*tenant, event, apply))
            .map_err(|_| Failure::internal("store: a job cannot be written"))?;
        Ok(Job { id: house.id(now).to_string(), tenant: *tenant, payload: payload.into() })
    };
    order.then.iter().map(job).collect()
}

fn payload(tenant: TenantId, event: &Event, apply: &Apply) -> Payload {
    let cell = |v: &Value| match v {
        Value::Null => Cell::N,
        Value::Int(i) => Cell::I(*i),
        Value::Text(t) => Cell::T(t.clone()),
        Value::Blob(b) => Cell::B(hex::encode(b)),
    };
    Payload {
        tenant,
        name: event.name.to_owned(),
        actor: match &event.actor {
            Actor::Visitor => Who::Visitor,
            Actor::Member { user, role } => Who::Member(*user, *role),
            Actor::Account { user } => Who::Account(*user),
            Actor::Operator(name) => Who::Operator(name.to_string()),
            Actor::System(job) => Who::System((*job).to_owned()),
        },
        source: SOURCES.iter().position(|s| *s == event.source).and_then(|i| u8::try_from(i).ok()).unwrap_or(0),
        request: event.request,
        target: apply.target.clone(),
        founds: apply.founds,
        facts: apply.facts.iter().map(|(f, v)| ((*f).to_owned(), v.clone())).collect(),
        steps: apply.steps.iter().map(|(sql, args)| (sql.clone(), args.iter().map(cell).collect())).collect(),
    }
}

/// Which tenant a stored job is for.
pub(crate) fn tenant(payload: &[u8]) -> Result<TenantId, Failure> {
    Ok(read(payload)?.tenant)
}

/// Whether a stored job makes the tenant's database.
pub(crate) fn founds(payload: &[u8]) -> Result<bool, Failure> {
    Ok(read(payload)?.founds)
}

fn read(payload: &[u8]) -> Result<Payload, Failure> {
    serde_json::from_slice(payload).map_err(|_| Failure::internal("store: a job cannot be read"))
}

/// The order that does the job in the tenant's database.
pub(crate) fn order(job: &Job, dialect: Dialect) -> Result<Order, Failure> {
    let Payload { name, actor, source, request, target, facts, steps, .. } = read(&job.payload)?;
    let value = |cell: Cell| {
        Ok(match cell {
            Cell::N => Value::Null,
            Cell::I(i) => Value::Int(i),
            Cell::T(t) => Value::Text(t),
            Cell::B(b) => Value::Blob(hex::decode(b).map_err(|_| Failure::internal("store: a job cannot be read"))?),
        })
    };
    let step = |(sql, args): (String, Vec<Cell>)| {
        let compiled = Compiled::new(&sql, false);
        let args = args.into_iter().map(value).collect::<Result<_, Failure>>()?;
        let args = compiled.bind(args, &Rows::All, None)?;
        Ok(Step { sql: compiled.text(dialect, &Rows::All), args, rows: None, keep: false })
    };
    let actor = match actor {
        Who::Visitor => Actor::Visitor,
        Who::Member(user, role) => Actor::Member { user, role },
        Who::Account(user) => Actor::Account { user },
        Who::Operator(name) => Actor::Operator(name.into()),
        Who::System(job) => Actor::System(intern(&job)),
    };
    let event = Event {
        name: intern(&name),
        actor,
        target,
        outcome: Outcome::Done,
        source: SOURCES.get(usize::from(source)).copied().unwrap_or(Source::Api),
        request,
        fields: facts.into_iter().map(|(f, v)| (intern(&f), v)).collect(),
    };
    Ok(Order {
        steps: steps.into_iter().map(step).collect::<Result<_, Failure>>()?,
        event: Some(event),
        applied: Some(job.id.clone()),
        ..Order::default()
    })
}
