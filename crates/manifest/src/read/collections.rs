//! Collections: fields first, then what refers to other collections, then actions.

use std::collections::BTreeMap;

use crate::{
    Collection, Equal, Kind, Target, fill, near,
    read::{Cx, action, derived, field, title},
    tree::{Node, Value},
};

/// Tables the server keeps for itself.
const TAKEN: [&str; 15] = [
    "all",
    "api_keys",
    "audit",
    "custom_roles",
    "deliveries",
    "invitations",
    "leaves",
    "members",
    "memberships",
    "outbox",
    "sessions",
    "tenant",
    "tenants",
    "users",
    "where",
];

/// Every collection of `[collections]`.
pub(crate) fn collections(cx: &Cx<'_>, section: &Node) -> Vec<Collection> {
    let nodes = section.entries();
    if nodes.len() > 200 {
        cx.source.fault(
            &section.key,
            &section.path,
            format!("{} collections are too many: at most 200.", nodes.len()),
            "",
        );
    }
    let drafted: Vec<_> = nodes.iter().map(|node| field::fields(cx, node.get("fields"))).collect();
    let mut all: Vec<Collection> = nodes.iter().zip(&drafted).map(|(node, fields)| bare(cx, node, fields)).collect();
    for (here, node) in nodes.iter().enumerate() {
        relate(cx, &mut all, here, node);
    }
    cycles(cx, &all, nodes);
    for (here, node) in nodes.iter().enumerate() {
        let rows = row_sets(cx, &all, here, node);
        if let Some(collection) = all.get_mut(here) {
            collection.rows = rows;
        }
    }
    for (here, fields) in drafted.iter().enumerate() {
        for (at, drafted) in fields.iter().enumerate() {
            let from = derived::derived(cx, &all, here, &drafted.field, &drafted.node);
            let only = only(cx, &all, drafted);
            let Some(field) = all.get_mut(here).and_then(|c| c.fields.get_mut(at)) else { continue };
            field.read_only |= from.is_some();
            field.derived = from;
            if let Kind::Reference { only: kept, .. } = &mut field.kind {
                *kept = only;
            }
        }
    }
    for (here, node) in nodes.iter().enumerate() {
        let actions = action::actions(cx, &all, here, node);
        if let Some(collection) = all.get_mut(here) {
            collection.actions = actions;
        }
    }
    all
}

/// `subject = "email"` among the fields names a field when there is one of that name; otherwise it is a field's type.
pub(crate) fn lift_subject(collection: &mut Node) {
    let Value::Table(entries) = &mut collection.value else { return };
    let Some(fields) = entries.iter_mut().find(|n| n.name == "fields") else { return };
    let Value::Table(inside) = &mut fields.value else { return };
    let marks = |n: &Node| {
        n.name == "subject" && n.text().is_some_and(|name| name != "subject" && inside.iter().any(|f| f.name == name))
    };
    let Some(at) = inside.iter().position(marks) else { return };
    let marker = inside.remove(at);
    if entries.iter().all(|n| n.name != "subject") {
        entries.push(marker);
    }
}

fn bare(cx: &Cx<'_>, node: &Node, drafted: &[field::Drafted]) -> Collection {
    if TAKEN.contains(&node.name.as_str()) || node.name.starts_with("audit_") || node.name.starts_with("sqlite_") {
        let message = format!("`{}` is a name the server keeps for itself.", node.name);
        cx.source.fault(&node.key, &node.path, message, "Take another name.");
    }
    if node.get("fields").exists() && node.get("fields").entries().is_empty() {
        cx.source.fault(&node.key, &node.path, "a collection needs at least one field.", "");
    }
    Collection {
        id: kernel::intern(&node.name),
        label: node.get("label").text().map_or_else(|| title(&node.name), str::to_owned),
        drafts: node.get("drafts").flag(),
        versions: versions(cx, node.get("versions")),
        append_only: node.get("append_only").flag(),
        part_of: None,
        unique: Vec::new(),
        assigned_to: None,
        team: None,
        subject: None,
        fields: drafted.iter().map(|d| d.field.clone()).collect(),
        rows: BTreeMap::new(),
        actions: Vec::new(),
    }
}

fn versions(cx: &Cx<'_>, node: &Node) -> u32 {
    match (&node.value, node.text()) {
        (Value::Int(n), _) if (0..=10_000).contains(n) => u32::try_from(*n).unwrap_or(0),
        (_, Some("all")) => u32::MAX,
        _ => {
            cx.source.fault(&node.span, &node.path, "versions are a number up to 10000, or \"all\".", "");
            0
        }
    }
}

/// Keys that name other fields or collections.
fn relate(cx: &Cx<'_>, all: &mut [Collection], here: usize, node: &Node) {
    let Some(collection) = all.get(here) else { return };
    let named = |key: &str| {
        let key = node.get(key);
        derived::position(cx, key, collection, key.text()?, 0)
    };
    let member = |key: &str| {
        let at = named(key)?;
        let fits = |f: &crate::Field| matches!(f.kind, Kind::Reference { to: Target::Members, .. }) && !f.many;
        if !collection.fields.get(at).is_some_and(fits) {
            let key = node.get(key);
            let message = format!("`{}` must be a reference to members.", key.words());
            cx.source.fault(&key.span, &key.path, message, "");
        }
        Some(at)
    };
    let (assigned_to, team, subject) = (member("assigned_to"), member("team"), named("subject"));
    let unique = node.get("unique").items().iter().map(|key| unique_key(cx, collection, key)).collect();
    let part_of = part_of(cx, collection, node.get("part_of"));
    if let Some(collection) = all.get_mut(here) {
        (collection.assigned_to, collection.team, collection.subject) = (assigned_to, team, subject);
        (collection.unique, collection.part_of) = (unique, part_of);
    }
}

fn unique_key(cx: &Cx<'_>, collection: &Collection, key: &Node) -> Vec<usize> {
    if key.items().len() < 2 {
        let help = "Write [[\"a\", \"b\"]]; one field alone is unique = true in the field.";
        cx.source.fault(&key.span, &key.path, "a key of several fields is a list of names.", help);
    }
    let at = |item: &Node| {
        let at = derived::position(cx, item, collection, item.text().unwrap_or(""), 0)?;
        let field = collection.fields.get(at)?;
        let plain = !matches!(field.kind, Kind::Json | Kind::RichText | Kind::File { .. } | Kind::Secret);
        if !plain || field.many || field.encrypted {
            cx.source.fault(&item.span, &item.path, format!("`{}` cannot be part of a key.", field.id), "");
        }
        Some(at)
    };
    key.items().iter().filter_map(at).collect()
}

fn part_of(cx: &Cx<'_>, collection: &Collection, node: &Node) -> Option<(usize, usize)> {
    if !node.exists() {
        return None;
    }
    let [entry] = node.entries() else {
        cx.source.fault(
            &node.span,
            &node.path,
            "a part has one parent.",
            "Write { COLLECTION = \"reference field\" }.",
        );
        return None;
    };
    let parent = cx.collection(&entry.name, &entry.key, &entry.path)?;
    let at = derived::position(cx, entry, collection, entry.text().unwrap_or(""), 0)?;
    let field = collection.fields.get(at)?;
    let points = matches!(field.kind, Kind::Reference { to: Target::Collection(to), .. } if to == parent);
    if !points || !field.required || field.many {
        let message = format!("`{}` must be a required reference to {}.", field.id, entry.name);
        cx.source.fault(&entry.span, &entry.path, message, "");
    }
    Some((parent, at))
}

fn cycles(cx: &Cx<'_>, all: &[Collection], nodes: &[Node]) {
    for (start, node) in nodes.iter().enumerate() {
        let mut at = start;
        for _ in 0..all.len() {
            match all.get(at).and_then(|c| c.part_of) {
                Some((parent, _)) if parent == start => {
                    let part = node.get("part_of");
                    cx.source.fault(&part.span, &part.path, "a collection cannot be part of itself.", "");
                    break;
                }
                Some((parent, _)) => at = parent,
                None => break,
            }
        }
    }
}

fn row_sets(cx: &Cx<'_>, all: &[Collection], here: usize, node: &Node) -> BTreeMap<&'static str, Vec<Equal>> {
    let Some(collection) = all.get(here) else { return BTreeMap::new() };
    let set = |entry: &Node| {
        fill::name(cx.source, entry, false);
        (kernel::intern(&entry.name), derived::row_set(cx, collection, entry))
    };
    node.get("rows").entries().iter().map(set).collect()
}

/// `where` of a reference: a row set of the target.
fn only(cx: &Cx<'_>, all: &[Collection], drafted: &field::Drafted) -> Option<Vec<Equal>> {
    let node = drafted.node.get("where");
    let name = node.text()?;
    let Kind::Reference { to, .. } = drafted.field.kind else { return None };
    let Target::Collection(to) = to else {
        cx.source.fault(&node.span, &node.path, "members have no row sets.", "");
        return None;
    };
    named_rows(cx, all.get(to)?, name, &node.span, &node.path)
}

/// The row set called `name`: declared, or built in.
pub(crate) fn named_rows(
    cx: &Cx<'_>,
    collection: &Collection,
    name: &str,
    span: &crate::fault::Span,
    path: &str,
) -> Option<Vec<Equal>> {
    use crate::Literal::{Int, Me};
    if let Some(declared) = collection.rows.get(name) {
        return Some(declared.clone());
    }
    let of = |at: Option<usize>, key: &str| {
        let field = at.and_then(|i| collection.fields.get(i));
        if field.is_none() {
            let help = format!("Write {key} = FIELD in the collection.");
            cx.source.fault(span, path, format!("{} says not by which field rows are `{name}`.", collection.id), help);
        }
        field.map(|f| vec![Equal { column: f.id.to_owned(), any: vec![Me] }])
    };
    match name {
        "published" if collection.drafts => Some(vec![Equal { column: "published".into(), any: vec![Int(1)] }]),
        "published" => {
            let message = format!("{} has no drafts, so nothing there is published.", collection.id);
            cx.source.fault(
                span,
                path,
                message,
                "Write drafts = true in the collection, or leave `where published` out.",
            );
            None
        }
        "own" => Some(vec![Equal { column: "created_by".into(), any: vec![Me] }]),
        "assigned" => of(collection.assigned_to, "assigned_to"),
        "team" => of(collection.team, "team"),
        _ => {
            let known = collection.rows.keys().copied().chain(["published", "own", "assigned", "team"]);
            let help = near::hint(name, "Row sets", known);
            cx.source.fault(span, path, format!("no row set `{name}` on {}.", collection.id), help);
            None
        }
    }
}
