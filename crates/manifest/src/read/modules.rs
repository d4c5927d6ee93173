//! `[modules]` and what they gate.

use crate::{
    Collection, ContentTypes, CustomRoles, Module, near,
    read::{Cx, action::TAKEN, title},
    tree::Node,
};

/// `[modules]`.
pub(crate) fn modules(cx: &Cx<'_>, all: &[Collection], root: &Node) -> Vec<Module> {
    let section = root.get("modules");
    let roles = root.get("roles").entries();
    section.entries().iter().map(|node| module(cx, all, root, roles, node)).collect()
}

fn module(cx: &Cx<'_>, all: &[Collection], root: &Node, roles: &[Node], node: &Node) -> Module {
    for gate in node.get("gates").items() {
        resolve(cx, all, root, gate);
    }
    if node.get("gates").exists() && node.get("gates").items().is_empty() {
        let gates = node.get("gates");
        cx.source.fault(&gates.span, &gates.path, "a module that gates nothing is none.", "");
    }
    let consent = node.get("consent");
    let by = consent.get("by");
    if let Some(name) = by.text().filter(|name| roles.iter().all(|r| r.name != *name)) {
        let help = near::hint(name, "Roles", roles.iter().map(|r| r.name.as_str()));
        cx.source.fault(&by.span, &by.path, format!("no role `{name}`."), help);
    }
    Module {
        id: kernel::intern(&node.name),
        label: node.get("label").text().map_or_else(|| title(&node.name), str::to_owned),
        price: node.get("price").words(),
        on: node.get("default").text() == Some("on"),
        gates: node.get("gates").texts(),
        consent: by.text().map(|by| (kernel::intern(by), consent.get("text").words())),
    }
}

fn resolve(cx: &Cx<'_>, all: &[Collection], root: &Node, gate: &Node) {
    const FIXED: [&str; 5] = ["custom_roles", "keys", "auth.saml", "auth.scim", "failover"];
    let name = gate.words();
    let of_collection = match name.split_once('.') {
        None => all.iter().any(|c| c.id == name),
        Some((collection, action)) => {
            all.iter().any(|c| c.id == collection && c.actions.iter().any(|a| a.id == action))
        }
    };
    let saml = root.get("auth").get("methods").items().iter().any(|m| m.text() == Some("saml"));
    if name == "failover" && !root.get("failover").exists() {
        cx.source.fault(&gate.span, &gate.path, "there is no [failover] to gate.", "Write a section [failover].");
    } else if name == "auth.saml" && !saml {
        cx.source.fault(&gate.span, &gate.path, "saml is not among the sign-in methods.", "Add it to [auth] methods.");
    } else if !of_collection && !FIXED.contains(&name.as_str()) {
        let actions = all.iter().flat_map(|c| c.actions.iter().map(move |a| format!("{}.{}", c.id, a.id)));
        let actions: Vec<String> = actions.collect();
        let mean = near::nearest(&name, actions.iter().map(String::as_str).chain(all.iter().map(|c| c.id)));
        let mean = mean.map(|m| format!("Did you mean `{m}`? ")).unwrap_or_default();
        let help = near::hint(&name, "A module gates a collection, collection.action, or one of", FIXED);
        let help = if mean.is_empty() { help } else { mean };
        cx.source.fault(&gate.span, &gate.path, format!("nothing called `{name}` to gate."), help);
    }
}

/// The module named by `node`, which must exist.
pub(crate) fn named(cx: &Cx<'_>, root: &Node, node: &Node) -> Option<&'static str> {
    let name = node.text()?;
    let known = root.get("modules").entries();
    if known.iter().all(|m| m.name != name) {
        let help = near::hint(name, "Modules", known.iter().map(|m| m.name.as_str()));
        cx.source.fault(&node.span, &node.path, format!("no module `{name}`."), help);
        return None;
    }
    Some(kernel::intern(name))
}

/// The module that gates `what`, if any.
pub(crate) fn gating(root: &Node, what: &str) -> Option<&'static str> {
    let gates = |m: &&Node| m.get("gates").items().iter().any(|g| g.text() == Some(what));
    root.get("modules").entries().iter().find(gates).map(|m| kernel::intern(&m.name))
}

/// `[custom_roles]`.
pub(crate) fn custom_roles(cx: &Cx<'_>, all: &[Collection], root: &Node) -> CustomRoles {
    let node = root.get("custom_roles");
    let declared = || all.iter().flat_map(|c| c.actions.iter().map(|a| a.id));
    let known: Vec<&str> =
        TAKEN.iter().copied().filter(|v| !matches!(*v, "submit" | "where")).chain(declared()).collect();
    for verb in node.get("verbs").items().iter().filter(|v| v.text().is_some_and(|v| !known.contains(&v))) {
        let message = format!("no verb `{}`.", verb.words());
        cx.source.fault(&verb.span, &verb.path, message, near::hint(&verb.words(), "Verbs", known.iter().copied()));
    }
    CustomRoles {
        module: named(cx, root, node.get("module")).or_else(|| gating(root, "custom_roles")),
        per_member: node.get("per_member").number(),
        verbs: node.get("verbs").texts().iter().map(|v| kernel::intern(v)).collect(),
    }
}

/// `[content_types]`.
pub(crate) fn content_types(node: &Node) -> ContentTypes {
    ContentTypes { per_tenant: node.get("per_workspace").number(), fields: node.get("fields").number() }
}
