//! Links to one record for people without an account: a random token, perhaps a PIN, a few declared fields, an end.

use access::Access;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use encryption::hash::{Sha256, sha256};
use http::StatusCode;
use kernel::{Cell, DAY, Failure, FieldSet, Home, Outcome, Principal, Reason, Rng, Rows, Time, Write, may};
use manifest::{Kind, Share, Target};
use route::Reply;
use serde_json::json;
use store::{Batch, Own, Receipt, Tx, Value};

use crate::{
    answer::{self, View},
    json, seal,
    shelf::{Records, Shelf},
    sql::{self, Layout},
};

/// Wrong PINs until a link is closed.
const ATTEMPTS: i64 = 10;
/// Parts shown.
const PARTS: i64 = 200;

/// A new link. Its maker sees token and PIN once.
pub(crate) struct Link {
    id: String,
    token: String,
    pub(crate) pin: Option<String>,
    pub(crate) expires: Time,
}

impl Link {
    pub(crate) fn new(share: &Share, rng: &dyn Rng, now: Time) -> Self {
        let pin = (share.pin > 0).then(|| digits(rng, share.pin));
        Self {
            id: rng.id(now).to_string(),
            token: URL_SAFE_NO_PAD.encode(rng.array::<32>()),
            pin,
            expires: now.plus(share.ttl.0),
        }
    }

    /// Its row. The token is kept as a hash, the PIN as a hash with the token, so that the row opens nothing.
    pub(crate) fn add(&self, batch: Batch<Own>, share: &Share, record: &str, me: &Value, now: Time) -> Batch<Own> {
        let pin = self.pin.as_ref().map(|pin| pin_hash(&self.token, pin).to_vec());
        let args = vec![
            self.id.as_str().into(),
            share.id.into(),
            sha256(self.token.as_bytes()).to_vec().into(),
            pin.into(),
            record.into(),
            now.into(),
            me.clone(),
            self.expires.into(),
        ];
        batch.any(&sql::SHARE_SWEEP, (now.plus(-DAY).0,)).rows(1, &sql::SHARE_ADD, args)
    }

    /// Its address for people: a page that asks for the PIN.
    pub(crate) fn page(&self, home: &Home) -> String {
        format!("{}/shared/{}", home.url, self.token)
    }

    /// What its maker is told.
    pub(crate) fn told(&self, home: &Home) -> serde_json::Value {
        json!({
            "url": format!("{}/api/v1/shares/{}", home.url, self.token),
            "page": self.page(home),
            "token": self.token,
            "pin": self.pin,
            "expires_at": self.expires.to_string(),
        })
    }
}

/// Uniform digits.
fn digits(rng: &dyn Rng, count: u8) -> String {
    let mut out = String::new();
    while out.len() < usize::from(count) {
        // 250 is the largest multiple of ten in a byte: the rest is drawn again.
        out.extend(rng.array::<16>().iter().filter(|b| **b < 250).map(|b| char::from(b'0' + b % 10)));
    }
    out.truncate(usize::from(count));
    out
}

fn pin_hash(token: &str, pin: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.framed(token.as_bytes());
    hash.framed(pin.as_bytes());
    hash.finish()
}

/// Opens a link: one leaf, and what the share declares.
pub(crate) async fn open(
    records: &Records,
    tx: Tx<Write>,
    token: &str,
    pin: Option<&str>,
) -> Result<(Receipt, Reply), Failure> {
    let now = tx.permit().principal().at();
    let found = tx.maybe(&sql::SHARE, (sha256(token.as_bytes()).to_vec(),)).await?;
    let (id, name, hash, record, expires, attempts) = found.ok_or(Failure::NotFound)?;
    let share = records.app.shares.iter().find(|s| s.id == name).ok_or(Failure::NotFound)?;
    let (first, fields) = share.shows.first().ok_or(Failure::NotFound)?;
    let shelf = records.shelf(*first).ok_or(Failure::NotFound)?;
    if expires <= now.0 || attempts >= ATTEMPTS {
        return Err(Failure::Gone);
    }
    let target = format!("{}/{record}", shelf.def.id);
    if let Some(hash) = hash {
        let right = pin.is_some_and(|pin| encryption::hash::same(&pin_hash(token, pin), &hash));
        if !right {
            if pin.is_some() {
                let batch = tx.batch::<Own>(target).outcome(Outcome::Failed);
                batch.expect(1, &sql::SHARE_FAILED, (id, ATTEMPTS), Failure::Gone).commit().await?;
            }
            return Err(Failure::WrongCredentials);
        }
    }
    let body = shown(records, share, (shelf, fields), &tx, &record, expires).await?;
    let batch = tx.batch::<Own>(target);
    let receipt = batch.expect(1, &sql::SHARE_OPENED, (id, ATTEMPTS), Failure::Gone).commit().await?;
    Ok((receipt, Reply::json(StatusCode::OK, body).with(http::header::CACHE_CONTROL, "private, no-store")))
}

fn set(fields: &[usize]) -> FieldSet {
    fields.iter().fold(FieldSet::NONE, |set, at| set.with(*at))
}

/// The record and its parts, in the declared fields.
async fn shown(
    records: &Records,
    share: &Share,
    (shelf, fields): (&Shelf, &[usize]),
    tx: &Tx<Write>,
    record: &str,
    expires: i64,
) -> Result<Vec<u8>, Failure> {
    let home = tx.permit().principal().home().clone();
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(b"{\"share\":");
    json::text(&mut out, share.id);
    out.extend_from_slice(b",\"collection\":");
    json::text(&mut out, shelf.def.id);
    out.extend_from_slice(b",\"expires_at\":");
    json::moment(&mut out, expires);
    out.extend_from_slice(b",\"record\":");
    let layout = Layout::of(&shelf.def, set(fields), false, false);
    let query = sql::get(&shelf.def, &shelf.sql, &layout);
    let (one, count) = rows(records, (shelf, &layout), tx, &query, vec![record.into()], &home).await?;
    if count == 0 {
        return Err(Failure::NotFound);
    }
    out.extend(one);
    out.extend_from_slice(b",\"parts\":{");
    let mut begun = false;
    for (at, fields) in share.shows.iter().skip(1) {
        let Some(part) = records.shelf(*at) else { continue };
        let Some(reference) = reference(part, shelf.at) else { continue };
        if std::mem::replace(&mut begun, true) {
            out.push(b',');
        }
        json::text(&mut out, part.def.id);
        out.extend_from_slice(b":[");
        let layout = Layout::of(&part.def, set(fields), false, false);
        let query = records.shapes.read(sql::referring(&part.def, &layout, reference));
        let (list, _) = rows(records, (part, &layout), tx, &query, vec![record.into(), PARTS.into()], &home).await?;
        out.extend(list);
        out.push(b']');
    }
    out.extend_from_slice(b"}}");
    Ok(out)
}

/// The field of a collection that refers to another.
fn reference(part: &Shelf, to: usize) -> Option<&'static str> {
    let points = |f: &&manifest::Field| matches!(f.kind, Kind::Reference { to: Target::Collection(t), .. } if t == to);
    part.def.fields.iter().find(points).map(|f| f.id)
}

/// Rows as JSON, with commas between them.
async fn rows(
    records: &Records,
    (shelf, layout): (&Shelf, &Layout),
    tx: &Tx<Write>,
    query: &sql::Read,
    args: Vec<Value>,
    home: &Home,
) -> Result<(Vec<u8>, usize), Failure> {
    let view = View { records, shelf, layout, shown: FieldSet::ALL, drafts: false };
    let (mut out, mut holes, mut count) = (Vec::new(), Vec::new(), 0);
    tx.each(query, args, |row| {
        if count > 0 {
            out.push(b',');
        }
        count += 1;
        view.record(&mut out, &mut holes, row)
    })
    .await?;
    Ok((seal::fill(records, shelf, home, out, holes).await?, count))
}

/// Whether somebody reads everything that a link would show, of the record and of its parts: a link shows no more than its
/// maker sees.
pub(crate) fn within(records: &Records, access: &Access, who: &Principal, share: &Share) -> bool {
    let mut whole: Option<(usize, Rows)> = None;
    share.shows.iter().all(|(at, fields)| {
        let Some(shelf) = records.shelf(*at) else { return false };
        let Ok(grant) = access.weigh(who, may(shelf.def.id, "read")) else { return false };
        let readable = answer::readable(shelf, &grant);
        let reached = whole.as_ref().is_none_or(|(of, rows)| follows(shelf, (*of, rows), &grant.rows));
        whole.get_or_insert((*at, grant.rows));
        reached && fields.iter().all(|field| readable.has(*field))
    })
}

/// Whether who reaches these rows of the whole reaches all of its parts.
fn follows(part: &Shelf, (whole, rows): (usize, &Rows), own: &Rows) -> bool {
    let Some(reference) = reference(part, whole) else { return false };
    match (own, rows) {
        (Rows::All, _) => true,
        (Rows::Set(own), Rows::Set(rows)) => {
            let dotted =
                |cell: &Cell| Cell { column: format!("{reference}.{}", cell.column).into(), any: cell.any.clone() };
            own.any == rows.any.iter().map(|set| set.iter().map(dotted).collect()).collect::<Vec<Vec<Cell>>>()
        }
        (Rows::Set(_), Rows::All) => false,
    }
}

/// A link made by somebody who may read the record, and all that the link shows.
///
/// # Errors
/// `NotFound`; `Refused`.
pub(crate) async fn create(
    records: &Records,
    access: &Access,
    share: &Share,
    tx: Tx<Write>,
    record: &str,
) -> Result<(Receipt, Link), Failure> {
    let shelf = share.shows.first().and_then(|(at, _)| records.shelf(*at)).ok_or(Failure::NotFound)?;
    crate::write::before(shelf, &tx, record).await?;
    if !within(records, access, tx.permit().principal(), share) {
        return Err(Failure::Refused(Reason::NotGranted));
    }
    let principal = tx.permit().principal();
    let (now, me) = (principal.at(), Value::from(principal.user()));
    let link = Link::new(share, records.rng.as_ref(), now);
    let batch = link.add(tx.batch::<Own>(format!("{}/{record}", shelf.def.id)), share, record, &me, now);
    Ok((batch.commit().await?, link))
}
