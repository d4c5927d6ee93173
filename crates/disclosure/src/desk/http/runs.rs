//! The record of the two runs of each check: taken from the team, given to anyone.

use std::sync::Arc;

use http::{HeaderName, StatusCode, header};
use kernel::{Actor, Failure};
use route::{Asking, Body, Changing, Done, Reply};
use serde_json::{Value, json};
use store::Control;

use crate::{
    Disclosure,
    desk::{Runs, channel::stamp, sql},
    results::signed::detached,
};

pub(super) async fn record(d: Arc<Disclosure>, call: Changing<Runs>) -> Result<Done<Value>, Failure> {
    let who = call.tx.permit().principal();
    let now = who.at();
    let name = match who.actor() {
        Actor::Operator(name) => name.to_string(),
        _ => "the team".to_owned(),
    };
    let runs = call.input.checked().map_err(|words| Failure::field("record", "invalid", words))?;
    if runs.sources != d.setup()?.sources {
        return Err(Failure::Conflict("the record is of another build than the one that runs".into()));
    }
    let text = serde_json::to_string(&runs).map_err(|_| Failure::internal("disclosure: a record is JSON"))?;
    let (id, pairs, kept) = (d.rng().id(now), runs.checks.len(), runs.kept());
    let batch =
        call.tx.batch::<Control>(format!("tests/{id}")).rows(1, &sql::RECORDED, (id, now, name, runs.sources, text));
    let done = batch.fact("pairs", pairs.to_string()).commit().await?;
    Ok(Done::created(done, json!({"pairs": pairs, "green_and_red": kept})))
}

/// The record of the running build, signed as the report of verdicts is: a detached JWS beside the bytes.
pub(super) async fn signed(d: Arc<Disclosure>, call: Asking<()>) -> Result<Reply, Failure> {
    let now = call.tx.permit().principal().at();
    let known = d.runs(&call.tx, now).await?;
    let body = json!({
        "v": 1,
        "app": d.app().id,
        "build": d.build(),
        "sources": d.setup()?.sources,
        "at": now.to_string(),
        "record": known.as_ref().map(|k| &k.runs),
        "recorded": known.as_ref().and_then(|k| k.recorded.as_ref()).map(|(at, name)| json!({"at": stamp(*at), "by": name})),
        "last_probe": known.as_ref().map(|k| &k.looked),
    });
    let bytes = serde_json::to_vec(&body).map_err(|_| Failure::internal("disclosure: a record is JSON"))?;
    let signer = d.key()?;
    let signature = detached(&signer, &bytes);
    Ok(Reply::new(StatusCode::OK, Body::Bytes(bytes.into()))
        .with(header::CONTENT_TYPE, "application/json")
        .with(HeaderName::from_static("x-jws-signature"), &signature)
        .with(HeaderName::from_static("x-jws-kid"), &signer.kid()))
}
