//! What references and files of an input point at: they must exist here, in the declared row set.

use std::collections::HashSet;

use kernel::{Failure, FieldSet, Mode};
use manifest::{Derived, Field, Kind, Target};
use serde_json::json;
use store::{Tx, Value};

use crate::{collect::Errors, shelf::Shelf, sql, write::Writer};

/// What looking up brought.
#[derive(Default)]
pub(crate) struct Found {
    /// Values to copy: field here, value.
    pub(crate) copies: Vec<(usize, Value)>,
    /// Files that become the record's.
    pub(crate) files: Vec<String>,
}

/// Looks up every reference and file among `given`; `trusted` fields point at records of the same batch. Values of files
/// become the metadata that is stored.
pub(crate) async fn look_up<M: Mode>(
    w: &Writer<'_>,
    tx: &Tx<M>,
    given: &mut [(usize, Value)],
    trusted: FieldSet,
    record: &str,
    errors: &mut Errors,
) -> Result<Found, Failure> {
    let mut found = Found::default();
    for (at, value) in given.iter_mut() {
        let (Some(field), false) = (w.shelf.field(*at), *value == Value::Null) else { continue };
        match &field.kind {
            Kind::Reference { .. } if !trusted.has(*at) => {
                let copies = copied(w.shelf, *at);
                let targets: Vec<usize> = copies.iter().map(|(_, there)| *there).collect();
                match refers(w, tx, field, value, &targets).await? {
                    Some(values) => found.copies.extend(copies.iter().map(|(here, _)| *here).zip(values)),
                    None => errors.add(field.id, "reference", "there is no such record to refer to"),
                }
            }
            Kind::File { .. } => match file(w, tx, field, value, record).await? {
                Some((id, metadata)) => {
                    found.files.push(id);
                    *value = metadata;
                }
                None => errors.add(field.id, "file", "there is no such upload for this field"),
            },
            _ => {}
        }
    }
    Ok(found)
}

/// Fields copied along a reference: (field here, field there).
fn copied(shelf: &Shelf, reference: usize) -> Vec<(usize, usize)> {
    let copy = |(at, f): (usize, &Field)| match f.derived {
        Some(Derived::Copy(from, there)) if from == reference => Some((at, there)),
        _ => None,
    };
    shelf.fields().filter_map(copy).collect()
}

/// The copied values when every target exists, else `None`.
pub(crate) async fn refers<M: Mode>(
    w: &Writer<'_>,
    tx: &Tx<M>,
    field: &Field,
    value: &Value,
    copies: &[usize],
) -> Result<Option<Vec<Value>>, Failure> {
    let Value::Text(text) = value else { return Ok(None) };
    let Kind::Reference { to, only, .. } = &field.kind else { return Ok(None) };
    let ids: HashSet<String> =
        if field.many { serde_json::from_str(text).unwrap_or_default() } else { HashSet::from([text.clone()]) };
    let mut values = Some(Vec::new());
    for id in ids {
        let found = match to {
            Target::Members => tx.maybe(&sql::MEMBER, (id,)).await?.map(|_| Vec::new()),
            Target::Collection(to) => {
                let Some(target) = w.records.shelf(*to) else { return Ok(None) };
                let only = only.as_deref().unwrap_or_default();
                let (text, args) = sql::referred(&target.def, &id, copies, only, &w.me);
                let query = w.records.shapes.read(text);
                let mut row_values = None;
                tx.each(&query, args, |row| {
                    let read =
                        (1..=copies.len()).map(|column| row.get::<Value>(column)).collect::<Result<Vec<_>, _>>()?;
                    row_values = Some(read);
                    Ok(())
                })
                .await?;
                row_values
            }
        };
        match found {
            Some(found) => values = values.map(|_| found),
            None => return Ok(None),
        }
    }
    Ok(values)
}

/// An upload for this field that is nobody's yet and this person's own, or the record's already.
async fn file<M: Mode>(
    w: &Writer<'_>,
    tx: &Tx<M>,
    field: &Field,
    value: &Value,
    record: &str,
) -> Result<Option<(String, Value)>, Failure> {
    let Value::Text(id) = value else { return Ok(None) };
    let args = (id.clone(), w.shelf.def.id.to_owned(), field.id.to_owned());
    let Some((name, kind, size, by, of)) = tx.maybe(&sql::FILE, args).await? else { return Ok(None) };
    let mine = match of {
        Some(of) => of == record,
        None => by.map_or(Value::Null, Value::Text) == w.me,
    };
    let metadata = json!({ "id": id, "name": name, "type": kind, "size": size }).to_string();
    Ok(mine.then(|| (id.clone(), Value::Text(metadata))))
}
