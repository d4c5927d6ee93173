//! What an action writes.

use crate::{
    Collection, Field, Kind, Literal, Operand, Set, Target, near,
    read::{Cx, derived::position, guard::Scope, literal},
    tree::{Node, Value, within},
};

/// Where the written record is.
#[derive(Clone, Copy)]
pub(crate) struct Writing<'s> {
    /// Of the acting record: its fields and the action's inputs.
    pub(crate) scope: Scope<'s>,
    /// Collection whose fields are written.
    pub(crate) into: &'s Collection,
    /// Position of the acting collection when a new record is made (`@record`).
    pub(crate) record: Option<usize>,
}

/// `{ FIELD = SET }`; `published` is the caller's.
pub(crate) fn sets(cx: &Cx<'_>, at: Writing<'_>, node: &Node) -> Vec<(usize, Set)> {
    if !matches!(node.value, Value::Table(_) | Value::Nothing) {
        cx.source.fault(&node.span, &node.path, "this is a table: { FIELD = value }.", "");
    }
    node.entries().iter().filter(|e| e.name != "published").filter_map(|entry| set(cx, at, entry)).collect()
}

fn set(cx: &Cx<'_>, at: Writing<'_>, entry: &Node) -> Option<(usize, Set)> {
    let Some(to) = at.into.position(&entry.name) else {
        let help = near::hint(&entry.name, "Fields", at.into.fields.iter().map(|f| f.id));
        cx.source.fault(&entry.key, &entry.path, format!("no field `{}` on {}.", entry.name, at.into.id), help);
        return None;
    };
    let field = at.into.fields.get(to)?;
    if field.derived.is_some() {
        let message = format!("`{}` is derived; nothing sets it.", field.id);
        cx.source.fault(&entry.key, &entry.path, message, "");
        return None;
    }
    let set = match entry.text() {
        Some("") => empty(cx, entry, field),
        Some("@me") => {
            typed(cx, entry, field, "@me", matches!(field.kind, Kind::Reference { to: Target::Members, .. }), Set::Me)
        }
        Some("@now") => typed(cx, entry, field, "@now", field.kind == Kind::DateTime, Set::Now),
        Some("@record") => record(cx, at, entry, field),
        Some(text) => of_text(cx, at, entry, field, text),
        None => literal::literal(cx, entry, field).map(Set::Value),
    };
    set.map(|set| (to, set))
}

fn empty(cx: &Cx<'_>, entry: &Node, field: &Field) -> Option<Set> {
    if field.required {
        cx.source.fault(&entry.span, &entry.path, format!("`{}` is required, so it cannot be emptied.", field.id), "");
        return None;
    }
    Some(Set::Empty)
}

fn typed(cx: &Cx<'_>, entry: &Node, field: &Field, word: &str, fits: bool, set: Set) -> Option<Set> {
    if !fits || field.many {
        let message = format!("`{word}` does not fit `{}`, which is {}.", field.id, literal::kind_name(&field.kind));
        cx.source.fault(&entry.span, &entry.path, message, "");
        return None;
    }
    Some(set)
}

fn record(cx: &Cx<'_>, at: Writing<'_>, entry: &Node, field: &Field) -> Option<Set> {
    let Some(acting) = at.record else {
        let message = "`@record` is for `create`: the acting record's id.";
        cx.source.fault(&entry.span, &entry.path, message, "");
        return None;
    };
    let fits = matches!(field.kind, Kind::Reference { to: Target::Collection(to), .. } if to == acting);
    typed(cx, entry, field, "@record", fits, Set::Record)
}

fn of_text(cx: &Cx<'_>, at: Writing<'_>, entry: &Node, field: &Field, text: &str) -> Option<Set> {
    if let Some(name) = text.strip_prefix("@input.") {
        let input = at.scope.input(cx, entry, name, 7)?;
        return fitting(cx, at, entry, field, input).map(|()| Set::Input(input));
    }
    if text.starts_with('@') {
        let help = near::hint(text, "Words here", ["@me", "@now", "@record", "@input.NAME"]);
        cx.source.fault(&entry.span, &entry.path, format!("`{text}` is nothing that can be set."), help);
        return None;
    }
    let number = matches!(field.kind, Kind::Integer | Kind::Decimal | Kind::Money);
    if let Some((sign, rest)) = text.split_at_checked(2).filter(|(sign, _)| number && matches!(*sign, "+ " | "- ")) {
        let operand = addend(cx, at, entry, field, rest)?;
        return Some(if sign == "+ " { Set::Add(operand) } else { Set::Subtract(operand) });
    }
    if let Some(conditional) = value_if(cx, at, entry, field, text) {
        return conditional;
    }
    literal::literal(cx, entry, field).map(Set::Value)
}

/// The right side of `+` and `-`.
fn addend(cx: &Cx<'_>, at: Writing<'_>, entry: &Node, field: &Field, rest: &str) -> Option<Operand> {
    if let Some(name) = rest.strip_prefix("@input.") {
        let input = at.scope.input(cx, entry, name, 9)?;
        let kind = &at.scope.input.get(input)?.kind;
        if *kind != field.kind {
            let message =
                format!("{} cannot be added to {}.", literal::kind_name(kind), literal::kind_name(&field.kind));
            cx.source.fault(&entry.span, &entry.path, message, "");
            return None;
        }
        return Some(Operand::Input(input));
    }
    match literal::of_text(cx, &field.kind, rest) {
        Ok(value) => Some(Operand::Value(value)),
        Err((message, help)) => {
            cx.source.fault(&within(cx.source, entry, 2..2 + rest.len()), &entry.path, message, help);
            None
        }
    }
}

/// `VALUE if FIELD = FIELD`; `None` when the text is not of that form.
fn value_if(cx: &Cx<'_>, at: Writing<'_>, entry: &Node, field: &Field, text: &str) -> Option<Option<Set>> {
    let (value, condition) = text.split_once(" if ")?;
    let (left, right) = condition.split_once(" = ")?;
    let offset = value.len() + 4;
    let literal = match literal::of_text(cx, &field.kind, value) {
        Ok(literal) => Some(literal),
        Err((message, help)) => {
            cx.source.fault(&within(cx.source, entry, 0..value.len()), &entry.path, message, help);
            None
        }
    };
    let a = position(cx, entry, at.into, left, offset);
    let b = position(cx, entry, at.into, right, offset + left.len() + 3);
    let kind = |i: usize| at.into.fields.get(i).map(|f| f.kind.clone());
    if let (Some(a), Some(b)) = (a, b)
        && kind(a) != kind(b)
    {
        cx.source.fault(&entry.span, &entry.path, format!("`{left}` and `{right}` cannot be compared."), "");
        return Some(None);
    }
    Some(literal.zip(a).zip(b).map(|((literal, a), b)| Set::ValueIf(literal, a, b)))
}

/// Whether an input can be written to a field as it is.
fn fitting(cx: &Cx<'_>, at: Writing<'_>, entry: &Node, field: &Field, input: usize) -> Option<()> {
    let given = at.scope.input.get(input)?;
    let kinds = match (&given.kind, &field.kind) {
        (Kind::Reference { to: a, .. }, Kind::Reference { to: b, .. }) => a == b,
        (Kind::Enum(a), Kind::Enum(b)) => a.iter().all(|v| b.contains(v)),
        (Kind::Email | Kind::Url | Kind::Enum(_), Kind::Text) => true,
        (Kind::File { .. }, Kind::File { .. }) => true,
        (a, b) => a == b,
    };
    if !kinds || given.many != field.many {
        let (a, b) = (literal::kind_name(&given.kind), literal::kind_name(&field.kind));
        let message = format!("the input `{}` is {a}, the field `{}` is {b}.", given.id, field.id);
        cx.source.fault(&entry.span, &entry.path, message, "");
        return None;
    }
    if field.required && !given.required {
        let message = format!("`{}` is required, the input `{}` is not.", field.id, given.id);
        cx.source.fault(&entry.span, &entry.path, message, "Begin the input's type with `!`.");
        return None;
    }
    Some(())
}

/// `published = true | false` among the sets.
pub(crate) fn published(cx: &Cx<'_>, collection: &Collection, node: &Node) -> Option<bool> {
    let entry = node.get("published");
    if !entry.exists() {
        return None;
    }
    if !collection.drafts {
        let message = format!("{} has no drafts, so nothing there is published.", collection.id);
        cx.source.fault(&entry.key, &entry.path, message, "");
        return None;
    }
    match literal::of_node(cx, entry, &Kind::Boolean)? {
        Literal::Int(n) => Some(n == 1),
        _ => None,
    }
}
