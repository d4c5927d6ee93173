//! Many records in one request: all or nothing, one leaf. One kind of change per request, because a permit is for one verb:
//! POST creates, PATCH updates, DELETE deletes.

use std::collections::BTreeSet;

use kernel::{Failure, FieldError, Reason, Write};
use serde_json::{Map, Value as Json};
use store::{Own, Receipt, Tx};

use crate::{
    change,
    collect::Errors,
    derive,
    shelf::{Records, Shelf},
    write::{self, Before, Change, Fresh, Writer},
};

/// Records of one request.
const MOST: usize = 500;

/// What the request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Create,
    Update,
    Delete,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// One line of it, checked for its form.
struct Item {
    id: String,
    fields: Map<String, Json>,
    version: Option<i64>,
}

enum Step {
    Create(Fresh),
    Update(String, Option<Before>, Change, Option<i64>),
    Delete(String, Option<Before>, Option<i64>),
}

/// Runs it; the ids in order.
pub(crate) async fn run(
    records: &Records,
    shelf: &Shelf,
    tx: Tx<Write>,
    body: &Json,
    kind: Kind,
) -> Result<(Receipt, Vec<String>), Failure> {
    let list = match body {
        Json::Array(list) => list,
        Json::Object(o) => match o.get("items") {
            Some(Json::Array(list)) if o.len() == 1 => list,
            _ => return Err(Failure::bad("the body must be a list")),
        },
        _ => return Err(Failure::bad("the body must be a list")),
    };
    if list.is_empty() || list.len() > MOST {
        return Err(Failure::bad("a batch holds 1 to 500 records"));
    }
    let items = items(list, kind)?;
    let w = Writer::new(records, shelf, tx.permit());
    let rows = tx.permit().reach().rows.clone();
    let mut errors = Errors::default();
    let (mut steps, mut parents) = (Vec::with_capacity(items.len()), BTreeSet::new());
    for (at, item) in items.into_iter().enumerate() {
        errors.prefix = format!("{at}/");
        let step = prepare(&w, &tx, item, kind, &mut errors).await?;
        if let Step::Create(fresh) = &step
            && errors.list.is_empty()
            && !w.within(&rows, fresh)
        {
            return Err(Failure::Refused(Reason::NotGranted));
        }
        parents.extend(parent_of(shelf, &step));
        steps.push(step);
    }
    errors.settle()?;
    let scoped = rows != kernel::Rows::All;
    let (mut left, blobs) = (Vec::new(), tx.blobs());
    for step in &steps {
        if let Step::Delete(id, ..) = step {
            left.extend(change::files(shelf, &tx, id).await?);
        }
    }
    let mut ids = Vec::with_capacity(steps.len());
    let mut batch = tx.batch::<Own>(format!("{}/batch of {}", shelf.def.id, steps.len()));
    for step in steps {
        batch = match step {
            Step::Create(fresh) => {
                ids.push(fresh.id.clone());
                w.insert(batch, fresh, false, scoped)
            }
            Step::Update(id, was, change, expected) => {
                let next = change::steps(&w, batch, &id, was.as_ref(), change, expected, false);
                ids.push(id);
                next
            }
            Step::Delete(id, was, expected) => {
                let next = change::gone(&w, batch, &id, was.as_ref(), expected);
                ids.push(id);
                next
            }
        };
    }
    if kind == Kind::Create {
        batch = parents.iter().fold(batch, |b, parent| derive::recompute(records, shelf, b, parent, w.now));
    }
    let receipt = batch.commit().await?;
    for (file,) in left {
        let _an_orphan_at_worst = blobs.delete(file).await;
    }
    Ok((receipt, ids))
}

fn parent_of(shelf: &Shelf, step: &Step) -> Option<String> {
    match step {
        Step::Create(fresh) => change::parent(shelf, &fresh.values),
        _ => None,
    }
}

async fn prepare(w: &Writer<'_>, tx: &Tx<Write>, item: Item, kind: Kind, errors: &mut Errors) -> Result<Step, Failure> {
    if kind == Kind::Create {
        return Ok(Step::Create(w.fresh(tx, &item.fields, errors).await?));
    }
    let def = &w.shelf.def;
    let back = def.drafts || def.versions > 0 || def.part_of.is_some() || item.version.is_some();
    let was = if back { Some(write::before(w.shelf, tx, &item.id).await?) } else { None };
    if was.as_ref().zip(item.version).is_some_and(|(was, v)| was.version != v) {
        return Err(Failure::Stale);
    }
    if kind == Kind::Delete {
        return Ok(Step::Delete(item.id, was, item.version));
    }
    let change = w.change(tx, &item.id, &item.fields, errors).await?;
    Ok(Step::Update(item.id, was, change, item.version))
}

/// Checks the form of each line.
fn items(list: &[Json], kind: Kind) -> Result<Vec<Item>, Failure> {
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut out = Vec::with_capacity(list.len());
    for (at, line) in list.iter().enumerate() {
        match item(line, kind) {
            Ok(item) if kind != Kind::Create && !seen.insert(item.id.clone()) => {
                wrong.push(FieldError {
                    field: format!("{at}/id"),
                    code: "twice",
                    detail: "a record is named twice".into(),
                });
            }
            Ok(item) => out.push(item),
            Err((member, code, detail)) => {
                wrong.push(FieldError { field: format!("{at}/{member}"), code, detail: detail.into() });
            }
        }
    }
    wrong.truncate(100);
    if wrong.is_empty() { Ok(out) } else { Err(Failure::Invalid(wrong)) }
}

fn item(line: &Json, kind: Kind) -> Result<Item, (&'static str, &'static str, &'static str)> {
    let Json::Object(line) = line else { return Err(("", "type", "expected: an object")) };
    let allowed: &[&str] = match kind {
        Kind::Create => &["op", "fields"],
        Kind::Update => &["op", "fields", "id", "version"],
        Kind::Delete => &["op", "id", "version"],
    };
    if line.keys().any(|k| !allowed.contains(&k.as_str())) {
        return Err(("", "unknown", "expected: op, id, version, fields, as the operation needs them"));
    }
    if line.get("op").is_some_and(|op| op.as_str() != Some(kind.word())) {
        return Err(("op", "op", "a batch does one thing: POST creates, PATCH updates, DELETE deletes"));
    }
    let id = match line.get("id").and_then(Json::as_str).filter(|t| t.parse::<kernel::Id>().is_ok()) {
        Some(id) => id.to_owned(),
        None if kind == Kind::Create => String::new(),
        None => return Err(("id", "type", "expected: a record's id")),
    };
    let fields = match line.get("fields") {
        Some(Json::Object(fields)) => fields.clone(),
        None if kind == Kind::Delete => Map::new(),
        _ => return Err(("fields", "type", "expected: an object")),
    };
    let version = match line.get("version") {
        None | Some(Json::Null) => None,
        Some(v) => Some(v.as_i64().ok_or(("version", "type", "expected: a whole number"))?),
    };
    Ok(Item { id, fields, version })
}
