//! Rights of parts: they are their parent's.

use kernel::FieldSet;

use crate::{Collection, CollectionGrant, Derived, Equal, GrantRows, Kind, Literal, read::grants};

/// What a grant on the parent gives on its part: reading follows reading, and every change follows writing, because a
/// change of a part is a change of its parent. Whoever may only create parents may add parts to their own.
pub(crate) fn inherit(all: &[Collection], part: usize, parent_grant: &CollectionGrant) -> CollectionGrant {
    let mut out = CollectionGrant::default();
    let Some(here) = all.get(part) else { return out };
    let Some((parent, reference)) = here.part_of else { return out };
    let (Some(parent), Some(reference)) = (all.get(parent), here.fields.get(reference)) else { return out };
    let through = |rows: &GrantRows| match rows {
        GrantRows::All => GrantRows::All,
        GrantRows::Any(sets) => GrantRows::Any(sets.iter().map(|set| dotted(reference.id, set)).collect()),
    };
    let held = grants::verbs(here);
    let mut give = |verb: &'static str, rows: GrantRows| {
        if held.contains(&verb) {
            grants::add(&mut out, verb, &rows);
        }
    };
    for verb in ["read", "read_draft"] {
        if let Some(rows) = parent_grant.verbs.get(verb) {
            give(verb, through(rows));
        }
    }
    if let Some(rows) = parent_grant.verbs.get("write") {
        for verb in ["create", "write", "delete", "publish"] {
            give(verb, through(rows));
        }
    } else if parent_grant.verbs.contains_key("create") {
        let own = vec![Equal { column: "created_by".into(), any: vec![Literal::Me] }];
        give("create", GrantRows::Any(vec![dotted(reference.id, &own)]));
    }
    if grants::verbs(parent).iter().all(|v| parent_grant.verbs.contains_key(v)) {
        held.iter().for_each(|verb| give(verb, GrantRows::All));
    }
    sets(here, &hidden(here, part, parent, parent_grant), &mut out);
    out
}

/// The parent's columns, reached through the part's reference: `order.status`.
fn dotted(reference: &str, set: &[Equal]) -> Vec<Equal> {
    set.iter().map(|e| Equal { column: format!("{reference}.{}", e.column), any: e.any.clone() }).collect()
}

/// Fields of the part that would tell a sum which the parent hides.
fn hidden(here: &Collection, part: usize, parent: &Collection, grant: &CollectionGrant) -> Vec<usize> {
    let mut hidden = Vec::new();
    for (at, field) in parent.fields.iter().enumerate() {
        let Some(Derived::Sum(of, summed)) = field.derived else { continue };
        if of != part || grant.read.has(at) || !grant.verbs.contains_key("read") {
            continue;
        }
        hidden.push(summed);
        if let Some(Derived::Product(a, b)) = here.fields.get(summed).and_then(|f| f.derived.clone()) {
            let money = |i: &usize| here.fields.get(*i).is_some_and(|f| f.kind == Kind::Money);
            hidden.extend([a, b].into_iter().filter(money));
        }
    }
    hidden
}

fn sets(here: &Collection, hidden: &[usize], out: &mut CollectionGrant) {
    let (mut readable, mut writable) = (FieldSet::NONE, FieldSet::NONE);
    for (at, field) in here.fields.iter().enumerate().filter(|(at, _)| !hidden.contains(at)) {
        if field.kind != Kind::Secret {
            readable = readable.with(at);
        }
        if !field.read_only {
            writable = writable.with(at);
        }
    }
    let held = |verb: &str, set: FieldSet| if out.verbs.contains_key(verb) { set } else { FieldSet::NONE };
    let found = (held("read", readable), held("write", writable), held("create", writable));
    (out.read, out.write, out.create) = found;
}
