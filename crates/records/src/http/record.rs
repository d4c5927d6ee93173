//! Records one by one and in batches.

use std::sync::Arc;

use http::StatusCode;
use kernel::Failure;
use route::{Asking, Changing, Done, Reply};
use serde_json::json;

use crate::{
    action,
    answer::{self, Asker},
    batch::{self, Kind},
    body::Pieces,
    change,
    http::Deed,
    list,
    shelf::Desk,
    sql,
    write::Writer,
};

pub(super) async fn list(desk: Arc<Desk>, call: Asking<Pieces>) -> Result<Reply, Failure> {
    list::many(&desk.records, &desk.shelf, &call.tx, &call.input).await
}

pub(super) async fn show(desk: Arc<Desk>, call: Asking<Pieces>) -> Result<Reply, Failure> {
    list::one(&desk.records, &desk.shelf, &call.tx, &call.input).await
}

/// Earlier versions, newest first: number, moment, who. What they hold is not shown.
pub(super) async fn versions(desk: Arc<Desk>, call: Asking<Pieces>) -> Result<Reply, Failure> {
    let id = call.input.id()?;
    crate::write::before(&desk.shelf, &call.tx, &id).await?;
    let found = call.tx.all(&sql::VERSIONS, (desk.shelf.def.id.to_owned(), id, 200)).await?;
    let items: Vec<_> = found
        .into_iter()
        .map(|(version, at, by, _)| json!({ "version": version, "at": kernel::Time(at).to_string(), "by": by }))
        .collect();
    Ok(Reply::json(StatusCode::OK, json!({ "items": items }).to_string()))
}

pub(super) async fn create(desk: Arc<Desk>, call: Changing<Pieces>) -> Result<Done<Reply>, Failure> {
    let Desk { records, shelf } = desk.as_ref();
    call.input.only(&[])?;
    let asker = Asker::of(call.tx.permit());
    let receipt = change::create(records, shelf, call.tx, &call.input.object()?, None).await?;
    let reply = answer::changed(records, shelf, &asker, &receipt, StatusCode::CREATED).await?;
    Ok(Done::created(receipt, reply))
}

pub(super) async fn change(desk: Arc<Desk>, call: Changing<Pieces>) -> Result<Done<Reply>, Failure> {
    let Desk { records, shelf } = desk.as_ref();
    call.input.only(&[])?;
    let (id, expected, given) = (call.input.id()?, call.input.if_match()?, call.input.object()?);
    let asker = Asker::of(call.tx.permit());
    let receipt = change::update(records, shelf, call.tx, &id, &given, expected).await?;
    let reply = answer::changed(records, shelf, &asker, &receipt, StatusCode::OK).await?;
    Ok(Done::ok(receipt, reply))
}

pub(super) async fn erase(desk: Arc<Desk>, call: Changing<Pieces>) -> Result<Done<Reply>, Failure> {
    let Desk { records, shelf } = desk.as_ref();
    call.input.only(&[])?;
    let (id, expected) = (call.input.id()?, call.input.if_match()?);
    let receipt = change::erase(records, shelf, call.tx, &id, expected).await?;
    Ok(Done::ok(receipt, Reply::new(StatusCode::NO_CONTENT, route::Body::Empty)))
}

/// A declared action.
pub(super) async fn act(deed: Arc<Deed>, call: Changing<Pieces>) -> Result<Done<Reply>, Failure> {
    let Desk { records, shelf } = deed.desk.as_ref();
    call.input.only(&[])?;
    let (id, expected, given) = (call.input.id()?, call.input.if_match()?, call.input.object()?);
    let asker = Asker::of(call.tx.permit());
    let w = Writer::new(records, shelf, call.tx.permit());
    let receipt = action::run(&w, &deed.plan, call.tx, &id, &given, expected).await?;
    let reply = answer::changed(records, shelf, &asker, &receipt, StatusCode::OK).await?;
    Ok(Done::ok(receipt, reply))
}

pub(super) async fn batch_create(desk: Arc<Desk>, call: Changing<Pieces>) -> Result<Done<Reply>, Failure> {
    batch(desk, call, Kind::Create).await
}

pub(super) async fn batch_change(desk: Arc<Desk>, call: Changing<Pieces>) -> Result<Done<Reply>, Failure> {
    batch(desk, call, Kind::Update).await
}

pub(super) async fn batch_erase(desk: Arc<Desk>, call: Changing<Pieces>) -> Result<Done<Reply>, Failure> {
    batch(desk, call, Kind::Delete).await
}

async fn batch(desk: Arc<Desk>, call: Changing<Pieces>, kind: Kind) -> Result<Done<Reply>, Failure> {
    call.input.only(&[])?;
    let items = call.input.json()?;
    let (receipt, ids) = batch::run(&desk.records, &desk.shelf, call.tx, &items, kind).await?;
    let body = json!({ "items": ids.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>() });
    Ok(Done::ok(receipt, Reply::json(StatusCode::OK, body.to_string())))
}
