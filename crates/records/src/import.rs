//! Imports: rows are checked one by one and wait in a staging table that nobody reads; one statement publishes them all, or
//! the answer names what is wrong with which row and nothing has happened.

use std::collections::BTreeMap;

use encryption::hash::Sha256;
use futures_util::StreamExt;
use kernel::{DAY, Failure, FieldError, Reason, Rows};
use manifest::{Kind, Target};
use route::BodyStream;
use serde_json::{Map, Value as Json};
use store::{Receipt, Staging, Tx, Value};

use crate::{
    body, collect, csv, derive, input, seal,
    shelf::{Records, Shelf},
    sql::{self, Stage},
    write::Writer,
};

/// Rows staged in one slice of the writer's time.
const SLICE: usize = 500;
/// Errors told.
const TOLD: usize = 100;
/// Bytes of one JSON line.
const LINE: usize = 4 << 20;
/// Staged rows of jobs that never ended go after a day.
const STALE: i64 = DAY;
/// Columns that every export has and no import sets.
pub(crate) const SYSTEM: [&str; 7] =
    ["created_at", "created_by", "updated_at", "version", "published", "published_at", "draft"];

/// How the rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Csv,
    Lines,
}

/// What came of it.
pub(crate) struct Imported {
    pub(crate) receipt: Receipt,
    pub(crate) rows: u64,
    pub(crate) sha256: String,
    /// Columns that were passed over: set by the server, derived or read-only.
    pub(crate) ignored: Vec<String>,
}

/// Runs an import to its end. `upload`: the stored file that it comes from, which goes with it.
pub(crate) async fn run(
    records: &Records,
    shelf: &Shelf,
    tx: Tx<kernel::Write>,
    form: Form,
    mut body: BodyStream,
    upload: Option<&str>,
) -> Result<Imported, Failure> {
    if tx.permit().reach().rows != Rows::All {
        return Err(Failure::Refused(Reason::NotGranted));
    }
    let w = Writer::new(records, shelf, tx.permit());
    let job = records.rng.id(w.now).to_string();
    let stale = kernel::Id::v7(w.now.plus(-STALE), [0; 10]).to_string();
    let stage = &shelf.stage;
    let staging = tx.staging();
    staging.add(&stage.sweep, vec![vec![stale.into()]]).await?;
    let mut import = Import {
        w,
        stage,
        staging: &staging,
        job: &job,
        header: None,
        count: 0,
        slice: Vec::new(),
        errors: Vec::new(),
        ignored: BTreeMap::new(),
        ids: false,
    };
    let outcome = import.read(form, &mut body).await;
    let Import { w, count, errors, ignored, ids, .. } = import;
    let checked = match outcome {
        Ok(hash) if errors.is_empty() => check(&w, stage, &staging, &job, ids).await.map(|()| hash),
        Ok(_) => Err(Failure::Invalid(errors)),
        Err(failure) => Err(failure),
    };
    let hash = match checked {
        Ok(hash) if count > 0 => hash,
        Ok(_) => return Err(Failure::bad("the file holds no rows")),
        Err(failure) => {
            staging.add(&stage.clear, vec![vec![job.as_str().into()]]).await?;
            return Err(failure);
        }
    };
    let parents = parents(&w, stage, &staging, &job).await?;
    let rows = i64::try_from(count).unwrap_or(i64::MAX);
    let mut batch = staging
        .publish(format!("{}/import of {count}", shelf.def.id))
        .fact("rows", count.to_string())
        .fact("sha256", hash.clone());
    if let Some(number) = &stage.number {
        batch = batch.any(number, vec![shelf.def.id.into(), rows.into()]);
    }
    let args = vec![job.as_str().into(), w.now.into(), w.me.clone(), rows.into()];
    let lost = Failure::internal("records: an import lost rows");
    batch = batch.expect(usize::try_from(count).unwrap_or(0), &stage.publish, args, lost);
    batch = batch.any(&stage.clear, vec![job.as_str().into()]);
    if let Some(file) = upload {
        batch = batch.any(&sql::FILE_DROP, (file.to_owned(),));
    }
    batch = parents.iter().fold(batch, |b, parent| derive::recompute(records, shelf, b, parent, w.now));
    let receipt = batch.commit().await?;
    Ok(Imported { receipt, rows: count, sha256: hash, ignored: ignored.into_keys().collect() })
}

struct Import<'w, 's> {
    w: Writer<'w>,
    stage: &'w Stage,
    staging: &'s Staging,
    job: &'s str,
    /// What each column of a CSV file is.
    header: Option<Vec<String>>,
    count: u64,
    slice: Vec<Vec<Value>>,
    errors: Vec<FieldError>,
    ignored: BTreeMap<String, ()>,
    /// Some rows bring their own ids.
    ids: bool,
}

impl Import<'_, '_> {
    /// Reads the body to its end; its SHA-256.
    async fn read(&mut self, form: Form, body: &mut BodyStream) -> Result<String, Failure> {
        let mut hash = Sha256::new();
        let mut reader = csv::Reader::new();
        let mut lines = Vec::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk?;
            hash.update(&chunk);
            match form {
                Form::Csv if chunk.is_empty() => {}
                Form::Csv => self.cells(reader.feed(&chunk)?).await?,
                Form::Lines => self.lines(&mut lines, &chunk).await?,
            }
        }
        match form {
            Form::Csv => self.cells(reader.feed(&[])?).await?,
            Form::Lines => self.lines(&mut lines, b"\n").await?,
        }
        self.flush().await?;
        Ok(hex::encode(hash.finish()))
    }

    async fn cells(&mut self, rows: Vec<Vec<String>>) -> Result<(), Failure> {
        for row in rows {
            let Some(header) = &self.header else {
                self.header(row)?;
                continue;
            };
            if row.len() == 1 && row.first().is_some_and(String::is_empty) {
                continue;
            }
            if row.len() != header.len() {
                self.count += 1;
                self.fault("", "columns", "this row has another number of columns than the first");
                continue;
            }
            let mut members = Map::new();
            for (name, cell) in header.iter().zip(&row).filter(|(_, c)| !c.is_empty()) {
                let cell = csv::read(cell);
                let field = self.w.shelf.def.position(name).and_then(|at| self.w.shelf.field(at));
                members.insert(name.clone(), field.map_or_else(|| cell.into(), |f| input::cell(f, cell)));
            }
            self.row(members).await?;
        }
        Ok(())
    }

    /// The first row names the columns.
    fn header(&mut self, names: Vec<String>) -> Result<(), Failure> {
        let mut errors = collect::Errors::default();
        for (at, name) in names.iter().enumerate() {
            if names.iter().take(at).any(|n| n == name) {
                errors.add(name, "twice", "a column is there twice");
            }
            let known = name == "id" || SYSTEM.contains(&name.as_str()) || self.w.shelf.def.position(name).is_some();
            if !known && !kernel::sabotage::off("edge.input_validation") {
                errors.add(name, "unknown", "no such field");
            }
        }
        self.header = Some(names);
        errors.settle()
    }

    async fn lines(&mut self, kept: &mut Vec<u8>, chunk: &[u8]) -> Result<(), Failure> {
        let mut from = 0;
        // Only what came is searched: a long line in small pieces is not read anew with each.
        for end in memchr::memchr_iter(b'\n', chunk) {
            kept.extend_from_slice(chunk.get(from..end).unwrap_or_default());
            from = end + 1;
            let line = std::mem::take(kept);
            self.line(&line).await?;
        }
        kept.extend_from_slice(chunk.get(from..).unwrap_or_default());
        if kept.len() > LINE { Err(Failure::bad("a line is longer than 4 MiB")) } else { Ok(()) }
    }

    /// One record; the brackets and commas of a list with one record a line are passed over.
    async fn line(&mut self, line: &[u8]) -> Result<(), Failure> {
        let line = line.trim_ascii();
        let line = line.strip_suffix(b",").unwrap_or(line);
        if matches!(line, b"" | b"[" | b"]") {
            return Ok(());
        }
        match body::parse(line) {
            Ok(Json::Object(members)) => self.row(members).await,
            _ => {
                self.count += 1;
                self.fault("", "json", "this line is not a JSON object");
                Ok(())
            }
        }
    }

    fn fault(&mut self, field: &str, code: &'static str, detail: &'static str) {
        if self.errors.len() < TOLD {
            let field =
                if field.is_empty() { format!("rows/{}", self.count) } else { format!("rows/{}/{field}", self.count) };
            self.errors.push(FieldError { field, code, detail: detail.into() });
        }
    }

    async fn row(&mut self, mut members: Map<String, Json>) -> Result<(), Failure> {
        self.count += 1;
        let own = self.id(&mut members);
        let shelf = self.w.shelf;
        let aside: Vec<String> = members.keys().filter(|name| self.aside(name)).cloned().collect();
        for name in aside {
            members.remove(&name);
            self.ignored.insert(name, ());
        }
        let mut errors = collect::Errors { prefix: format!("rows/{}/", self.count), ..collect::Errors::default() };
        let given = collect::members(shelf, &self.w.allowed, &members, self.w.records.app.currency, &mut errors);
        let mut values = vec![Value::Null; shelf.def.fields.len()];
        for (at, field) in shelf.fields() {
            if let (Some(default), Some(slot)) = (&field.default, values.get_mut(at)) {
                *slot = sql::literal(default, &self.w.me);
            }
        }
        for (at, value) in given {
            if let Some(slot) = values.get_mut(at) {
                *slot = value;
            }
        }
        for (at, field) in shelf.fields().filter(|(at, f)| f.required && self.stage.holds(*at)) {
            let told = errors.list.iter().any(|e| e.field.ends_with(&format!("/{}", field.id)));
            if values.get(at) == Some(&Value::Null) && !told {
                errors.add(field.id, "required", "is needed");
            }
        }
        let left = TOLD.saturating_sub(self.errors.len());
        self.errors.extend(errors.list.into_iter().take(left));
        // Nothing will be published any more: the rest is read for its errors only.
        if !self.errors.is_empty() {
            return Ok(());
        }
        let id = own.unwrap_or_else(|| self.w.records.rng.id(self.w.now).to_string());
        seal::seal(self.w.records, shelf, &self.w.home, &id, values.iter_mut().enumerate()).await?;
        let n = i64::try_from(self.count).unwrap_or(i64::MAX);
        let mut args: Vec<Value> = vec![self.job.into(), n.into(), Value::Text(id)];
        args.extend(values.into_iter().enumerate().filter(|(at, _)| self.stage.holds(*at)).map(|(_, v)| v));
        self.slice.push(args);
        if self.slice.len() >= SLICE { self.flush().await } else { Ok(()) }
    }

    /// A row's own id, when it brings one.
    fn id(&mut self, members: &mut Map<String, Json>) -> Option<String> {
        let given = members.remove("id").filter(|v| !v.is_null())?;
        let id = given.as_str().and_then(|t| t.parse::<kernel::Id>().ok()).map(|id| id.to_string());
        if id.is_none() {
            self.fault("id", "type", "expected: a record's id");
        }
        self.ids |= id.is_some();
        id
    }

    /// Columns of an export that an import cannot set.
    fn aside(&self, name: &str) -> bool {
        if SYSTEM.contains(&name) {
            return true;
        }
        let Some((at, field)) = self.w.shelf.def.position(name).and_then(|at| Some((at, self.w.shelf.field(at)?)))
        else {
            return false;
        };
        let shown = self.w.allowed.read.has(at);
        shown && (field.derived.is_some() || field.read_only || matches!(field.kind, Kind::File { .. }))
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        let slice = std::mem::take(&mut self.slice);
        if slice.is_empty() { Ok(()) } else { self.staging.add(&self.stage.add, slice).await }
    }
}

/// What only the whole file can show: references that lead nowhere, values that are taken.
async fn check(w: &Writer<'_>, stage: &Stage, staging: &Staging, job: &str, ids: bool) -> Result<(), Failure> {
    let shelf = w.shelf;
    let mut errors = Vec::new();
    for (at, field) in shelf.fields().filter(|(at, _)| stage.holds(*at)) {
        if let Kind::Reference { to, .. } = &field.kind {
            if field.many {
                continue;
            }
            let detail = if *to == Target::Members { "is no member" } else { "there is no such record to refer to" };
            if let Some((query, args)) = stage.dangling(&w.records.app, &shelf.def, at, job, &w.me) {
                numbered(staging, &query, args, (field.id, "reference", detail), &mut errors).await?;
            }
        }
        if field.unique
            && let Some(queries) = stage.taken(&shelf.def, Some(at))
        {
            for query in &queries {
                numbered(staging, query, vec![job.into()], (field.id, "unique", "is taken already"), &mut errors)
                    .await?;
            }
        }
    }
    if ids && let Some(queries) = stage.taken(&shelf.def, None) {
        for query in &queries {
            numbered(staging, query, vec![job.into()], ("id", "unique", "is taken already"), &mut errors).await?;
        }
    }
    errors.truncate(TOLD);
    if errors.is_empty() { Ok(()) } else { Err(Failure::Invalid(errors)) }
}

async fn numbered(
    staging: &Staging,
    query: &sql::Read,
    args: Vec<Value>,
    (field, code, detail): (&'static str, &'static str, &'static str),
    errors: &mut Vec<FieldError>,
) -> Result<(), Failure> {
    staging
        .tx()
        .each(query, args, |row| {
            errors.push(FieldError { field: format!("rows/{}/{field}", row.int(0)?), code, detail: detail.into() });
            Ok(())
        })
        .await
}

async fn parents(w: &Writer<'_>, stage: &Stage, staging: &Staging, job: &str) -> Result<Vec<String>, Failure> {
    let Some(query) = stage.parents(&w.shelf.def) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    staging
        .tx()
        .each(&query, vec![job.into()], |row| {
            found.push(row.text(0)?.to_owned());
            Ok(())
        })
        .await?;
    Ok(found)
}

/// The form a media type names.
pub(crate) fn form(media_type: Option<&str>) -> Result<Form, Failure> {
    match media_type {
        Some("text/csv") => Ok(Form::Csv),
        Some("application/x-ndjson" | "application/jsonl" | "application/json") => Ok(Form::Lines),
        _ => Err(Failure::UnsupportedType(
            "text/csv, application/x-ndjson, or application/json with one record a line".into(),
        )),
    }
}
