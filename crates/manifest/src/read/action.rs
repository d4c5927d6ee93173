//! Declared actions, `publish` among them.

use crate::{
    Action, Collection, Field, Kind, Set, fill,
    keys::PUBLISH,
    near,
    read::{Cx, derived::position, guard, guard::Scope, set, set::Writing, title},
    tree::{Node, Value},
};

/// Verbs every collection has, and words of the grant grammar: no action may be called so.
pub(crate) const TAKEN: [&str; 10] =
    ["read", "read_draft", "create", "write", "delete", "publish", "submit", "all", "actions", "where"];

/// The actions of the collection at `here`, which `node` declares.
pub(crate) fn actions(cx: &Cx<'_>, all: &[Collection], here: usize, node: &Node) -> Vec<Action> {
    let Some(collection) = all.get(here) else { return Vec::new() };
    let mut actions: Vec<Action> = Vec::new();
    let publish = node.get("publish");
    if collection.drafts {
        let table = if publish.exists() { publish.clone() } else { absent_publish(cx, node) };
        actions.extend(action(cx, all, here, "publish", &table));
    } else if publish.exists() {
        let message = format!("{} has no drafts, so nothing can be published.", collection.id);
        cx.source.fault(&publish.key, &publish.path, message, "Write drafts = true in the collection.");
    }
    for entry in node.get("actions").entries() {
        if TAKEN.contains(&entry.name.as_str()) {
            let message = format!("`{}` is a verb every collection has.", entry.name);
            cx.source.fault(&entry.key, &entry.path, message, "Take another name.");
        }
        if collection.append_only {
            let message = format!("{} is append-only: nothing acts on its records.", collection.id);
            cx.source.fault(&entry.key, &entry.path, message, "");
        }
        actions.extend(action(cx, all, here, &entry.name, entry));
    }
    actions
}

fn absent_publish(cx: &Cx<'_>, node: &Node) -> Node {
    let empty = Node::absent("publish", format!("{}.publish", node.path), node.key.clone());
    fill::table(cx.source, &empty, PUBLISH)
}

fn action(cx: &Cx<'_>, all: &[Collection], here: usize, name: &str, node: &Node) -> Option<Action> {
    let collection = all.get(here)?;
    let mut input = crate::read::field::inputs(cx, node.get("input"));
    let scope = Scope { collection, input: &input };
    let when = guard::guards(cx, scope, node.get("when"));
    let ensure = guard::guards(cx, scope, node.get("ensure"));
    let changes = node.get("set");
    let set = set::sets(cx, Writing { scope, into: collection, record: None }, changes);
    let create = created(cx, all, here, scope, node.get("create"));
    let published = if name == "publish" { Some(true) } else { set::published(cx, collection, changes) };
    if set.is_empty() && create.is_empty() && published.is_none() && cx.source.is_clean() {
        let help = "Give it `set` or `create`.";
        cx.source.fault(&node.key, &node.path, format!("`{name}` changes nothing."), help);
    }
    narrow(&mut input, &set, &collection.fields);
    let label = node.get("label").text().map_or_else(|| title(name), str::to_owned);
    Some(Action {
        id: kernel::intern(name),
        label,
        input,
        when,
        set,
        ensure,
        published,
        at: schedule(cx, collection, node.get("at")),
        create,
        audit: event_name(cx, collection, name, node.get("audit")),
        event: event_name(cx, collection, name, node.get("event")),
        limit: cx.tier(node.get("limit")),
        step_up: node.get("step_up").millis(),
        confirm: node.get("confirm").flag(),
    })
}

/// `{ COLLECTION = { FIELD = SET } }`.
fn created(
    cx: &Cx<'_>,
    all: &[Collection],
    here: usize,
    scope: Scope<'_>,
    node: &Node,
) -> Vec<(usize, Vec<(usize, Set)>)> {
    let mut out = Vec::new();
    for entry in node.entries() {
        let Some(at) = cx.collection(&entry.name, &entry.key, &entry.path) else { continue };
        let Some(into) = all.get(at) else { continue };
        let sets = set::sets(cx, Writing { scope, into, record: Some(here) }, entry);
        let missing = |(i, f): &(usize, &Field)| {
            f.required
                && f.default.is_none()
                && f.derived.is_none()
                && entry.entries().iter().all(|e| into.position(&e.name) != Some(*i))
        };
        for (_, field) in into.fields.iter().enumerate().filter(missing) {
            let message = format!("`{}` of {} is required and not set.", field.id, into.id);
            cx.source.fault(&entry.key, &entry.path, message, "");
        }
        out.push((at, sets));
    }
    if !matches!(node.value, Value::Table(_) | Value::Nothing) {
        cx.source.fault(&node.span, &node.path, "this is a table: { COLLECTION = { FIELD = value } }.", "");
    }
    out
}

/// An input that is written to a field takes over the field's bounds: what passes the one fits the other.
fn narrow(input: &mut [Field], set: &[(usize, Set)], fields: &[Field]) {
    for (to, change) in set {
        let Set::Input(from) = change else { continue };
        let (Some(given), Some(field)) = (input.get_mut(*from), fields.get(*to)) else { continue };
        given.max = [given.max, field.max].into_iter().flatten().min();
        given.min = [given.min, field.min].into_iter().flatten().max();
        if given.pattern.is_none() {
            given.pattern.clone_from(&field.pattern);
        }
    }
}

fn schedule(cx: &Cx<'_>, collection: &Collection, node: &Node) -> Option<usize> {
    let at = position(cx, node, collection, node.text()?, 0)?;
    if collection.fields.get(at).is_some_and(|f| f.kind != Kind::DateTime) {
        cx.source.fault(&node.span, &node.path, "publishing is scheduled by a date_time field.", "");
        return None;
    }
    Some(at)
}

/// `order.refunded`: lower-case words joined by dots.
fn event_name(cx: &Cx<'_>, collection: &Collection, action: &str, node: &Node) -> &'static str {
    let Some(name) = node.text() else { return kernel::intern(&format!("{}.{action}", collection.id)) };
    let fits = name.split('.').count() >= 2 && name.len() <= 80 && name.split('.').all(|w| fill::is_name(w, false));
    if !fits {
        let help = "Write words of a-z, 0-9 and _ with a dot between, such as `order.refunded`.";
        cx.source.fault(&node.span, &node.path, format!("`{name}` is no event name."), help);
    }
    kernel::intern(name)
}

impl Cx<'_> {
    /// A limit tier by name, or a fault.
    pub(crate) fn tier(&self, node: &Node) -> &'static str {
        let name = node.text().unwrap_or("actions");
        if !self.tiers.contains(&name) {
            let help = near::hint(name, "Tiers", self.tiers.iter().copied());
            let message = format!("no limit tier `{name}`.");
            self.source.fault(&node.span, &node.path, message, format!("{help} A new one is declared in [limits]."));
        }
        kernel::intern(name)
    }

    /// A collection by name, or a fault.
    pub(crate) fn collection(&self, name: &str, span: &crate::fault::Span, path: &str) -> Option<usize> {
        let found = self.names.iter().position(|n| *n == name);
        if found.is_none() {
            let help = near::hint(name, "Collections", self.names.iter().copied());
            self.source.fault(span, path, format!("no collection `{name}`."), help);
        }
        found
    }
}
