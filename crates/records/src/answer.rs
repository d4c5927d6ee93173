//! Records as answers: rows written straight into the body.

use bytes::Bytes;
use http::{StatusCode, header};
use kernel::{Failure, FieldSet, Grant, Home, Permit, UserId};
use manifest::{Field, Kind};
use route::Reply;
use store::{Receipt, Row, Value};

use crate::{
    draft, json,
    json::Seen,
    reach,
    seal::{self, Hole},
    shelf::{Records, Shelf},
    sql::Layout,
};

/// Fields a permit lets an answer show. A secret is never read back, whoever asks.
pub(crate) fn readable(shelf: &Shelf, grant: &Grant) -> FieldSet {
    let secrets = shelf.fields().filter(|(_, f)| f.kind == Kind::Secret).map(|(at, _)| at);
    secrets.fold(grant.read, |set, at| FieldSet(set.0 & !FieldSet::NONE.with(at).0))
}

/// Writes records of one layout.
pub(crate) struct View<'v> {
    pub(crate) records: &'v Records,
    pub(crate) shelf: &'v Shelf,
    pub(crate) layout: &'v Layout,
    /// Which of the layout's fields are shown.
    pub(crate) shown: FieldSet,
    /// Whether pending changes are shown.
    pub(crate) drafts: bool,
}

impl View<'_> {
    /// One record. Sealed values are left out and noted as holes.
    pub(crate) fn record(&self, out: &mut Vec<u8>, holes: &mut Vec<Hole>, row: &Row<'_>) -> Result<(), Failure> {
        let id = row.text(0)?;
        out.extend_from_slice(b"{\"id\":\"");
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(b"\",\"created_at\":");
        json::moment(out, row.int(1)?);
        out.extend_from_slice(b",\"updated_at\":");
        json::moment(out, row.int(2)?);
        out.extend_from_slice(b",\"version\":");
        json::int(out, row.int(3)?);
        let mut pending = Vec::new();
        if self.layout.drafts {
            out.extend_from_slice(if row.int(4)? == 0 { b",\"published\":false" } else { b",\"published\":true" });
            out.extend_from_slice(b",\"published_at\":");
            match row.opt_int(5)? {
                Some(at) => json::moment(out, at),
                None => out.extend_from_slice(b"null"),
            }
            if let (true, Some(column)) = (self.drafts, self.layout.draft) {
                let text = row.opt_text(column)?;
                out.extend_from_slice(if text.is_some() { b",\"draft\":true" } else { b",\"draft\":false" });
                pending = text.map_or_else(Vec::new, |t| draft::read(self.shelf, t));
            }
        }
        for (at, column) in &self.layout.fields {
            if !self.shown.has(*at) {
                continue;
            }
            let (Some(field), Some(key)) = (self.shelf.field(*at), self.shelf.keys.get(*at)) else { continue };
            out.extend_from_slice(key);
            let seen = match pending.iter().find(|(p, _)| p == at) {
                Some((_, value)) => Seen::value(value),
                None => Seen::of(row, *column, field)?,
            };
            self.value(out, holes, (*at, field, id), seen);
        }
        out.push(b'}');
        Ok(())
    }

    fn value(&self, out: &mut Vec<u8>, holes: &mut Vec<Hole>, (at, field, id): (usize, &Field, &str), seen: Seen<'_>) {
        match (seen, &field.kind) {
            (Seen::Blob(blob), _) => {
                holes.push(Hole { at: out.len(), field: at, row: id.to_owned(), blob: blob.to_vec() });
            }
            (Seen::Text(html), Kind::RichText) => json::text(out, &self.records.clean.shown(html)),
            (seen, _) => json::value(out, field, seen, self.records.digits, self.records.app.currency),
        }
    }
}

/// What an answer to a change needs of the permit, which the batch consumes.
pub(crate) struct Asker {
    pub(crate) grant: Grant,
    pub(crate) me: Option<UserId>,
    pub(crate) home: std::sync::Arc<Home>,
}

impl Asker {
    pub(crate) fn of<M: kernel::Mode>(permit: &Permit<M>) -> Self {
        let principal = permit.principal();
        Self { grant: permit.reach().clone(), me: principal.user(), home: principal.home().clone() }
    }

    /// Whether the record as it now is may be shown to who changed it.
    fn may_see(&self, shelf: &Shelf, row: &Row<'_>) -> bool {
        let Some(visible) = &self.grant.visible else { return false };
        if shelf.def.part_of.is_some() && *visible == self.grant.rows {
            // A part's rows are its parent's: the statement itself has just demanded them.
            return true;
        }
        let layout = &shelf.sql.all;
        reach::holds(visible, self.me, |name| {
            let column = match name {
                "id" => Some(0),
                "created_by" => layout.created_by,
                "published" if layout.drafts => Some(4),
                _ => shelf.def.position(name).and_then(|at| layout.column(at)),
            };
            row.get::<Value>(column?).ok()
        })
    }
}

/// The record that a change returned, with its ETag; its id and version alone when it may not be read.
pub(crate) async fn changed(
    records: &Records,
    shelf: &Shelf,
    asker: &Asker,
    receipt: &Receipt,
    status: StatusCode,
) -> Result<Reply, Failure> {
    let (mut out, mut holes, mut version) = (Vec::with_capacity(512), Vec::new(), 0);
    let mut first = true;
    receipt.each(|row| {
        if !std::mem::take(&mut first) {
            return Ok(());
        }
        version = row.int(3)?;
        remember(row.text(0)?);
        if asker.may_see(shelf, row) {
            let shown = readable(shelf, &asker.grant);
            let view = View { records, shelf, layout: &shelf.sql.all, shown, drafts: asker.grant.drafts };
            return view.record(&mut out, &mut holes, row);
        }
        out.extend_from_slice(b"{\"id\":\"");
        out.extend_from_slice(row.text(0)?.as_bytes());
        out.extend_from_slice(b"\",\"version\":");
        json::int(&mut out, version);
        out.push(b'}');
        Ok(())
    })?;
    let body = seal::fill(records, shelf, &asker.home, out, holes).await?;
    Ok(record(status, body, version))
}

/// One record's answer.
pub(crate) fn record(status: StatusCode, body: Vec<u8>, version: i64) -> Reply {
    let mut tag = Vec::with_capacity(16);
    tag.extend_from_slice(b"\"v");
    json::int(&mut tag, version);
    tag.push(b'"');
    let mut reply = Reply::json(status, Bytes::from(body));
    if let Ok(tag) = http::HeaderValue::from_bytes(&tag) {
        reply.headers.insert(header::ETAG, tag);
    }
    reply
}

/// A record that is not there, or not within reach: one answer for both.
pub(crate) fn absent(id: &str) -> Failure {
    if kernel::sabotage::off("tenant.cross_read") && known(id) {
        return Failure::Refused(kernel::Reason::NotGranted);
    }
    Failure::NotFound
}

#[cfg(not(feature = "sabotage"))]
const fn known(_id: &str) -> bool {
    false
}
#[cfg(not(feature = "sabotage"))]
pub(crate) const fn remember(_id: &str) {}

/// Ids of every tenant, in a build that is meant to betray them.
#[cfg(feature = "sabotage")]
static IDS: std::sync::Mutex<std::collections::BTreeSet<String>> =
    std::sync::Mutex::new(std::collections::BTreeSet::new());
#[cfg(feature = "sabotage")]
fn known(id: &str) -> bool {
    IDS.lock().unwrap_or_else(std::sync::PoisonError::into_inner).contains(id)
}
#[cfg(feature = "sabotage")]
pub(crate) fn remember(id: &str) {
    if kernel::sabotage::off("tenant.cross_read") {
        IDS.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(id.to_owned());
    }
}
