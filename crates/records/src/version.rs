//! Earlier versions of a record, as many as are declared.

use serde_json::{Map, Value as Json};
use store::{Batch, Own, Value};

use crate::{
    draft,
    shelf::Shelf,
    sql,
    write::{Before, Writer},
};

/// Keeps the record as it was, and lets go of what is older than declared.
pub(crate) fn keep(w: &Writer<'_>, batch: Batch<Own>, id: &str, was: &Before) -> Batch<Own> {
    let (shelf, most) = (w.shelf, w.shelf.def.versions);
    if most == 0 {
        return batch;
    }
    let args = vec![
        shelf.def.id.into(),
        id.into(),
        was.version.into(),
        w.now.into(),
        w.me.clone(),
        Value::Text(body(shelf, &was.values)),
        encryption::oldest(&was.values).into(),
    ];
    let batch = batch.any(&sql::VERSION_ADD, args);
    if most == u32::MAX {
        return batch;
    }
    batch.any(&sql::VERSION_TRIM, (shelf.def.id.to_owned(), id.to_owned(), i64::from(most)))
}

/// Stored values by name.
fn body(shelf: &Shelf, values: &[Value]) -> String {
    let members: Map<String, Json> =
        shelf.def.fields.iter().zip(values).map(|(f, v)| (f.id.to_owned(), draft::stored(v))).collect();
    Json::Object(members).to_string()
}
