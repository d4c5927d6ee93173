//! Checks a table against its keys: types, unknown names, defaults.

use crate::{
    fault::Source,
    keys::{Key, Names, Ty},
    near, scalar,
    tree::{self, Node, Value, join},
};

/// `table` with every value read by its type and every default filled in. Faults go to `source`.
pub(crate) fn table(source: &Source<'_>, node: &Node, keys: &[Key]) -> Node {
    let Some(given) = entries(source, node) else {
        return Node { value: Value::Table(Vec::new()), ..node.clone() };
    };
    unknown(source, given, keys);
    let filled = keys.iter().map(|key| match given.iter().find(|n| n.name == key.name) {
        Some(child) => value(source, child, key.ty),
        None => absent(source, node, key),
    });
    Node { value: Value::Table(filled.collect()), ..node.clone() }
}

/// The entries of a table, or a fault.
fn entries<'n>(source: &Source<'_>, node: &'n Node) -> Option<&'n [Node]> {
    match &node.value {
        Value::Table(entries) => Some(entries),
        Value::Nothing => Some(&[]),
        _ => {
            source.fault(&node.span, &node.path, format!("a table belongs here, not {}.", node.kind()), "");
            None
        }
    }
}

fn unknown(source: &Source<'_>, given: &[Node], keys: &[Key]) {
    for child in given.iter().filter(|n| keys.iter().all(|k| k.name != n.name)) {
        let help = near::hint(&child.name, "Keys here", keys.iter().map(|k| k.name));
        source.fault(&child.key, &child.path, format!("no key `{}` here.", child.name), help);
    }
}

fn absent(source: &Source<'_>, parent: &Node, key: &Key) -> Node {
    let path = join(&parent.path, key.name);
    if key.required {
        let whole = if parent.path.is_empty() { "app.toml".to_owned() } else { format!("`{}`", parent.path) };
        source.fault(&parent.key, &path, format!("{whole} needs `{}`: {}.", key.name, key.doc), "");
    }
    let empty = Node::absent(key.name, path.clone(), parent.key.clone());
    match key.ty {
        Ty::Table(keys) if !key.required => Node { given: false, ..table(source, &empty, keys) },
        _ if key.default.is_empty() => empty,
        ty => value(source, &tree::literal(key.default, key.name, &path, &parent.key), ty),
    }
}

/// One value, read by its type.
pub(crate) fn value(source: &Source<'_>, node: &Node, ty: Ty) -> Node {
    match ty {
        Ty::Table(keys) | Ty::Maybe(keys) => table(source, node, keys),
        Ty::Map(names, keys) => map(source, node, names, keys),
        Ty::WordOr(word, keys) => match node.text() {
            Some(text) => {
                if text != word {
                    let message = format!("`{text}` is neither `{word}` nor a table.");
                    source.fault(&node.span, &node.path, message, table_of(keys));
                }
                node.clone()
            }
            None => table(source, node, keys),
        },
        Ty::Limits => limits(source, node),
        Ty::Ages => Node { value: Value::Table(ages(source, node)), ..node.clone() },
        Ty::Words => each(source, node, Ty::Text),
        Ty::Own(_) => node.clone(),
        other => scalar::read(source, node, other),
    }
}

fn table_of(keys: &[Key]) -> String {
    format!("The table has: {}.", keys.iter().map(|k| k.name).collect::<Vec<_>>().join(", "))
}

fn map(source: &Source<'_>, node: &Node, names: Names, keys: &[Key]) -> Node {
    let Some(given) = entries(source, node) else {
        return Node { value: Value::Table(Vec::new()), ..node.clone() };
    };
    let read = given.iter().map(|child| {
        name(source, child, names == Names::Dashed);
        table(source, child, keys)
    });
    Node { value: Value::Table(read.collect()), ..node.clone() }
}

/// Whether a key is a name of the manifest's form; a fault when it is not.
pub(crate) fn name(source: &Source<'_>, node: &Node, dashes: bool) -> bool {
    let fits = is_name(&node.name, dashes);
    if !fits {
        let form = if dashes { "a-z, 0-9, _ and -" } else { "a-z, 0-9 and _" };
        let help = format!("Names are of {form}, begin with a letter and have at most 40 characters.");
        source.fault(&node.key, &node.path, format!("`{}` is no name.", node.name), help);
    }
    fits
}

/// `[a-z][a-z0-9_]{0,39}`, with `-` when allowed.
pub(crate) fn is_name(text: &str, dashes: bool) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && text.len() <= 40
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || (dashes && b == b'-'))
}

fn each(source: &Source<'_>, node: &Node, ty: Ty) -> Node {
    let read = entries(source, node).unwrap_or(&[]).iter().map(|child| value(source, child, ty));
    Node { value: Value::Table(read.collect()), ..node.clone() }
}

fn limits(source: &Source<'_>, node: &Node) -> Node {
    let read = entries(source, node).unwrap_or(&[]).iter().map(|child| {
        name(source, child, false);
        value(source, child, if child.name == "repeat" { Ty::Durations } else { Ty::Rates })
    });
    Node { value: Value::Table(read.collect()), ..node.clone() }
}

/// Check ids hold a dot, so TOML nests them: this flattens them again.
fn ages(source: &Source<'_>, node: &Node) -> Vec<Node> {
    let mut out = Vec::new();
    for child in entries(source, node).unwrap_or(&[]) {
        match &child.value {
            Value::Table(inner) => {
                for grandchild in inner {
                    let read = value(source, grandchild, Ty::Duration);
                    out.push(Node { name: format!("{}.{}", child.name, grandchild.name), ..read });
                }
            }
            _ => out.push(value(source, child, Ty::Duration)),
        }
    }
    out
}
