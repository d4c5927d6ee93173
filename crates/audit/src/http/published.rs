//! What is published of a log: its key and daily roots, its checkpoint, its tiles; and the instance's list.

use std::{collections::BTreeSet, sync::Arc};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use encryption::hash::sha256;
use http::{StatusCode, header};
use kernel::{Failure, Read, TenantId, Time};
use route::{Asking, Body, Reply};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Reader, Tx};

use crate::{
    instance,
    merkle::Hash,
    note::{Checkpoint, Vkey, proof_file},
    seal::{Audit, date},
    sql,
    tile::{self, Edge, Tile, WIDTH},
    tree::{self, Nodes, State},
    witness::with_lines,
};

/// Days that the key set shows.
const RECENT: i64 = 40;
/// Days that a listing shows: more than are kept.
const ALL: i64 = 4000;

/// A published checkpoint.
#[derive(Serialize, JsonSchema)]
pub(super) struct Day {
    /// The day it closed, UTC.
    day: String,
    /// Leaves up to its end.
    size: i64,
    /// Leaves of the day itself.
    leaves: i64,
    /// Merkle root over all of them, Base64.
    root: String,
    /// When it was signed.
    signed_at: String,
    /// The C2SP checkpoint: a signed note.
    checkpoint: String,
    /// Opens this log's entry in the instance's list of that day, hex.
    salt: String,
}

fn day((day, size, note, _, salt, at): sql::Row, before: i64) -> Day {
    let root = Checkpoint::parse(&note).map_or_else(String::new, |found| STANDARD.encode(found.root));
    let (day, signed_at) = (date(day), Time(at).to_string());
    Day { day, size, leaves: size - before, root, signed_at, checkpoint: note, salt: hex::encode(salt) }
}

async fn rows(tx: &Tx<Read>, limit: i64) -> Result<Vec<sql::Row>, Failure> {
    tx.all(&sql::CHECKPOINTS, (tx.permit().principal().tenant().to_string(), limit)).await
}

fn listed(rows: Vec<sql::Row>) -> Vec<Day> {
    let before: Vec<i64> = rows.iter().skip(1).map(|row| row.1).chain([0]).collect();
    rows.into_iter().zip(before).map(|(row, before)| day(row, before)).collect()
}

/// The chain of days.
#[derive(Serialize, JsonSchema)]
pub(super) struct Days {
    /// Name of the log.
    origin: String,
    /// Its key, as verifiers of signed notes take it.
    vkey: String,
    /// The newest first.
    days: Vec<Day>,
}

pub(super) async fn days(audit: Arc<Audit>, call: Asking<()>) -> Result<Days, Failure> {
    let (_, vkey) = audit.key(call.tx.permit().principal().home())?;
    let days = listed(rows(&call.tx, ALL).await?);
    Ok(Days { origin: vkey.name.clone(), vkey: vkey.to_string(), days })
}

/// RFC 8037; `kid` is the RFC 7638 thumbprint.
fn jwk(key: &Vkey) -> Value {
    let x = URL_SAFE_NO_PAD.encode(key.public);
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let kid = URL_SAFE_NO_PAD.encode(sha256(canonical.as_bytes()));
    json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA", "use": "sig", "vkey": key.to_string()})
}

/// The keys that signed this log's checkpoints, and the recent ones: one per day.
pub(super) async fn keys(audit: Arc<Audit>, call: Asking<()>) -> Result<Reply, Failure> {
    let (_, live) = audit.key(call.tx.permit().principal().home())?;
    let mut rows = rows(&call.tx, RECENT + 1).await?;
    let mut known = BTreeSet::from([live.to_string()]);
    let mut all = vec![jwk(&live)];
    for (_, _, _, vkey, _, _) in &rows {
        if known.insert(vkey.clone()) {
            all.extend(Vkey::parse(vkey).as_ref().map(jwk));
        }
    }
    if kernel::sabotage::off("audit.merkle_jwks") {
        rows.clear();
    }
    // The salts are the tenant's own business.
    let shown = listed(rows).into_iter().take(usize::try_from(RECENT).unwrap_or(0)).map(|day| {
        json!({"day": day.day, "size": day.size, "root": day.root, "signed_at": day.signed_at, "checkpoint": day.checkpoint})
    });
    let set = json!({"keys": all, "origin": live.name, "checkpoints": shown.collect::<Vec<_>>()});
    Ok(Reply::json(StatusCode::OK, set.to_string()))
}

/// The instance's own log may have witnesses; a tenant's is in the instance's list.
async fn witnessed(tx: &Tx<Read>, size: i64, note: String) -> Result<String, Failure> {
    if tx.permit().principal().tenant() != TenantId::HOUSE {
        return Ok(note);
    }
    Ok(with_lines(note, tx.all(&sql::WITNESSED, (size,)).await?))
}

fn plain(text: String) -> Reply {
    Reply::new(StatusCode::OK, Body::Bytes(text.into())).with(header::CONTENT_TYPE, "text/plain; charset=utf-8")
}

/// Which checkpoint.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// `2026-05-04`; the newest when nothing is said.
    day: Option<String>,
}

/// The newest checkpoint; before the first day is closed, that of the empty log.
pub(crate) async fn checkpoint(audit: Arc<Audit>, call: Asking<Which>) -> Result<Reply, Failure> {
    let wanted = |row: &sql::Row| call.input.day.as_ref().is_none_or(|day| date(row.0) == *day);
    match rows(&call.tx, ALL).await?.into_iter().find(wanted) {
        Some((_, size, note, ..)) => Ok(plain(witnessed(&call.tx, size, note).await?)),
        None if call.input.day.is_none() => {
            Ok(plain(audit.sign(call.tx.permit().principal().home(), &Edge::default())?.0))
        }
        None => Err(Failure::NotFound),
    }
}

/// A path below `tile/`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Path {
    /// `0/000`, `1/x001/234.p/7`, `entries/000`.
    path: String,
}

/// tlog-tiles: any tile or bundle of the published tree.
pub(super) async fn tile(call: Asking<Path>) -> Result<Reply, Failure> {
    let tile = Tile::parse(&call.input.path).filter(|tile| tile.width > 0).ok_or(Failure::NotFound)?;
    let reader = call.tx.reader();
    let state = State::load(&reader).await?;
    let mut nodes = Nodes::published(&reader, &state).await?.ok_or(Failure::NotFound)?;
    let bytes = match tile.level {
        Some(level) => {
            let hashes = nodes.tile(level, tile.index).await?;
            tile::join(hashes.get(..tile.width.into()).ok_or(Failure::NotFound)?)
        }
        None => entries(&reader, state.head.size, tile).await?,
    };
    Ok(Reply::new(StatusCode::OK, Body::Bytes(bytes.into())).with(header::CONTENT_TYPE, "application/octet-stream"))
}

async fn entries(reader: &Reader, size: u64, tile: Tile) -> Result<Vec<u8>, Failure> {
    let low = tile.index.checked_mul(WIDTH).ok_or(Failure::NotFound)?;
    let high = low + u64::from(tile.width);
    if high > size {
        return Err(Failure::NotFound);
    }
    let width = u16::try_from((size - low).min(WIDTH)).unwrap_or(256);
    let bundle = tree::take(&reader.blobs(), Tile::entries(tile.index, width).object()).await?;
    let whole = tile::split(&bundle, tile.width.into());
    let length = whole.ok_or_else(|| Failure::internal("audit: a bundle of another length"))?;
    let length: usize = length.iter().map(|entry| entry.len() + 2).sum();
    Ok(bundle.get(..length).unwrap_or(&bundle).to_vec())
}

/// The instance's log: its key and checkpoint, and its days.
pub(super) async fn instance(audit: Arc<Audit>, call: Asking<()>) -> Result<Reply, Failure> {
    let (_, key) = audit.key(call.tx.permit().principal().home())?;
    let rows = call.tx.all(&sql::INSTANCE, (ALL,)).await?;
    let days = rows.into_iter().map(
        |(day, count, root, leaf)| json!({"day": date(day), "logs": count, "root": hex::encode(root), "leaf": leaf}),
    );
    let days: Vec<Value> = days.collect();
    let notes = call.tx.all(&sql::CHECKPOINTS, (TenantId::HOUSE.to_string(), 1)).await?;
    let mut signed = false;
    let checkpoint = match notes.into_iter().next() {
        Some((_, size, note, ..)) => {
            let lines = call.tx.all(&sql::WITNESSED, (size,)).await?;
            signed = !lines.is_empty();
            Some(with_lines(note, lines))
        }
        None => None,
    };
    let witnesses: Vec<String> = audit.witnesses().iter().map(|w| w.key.to_string()).collect();
    let comparing = "no witness signed this checkpoint: two histories are found by comparing checkpoints, not excluded";
    let answer = json!({
        "origin": key.name, "vkey": key.to_string(), "checkpoint": checkpoint, "days": days,
        "witnesses": witnesses,
        // Named witnesses that did not sign exclude nothing.
        "split_view": if signed { "the checkpoint has a witness's signature" } else { comparing },
    });
    Ok(Reply::json(StatusCode::OK, answer.to_string()))
}

/// Which day.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfDay {
    /// `2026-05-04`.
    day: String,
}

/// A day's list, the leaf that names its root, and that leaf's proof.
pub(super) async fn instance_day(_: Arc<Audit>, call: Asking<OfDay>) -> Result<Reply, Failure> {
    let reader = call.tx.reader();
    let at = Time::parse(&format!("{}T00:00:00.000Z", call.input.day)).ok_or(Failure::NotFound)?;
    let day = crate::seal::day_of(at);
    let (count, root, leaf) = instance::sealed(&reader, day).await?.ok_or(Failure::NotFound)?;
    let entries = tree::take(&reader.blobs(), instance::list(day)).await?;
    let (chunks, _) = entries.as_chunks::<64>();
    let list: Vec<Value> = chunks
        .iter()
        .map(|entry| {
            let (label, value) = entry.split_at(32);
            json!({"label": hex::encode(label), "value": hex::encode(value)})
        })
        .collect();
    let state = State::load(&reader).await?;
    let place = leaf.unsigned_abs();
    let (mut body, mut proof) = (None, None);
    if place < state.head.size
        && let Some(mut nodes) = Nodes::published(&reader, &state).await?
    {
        let path: Vec<Hash> = nodes.inclusion(place, state.head.size).await?;
        let notes = call.tx.all(&sql::CHECKPOINTS, (TenantId::HOUSE.to_string(), 1)).await?;
        if let Some((_, size, note, ..)) = notes.into_iter().next() {
            let note = with_lines(note, call.tx.all(&sql::WITNESSED, (size,)).await?);
            proof = Some(proof_file(place, &path, &note));
        }
        let stored = reader.all(&sql::FORWARD, (leaf, leaf + 1, 1)).await?;
        body = stored.into_iter().next().and_then(|(_, body, _)| String::from_utf8(body).ok());
    }
    let answer = json!({
        "day": call.input.day, "logs": count, "root": hex::encode(root), "entries": list, "leaf": body, "proof": proof,
    });
    Ok(Reply::json(StatusCode::OK, answer.to_string()))
}
