//! Roles: `like`, floors and ceilings, tenant resources, and the visitor.

use std::collections::BTreeMap;

use crate::{
    Collection, Grants, Manage, Role, near,
    read::{Cx, ceiling, grants, grants::On, parts, title},
    tree::{Node, Value},
};

/// What of a tenant can be managed.
pub(crate) const RESOURCES: [&str; 13] = [
    "members", "roles", "keys", "domains", "webhooks", "audit", "exports", "imports", "limits", "billing", "settings",
    "failover", "deletion",
];

/// A floor or ceiling as written, with `like` applied: later layers replace earlier ones entry by entry.
#[derive(Clone, Default)]
struct Layers<'n> {
    every: bool,
    star: Option<&'n Node>,
    collections: BTreeMap<usize, &'n Node>,
    tenant: BTreeMap<&'static str, Option<Manage>>,
}

/// `[roles]`.
pub(crate) fn roles(cx: &Cx<'_>, all: &[Collection], section: &Node) -> Vec<Role> {
    let nodes = section.entries();
    if nodes.is_empty() {
        cx.source.fault(
            &section.key,
            "roles",
            "an app needs at least one role.",
            "Write owner.floor = \"all\" in [roles].",
        );
    }
    if nodes.len() > 64 {
        cx.source.fault(&section.key, &section.path, format!("{} roles are too many: at most 64.", nodes.len()), "");
    }
    if let Some(owner) = nodes.first().filter(|n| n.get("floor").exists() && n.get("floor").text() != Some("all")) {
        let floor = owner.get("floor");
        let message = format!("the first role owns the tenant, so the floor of `{}` must be \"all\".", owner.name);
        cx.source.fault(&floor.span, &floor.path, message, "Write floor = \"all\", or put the owner's role first.");
    }
    let defaults: Vec<&Node> = nodes.iter().filter(|n| n.get("default").flag()).collect();
    if let Some(second) = defaults.get(1) {
        cx.source.fault(&second.get("default").span, &second.path, "only one role is the default.", "");
    }
    nodes.iter().map(|node| role(cx, all, nodes, node)).collect()
}

fn role(cx: &Cx<'_>, all: &[Collection], nodes: &[Node], node: &Node) -> Role {
    let chain = chain(cx, nodes, node);
    let layered = |key: &str| {
        let mut layers = Layers::default();
        for role in chain.iter().rev().map(|role| role.get(key)).filter(|n| n.exists()) {
            layer(cx, all, &mut layers, role);
        }
        compile(cx, all, &layers, false)
    };
    let mut floor = layered("floor");
    let written = chain.iter().any(|role| role.get("ceiling").exists());
    let ceiling = if written { layered("ceiling") } else { floor.clone() };
    if written {
        ceiling::within(cx, all, node, &mut floor, &ceiling);
    }
    Role {
        id: kernel::intern(&node.name),
        label: node.get("label").text().map_or_else(|| title(&node.name), str::to_owned),
        default: node.get("default").flag(),
        floor,
        ceiling,
    }
}

/// The role itself, the one it is like, the one that is like, and so on.
fn chain<'n>(cx: &Cx<'_>, nodes: &'n [Node], node: &'n Node) -> Vec<&'n Node> {
    let mut chain = vec![node];
    let mut last = node;
    while let Some(name) = last.get("like").text() {
        let like = last.get("like");
        let Some(next) = nodes.iter().find(|n| n.name == name) else {
            let help = near::hint(name, "Roles", nodes.iter().map(|n| n.name.as_str()));
            cx.source.fault(&like.span, &like.path, format!("no role `{name}`."), help);
            break;
        };
        if chain.iter().any(|seen| seen.name == next.name) {
            cx.source.fault(&like.span, &like.path, "these roles are like each other in a circle.", "");
            break;
        }
        chain.push(next);
        last = next;
    }
    chain
}

/// `[visitor]`: nothing but collections and public forms.
pub(crate) fn visitor(cx: &Cx<'_>, all: &[Collection], node: &Node) -> Grants {
    let mut layers = Layers::default();
    layer(cx, all, &mut layers, node);
    let tenant = node.get("tenant");
    if !layers.tenant.is_empty() || layers.every {
        let at = if tenant.exists() { &tenant.key } else { &node.span };
        cx.source.fault(at, &node.path, "a visitor has no right on the tenant itself.", "");
        layers.tenant.clear();
    }
    compile(cx, all, &layers, true)
}

fn layer<'n>(cx: &Cx<'_>, all: &[Collection], layers: &mut Layers<'n>, node: &'n Node) {
    if let Some(text) = node.text() {
        if text == "all" {
            let tenant = RESOURCES.map(|r| (r, Some(Manage::Manage))).into();
            *layers = Layers { every: true, tenant, ..Layers::default() };
        } else {
            let help = "Write \"all\", or a table: { COLLECTION = \"read write\" }.";
            cx.source.fault(&node.span, &node.path, format!("`{text}` says not on what."), help);
        }
        return;
    }
    if !matches!(node.value, Value::Table(_) | Value::Nothing) {
        let message = format!("rights are \"all\" or a table, not {}.", node.kind());
        cx.source.fault(&node.span, &node.path, message, "");
    }
    if let Some(star) = node.entries().iter().find(|e| e.name == "*") {
        layers.collections.clear();
        (layers.every, layers.star) = (false, Some(star));
    }
    for entry in node.entries().iter().filter(|e| e.name != "*") {
        if entry.name == "tenant" {
            tenant(cx, entry, &mut layers.tenant);
        } else if let Some(at) = all.iter().position(|c| c.id == entry.name) {
            layers.collections.insert(at, entry);
        } else {
            let known = all.iter().map(|c| c.id).chain(["tenant", "*"]);
            let help = near::hint(&entry.name, "Collections", known);
            cx.source.fault(&entry.key, &entry.path, format!("no collection `{}`.", entry.name), help);
        }
    }
}

fn tenant(cx: &Cx<'_>, node: &Node, into: &mut BTreeMap<&'static str, Option<Manage>>) {
    if let Some(word) = node.text() {
        match right(word) {
            Some(right) => into.extend(RESOURCES.map(|r| (r, right))),
            None => no_right(cx, node, word),
        }
    } else if !matches!(node.value, Value::Table(_)) {
        cx.source.fault(&node.span, &node.path, "rights on the tenant are a table: { members = \"read\" }.", "");
    }
    for entry in node.entries() {
        let Some(resource) = RESOURCES.iter().find(|r| **r == entry.name) else {
            let help = near::hint(&entry.name, "Resources", RESOURCES);
            cx.source.fault(&entry.key, &entry.path, format!("a tenant has no `{}`.", entry.name), help);
            continue;
        };
        match right(entry.text().unwrap_or("?")) {
            Some(right) => {
                into.insert(resource, right);
            }
            None => no_right(cx, entry, &entry.words()),
        }
    }
}

fn right(word: &str) -> Option<Option<Manage>> {
    match word {
        "" => Some(None),
        "read" => Some(Some(Manage::Read)),
        "manage" | "all" | "read manage" => Some(Some(Manage::Manage)),
        _ => None,
    }
}

fn no_right(cx: &Cx<'_>, node: &Node, word: &str) {
    let message = format!("no verb `{word}` on the tenant.");
    cx.source.fault(&node.span, &node.path, message, near::hint(word, "Verbs here", ["read", "manage"]));
}

fn compile(cx: &Cx<'_>, all: &[Collection], layers: &Layers<'_>, visitor: bool) -> Grants {
    let mut out = Grants::default();
    let on = |here: usize, star: bool| On { all, here, star, visitor };
    for (here, collection) in all.iter().enumerate() {
        let grant = match (layers.collections.get(&here), layers.star) {
            (Some(node), _) => grants::grant(cx, on(here, false), node),
            (None, _) if collection.part_of.is_some() => continue,
            (None, Some(node)) => grants::grant(cx, on(here, true), node),
            (None, None) if layers.every => grants::everything(collection),
            (None, None) => continue,
        };
        if !grant.verbs.is_empty() {
            out.collections.insert(here, grant);
        }
    }
    // Parts of parts come after their parents: at most as many rounds as there are collections.
    for _ in 0..all.len() {
        let before = out.collections.len();
        for (here, collection) in all.iter().enumerate() {
            let Some((parent, _)) = collection.part_of else { continue };
            if layers.collections.contains_key(&here) || out.collections.contains_key(&here) {
                continue;
            }
            let inherited = out.collections.get(&parent).map(|grant| parts::inherit(all, here, grant));
            if let Some(grant) = inherited.filter(|g| !g.verbs.is_empty()) {
                out.collections.insert(here, grant);
            }
        }
        if out.collections.len() == before {
            break;
        }
    }
    out.tenant = layers.tenant.iter().filter_map(|(name, right)| Some((*name, (*right)?))).collect();
    out
}
