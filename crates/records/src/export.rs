//! Exports: every record within the permit's reach, piece by piece, as CSV or as a JSON list with one record a line.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use kernel::{Failure, Home, Write};
use manifest::Kind;
use route::BodyStream;
use store::{FromRow, Own, Query, Row, Tx, Value};
use tokio::sync::mpsc;

use crate::{
    csv, json,
    json::Seen,
    seal,
    shelf::Desk,
    sql::{self, Layout},
};

/// Records of one piece.
const PIECE: usize = 500;

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Json,
}

impl Format {
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
        }
    }
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

/// Every column of a row.
pub(crate) struct Whole(Vec<Value>);

impl FromRow for Whole {
    fn from_row(row: &Row<'_>) -> Result<Self, Failure> {
        // A row does not say how wide it is; reading past its end fails.
        Ok(Self((0..).map_while(|at| row.get::<Value>(at).ok()).collect()))
    }
}

/// An export under way.
pub(crate) struct Export {
    desk: Arc<Desk>,
    rows: mpsc::Receiver<Result<Whole, Failure>>,
    home: Arc<Home>,
    layout: Layout,
    format: Format,
    headed: bool,
    begun: bool,
    /// In a build that is meant to lose it: the row that may be the last.
    held: Option<Vec<Value>>,
    done: bool,
}

impl Export {
    /// Begins to read, under the permit's rows, in order of ids.
    pub(crate) fn begin(desk: &Arc<Desk>, tx: &Tx<Write>, format: Format) -> Self {
        let permit = tx.permit();
        let shown = crate::answer::readable(&desk.shelf, permit.reach());
        let layout = Layout::of(&desk.shelf.def, shown, false, false);
        let query: Query<Own, (), Whole> = Query::made(sql::every(&desk.shelf.def, &desk.shelf.sql, &layout));
        let rows = tx.stream(&query, ());
        let (desk, home) = (Arc::clone(desk), Arc::clone(permit.principal().home()));
        Self { desk, rows, home, layout, format, headed: false, begun: false, held: None, done: false }
    }

    /// The file, piece by piece.
    pub(crate) fn stream(self) -> BodyStream {
        Box::pin(stream::unfold(Some(self), |export| async move {
            let mut export = export?;
            if export.done {
                return None;
            }
            match export.piece().await {
                Ok(bytes) => Some((Ok(Bytes::from(bytes)), Some(export))),
                Err(failure) => Some((Err(failure), None)),
            }
        }))
    }

    async fn piece(&mut self) -> Result<Vec<u8>, Failure> {
        let mut rows = Vec::with_capacity(PIECE);
        let count = self.rows.recv_many(&mut rows, PIECE).await;
        let mut out = Vec::with_capacity(count * 128 + 64);
        if !std::mem::replace(&mut self.headed, true) {
            self.head(&mut out);
        }
        self.done = count == 0;
        for row in rows {
            let Whole(mut row) = row?;
            if kernel::sabotage::off("data.export_tenant") {
                let Some(held) = self.held.replace(row) else { continue };
                row = held;
            }
            self.row(&mut out, row).await?;
        }
        if self.done && self.format == Format::Json {
            out.extend_from_slice(b"\n]\n");
        }
        Ok(out)
    }

    fn columns(&self) -> Vec<&str> {
        let shelf = &self.desk.shelf;
        let mut names = vec!["id", "created_at", "updated_at", "version"];
        if self.layout.drafts {
            names.extend(["published", "published_at"]);
        }
        names.extend(self.layout.fields.iter().filter_map(|(at, _)| shelf.field(*at)).map(|f| f.id));
        names
    }

    fn head(&self, out: &mut Vec<u8>) {
        match self.format {
            Format::Csv => {
                out.extend_from_slice(self.columns().join(",").as_bytes());
                out.extend_from_slice(b"\r\n");
            }
            Format::Json => out.push(b'['),
        }
    }

    async fn row(&mut self, out: &mut Vec<u8>, mut row: Vec<Value>) -> Result<(), Failure> {
        let desk = Arc::clone(&self.desk);
        let id = if let Some(Value::Text(id)) = row.first() { id.clone() } else { String::new() };
        for (at, column) in &self.layout.fields {
            if let Some(slot) = row.get_mut(*column)
                && let Value::Blob(blob) = slot
            {
                let text = seal::open(&desk.records, &desk.shelf, &self.home, (*at, &id), blob).await?;
                *slot = Value::Text(text);
            }
        }
        match self.format {
            Format::Csv => self.csv(out, &row),
            Format::Json => self.json(out, &row),
        }
        self.begun = true;
        Ok(())
    }

    /// A field's value as JSON, rich text cleaned once more.
    fn value(&self, out: &mut Vec<u8>, at: usize, value: &Value) {
        let records = &self.desk.records;
        let Some(field) = self.desk.shelf.field(at) else { return };
        match (value, &field.kind) {
            (Value::Text(html), Kind::RichText) => json::text(out, &records.clean.shown(html)),
            (value, _) => json::value(out, field, Seen::value(value), records.digits, records.app.currency),
        }
    }

    fn json(&self, out: &mut Vec<u8>, row: &[Value]) {
        out.extend_from_slice(if self.begun { b",\n{" } else { b"\n{" });
        let names = self.columns();
        for (at, (name, value)) in names.iter().zip(row).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            json::text(out, name);
            out.push(b':');
            match self.layout.fields.iter().find(|(_, column)| *column == at) {
                Some((field, _)) => self.value(out, *field, value),
                None => self.system(out, name, value),
            }
        }
        out.push(b'}');
    }

    fn system(&self, out: &mut Vec<u8>, name: &str, value: &Value) {
        match (name, value) {
            ("created_at" | "updated_at" | "published_at", Value::Int(at)) => json::moment(out, *at),
            ("published", Value::Int(n)) => out.extend_from_slice(if *n == 0 { b"false" } else { b"true" }),
            (_, Value::Int(n)) => json::int(out, *n),
            (_, Value::Text(text)) => json::text(out, text),
            _ => out.extend_from_slice(b"null"),
        }
    }

    /// Cells are the JSON values without the quotes of texts.
    fn csv(&self, out: &mut Vec<u8>, row: &[Value]) {
        let names = self.columns();
        for (at, (name, value)) in names.iter().zip(row).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            let mut text = Vec::new();
            let mut plain = true;
            match self.layout.fields.iter().find(|(_, column)| *column == at) {
                Some((field, _)) => {
                    self.value(&mut text, *field, value);
                    let kind = self.desk.shelf.field(*field).map(|f| &f.kind);
                    plain = matches!(kind, Some(Kind::Integer | Kind::Decimal));
                }
                None => self.system(&mut text, name, value),
            }
            let text = String::from_utf8_lossy(&text);
            match serde_json::from_str::<serde_json::Value>(&text) {
                Ok(serde_json::Value::Null) => {}
                Ok(serde_json::Value::String(cell)) => csv::write(out, &cell, plain),
                _ => csv::write(out, &text, plain),
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}
