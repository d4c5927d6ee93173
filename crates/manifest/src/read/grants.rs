//! Grants: `"verb verb where rows"`, lists of those, and tables with fields of their own.

use kernel::FieldSet;

use crate::{
    Collection, CollectionGrant, GrantRows, Kind, near,
    read::{Cx, collections::named_rows},
    tree::{Node, Value, within},
};

/// Verbs every collection has.
const VERBS: [&str; 6] = ["read", "read_draft", "create", "write", "delete", "publish"];

/// What a grant is read for.
#[derive(Clone, Copy)]
pub(crate) struct On<'a> {
    pub(crate) all: &'a [Collection],
    pub(crate) here: usize,
    /// Written as `"*"`: verbs that this collection lacks are passed over.
    pub(crate) star: bool,
    /// Of the visitor, who may also `submit`.
    pub(crate) visitor: bool,
}

/// The verbs that can be granted on a collection, `submit` aside.
pub(crate) fn verbs(collection: &Collection) -> Vec<&'static str> {
    let fits = |v: &&str| match *v {
        "read_draft" | "publish" => collection.drafts,
        "write" | "delete" => !collection.append_only,
        _ => true,
    };
    let declared = collection.actions.iter().map(|a| a.id).filter(|a| *a != "publish");
    VERBS.into_iter().filter(fits).chain(declared).collect()
}

/// Everything on a collection.
pub(crate) fn everything(collection: &Collection) -> CollectionGrant {
    let mut grant = CollectionGrant::default();
    for verb in verbs(collection) {
        add(&mut grant, verb, &GrantRows::All);
    }
    fields(collection, &mut grant);
    grant
}

/// Adds a verb; two grants of one verb reach the rows of both.
pub(crate) fn add(grant: &mut CollectionGrant, verb: &'static str, rows: &GrantRows) {
    let joined = match (grant.verbs.get(verb), rows) {
        (None, rows) => rows.clone(),
        (Some(GrantRows::Any(a)), GrantRows::Any(b)) => {
            GrantRows::Any(a.iter().chain(b.iter().filter(|x| !a.contains(x))).cloned().collect())
        }
        _ => GrantRows::All,
    };
    grant.verbs.insert(verb, joined);
}

/// Field sets of a grant whose text names none: everything its verbs allow.
fn fields(collection: &Collection, grant: &mut CollectionGrant) {
    let (mut readable, mut writable) = (FieldSet::NONE, FieldSet::NONE);
    for (at, field) in collection.fields.iter().enumerate() {
        if field.kind != Kind::Secret {
            readable = readable.with(at);
        }
        if !field.read_only {
            writable = writable.with(at);
        }
    }
    let held = |verb: &str, set: FieldSet| if grant.verbs.contains_key(verb) { set } else { FieldSet::NONE };
    let sets = (held("read", readable), held("write", writable), held("create", writable));
    (grant.read, grant.write, grant.create) = sets;
}

/// The grant in `node`.
pub(crate) fn grant(cx: &Cx<'_>, on: On<'_>, node: &Node) -> CollectionGrant {
    let mut out = CollectionGrant::default();
    let Some(collection) = on.all.get(on.here) else { return out };
    let table = matches!(node.value, Value::Table(_));
    let texts = if table { node.get("all") } else { node };
    for piece in texts.one_or_many() {
        piece_of(cx, on, collection, piece, &mut out);
    }
    if let Some(rows) = out.verbs.get("read_draft").cloned() {
        add(&mut out, "read", &rows);
    }
    fields(collection, &mut out);
    for entry in node.entries().iter().filter(|e| e.name != "all") {
        field(cx, collection, entry, &mut out);
    }
    out
}

fn piece_of(cx: &Cx<'_>, on: On<'_>, collection: &Collection, node: &Node, out: &mut CollectionGrant) {
    let Some(text) = node.text() else {
        let message = format!("a grant is a text such as \"read write\", not {}.", node.kind());
        cx.source.fault(&node.span, &node.path, message, "");
        return;
    };
    let words = words(text);
    let cut = words.iter().position(|(_, w)| *w == "where").unwrap_or(words.len());
    let (named, tail) = words.split_at_checked(cut).unwrap_or((&words, &[]));
    let rows = match tail {
        [] => Some(GrantRows::All),
        [_, (at, name)] => {
            let span = within(cx.source, node, *at..at + name.len());
            named_rows(cx, collection, name, &span, &node.path).map(|set| GrantRows::Any(vec![set]))
        }
        [(at, _), ..] => {
            let span = within(cx.source, node, *at..text.len());
            cx.source.fault(
                &span,
                &node.path,
                "`where` takes the name of one row set.",
                "Several are a list of grants.",
            );
            None
        }
    };
    if named.is_empty() && !tail.is_empty() {
        cx.source.fault(&node.span, &node.path, "no verb before `where`.", "");
    }
    for (at, word) in named {
        let meant = expand(cx, on, collection, node, (*at, word));
        for verb in meant {
            let rows = if matches!(verb, "create" | "submit") { Some(GrantRows::All) } else { rows.clone() };
            if let Some(rows) = rows {
                add(out, verb, &rows);
            }
        }
    }
}

/// The verbs a word stands for on this collection.
fn expand(
    cx: &Cx<'_>,
    on: On<'_>,
    collection: &Collection,
    node: &Node,
    (at, word): (usize, &str),
) -> Vec<&'static str> {
    let held = verbs(collection);
    let declared = || held.iter().copied().filter(|v| !VERBS.contains(v));
    match word {
        "all" => return held,
        "actions" => return declared().collect(),
        "submit" if on.visitor => return vec!["submit"],
        _ => {}
    }
    if let Some(verb) = held.iter().find(|v| **v == word) {
        return vec![verb];
    }
    // A verb that the collection cannot have (drafts, append-only) grants nothing there.
    let elsewhere = on.star && on.all.iter().any(|c| c.actions.iter().any(|a| a.id == word));
    if VERBS.contains(&word) || elsewhere {
        return Vec::new();
    }
    let span = within(cx.source, node, at..at + word.len());
    let extra = if on.visitor { vec!["submit"] } else { Vec::new() };
    let known = VERBS.into_iter().chain(declared()).chain(extra).chain(["actions", "all"]);
    let known: Vec<&str> = known.collect();
    cx.source.fault(
        &span,
        &node.path,
        format!("no verb `{word}` on {}.", collection.id),
        near::hint(word, "Verbs here", known.iter().copied()),
    );
    Vec::new()
}

/// Words of a text with the byte each begins at.
fn words(text: &str) -> Vec<(usize, &str)> {
    let start = text.as_ptr() as usize;
    text.split_ascii_whitespace().map(|w| (w.as_ptr() as usize - start, w)).collect()
}

/// `FIELD = "read" | "read write" | ""` beside `all`.
fn field(cx: &Cx<'_>, collection: &Collection, entry: &Node, out: &mut CollectionGrant) {
    let Some(at) = collection.position(&entry.name) else {
        let known = collection.fields.iter().map(|f| f.id).chain(["all"]);
        let help = near::hint(&entry.name, "Fields", known);
        cx.source.fault(&entry.key, &entry.path, format!("no field `{}` on {}.", entry.name, collection.id), help);
        return;
    };
    let (read, write) = match entry.text().map(|t| t.split_ascii_whitespace().collect::<Vec<_>>()).as_deref() {
        Some([]) => (false, false),
        Some(["read"]) => (true, false),
        Some(["read", "write"] | ["write", "read"]) => (true, true),
        _ => {
            let help = "A field's right is \"read\", \"read write\" or \"\".";
            cx.source.fault(&entry.span, &entry.path, "no right of a field.", help);
            return;
        }
    };
    let Some(known) = collection.fields.get(at) else { return };
    if write && known.read_only {
        let message = format!("`{}` is never accepted from outside, so nobody can be let write it.", known.id);
        cx.source.fault(&entry.span, &entry.path, message, "");
        return;
    }
    if write && collection.append_only {
        let message = format!("records of {} are never changed.", collection.id);
        cx.source.fault(&entry.span, &entry.path, message, "");
        return;
    }
    let rows = out.verbs.get("read").cloned().unwrap_or(GrantRows::All);
    if read {
        add_missing(out, "read", &rows);
    }
    if write {
        add_missing(out, "write", &rows);
    }
    let put = |set: FieldSet, on: bool| if on { set.with(at) } else { FieldSet(set.0 & !(1_u128 << (at & 127))) };
    out.read = put(out.read, read && known.kind != Kind::Secret);
    out.write = put(out.write, write);
    out.create = put(out.create, write && out.verbs.contains_key("create"));
}

/// A field's right brings its verb, for that field alone.
fn add_missing(grant: &mut CollectionGrant, verb: &'static str, rows: &GrantRows) {
    if !grant.verbs.contains_key(verb) {
        grant.verbs.insert(verb, rows.clone());
    }
}
