//! `sort=-created_at,name`.

use kernel::{Failure, FieldSet};
use manifest::Kind;

use crate::shelf::Shelf;

/// One key of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// A column of the collection.
    pub(crate) column: String,
    /// Largest first.
    pub(crate) descending: bool,
    /// Whether it may be empty; empty values come last.
    pub(crate) null: bool,
}

/// Reads the parameter. The id breaks ties; without a wish the newest come first.
pub(crate) fn read(shelf: &Shelf, readable: FieldSet, text: Option<&str>) -> Result<Vec<Key>, Failure> {
    let mut keys: Vec<Key> = Vec::new();
    for part in text.unwrap_or("").split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (descending, name) = part.strip_prefix('-').map_or((false, part), |rest| (true, rest));
        let null = column(shelf, readable, name)?;
        if keys.iter().any(|k| k.column == name) {
            return Err(Failure::bad("sort: a field is named twice"));
        }
        keys.push(Key { column: name.to_owned(), descending, null });
    }
    if keys.len() > 3 {
        return Err(Failure::bad("sort: at most 3 fields"));
    }
    if keys.iter().all(|k| k.column != "id") {
        let descending = keys.last().is_none_or(|k| k.descending);
        keys.push(Key { column: "id".to_owned(), descending, null: false });
    }
    Ok(keys)
}

/// Whether the column may be empty; a failure when it cannot be sorted by.
fn column(shelf: &Shelf, readable: FieldSet, name: &str) -> Result<bool, Failure> {
    match name {
        "id" | "created_at" | "updated_at" => return Ok(false),
        "published_at" if shelf.def.drafts => return Ok(true),
        _ => {}
    }
    let Some((at, field)) =
        shelf.def.position(name).filter(|at| readable.has(*at)).and_then(|at| Some((at, shelf.field(at)?)))
    else {
        return Err(Failure::field(crate::body::named(name), "unknown", "no such field to sort by"));
    };
    let opaque = matches!(field.kind, Kind::Json | Kind::RichText | Kind::File { .. } | Kind::Secret);
    if opaque || field.many || shelf.sealed.has(at) {
        return Err(Failure::field(name, "sort", "this type of field has no order"));
    }
    Ok(true)
}
