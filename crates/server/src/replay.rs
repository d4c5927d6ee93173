//! Idempotency keys: a change sent twice with one key happens once, and both get the same answer.

use encryption::{Spot, hash};
use http::{StatusCode, header};
use kernel::{Actor, Failure, Principal, TenantId, Write};
use route::{Body, Pending, Raw, Reply};
use store::{KeptReply, Tx};

use crate::Server;

/// Longest accepted key, in characters.
const LONGEST: usize = 200;
/// Answers larger than this are not kept; a retry then learns that it was done.
const KEPT: usize = 64 * 1024;

/// What remembers the key together with the change.
type Prepare = Option<Box<dyn FnOnce(&mut Tx<Write>) + Send>>;

/// Runs the change, or gives the answer that an earlier request with this key got.
pub(crate) async fn once(
    server: &Server,
    who: &Principal,
    (template, event): (&'static str, &'static str),
    raw: Raw,
    run: impl FnOnce(Raw, Prepare) -> Pending,
) -> Result<Reply, Failure> {
    let Some(given) = raw.headers.get("idempotency-key") else { return run(raw, None).await };
    let given = given.to_str().ok().filter(|k| !k.is_empty() && k.len() <= LONGEST);
    let given = given.ok_or(Failure::bad("Idempotency-Key: 1 to 200 visible characters"))?;
    if raw.stream.is_some() {
        return Err(Failure::bad(
            "Idempotency-Key: not with a body that is taken piece by piece; look whether it is there, and send it again",
        ));
    }
    if *who.actor() == Actor::Visitor {
        return Err(Failure::bad("Idempotency-Key needs a signed-in caller"));
    }
    // Changes of the house keep their keys together, so the tenant is part of it.
    let key =
        hash::sha256(format!("{}\n{}\n{event}\n{template}\n{given}", who.tenant(), who.actor()).as_bytes()).to_vec();
    let request = fingerprint(&raw);
    if let Some(earlier) = server.store.replay(who.tenant(), &key).await? {
        let reply = match earlier.reply {
            Some(kept) => Some(KeptReply { body: opened(server, who, &key, &kept.body).await?, ..kept }),
            None => None,
        };
        return again(earlier.request == request, reply);
    }
    let remember = (key.clone(), request);
    let prepare: Prepare = Some(Box::new(move |tx| tx.once(remember.0, remember.1)));
    let reply = run(raw, prepare).await?;
    if let Body::Bytes(bytes) = &reply.body
        && bytes.len() <= KEPT
    {
        let body = sealed(server, who, &key, bytes).await?;
        let kept = KeptReply { status: reply.status.as_u16(), headers: headers(&reply), body };
        // The change is done whatever becomes of the copy: a retry then learns just that.
        if let Err(failure) = server.store.keep_reply(who.tenant(), &key, &kept).await {
            server.monitor.failure(&failure, Some(who.peer().request()), Some(who.tenant()));
        }
    }
    Ok(reply)
}

/// Under the same key as what it tells of: an answer may hold sealed fields, PINs and tokens.
async fn sealed(server: &Server, who: &Principal, key: &[u8], body: &[u8]) -> Result<Vec<u8>, Failure> {
    let row = hex::encode(key);
    match place(who, &row) {
        Some(spot) => server.vault.seal(&spot, body).await,
        None => server.vault.seal_house("once", body),
    }
}

async fn opened(server: &Server, who: &Principal, key: &[u8], blob: &[u8]) -> Result<Vec<u8>, Failure> {
    let row = hex::encode(key);
    let body = match place(who, &row) {
        Some(spot) => server.vault.open(&spot, blob).await?,
        None => server.vault.open_house("once", blob)?,
    };
    Ok(body.expose().to_vec())
}

fn place<'p>(who: &'p Principal, row: &'p str) -> Option<Spot<'p>> {
    let home = who.home();
    let own = Spot { tenant: home.id, region: &home.region, collection: "_once", field: "reply", row };
    (home.id != TenantId::HOUSE).then_some(own)
}

/// Same path segments, query and body.
fn fingerprint(raw: &Raw) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.body.len() + 64);
    let query = raw.query.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    for (name, value) in raw.params.iter().map(|(n, v)| (*n, v.as_str())).chain(query) {
        text.extend_from_slice(&(name.len() as u64).to_be_bytes());
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(&(value.len() as u64).to_be_bytes());
        text.extend_from_slice(value.as_bytes());
    }
    text.extend_from_slice(&raw.body);
    hash::sha256(&text).to_vec()
}

fn again(same: bool, answer: Option<KeptReply>) -> Result<Reply, Failure> {
    if !same {
        return Err(Failure::bad("this idempotency key was used for another request"));
    }
    let KeptReply { status, headers, body } =
        answer.ok_or(Failure::Conflict("this request was carried out already; its answer was not kept".into()))?;
    let status = StatusCode::from_u16(status).map_err(|_| Failure::internal("replay: status"))?;
    let mark = http::HeaderName::from_static("idempotent-replayed");
    let body = if body.is_empty() { Body::Empty } else { Body::Bytes(body.into()) };
    let kept: Vec<(String, String)> = serde_json::from_str(&headers).unwrap_or_default();
    let reply = kept.iter().fold(Reply::new(status, body), |reply, (name, value)| {
        match HEADERS.iter().find(|known| known.as_str() == name) {
            Some(name) => reply.with(name.clone(), value),
            None => reply,
        }
    });
    Ok(reply.with(mark, "true"))
}

/// Those of an answer that tell of the change.
const HEADERS: [header::HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

fn headers(reply: &Reply) -> String {
    let told = |name: &header::HeaderName| {
        Some((name.as_str().to_owned(), reply.headers.get(name)?.to_str().ok()?.to_owned()))
    };
    let told: Vec<(String, String)> = HEADERS.iter().filter_map(told).collect();
    serde_json::to_string(&told).unwrap_or_default()
}
