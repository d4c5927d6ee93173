//! An export binds itself: a header with the checkpoint of exactly these leaves, the leaves, a footer with the proof that
//! newer and older checkpoints agree.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::stream;
use http::{StatusCode, header};
use kernel::{Failure, Time};
use route::{Body, BodyStream, Changing, Done, Reply};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{Own, Reader};
use tokio::sync::mpsc::Receiver;

use crate::{
    file::{Consistency, FORMAT, Footer, Header},
    leaf::leaf_hash,
    merkle::Hash,
    note::Checkpoint,
    seal::Audit,
    sql,
    tree::{self, Nodes, State},
};

/// Leaves put together at once.
const SLICE: usize = 500;

/// What is to be exported.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// `proven` (first): with checkpoint and proof; `jsonl`: the leaves alone, one a line.
    format: Option<String>,
    /// Not earlier than this time.
    from: Option<String>,
    /// Earlier than this time.
    to: Option<String>,
    /// From this leaf on.
    first: Option<String>,
    /// So many leaves of the log at most: the size of a checkpoint.
    size: Option<String>,
    /// The size of a checkpoint that was saved: with the proof that it is of the same log.
    since: Option<String>,
}

fn number(field: &str, text: Option<&String>) -> Result<Option<u64>, Failure> {
    let wrong = || Failure::field(field, "type", "a whole number");
    text.map(|text| text.parse().ok().filter(|n| *n <= i64::MAX.unsigned_abs()).ok_or_else(wrong)).transpose()
}

impl Wanted {
    fn bare(&self) -> Result<bool, Failure> {
        match self.format.as_deref() {
            None | Some("proven") => Ok(false),
            Some("jsonl") => Ok(true),
            Some(_) => Err(Failure::field("format", "choice", "proven or jsonl")),
        }
    }
    /// First leaf, and one past the last.
    async fn range(&self, reader: &Reader) -> Result<(u64, u64), Failure> {
        let (size, ..) = super::end(reader.all(&sql::HEAD, ()).await?);
        let oldest = reader.all(&sql::OLDEST, ()).await?.into_iter().next().map_or(0, |(seq, _)| seq.unsigned_abs());
        let mut high = number("size", self.size.as_ref())?.unwrap_or(u64::MAX).min(size.unsigned_abs());
        let mut low = number("first", self.first.as_ref())?.unwrap_or(0).max(oldest);
        let from = super::moment("from", self.from.as_deref())?;
        let to = super::moment("to", self.to.as_deref())?;
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            return Err(Failure::field("to", "range", "not before `from`"));
        }
        for (at, first) in [(from, true), (to, false)] {
            let Some(Time(at)) = at else { continue };
            let place = reader.all(&sql::SINCE, (at,)).await?.into_iter().next();
            let place = place.map_or(high, |(seq,)| seq.unsigned_abs());
            if first { low = low.max(place) } else { high = high.min(place) }
        }
        Ok((low.min(high), high))
    }
}

/// The log, or a range of it; whoever takes it leaves a leaf.
pub(super) async fn export(audit: Arc<Audit>, call: Changing<Wanted>) -> Result<Done<Reply>, Failure> {
    let Changing { tx, input } = call;
    let (bare, since) = (input.bare()?, number("since", input.since.as_ref())?);
    let (reader, home) = (tx.reader(), Arc::clone(tx.permit().principal().home()));
    let (low, high) = input.range(&reader).await?;
    if !bare && high == 0 {
        return Err(Failure::field("to", "range", "a time after the log's first entry"));
    }
    let seam = if bare { None } else { Some(seam(&audit, &reader, &home, (low, high), since).await?) };
    let leaves = tx.stream(&sql::BODIES, (low.cast_signed(), high.cast_signed()));
    let receipt = tx.batch::<Own>("audit").commit().await?;
    let (head, footer) = match seam {
        Some((head, footer)) => (Some(head), Some(footer)),
        None => (None, None),
    };
    let body = Writing { leaves, head, footer, last: [0; 32] };
    let reply = Reply::new(StatusCode::OK, Body::Stream(body.stream()))
        .with(header::CONTENT_TYPE, "application/jsonl")
        .with(header::CONTENT_DISPOSITION, "attachment; filename=\"audit.jsonl\"");
    Ok(Done::ok(receipt, reply))
}

/// Header and footer around leaves.
async fn seam(
    audit: &Audit,
    reader: &Reader,
    home: &kernel::Home,
    (low, high): (u64, u64),
    since: Option<u64>,
) -> Result<(Header, Footer), Failure> {
    let _turn = audit.turn(home.id).await;
    let state = State::load(reader).await?;
    let mut nodes = if high > state.head.size {
        let grown = tree::grow(reader, &reader.blobs(), &state, high).await?;
        Nodes::new(reader, grown.edge)
    } else {
        Nodes::published(reader, &state).await?.ok_or(Failure::NotFound)?
    };
    let (signer, vkey) = audit.key(home)?;
    let encode = |hashes: Vec<Hash>| hashes.iter().map(|hash| STANDARD.encode(hash)).collect::<Vec<_>>();
    let signed = Checkpoint { origin: vkey.name.clone(), size: high, root: nodes.range(0, high).await? };
    let header = Header {
        checkpoint: signed.sign(&signer),
        format: FORMAT.to_owned(),
        from: low,
        frontier: encode(nodes.peaks(0, low).await?),
        origin: vkey.name.clone(),
        size: high,
        vkey: vkey.to_string(),
    };
    let consistency = match since {
        Some(old) => {
            let proof = nodes.consistency(old, high).await.map_err(|failure| match failure {
                Failure::NotFound => Failure::field("since", "range", "a size of this log, and not past the export's"),
                other => other,
            })?;
            let root = STANDARD.encode(nodes.range(0, old).await?);
            Some(Consistency { from: old, proof: encode(proof), root })
        }
        None => None,
    };
    let footer = Footer { consistency, head: String::new(), header: header.hash()?, leaves: high - low };
    Ok((header, footer))
}

type Leaves = Receiver<Result<(Vec<u8>,), Failure>>;

/// An export on its way.
struct Writing {
    leaves: Leaves,
    head: Option<Header>,
    footer: Option<Footer>,
    last: Hash,
}

impl Writing {
    fn stream(self) -> BodyStream {
        Box::pin(stream::unfold(self, Self::next))
    }

    async fn next(mut self) -> Option<(Result<Bytes, Failure>, Self)> {
        let piece = self.piece().await?;
        Some((piece, self))
    }

    async fn piece(&mut self) -> Option<Result<Bytes, Failure>> {
        if let Some(header) = self.head.take() {
            return Some(header.line().map(Bytes::from));
        }
        let mut ready = Vec::new();
        self.leaves.recv_many(&mut ready, SLICE).await;
        if ready.is_empty() {
            let mut footer = self.footer.take()?;
            footer.head = hex::encode(self.last);
            return Some(footer.line().map(Bytes::from));
        }
        let mut text = Vec::new();
        for leaf in ready {
            match leaf {
                Ok((body,)) => {
                    self.last = leaf_hash(&body);
                    text.extend_from_slice(&body);
                    text.push(b'\n');
                }
                Err(failure) => {
                    self.footer = None;
                    return Some(Err(failure));
                }
            }
        }
        Some(Ok(text.into()))
    }
}
