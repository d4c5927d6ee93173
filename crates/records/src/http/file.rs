//! Uploads and downloads of a collection's files.

use std::sync::Arc;

use http::{StatusCode, header};
use kernel::{Failure, FieldSet, Id, Reason, Write};
use route::{Asking, Body, BodyStream, Changing, Done, Reply};
use serde_json::{Value as Json, json};
use store::{Own, Receipt, Tx, Value};

use crate::{
    answer::{self, Asker},
    body::Pieces,
    change, draft, file,
    http::Drawer,
    sql::{self, Layout},
    write::{self, Change, Writer},
};

/// A file on its way in.
pub(crate) struct Upload {
    pub(crate) name: Option<String>,
    /// The type it calls itself.
    pub(crate) kind: Option<String>,
    pub(crate) body: BodyStream,
}

impl Upload {
    fn of(input: &Pieces) -> Result<Self, Failure> {
        input.only(&["name"])?;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(Self { name: owned(input.query("name")), kind: owned(input.media_type()), body: input.stream()? })
    }
}

/// An upload that lies in the store and is no row yet.
struct Stored {
    id: Id,
    name: String,
    kind: String,
    size: i64,
    sha256: String,
}

impl Stored {
    fn metadata(&self) -> Json {
        json!({ "id": self.id.to_string(), "name": self.name, "type": self.kind, "size": self.size })
    }
    fn row(&self, drawer: &Drawer, w: &Writer<'_>) -> Vec<Value> {
        let field = drawer.desk.shelf.field(drawer.field).map_or("", |f| f.id);
        vec![
            self.id.into(),
            drawer.desk.shelf.def.id.into(),
            field.into(),
            self.name.as_str().into(),
            self.kind.as_str().into(),
            self.size.into(),
            self.sha256.as_str().into(),
            w.now.into(),
            w.me.clone(),
        ]
    }
}

/// Streams the body into the store, if the field takes its type.
async fn store(drawer: &Drawer, w: &Writer<'_>, tx: &Tx<Write>, upload: Upload) -> Result<Stored, Failure> {
    let shelf = &drawer.desk.shelf;
    let field = shelf.field(drawer.field).ok_or(Failure::NotFound)?;
    if !w.allowed.write.has(drawer.field) || field.read_only {
        return Err(if w.allowed.read.has(drawer.field) {
            Failure::Refused(Reason::NotGranted)
        } else {
            Failure::NotFound
        });
    }
    let declared = upload.kind.as_deref();
    let name = file::name(upload.name.as_deref());
    let (head, body) = file::head(upload.body).await?;
    let kind = file::sniff(&head, declared);
    let same = declared.is_none_or(|d| d == kind || d == "application/octet-stream");
    if head.is_empty() {
        return Err(Failure::bad("the file is empty"));
    }
    if !same || !file::accepted(field, &kind) {
        return Err(Failure::UnsupportedType("a file of the declared type, one that this field takes".into()));
    }
    let id = drawer.desk.records.rng.id(w.now);
    let cap = field.max.and_then(|m| u64::try_from(m).ok()).unwrap_or(10_000_000);
    let stored = tx.blobs().put(id, cap, body).await?;
    let size = i64::try_from(stored.size).unwrap_or(i64::MAX);
    Ok(Stored { id, name, kind, size, sha256: hex::encode(stored.sha256) })
}

/// A file for a record that is still to be made.
pub(super) async fn upload(drawer: Arc<Drawer>, call: Changing<Pieces>) -> Result<Done<Reply>, Failure> {
    let (receipt, mut body, sha256) = keep(&drawer, call.tx, Upload::of(&call.input)?).await?;
    if let Json::Object(members) = &mut body {
        members.insert("sha256".to_owned(), sha256.into());
    }
    Ok(Done::created(receipt, Reply::json(StatusCode::CREATED, body.to_string())))
}

/// Takes it in; its metadata and SHA-256.
pub(crate) async fn keep(drawer: &Drawer, tx: Tx<Write>, upload: Upload) -> Result<(Receipt, Json, String), Failure> {
    let desk = &drawer.desk;
    let w = Writer::new(&desk.records, &desk.shelf, tx.permit());
    let stored = store(drawer, &w, &tx, upload).await?;
    let blobs = tx.blobs();
    let batch = tx.batch::<Own>(format!("{}/file/{}", desk.shelf.def.id, stored.id));
    match batch.rows(1, &sql::FILE_ADD, stored.row(drawer, &w)).commit().await {
        Ok(receipt) => Ok((receipt, stored.metadata(), stored.sha256)),
        Err(failure) => abandon(&blobs, stored.id, failure).await,
    }
}

/// A failed batch leaves no object behind, unless its outcome is unknown.
async fn abandon<T>(blobs: &store::Blobs, id: Id, failure: Failure) -> Result<T, Failure> {
    if failure != Failure::Unknown {
        let _left_for_the_sweep = blobs.delete(id).await;
    }
    Err(failure)
}

/// A file for a record that is there: uploaded and set in one.
pub(super) async fn replace(drawer: Arc<Drawer>, call: Changing<Pieces>) -> Result<Done<Reply>, Failure> {
    let (id, expected) = (call.input.id()?, call.input.if_match()?);
    let asker = Asker::of(call.tx.permit());
    let receipt = put(&drawer, call.tx, &id, expected, Upload::of(&call.input)?).await?;
    let (records, shelf) = (&drawer.desk.records, &drawer.desk.shelf);
    let reply = answer::changed(records, shelf, &asker, &receipt, StatusCode::OK).await?;
    Ok(Done::ok(receipt, reply))
}

/// Takes it in and sets it in the record.
pub(crate) async fn put(
    drawer: &Drawer,
    tx: Tx<Write>,
    id: &str,
    expected: Option<i64>,
    upload: Upload,
) -> Result<Receipt, Failure> {
    let (records, shelf) = (&drawer.desk.records, &drawer.desk.shelf);
    let was = write::before(shelf, &tx, id).await?;
    if expected.is_some_and(|v| v != was.version) {
        return Err(Failure::Stale);
    }
    let w = Writer::new(records, shelf, tx.permit());
    let stored = store(drawer, &w, &tx, upload).await?;
    let blobs = tx.blobs();
    let value = Value::Text(stored.metadata().to_string());
    let change = Change { values: vec![(drawer.field, value)], files: vec![stored.id.to_string()] };
    let batch = tx.batch::<Own>(format!("{}/{id}", shelf.def.id)).rows(1, &sql::FILE_ADD, stored.row(drawer, &w));
    match change::steps(&w, batch, id, Some(&was), change, expected, true).commit().await {
        Ok(receipt) => Ok(receipt),
        Err(failure) => abandon(&blobs, stored.id, failure).await,
    }
}

/// The bytes, to whoever may read the field of the record.
pub(super) async fn download(drawer: Arc<Drawer>, call: Asking<Pieces>) -> Result<Reply, Failure> {
    let (records, shelf) = (&drawer.desk.records, &drawer.desk.shelf);
    let grant = call.tx.permit().reach();
    let id = call.input.id()?;
    let shown = FieldSet::NONE.with(drawer.field);
    if !answer::readable(shelf, grant).has(drawer.field) {
        return Err(Failure::NotFound);
    }
    let shape = records.shapes.get((shelf.at, shown, grant.drafts), || {
        let layout = Layout::of(&shelf.def, shown, grant.drafts, false);
        (sql::get(&shelf.def, &shelf.sql, &layout), layout)
    });
    let (query, layout) = shape.as_ref();
    let mut found = None;
    call.tx
        .each(query, vec![id.as_str().into()], |row| {
            let pending = match layout.draft {
                Some(at) => row.opt_text(at)?.map_or_else(Vec::new, |text| draft::read(shelf, text)),
                None => Vec::new(),
            };
            let now = layout.column(drawer.field).map(|at| row.opt_text(at)).transpose()?.flatten().map(str::to_owned);
            found = match pending.into_iter().find(|(at, _)| *at == drawer.field) {
                Some((_, Value::Text(text))) => Some(text),
                Some(_) => None,
                None => now,
            };
            Ok(())
        })
        .await?;
    let metadata: Json = found.and_then(|t| serde_json::from_str(&t).ok()).ok_or_else(|| answer::absent(&id))?;
    let text = |name: &str| metadata.get(name).and_then(Json::as_str).unwrap_or("");
    let file: Id = text("id").parse().map_err(|()| Failure::NotFound)?;
    let (size, stream) = call.tx.blobs().get(file).await?;
    Ok(Reply::new(StatusCode::OK, Body::Stream(stream))
        .with(header::CONTENT_TYPE, text("type"))
        .with(header::CONTENT_LENGTH, &size.to_string())
        .with(header::CONTENT_DISPOSITION, &file::disposition(text("type"), text("name")))
        .with(header::CACHE_CONTROL, "private, max-age=300"))
}
