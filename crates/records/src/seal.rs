//! Sealed fields: sealed before they are bound, opened after the rows were read.

use encryption::{Column, Form, Part, Spot};
use kernel::{Failure, Home};
use manifest::{App, Index};
use store::Value;

use crate::{
    json::{self, Seen},
    schema::staging,
    shelf::{Records, Shelf, sealed},
};

/// Every column of this section that holds sealed values.
#[must_use]
pub fn columns(app: &App) -> Vec<Column> {
    let own = || Part::Column("id".into());
    let mut all = Vec::new();
    for c in &app.collections {
        for field in c.fields.iter().filter(|f| sealed(f)) {
            all.push(Column {
                table: c.id.into(),
                key: vec!["id".into()],
                value: field.id.into(),
                form: Form::Blob { blind: field.index == Index::Blind },
                place: [Part::Fixed(c.id.into()), Part::Fixed(field.id.into()), own()],
                purpose: "seal",
                renews: true,
            });
        }
        if c.drafts {
            all.push(Column {
                table: c.id.into(),
                key: vec!["id".into()],
                value: "draft".into(),
                form: Form::Json { version: "draft_key".into() },
                place: [Part::Fixed(c.id.into()), Part::Member, own()],
                purpose: "seal",
                renews: true,
            });
        }
    }
    all.push(Column {
        table: "_version".into(),
        key: vec!["collection".into(), "record".into(), "version".into()],
        value: "body".into(),
        form: Form::Json { version: "oldest_key".into() },
        place: [Part::Column("collection".into()), Part::Member, Part::Column("record".into())],
        purpose: "seal",
        renews: true,
    });
    // An import under way, or one that a crash left for a day: what is staged goes into the collections as it is.
    let [_, _, blobs] = staging(app);
    all.extend((0..blobs).map(|n| Column {
        table: "_stage".into(),
        key: vec!["job".into(), "n".into()],
        value: format!("b{n}").into(),
        form: Form::Blob { blind: false },
        place: [Part::Member, Part::Member, Part::Member],
        purpose: "seal",
        renews: false,
    }));
    all
}

/// Seals the texts of sealed fields, by position.
pub(crate) async fn seal<'v>(
    records: &Records,
    shelf: &Shelf,
    home: &Home,
    row: &str,
    values: impl Iterator<Item = (usize, &'v mut Value)>,
) -> Result<(), Failure> {
    for (at, value) in values.filter(|(at, _)| shelf.sealed.has(*at)) {
        if let (Value::Text(text), Some(field)) = (&*value, shelf.field(at)) {
            let spot = Spot { tenant: home.id, region: &home.region, collection: shelf.def.id, field: field.id, row };
            *value = Value::Blob(match field.index {
                Index::Blind => records.vault.seal_indexed(&spot, text).await?,
                _ => records.vault.seal(&spot, text.as_bytes()).await?,
            });
        }
    }
    Ok(())
}

/// A sealed value that an answer will show: where in the answer's bytes, and what to open.
pub(crate) struct Hole {
    pub(crate) at: usize,
    pub(crate) field: usize,
    pub(crate) row: String,
    pub(crate) blob: Vec<u8>,
}

/// One sealed value's text.
pub(crate) async fn open(
    records: &Records,
    shelf: &Shelf,
    home: &Home,
    (field, row): (usize, &str),
    blob: &[u8],
) -> Result<String, Failure> {
    let name = shelf.field(field).map_or("", |f| f.id);
    let spot = Spot { tenant: home.id, region: &home.region, collection: shelf.def.id, field: name, row };
    let plain = records.vault.open(&spot, blob).await?;
    let text = plain.expose_str().ok_or_else(|| Failure::internal("records: a sealed value is not text"))?;
    Ok(text.to_owned())
}

/// Writes the opened values into their places.
pub(crate) async fn fill(
    records: &Records,
    shelf: &Shelf,
    home: &Home,
    bytes: Vec<u8>,
    holes: Vec<Hole>,
) -> Result<Vec<u8>, Failure> {
    if holes.is_empty() {
        return Ok(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len() + holes.len() * 32);
    let mut from = 0;
    for hole in holes {
        out.extend_from_slice(bytes.get(from..hole.at).unwrap_or_default());
        from = hole.at;
        let text = open(records, shelf, home, (hole.field, &hole.row), &hole.blob).await?;
        if let Some(field) = shelf.field(hole.field) {
            let shown =
                if field.kind == manifest::Kind::RichText { records.clean.shown(&text) } else { text.as_str().into() };
            json::value(&mut out, field, Seen::Text(&shown), records.digits, records.app.currency);
        }
    }
    out.extend_from_slice(bytes.get(from..).unwrap_or_default());
    Ok(out)
}
