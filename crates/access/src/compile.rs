//! From rights to grants: what the store is told. Row sets are shared by content, so that a statement's text is cached once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use kernel::{Bind, Cell, FieldSet, Grant, RowSet, Rows, sabotage};
use manifest::{App, Collection, Equal, GrantRows, Grants, Literal, Manage};

use crate::rows;

/// Verbs that `collection` knows, in the order they are shown.
pub fn verbs(app: &App, collection: &Collection) -> Vec<&'static str> {
    let mut verbs = vec!["read"];
    if collection.drafts {
        verbs.push("read_draft");
    }
    verbs.push("create");
    if !collection.append_only {
        verbs.extend(["write", "delete"]);
    }
    if collection.drafts && !collection.actions.iter().any(|a| a.id == "publish") {
        verbs.push("publish");
    }
    verbs.extend(collection.actions.iter().map(|a| a.id));
    if app.submissions.iter().any(|s| app.collections.get(s.creates).is_some_and(|c| c.id == collection.id)) {
        verbs.push("submit");
    }
    verbs
}

/// The grants of one principal: `(resource, verb) -> grant`, for everything held and nothing else.
#[must_use]
pub fn grants(app: &App, held: &Grants) -> Vec<((&'static str, &'static str), Grant)> {
    let mut all = Vec::new();
    for (at, collection) in app.collections.iter().enumerate() {
        let Some(right) = held.collections.get(&at) else { continue };
        let visible = visible(app, held, at);
        let seen = visible.as_ref();
        let drafts = seen.is_some_and(|v| right.verbs.get("read_draft").is_some_and(|d| rows::covers(d, v)));
        let read = if seen.is_some() { right.read } else { FieldSet::NONE };
        let write = if right.verbs.contains_key("write") { right.write } else { FieldSet::NONE };
        for verb in verbs(app, collection) {
            let reached = if verb == "read" { seen } else { right.verbs.get(verb) };
            let Some(reached) = reached else { continue };
            let write = if verb == "create" { right.create } else { write };
            let grant = Grant { rows: row_set(reached), visible: seen.map(row_set), read, write, drafts };
            all.push(((collection.id, verb), grant));
        }
    }
    for (name, level) in &held.tenant {
        all.push(((name, "read"), Grant::PLAIN));
        if *level == Manage::Manage {
            all.push(((name, "manage"), Grant::PLAIN));
        }
    }
    all
}

/// Rows that may be read: published ones, and drafts where `read_draft` reaches. `None`: nothing.
fn visible(app: &App, held: &Grants, at: usize) -> Option<GrantRows> {
    let read = held.collections.get(&at)?.verbs.get("read")?;
    let seen = rows::both(read, &shown(app, held, at));
    (!rows::none(&seen)).then_some(seen)
}

/// Rows whose draft state, and that of the record they are part of, lets them be read.
/// INVARIANT: a part of a record that is not visible yet is not visible either.
fn shown(app: &App, held: &Grants, at: usize) -> GrantRows {
    let Some(collection) = app.collections.get(at) else { return GrantRows::Any(Vec::new()) };
    let drafts = held.collections.get(&at).and_then(|grant| grant.verbs.get("read_draft"));
    let own = match (collection.drafts, drafts) {
        (false, _) => GrantRows::All,
        (true, None) => rows::published(),
        (true, Some(drafts)) => rows::either(&rows::published(), drafts),
    };
    match collection.part_of.and_then(|(parent, field)| collection.fields.get(field).zip(Some(parent))) {
        None => own,
        Some((reference, parent)) => rows::both(&own, &rows::through(reference.id, &shown(app, held, parent))),
    }
}

/// As the store takes it.
fn row_set(set: &GrantRows) -> Rows {
    match set {
        _ if sabotage::off("access.row_visibility") => Rows::All,
        GrantRows::All => Rows::All,
        GrantRows::Any(any) => Rows::Set(shared(any.iter().map(|c| c.iter().map(cell).collect()).collect())),
    }
}

fn cell(equal: &Equal) -> Cell {
    let bind = |value: &Literal| match value {
        Literal::Int(i) => Bind::Int(*i),
        Literal::Text(text) => Bind::Text(text.as_str().into()),
        Literal::Me => Bind::Me,
    };
    Cell { column: equal.column.as_str().into(), any: equal.any.iter().map(bind).collect() }
}

type Alternatives = Vec<Vec<Cell>>;

/// One set, one number, for the life of the process: reloading an app gives known sets their old numbers.
fn shared(any: Alternatives) -> Arc<RowSet> {
    static SETS: Mutex<Option<HashMap<Alternatives, Arc<RowSet>>>> = Mutex::new(None);
    let mut sets = SETS.lock().unwrap_or_else(PoisonError::into_inner);
    let sets = sets.get_or_insert_default();
    if let Some(known) = sets.get(&any) {
        return Arc::clone(known);
    }
    let id = u32::try_from(sets.len()).unwrap_or(u32::MAX);
    let set = Arc::new(RowSet { id, any: any.clone() });
    sets.insert(any, Arc::clone(&set));
    set
}
