//! A floor must lie within its ceiling.

use crate::{
    Collection, CollectionGrant, Equal, GrantRows, Grants, Manage,
    read::Cx,
    tree::{Node, Value},
};

/// Faults for every right of the floor that the ceiling lacks. Fields that the floor does not name one by one are
/// narrowed to the ceiling's: `authors = "read"` under `{ all = "read", email = "" }` never shows `email`.
pub(crate) fn within(cx: &Cx<'_>, all: &[Collection], role: &Node, floor: &mut Grants, ceiling: &Grants) {
    let none = CollectionGrant::default();
    for (here, grant) in &mut floor.collections {
        let Some(collection) = all.get(*here) else { continue };
        let node = place(role, collection.id);
        let most = ceiling.collections.get(here).unwrap_or(&none);
        for (verb, rows) in &grant.verbs {
            let fault = |message: String| {
                cx.source.fault(&node.span, &node.path, message, "Raise the ceiling, or lower the floor.");
            };
            match most.verbs.get(verb) {
                None => fault(format!("the floor grants `{verb}` on {}, the ceiling does not.", collection.id)),
                Some(reach) if !covered(rows, reach) => {
                    fault(format!("the floor grants `{verb}` on more rows of {} than the ceiling.", collection.id));
                }
                Some(_) => {}
            }
        }
        named_fields(cx, collection, node, grant, most);
        grant.read = grant.read.and(most.read);
        grant.write = grant.write.and(most.write);
        grant.create = grant.create.and(most.create);
    }
    for (resource, right) in &floor.tenant {
        let most = ceiling.tenant.get(resource);
        if most.is_none_or(|most| right > most) {
            let tenant = role.get("floor").get("tenant");
            let node =
                [tenant.get(resource), tenant, role.get("floor")].into_iter().find(|n| n.exists()).unwrap_or(role);
            let word = if *right == Manage::Manage { "manage" } else { "read" };
            let message = format!("the floor grants `{word}` on the tenant's {resource}, the ceiling does not.");
            cx.source.fault(&node.span, &node.path, message, "Raise the ceiling, or lower the floor.");
        }
    }
}

/// Where the floor says something about the collection.
fn place<'n>(role: &'n Node, collection: &str) -> &'n Node {
    let floor = role.get("floor");
    [floor.get(collection), floor.get("*"), floor].into_iter().find(|n| n.exists()).unwrap_or(role)
}

fn named_fields(cx: &Cx<'_>, collection: &Collection, node: &Node, grant: &CollectionGrant, most: &CollectionGrant) {
    if !matches!(node.value, Value::Table(_)) {
        return;
    }
    for (at, field) in collection.fields.iter().enumerate() {
        let entry = node.get(field.id);
        let more = (grant.read.has(at) && !most.read.has(at)) || (grant.write.has(at) && !most.write.has(at));
        if entry.exists() && more {
            let message = format!("the floor grants more on the field `{}` than the ceiling.", field.id);
            cx.source.fault(&entry.span, &entry.path, message, "Raise the ceiling, or lower the floor.");
        }
    }
}

/// Whether every row of `less` is one of `more`, as far as the conditions themselves show it.
fn covered(less: &GrantRows, more: &GrantRows) -> bool {
    match (less, more) {
        (_, GrantRows::All) => true,
        (GrantRows::All, GrantRows::Any(_)) => false,
        (GrantRows::Any(less), GrantRows::Any(more)) => less.iter().all(|a| more.iter().any(|b| implies(a, b))),
    }
}

fn implies(a: &[Equal], b: &[Equal]) -> bool {
    let met =
        |wanted: &Equal| a.iter().any(|e| e.column == wanted.column && e.any.iter().all(|v| wanted.any.contains(v)));
    b.iter().all(met)
}
