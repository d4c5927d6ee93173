//! What people without an account may send and see: submissions and shares.

use crate::{
    Collection, Field, Grants, Kind, Literal, Millis, Share, Submission, Target, near,
    read::{Cx, derived::position, literal, positions},
    tree::{Node, Value},
};

/// `[submissions]`.
pub(crate) fn submissions(cx: &Cx<'_>, all: &[Collection], section: &Node) -> Vec<Submission> {
    section.entries().iter().filter_map(|node| submission(cx, all, node)).collect()
}

fn submission(cx: &Cx<'_>, all: &[Collection], node: &Node) -> Option<Submission> {
    let creates = node.get("creates");
    let at = cx.collection(creates.text()?, &creates.span, &creates.path)?;
    let collection = all.get(at)?;
    let accepts = node.get("accepts");
    if !matches!(accepts.value, Value::Table(_)) {
        cx.source.fault(&accepts.span, &accepts.path, "this is a table: { fields = [\"...\"] }.", "");
    }
    let fields = accepted(cx, collection, accepts.get("fields"));
    let (mut children, mut references) = (Vec::new(), Vec::new());
    for entry in accepts.entries().iter().filter(|e| e.name != "fields") {
        let part = all.iter().position(|c| c.id == entry.name && c.part_of.is_some_and(|(parent, _)| parent == at));
        if let Some(part) = part {
            let Some(child) = all.get(part) else { continue };
            let own = accepted(cx, child, entry);
            let link = child.part_of.map(|(_, field)| field);
            complete(cx, child, entry, &|i| own.contains(&i) || link == Some(i));
            children.push((part, own, most(cx, node.get("max"), &entry.name)));
        } else if let Some((field, to)) = reference(collection, &entry.name) {
            let Some(target) = all.get(to) else { continue };
            let own = accepted(cx, target, entry);
            complete(cx, target, entry, &|i| own.contains(&i));
            references.push((field, own));
        } else {
            unknown(cx, all, at, collection, entry);
        }
    }
    let sets = sets(cx, collection, node.get("sets"));
    let held = |i: usize| fields.contains(&i) || sets.iter().any(|s| s.0 == i) || references.iter().any(|r| r.0 == i);
    complete(cx, collection, accepts, &held);
    let bots = node.get("bots");
    let bot = |name: &str| bots.items().iter().any(|n| n.text() == Some(name));
    for count in node.get("max").entries() {
        if !children.iter().any(|c| all.get(c.0).is_some_and(|c| c.id == count.name)) {
            let message = format!("no part `{}` is accepted.", count.name);
            cx.source.fault(&count.key, &count.path, message, "");
        }
    }
    Some(Submission {
        id: kernel::intern(&node.name),
        creates: at,
        fields,
        children,
        references,
        sets,
        limit: cx.tier(node.get("limit")),
        honeypot: bot("honeypot"),
        timing: bot("timing"),
    })
}

fn reference(collection: &Collection, name: &str) -> Option<(usize, usize)> {
    let at = collection.position(name)?;
    match collection.fields.get(at)?.kind {
        Kind::Reference { to: Target::Collection(to), .. } => Some((at, to)),
        _ => None,
    }
}

fn unknown(cx: &Cx<'_>, all: &[Collection], at: usize, collection: &Collection, entry: &Node) {
    let parts = all.iter().filter(|c| c.part_of.is_some_and(|(p, _)| p == at)).map(|c| c.id);
    let known = parts.chain(collection.fields.iter().map(|f| f.id).filter(|f| reference(collection, f).is_some()));
    let help = near::hint(&entry.name, "Known here", known.chain(["fields"]));
    let message = format!("`{}` is neither a part of {} nor a reference it has.", entry.name, collection.id);
    cx.source.fault(&entry.key, &entry.path, message, help);
}

/// Fields that may come from outside.
fn accepted(cx: &Cx<'_>, collection: &Collection, names: &Node) -> Vec<usize> {
    let found = positions(cx, collection, names);
    for (node, at) in names.one_or_many().iter().filter_map(|n| Some((n, collection.position(n.text()?)?))) {
        let Some(field) = collection.fields.get(at) else { continue };
        if field.read_only || field.derived.is_some() {
            let message = format!("`{}` is never accepted from outside.", field.id);
            let help = if field.derived.is_some() { "It is derived." } else { "It is read_only; `sets` may set it." };
            cx.source.fault(&node.span, &node.path, message, help);
        }
    }
    found
}

/// A record cannot be made without its required fields.
fn complete(cx: &Cx<'_>, collection: &Collection, node: &Node, held: &dyn Fn(usize) -> bool) {
    let missing = |(at, f): &(usize, &Field)| f.required && f.default.is_none() && f.derived.is_none() && !held(*at);
    for (_, field) in collection.fields.iter().enumerate().filter(missing) {
        let message = format!("`{}` of {} is required and not accepted.", field.id, collection.id);
        cx.source.fault(&node.key, &node.path, message, "Accept it, set it, or give it a default.");
    }
}

fn most(cx: &Cx<'_>, max: &Node, part: &str) -> u32 {
    let node = max.get(part);
    match node.int() {
        Some(n) if (1..=1000).contains(&n) => u32::try_from(n).unwrap_or(50),
        None if !node.exists() => 50,
        _ => {
            cx.source.fault(&node.span, &node.path, "a number from 1 to 1000 belongs here.", "");
            50
        }
    }
}

fn sets(cx: &Cx<'_>, collection: &Collection, node: &Node) -> Vec<(usize, Literal)> {
    let set = |entry: &Node| {
        let Some(at) = collection.position(&entry.name) else {
            let help = near::hint(&entry.name, "Fields", collection.fields.iter().map(|f| f.id));
            let message = format!("no field `{}` on {}.", entry.name, collection.id);
            cx.source.fault(&entry.key, &entry.path, message, help);
            return None;
        };
        let field = collection.fields.get(at)?;
        if field.derived.is_some() {
            cx.source.fault(&entry.key, &entry.path, format!("`{}` is derived; nothing sets it.", field.id), "");
            return None;
        }
        if entry.text() == Some("@me") {
            cx.source.fault(&entry.span, &entry.path, "nobody is signed in here, so there is no `@me`.", "");
            return None;
        }
        Some((at, literal::literal(cx, entry, field)?))
    };
    node.entries().iter().filter_map(set).collect()
}

/// `visitor.orders = "submit"` needs a form that makes orders.
pub(crate) fn submit_has_form(cx: &Cx<'_>, all: &[Collection], visitor: &Grants, forms: &[Submission], node: &Node) {
    for (at, grant) in &visitor.collections {
        if grant.verbs.contains_key("submit") && !forms.iter().any(|f| f.creates == *at) {
            let Some(collection) = all.get(*at) else { continue };
            let entry = [node.get(collection.id), node.get("*"), node].into_iter().find(|n| n.exists()).unwrap_or(node);
            let message = format!("no form makes {}.", collection.id);
            let help = format!("Declare one: [submissions.NAME] with creates = \"{}\".", collection.id);
            cx.source.fault(&entry.span, &entry.path, message, help);
        }
    }
}

/// `[shares]`.
pub(crate) fn shares(cx: &Cx<'_>, all: &[Collection], section: &Node) -> Vec<Share> {
    section.entries().iter().map(|node| share(cx, all, node)).collect()
}

fn share(cx: &Cx<'_>, all: &[Collection], node: &Node) -> Share {
    let shows = node.get("shows");
    if shows.exists() && shows.entries().is_empty() {
        cx.source.fault(&shows.span, &shows.path, "a share shows something.", "Write { COLLECTION = [\"FIELD\"] }.");
    }
    let mut shown: Vec<(usize, Vec<usize>)> = Vec::new();
    for entry in shows.entries() {
        let Some(at) = cx.collection(&entry.name, &entry.key, &entry.path) else { continue };
        let Some(collection) = all.get(at) else { continue };
        let first = shown.first().map(|s| s.0);
        if first.is_some_and(|first| collection.part_of.is_none_or(|(parent, _)| parent != first)) {
            let message = format!("{} is no part of the shared record.", entry.name);
            cx.source.fault(
                &entry.key,
                &entry.path,
                message,
                "The first collection is the record's; others are its parts.",
            );
        }
        for name in entry.one_or_many() {
            let at = position(cx, name, collection, name.text().unwrap_or(""), 0);
            if at.and_then(|i| collection.fields.get(i)).is_some_and(|f| f.kind == Kind::Secret) {
                cx.source.fault(&name.span, &name.path, "a secret is never shown.", "");
            }
        }
        shown.push((at, positions(cx, collection, entry)));
    }
    let ttl = node.get("ttl");
    if ttl.millis().is_some_and(|m| m <= Millis(0)) {
        cx.source.fault(&ttl.span, &ttl.path, "a link that lives no time is none.", "");
    }
    Share {
        id: kernel::intern(&node.name),
        shows: shown,
        pin: node.get("pin").number(),
        ttl: ttl.time(),
        limit: cx.tier(node.get("limit")),
    }
}
