//! Proofs for one leaf, and for two sizes.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{StatusCode, header};
use kernel::{Failure, Id, Read, Time};
use route::{Asking, Body, Reply};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::Tx;

use crate::{
    leaf::Leaf,
    merkle,
    note::proof_file,
    sql,
    tree::{Nodes, State},
};

/// Which leaf.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Its place in the log, or its event's id.
    leaf: String,
    /// `tlog-proof` (first) or `json`: the leaf, what opens its commitments, and the proof.
    format: Option<String>,
}

/// The place of an event: its id tells when it was written (RFC 9562, version 7).
async fn place(tx: &Tx<Read>, leaf: &str) -> Result<u64, Failure> {
    if let Ok(seq) = leaf.parse::<u64>() {
        return Ok(seq);
    }
    let id: Id = leaf.parse().map_err(|()| Failure::NotFound)?;
    let at = Time(id.bytes().iter().take(6).fold(0, |all, byte| all << 8 | i64::from(*byte)));
    let rows = tx.all(&sql::AT, (at.0,)).await?;
    let is = |body: &[u8]| serde_json::from_slice::<Leaf<'_>>(body).is_ok_and(|leaf| leaf.id == id);
    rows.iter().find(|(_, body)| is(body)).map(|(seq, _)| seq.unsigned_abs()).ok_or(Failure::NotFound)
}

pub(super) async fn inclusion(call: Asking<Which>) -> Result<Reply, Failure> {
    let tx = call.tx;
    let json = match call.input.format.as_deref() {
        None | Some("tlog-proof") => false,
        Some("json") => true,
        Some(_) => return Err(Failure::field("format", "choice", "tlog-proof or json")),
    };
    let (reader, seq) = (tx.reader(), place(&tx, &call.input.leaf).await?);
    let found = tx.all(&sql::FORWARD, (seq.cast_signed(), seq.cast_signed().saturating_add(1), 1)).await?;
    let state = State::load(&reader).await?;
    if seq >= state.head.size && found.is_empty() {
        return Err(Failure::NotFound);
    }
    let unsealed = || Failure::Conflict("its day is not closed yet: there is a proof once it is".into());
    let mut nodes = Nodes::published(&reader, &state).await?.filter(|nodes| seq < nodes.size()).ok_or_else(unsealed)?;
    let path = nodes.inclusion(seq, state.head.size).await?;
    let newest = tx.all(&sql::CHECKPOINTS, (reader.tenant().to_string(), 2)).await?;
    let note = newest.into_iter().find(|row| row.1.unsigned_abs() == state.head.size).map(|(_, _, note, ..)| note);
    let note = note.ok_or(Failure::Busy(1))?;
    let proof = proof_file(seq, &path, &note);
    if !json {
        let name = format!("attachment; filename=\"leaf-{seq}.tlog-proof\"");
        let reply = Reply::new(StatusCode::OK, Body::Bytes(proof.into()));
        return Ok(reply
            .with(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .with(header::CONTENT_DISPOSITION, &name));
    }
    let item = super::items(&tx, found.into_iter().map(|(seq, body, _)| (seq, body)).collect()).await?;
    let (leaf, values): (Value, Value) = match item.into_iter().next() {
        Some(item) => (
            serde_json::to_value(&item.leaf).unwrap_or_default(),
            serde_json::to_value(&item.values).unwrap_or_default(),
        ),
        None => (Value::Null, Value::Null),
    };
    Ok(Reply::json(StatusCode::OK, json!({"index": seq, "leaf": leaf, "values": values, "proof": proof}).to_string()))
}

/// Two sizes of the log.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sizes {
    /// The smaller: of a checkpoint that was saved; the newest published when nothing is said.
    from: Option<String>,
    /// The larger; the newest published when nothing is said.
    to: Option<String>,
}

/// That one tree is the beginning of another.
#[derive(Serialize, JsonSchema)]
pub(super) struct Consistency {
    /// The smaller size.
    from: u64,
    /// Root of it, Base64.
    from_root: String,
    /// The larger size.
    to: u64,
    /// Root of it, Base64.
    to_root: String,
    /// RFC 6962, 2.1.2; each Base64.
    proof: Vec<String>,
}

pub(super) async fn consistency(call: Asking<Sizes>) -> Result<Consistency, Failure> {
    let reader = call.tx.reader();
    let number = |field: &'static str, text: &str| {
        text.parse::<u64>().map_err(|_| Failure::field(field, "type", "the size of a checkpoint"))
    };
    let state = State::load(&reader).await?;
    let size = |field, text: Option<&str>| text.map_or(Ok(state.head.size), |text| number(field, text));
    let (from, to) = (size("from", call.input.from.as_deref())?, size("to", call.input.to.as_deref())?);
    if (from, to, state.head.size) == (0, 0, 0) {
        let root = STANDARD.encode(merkle::empty());
        return Ok(Consistency { from, from_root: root.clone(), to, to_root: root, proof: Vec::new() });
    }
    let mut nodes = Nodes::published(&reader, &state).await?.ok_or(Failure::NotFound)?;
    let proof = nodes.consistency(from, to).await?;
    Ok(Consistency {
        from,
        from_root: STANDARD.encode(nodes.range(0, from).await?),
        to,
        to_root: STANDARD.encode(nodes.range(0, to).await?),
        proof: proof.iter().map(|hash| STANDARD.encode(hash)).collect(),
    })
}
