//! Derived fields, and what needs every collection's fields to be known: row sets, `where` of references, unique keys.

use crate::{
    Collection, Derived, Equal, Field, Index, Kind, Literal, Target, near,
    read::{Cx, literal},
    tree::{Node, Value, within},
};

/// Where the field in `node` takes its value from, when not from outside.
pub(crate) fn derived(cx: &Cx<'_>, all: &[Collection], here: usize, field: &Field, node: &Node) -> Option<Derived> {
    let given: Vec<&Node> =
        ["auto", "sum", "product", "copy"].iter().map(|k| node.get(k)).filter(|n| n.exists()).collect();
    let first = *given.first()?;
    if let Some(second) = given.get(1) {
        cx.source.fault(&second.key, &second.path, "a field is derived in one way only.", "");
    }
    for clash in ["required", "default"]
        .map(|k| node.get(k))
        .into_iter()
        .filter(|n| n.given && (n.flag() || n.name == "default"))
    {
        let message = format!("a derived field is never given, so `{}` means nothing.", clash.name);
        cx.source.fault(&clash.key, &clash.path, message, "");
    }
    if field.many || field.encrypted {
        cx.source.fault(&first.key, &first.path, "a derived field holds one plain value.", "");
        return None;
    }
    match first.name.as_str() {
        "auto" => Some(Derived::Sequence),
        "sum" => sum(cx, all, here, field, first),
        "product" => product(cx, all.get(here)?, field, first),
        _ => copy(cx, all, here, field, first),
    }
}

fn sum(cx: &Cx<'_>, all: &[Collection], here: usize, field: &Field, node: &Node) -> Option<Derived> {
    let text = node.text()?;
    let fault = |message: String, help: String| cx.source.fault(&node.span, &node.path, message, help);
    let Some((child, of)) = text.split_once('.') else {
        fault(format!("`{text}` is no \"part.field\"."), String::new());
        return None;
    };
    let parts: Vec<usize> =
        (0..all.len()).filter(|i| all.get(*i).is_some_and(|c| c.part_of.is_some_and(|(p, _)| p == here))).collect();
    let found = parts.iter().copied().find(|i| all.get(*i).is_some_and(|c| c.id == child));
    let Some(part) = found else {
        let known = parts.iter().filter_map(|i| all.get(*i)).map(|c| c.id);
        fault(format!("`{child}` is no part of this collection."), near::hint(child, "Parts", known));
        return None;
    };
    let collection = all.get(part)?;
    let position = position(cx, node, collection, of, child.len() + 1)?;
    let summed = collection.fields.get(position)?;
    if summed.kind != field.kind {
        let (a, b) = (literal::kind_name(&summed.kind), literal::kind_name(&field.kind));
        fault(format!("a sum of {a} is no {b}."), String::new());
        return None;
    }
    Some(Derived::Sum(part, position))
}

fn product(cx: &Cx<'_>, here: &Collection, field: &Field, node: &Node) -> Option<Derived> {
    let fault = |message: String| cx.source.fault(&node.span, &node.path, message, "");
    let [a, b] = node.items() else {
        fault("a product has two fields.".into());
        return None;
    };
    let at = |n: &Node| position(cx, n, here, n.text().unwrap_or(""), 0);
    let (x, y) = (at(a)?, at(b)?);
    let (left, right) = (&here.fields.get(x)?.kind, &here.fields.get(y)?.kind);
    let kind = match (left, right) {
        (Kind::Integer, Kind::Integer) => Some(Kind::Integer),
        (Kind::Integer | Kind::Decimal, Kind::Money) | (Kind::Money, Kind::Integer | Kind::Decimal) => {
            Some(Kind::Money)
        }
        (Kind::Integer | Kind::Decimal, Kind::Integer | Kind::Decimal) => Some(Kind::Decimal),
        _ => None,
    };
    if kind.as_ref() != Some(&field.kind) {
        let [l, r, f] = [left, right, &field.kind].map(literal::kind_name);
        fault(format!("{l} times {r} is no {f}."));
        return None;
    }
    Some(Derived::Product(x, y))
}

fn copy(cx: &Cx<'_>, all: &[Collection], here: usize, field: &Field, node: &Node) -> Option<Derived> {
    let text = node.text()?;
    let fault = |message: String| cx.source.fault(&node.span, &node.path, message, "");
    let Some((reference, of)) = text.split_once('.') else {
        fault(format!("`{text}` is no \"reference.field\"."));
        return None;
    };
    let own = all.get(here)?;
    let from = position(cx, node, own, reference, 0)?;
    let Kind::Reference { to: Target::Collection(there), .. } = own.fields.get(from)?.kind else {
        fault(format!("`{reference}` refers to no collection."));
        return None;
    };
    let other = all.get(there)?;
    let at = position(cx, node, other, of, reference.len() + 1)?;
    let copied = other.fields.get(at)?;
    if copied.kind != field.kind || copied.many {
        let (a, b) = (literal::kind_name(&copied.kind), literal::kind_name(&field.kind));
        fault(format!("`{text}` is {a}, not {b}."));
        return None;
    }
    if copied.encrypted || copied.kind == Kind::Secret {
        fault(format!("`{text}` is sealed; a copy would not be."));
        return None;
    }
    Some(Derived::Copy(from, at))
}

/// Position of a field named in a text (`offset` bytes into it), or a fault there.
pub(crate) fn position(cx: &Cx<'_>, node: &Node, collection: &Collection, name: &str, offset: usize) -> Option<usize> {
    let position = collection.position(name);
    if position.is_none() {
        let span = within(cx.source, node, offset..offset + name.len());
        let help = near::hint(name, "Fields", collection.fields.iter().map(|f| f.id));
        cx.source.fault(&span, &node.path, format!("no field `{name}` on {}.", collection.id), help);
    }
    position
}

/// `{ FIELD = value | [values] | "@me" }` as a conjunction.
pub(crate) fn row_set(cx: &Cx<'_>, collection: &Collection, node: &Node) -> Vec<Equal> {
    if !matches!(node.value, Value::Table(_)) {
        cx.source.fault(&node.span, &node.path, "a row set is a table: { FIELD = value }.", "");
    }
    if node.entries().is_empty() && matches!(node.value, Value::Table(_)) {
        cx.source.fault(&node.key, &node.path, "a row set needs at least one condition.", "");
    }
    node.entries().iter().filter_map(|entry| equal(cx, collection, entry)).collect()
}

fn equal(cx: &Cx<'_>, collection: &Collection, entry: &Node) -> Option<Equal> {
    let column = entry.name.clone();
    let system = |kind: Kind| Field { id: kernel::intern(&entry.name), kind, ..blank() };
    let known = collection.position(&entry.name).and_then(|i| collection.fields.get(i)).cloned();
    let field = match entry.name.as_str() {
        "created_by" => system(Kind::Reference { to: Target::Members, only: None, on_delete: crate::OnDelete::Refuse }),
        "published" if collection.drafts => system(Kind::Boolean),
        "published" => {
            let message = format!("{} has no drafts, so nothing there is published.", collection.id);
            cx.source.fault(&entry.key, &entry.path, message, "Write drafts = true, or leave the condition out.");
            return None;
        }
        name => match known {
            Some(field) => field,
            None => {
                let names = collection.fields.iter().map(|f| f.id).chain(["created_by", "published"]);
                let help = near::hint(name, "Fields", names);
                cx.source.fault(&entry.key, &entry.path, format!("no field `{name}` on {}.", collection.id), help);
                return None;
            }
        },
    };
    let plain = !matches!(field.kind, Kind::Json | Kind::RichText | Kind::File { .. } | Kind::Secret);
    if !plain || field.many || field.encrypted {
        let message = format!("rows cannot be told apart by `{}`.", field.id);
        cx.source.fault(&entry.key, &entry.path, message, "Take a field with one plain value.");
        return None;
    }
    let any: Vec<Literal> = entry.one_or_many().iter().filter_map(|v| value(cx, v, &field)).collect();
    if any.is_empty() && entry.items().is_empty() && matches!(entry.value, Value::List(_)) {
        cx.source.fault(&entry.span, &entry.path, "an empty list matches nothing.", "");
    }
    (!any.is_empty()).then_some(Equal { column, any })
}

fn value(cx: &Cx<'_>, node: &Node, field: &Field) -> Option<Literal> {
    let member = matches!(field.kind, Kind::Reference { to: Target::Members, .. });
    if node.text() == Some("@me") && !member {
        let message = format!("`{}` holds no member, so it is never `@me`.", field.id);
        cx.source.fault(&node.span, &node.path, message, "");
        return None;
    }
    literal::literal(cx, node, field)
}

fn blank() -> Field {
    Field {
        id: "",
        label: String::new(),
        kind: Kind::Boolean,
        required: false,
        unique: false,
        default: None,
        personal: false,
        encrypted: false,
        index: Index::No,
        read_only: false,
        min: None,
        max: None,
        pattern: None,
        derived: None,
        many: false,
    }
}
