//! Guards: what must hold before and after an action.

use crate::{
    Collection, Field, Guard, Kind, Literal, Operand, Target, Test, near,
    read::{Cx, literal},
    tree::{Node, Value, within},
};

/// What a guard or a set can name.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'s> {
    pub(crate) collection: &'s Collection,
    pub(crate) input: &'s [Field],
}

impl Scope<'_> {
    /// Position of the input called `name`, or a fault at bytes `at` of the text.
    pub(crate) fn input(&self, cx: &Cx<'_>, node: &Node, name: &str, at: usize) -> Option<usize> {
        let found = self.input.iter().position(|f| f.id == name);
        if found.is_none() {
            let span = within(cx.source, node, at..at + name.len());
            let help = near::hint(name, "Inputs", self.input.iter().map(|f| f.id));
            cx.source.fault(&span, &node.path, format!("this action has no input `{name}`."), help);
        }
        found
    }
}

/// `{ FIELD = ... }`: all must hold.
pub(crate) fn guards(cx: &Cx<'_>, scope: Scope<'_>, node: &Node) -> Vec<Guard> {
    if !matches!(node.value, Value::Table(_) | Value::Nothing) {
        cx.source.fault(&node.span, &node.path, "a guard is a table: { FIELD = value }.", "");
    }
    node.entries().iter().filter_map(|entry| guard(cx, scope, entry)).collect()
}

fn guard(cx: &Cx<'_>, scope: Scope<'_>, entry: &Node) -> Option<Guard> {
    let (left, field) = left(cx, scope, entry)?;
    let is = test(cx, scope, entry, field.as_ref())?;
    Some(Guard { left, is })
}

fn left(cx: &Cx<'_>, scope: Scope<'_>, entry: &Node) -> Option<(Operand, Option<Field>)> {
    if let Some(name) = entry.name.strip_prefix("@input.") {
        let Some(at) = scope.input.iter().position(|f| f.id == name) else {
            let help = near::hint(name, "Inputs", scope.input.iter().map(|f| f.id));
            cx.source.fault(&entry.key, &entry.path, format!("this action has no input `{name}`."), help);
            return None;
        };
        return Some((Operand::Input(at), scope.input.get(at).cloned()));
    }
    if let Some(at) = scope.collection.position(&entry.name) {
        return Some((Operand::Field(at), scope.collection.fields.get(at).cloned()));
    }
    if entry.name == "published" && scope.collection.drafts {
        return Some((Operand::Published, None));
    }
    let collection = scope.collection;
    let (message, help) = if entry.name == "published" {
        (format!("{} has no drafts, so nothing there is published.", collection.id), String::new())
    } else {
        let known = collection.fields.iter().map(|f| f.id).chain(["published"]);
        (format!("no field `{}` on {}.", entry.name, collection.id), near::hint(&entry.name, "Fields", known))
    };
    cx.source.fault(&entry.key, &entry.path, message, help);
    None
}

/// Two-character operators first.
const OPERATORS: [&str; 4] = ["<=", ">=", "<", ">"];

fn test(cx: &Cx<'_>, scope: Scope<'_>, entry: &Node, field: Option<&Field>) -> Option<Test> {
    let kind = field.map_or(&Kind::Boolean, |f| &f.kind);
    match entry.text() {
        Some("set") if field.is_some() => return Some(Test::Set),
        Some("unset") if field.is_some() => return Some(Test::Unset),
        Some(text) => {
            if let Some(operator) = OPERATORS.iter().find(|o| text.starts_with(**o)) {
                let rest = text.get(operator.len()..).unwrap_or("");
                let offset = text.len() - rest.trim_start().len();
                let operand = ordered(cx, scope, entry, kind, (rest.trim(), offset))?;
                return Some(match *operator {
                    "<=" => Test::AtMost(operand),
                    ">=" => Test::AtLeast(operand),
                    "<" => Test::Less(operand),
                    _ => Test::More(operand),
                });
            }
        }
        None => {}
    }
    let opaque = matches!(kind, Kind::Json | Kind::RichText | Kind::File { .. } | Kind::Secret);
    if opaque || field.is_some_and(|f| f.encrypted || f.many) {
        let message = format!("`{}` can only be \"set\" or \"unset\" in a guard.", entry.name);
        cx.source.fault(&entry.span, &entry.path, message, "");
        return None;
    }
    let values: Vec<Literal> = entry.one_or_many().iter().filter_map(|v| equal(cx, v, kind)).collect();
    if values.is_empty() && matches!(&entry.value, Value::List(items) if items.is_empty()) {
        cx.source.fault(&entry.span, &entry.path, "an empty list is never met.", "");
    }
    (!values.is_empty()).then_some(Test::In(values))
}

fn equal(cx: &Cx<'_>, node: &Node, kind: &Kind) -> Option<Literal> {
    let member = matches!(kind, Kind::Reference { to: Target::Members, .. });
    if node.text().is_some_and(|t| t.starts_with('@')) && !member {
        let help = "Write an operator before it: \"<= @now\", \"<= @input.x\".";
        cx.source.fault(&node.span, &node.path, format!("`{}` is no value.", node.words()), help);
        return None;
    }
    literal::of_node(cx, node, kind)
}

/// Right side of `<`, `<=`, `>`, `>=`: the text and its place in the node's.
fn ordered(cx: &Cx<'_>, scope: Scope<'_>, node: &Node, kind: &Kind, (text, at): (&str, usize)) -> Option<Operand> {
    let fault = |message: String, help: String| {
        cx.source.fault(&within(cx.source, node, at..at + text.len()), &node.path, message, help);
    };
    let name = literal::kind_name(kind);
    if !matches!(kind, Kind::Integer | Kind::Decimal | Kind::Money | Kind::Date | Kind::DateTime) {
        fault(format!("{name} has no order to compare by."), "Write a value or a list of values.".into());
        return None;
    }
    let (operand, other) = if text == "@now" {
        (Operand::Now, Kind::DateTime)
    } else if let Some(input) = text.strip_prefix("@input.") {
        let i = scope.input(cx, node, input, at + 7)?;
        (Operand::Input(i), scope.input.get(i)?.kind.clone())
    } else if let Some(i) = scope.collection.position(text) {
        (Operand::Field(i), scope.collection.fields.get(i)?.kind.clone())
    } else {
        return match literal::of_text(cx, kind, text) {
            Ok(value) => Some(Operand::Value(value)),
            Err((message, help)) => {
                let fields = near::nearest(text, scope.collection.fields.iter().map(|f| f.id));
                let mean = fields.map(|f| format!("Did you mean the field `{f}`? ")).unwrap_or_default();
                fault(message, format!("{mean}{help}"));
                None
            }
        };
    };
    if other != *kind {
        fault(format!("{name} and {} cannot be compared.", literal::kind_name(&other)), String::new());
        return None;
    }
    Some(operand)
}
