//! Creating, changing and deleting one record: from an input to the request's one batch.

use kernel::{Failure, Id, Reason, Write};
use manifest::Kind;
use serde_json::{Map, Value as Json};
use store::{Batch, Own, Receipt, Tx, Value};

use crate::{
    collect::Errors,
    draft,
    shelf::{Records, Shelf},
    sql, version,
    write::{self, Before, Change, Writer},
};

/// The parent of a part among values.
pub(crate) fn parent(shelf: &Shelf, values: &[Value]) -> Option<String> {
    match shelf.def.part_of.and_then(|(_, at)| values.get(at)) {
        Some(Value::Text(id)) => Some(id.clone()),
        _ => None,
    }
}

/// A new record; `id`: one that was drawn before, so that a form sent twice makes one record.
pub(crate) async fn create(
    records: &Records,
    shelf: &Shelf,
    tx: Tx<Write>,
    given: &Map<String, Json>,
    id: Option<String>,
) -> Result<Receipt, Failure> {
    let w = Writer::new(records, shelf, tx.permit());
    let mut errors = Errors::default();
    let fresh = match id {
        None => w.fresh(&tx, given, &mut errors).await?,
        Some(id) => w.named(&tx, id, given, &mut errors).await?,
    };
    errors.settle()?;
    let rows = tx.permit().reach().rows.clone();
    if !w.within(&rows, &fresh) {
        return Err(Failure::Refused(Reason::NotGranted));
    }
    let scoped = rows != kernel::Rows::All;
    let parent = parent(shelf, &fresh.values);
    let batch = tx.batch::<Own>(format!("{}/{}", shelf.def.id, fresh.id));
    w.follow(w.insert(batch, fresh, true, scoped), parent.as_deref()).commit().await
}

/// Whether a change needs the record as it is: for its draft, its versions, its parent or an If-Match.
const fn looks_back(shelf: &Shelf, expected: Option<i64>) -> bool {
    shelf.def.drafts || shelf.def.versions > 0 || shelf.def.part_of.is_some() || expected.is_some()
}

/// A change of some fields.
pub(crate) async fn update(
    records: &Records,
    shelf: &Shelf,
    tx: Tx<Write>,
    id: &str,
    given: &Map<String, Json>,
    expected: Option<i64>,
) -> Result<Receipt, Failure> {
    let w = Writer::new(records, shelf, tx.permit());
    let was = if looks_back(shelf, expected) { Some(write::before(shelf, &tx, id).await?) } else { None };
    if was.as_ref().zip(expected).is_some_and(|(was, v)| was.version != v) {
        return Err(Failure::Stale);
    }
    let mut errors = Errors::default();
    let change = w.change(&tx, id, given, &mut errors).await?;
    errors.settle()?;
    let batch = tx.batch::<Own>(format!("{}/{id}", shelf.def.id));
    steps(&w, batch, id, was.as_ref(), change, expected, true).commit().await
}

/// The steps of a change: into the draft of a published record, into any other record itself.
pub(crate) fn steps(
    w: &Writer<'_>,
    batch: Batch<Own>,
    id: &str,
    was: Option<&Before>,
    change: Change,
    expected: Option<i64>,
    kept: bool,
) -> Batch<Own> {
    let Some(was) = was else { return w.update(batch, id, change, expected, kept) };
    if was.published {
        let earlier = was.draft.as_deref().map_or_else(Vec::new, |text| draft::read(w.shelf, text));
        let pending = draft::merged(earlier, &change.values);
        let oldest = encryption::oldest(pending.iter().map(|(_, value)| value));
        return w.pend(batch, id, (&draft::write(w.shelf, &pending), oldest), change, was.version);
    }
    let batch = version::keep(w, batch, id, was);
    let pinned = expected.or_else(|| (w.shelf.def.drafts || w.shelf.def.versions > 0).then_some(was.version));
    let batch = w.update(batch, id, change, pinned, kept);
    w.follow(batch, parent(w.shelf, &was.values).as_deref())
}

/// A deletion.
pub(crate) async fn erase(
    records: &Records,
    shelf: &Shelf,
    tx: Tx<Write>,
    id: &str,
    expected: Option<i64>,
) -> Result<Receipt, Failure> {
    let w = Writer::new(records, shelf, tx.permit());
    let was = if shelf.def.part_of.is_some() || expected.is_some() {
        Some(write::before(shelf, &tx, id).await?)
    } else {
        None
    };
    if was.as_ref().zip(expected).is_some_and(|(was, v)| was.version != v) {
        return Err(Failure::Stale);
    }
    let (left, blobs) = (files(shelf, &tx, id).await?, tx.blobs());
    let batch = gone(&w, tx.batch::<Own>(format!("{}/{id}", shelf.def.id)), id, was.as_ref(), expected);
    let receipt = batch.commit().await?;
    for (file,) in left {
        let _an_orphan_at_worst = blobs.delete(file).await;
    }
    Ok(receipt)
}

/// Whether a record's files go with it. Where every version is kept, so are the bytes of files that were replaced or deleted.
fn takes_files(shelf: &Shelf) -> bool {
    shelf.def.versions == 0 && shelf.fields().any(|(_, f)| matches!(f.kind, Kind::File { .. }))
}

/// Objects to delete once the deletion of the record is committed.
pub(crate) async fn files(shelf: &Shelf, tx: &Tx<Write>, id: &str) -> Result<Vec<(Id,)>, Failure> {
    match takes_files(shelf) {
        true => tx.all(&sql::FILES, (shelf.def.id.to_owned(), id.to_owned())).await,
        false => Ok(Vec::new()),
    }
}

/// The steps of a deletion.
pub(crate) fn gone(
    w: &Writer<'_>,
    batch: Batch<Own>,
    id: &str,
    was: Option<&Before>,
    expected: Option<i64>,
) -> Batch<Own> {
    let shelf = w.shelf;
    let statement = w.records.shapes.write(sql::delete(&shelf.def, &shelf.sql, expected.is_some()));
    let mut args: Vec<Value> = vec![id.into()];
    args.extend(expected.map(Value::Int));
    let failure = if expected.is_some() { Failure::Stale } else { crate::answer::absent(id) };
    let mut batch = batch.expect(1, &statement, args, failure);
    if takes_files(shelf) {
        batch = batch.any(&sql::FILES_GONE, (shelf.def.id.to_owned(), id.to_owned()));
    }
    if shelf.def.versions > 0 {
        batch = batch.any(&sql::VERSION_GONE, (shelf.def.id.to_owned(), id.to_owned()));
    }
    w.follow(batch, was.and_then(|was| parent(shelf, &was.values)).as_deref())
}
