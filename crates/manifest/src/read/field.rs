//! Fields and inputs.

use crate::{
    Field, Index, Kind, Literal, OnDelete, Target, fill,
    keys::{FIELD, Ty},
    near,
    read::{Cx, forbidden, literal, title},
    tree::{Node, Value, within},
};

/// Names the server keeps for itself in every record.
const SYSTEM: [&str; 11] = [
    "id",
    "tenant_id",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "version",
    "published",
    "published_at",
    "publish_at",
    "draft",
];

/// A field with the node it was read from.
pub(crate) struct Drafted {
    pub(crate) field: Field,
    pub(crate) node: Node,
}

/// The fields of a table, in its order.
pub(crate) fn fields(cx: &Cx<'_>, node: &Node) -> Vec<Drafted> {
    if !matches!(node.value, Value::Table(_) | Value::Nothing) {
        cx.source.fault(&node.span, &node.path, "fields are a table: NAME = \"type\".", "");
    }
    let drafted: Vec<Drafted> = node.entries().iter().filter_map(|child| field(cx, child)).collect();
    if drafted.len() > 128 {
        cx.source.fault(&node.key, &node.path, format!("{} fields are too many: at most 128.", drafted.len()), "");
    }
    drafted
}

/// Inputs of an action: fields without anything that only a stored field can have.
pub(crate) fn inputs(cx: &Cx<'_>, node: &Node) -> Vec<Field> {
    const STORED: [&str; 9] =
        ["unique", "encrypted", "index", "read_only", "auto", "sum", "product", "copy", "on_delete"];
    for child in node.entries() {
        for key in child.entries().iter().filter(|k| STORED.contains(&k.name.as_str())) {
            cx.source.fault(&key.key, &key.path, format!("`{}` is for fields; this is an input.", key.name), "");
        }
    }
    fields(cx, node).into_iter().map(|d| d.field).collect()
}

fn field(cx: &Cx<'_>, node: &Node) -> Option<Drafted> {
    let named = fill::name(cx.source, node, false);
    if SYSTEM.contains(&node.name.as_str()) || node.name == cx.tenant_key {
        let message = format!("`{}` is kept by the server in every record.", node.name);
        cx.source.fault(&node.key, &node.path, message, "Take another name.");
    }
    let filled = match node.text() {
        Some(words) => fill::table(cx.source, &short_form(cx, node, words), FIELD),
        None => fill::table(cx.source, node, FIELD),
    };
    forbidden::bank_or_card(cx, node, filled.get("label").text());
    let kind = kind(cx, &filled)?;
    meaningless(cx, node, &kind);
    let many = filled.get("many").flag();
    let mut field = Field {
        id: kernel::intern(&node.name),
        label: filled.get("label").text().map_or_else(|| title(&node.name), str::to_owned),
        required: filled.get("required").flag(),
        unique: filled.get("unique").flag(),
        default: None,
        personal: filled.get("personal").flag(),
        encrypted: filled.get("encrypted").flag(),
        index: index(cx, &filled),
        read_only: filled.get("read_only").flag(),
        min: bound(cx, filled.get("min"), &kind),
        max: bound(cx, filled.get("max"), &kind).or_else(|| default_max(&kind)),
        pattern: pattern(cx, filled.get("pattern")),
        derived: None,
        many,
        kind,
    };
    if field.min.zip(field.max).is_some_and(|(min, max)| min > max) {
        cx.source.fault(&filled.get("min").span, &node.path, "`min` is above `max`.", "");
    }
    let default = filled.get("default");
    if default.exists() {
        field.default = literal::literal(cx, default, &field);
    }
    sealed(cx, &field, &filled);
    named.then_some(Drafted { field, node: filled })
}

/// `"!type"` as the table it stands for.
fn short_form(cx: &Cx<'_>, node: &Node, words: &str) -> Node {
    let required = words.starts_with('!');
    let span = within(cx.source, node, usize::from(required)..words.len());
    let of = |name: &str, value: Value| Node { name: name.into(), span: span.clone(), value, ..node.clone() };
    let ty = of("type", Value::Text(words.trim_start_matches('!').to_owned()));
    Node { value: Value::Table(vec![ty, of("required", Value::Bool(required))]), ..node.clone() }
}

fn kind(cx: &Cx<'_>, filled: &Node) -> Option<Kind> {
    Some(match filled.get("type").text()? {
        "text" => Kind::Text,
        "rich_text" => Kind::RichText,
        "integer" => Kind::Integer,
        "decimal" => Kind::Decimal,
        "money" => Kind::Money,
        "boolean" => Kind::Boolean,
        "date" => Kind::Date,
        "date_time" => Kind::DateTime,
        "email" => Kind::Email,
        "url" => Kind::Url,
        "json" => Kind::Json,
        "secret" => Kind::Secret,
        "file" => Kind::File { accept: filled.get("accept").texts() },
        "enum" => Kind::Enum(enumeration(cx, filled)),
        _ => Kind::Reference { to: target(cx, filled)?, only: None, on_delete: on_delete(filled) },
    })
}

fn enumeration(cx: &Cx<'_>, filled: &Node) -> Vec<String> {
    let of = filled.get("of");
    if of.items().is_empty() {
        cx.source.fault(&filled.key, &filled.path, "an enum needs its values.", "Write of = [\"a\", \"b\"].");
    }
    for (at, item) in of.items().iter().enumerate() {
        if of.items().iter().take(at).any(|other| other.text() == item.text()) {
            cx.source.fault(&item.span, &item.path, format!("`{}` is there twice.", item.words()), "");
        }
    }
    of.texts()
}

fn target(cx: &Cx<'_>, filled: &Node) -> Option<Target> {
    let to = filled.get("to");
    let Some(name) = to.text() else {
        let help = "Write to = \"COLLECTION\" or to = \"members\".";
        cx.source.fault(&filled.key, &filled.path, "a reference needs `to`.", help);
        return None;
    };
    if name == "members" {
        return Some(Target::Members);
    }
    let position = cx.names.iter().position(|n| *n == name);
    if position.is_none() {
        let known = cx.names.iter().copied().chain(["members"]);
        cx.source.fault(&to.span, &to.path, format!("no collection `{name}`."), near::hint(name, "Collections", known));
    }
    position.map(Target::Collection)
}

fn on_delete(filled: &Node) -> OnDelete {
    match filled.get("on_delete").text() {
        Some("cascade") => OnDelete::Cascade,
        Some("clear") => OnDelete::Clear,
        _ => OnDelete::Refuse,
    }
}

/// Keys that say nothing for this kind are mistakes.
fn meaningless(cx: &Cx<'_>, node: &Node, kind: &Kind) {
    let name = literal::kind_name(kind);
    let number = matches!(kind, Kind::Integer | Kind::Decimal | Kind::Money);
    let words = matches!(kind, Kind::Text | Kind::RichText);
    let fits = |key: &str| match key {
        "of" => matches!(kind, Kind::Enum(_)),
        "to" | "where" | "on_delete" => matches!(kind, Kind::Reference { .. }),
        "accept" => matches!(kind, Kind::File { .. }),
        "pattern" => matches!(kind, Kind::Text),
        "many" => matches!(kind, Kind::Text | Kind::Enum(_) | Kind::Reference { .. }),
        "min" => number || words,
        "max" => number || words || matches!(kind, Kind::Json | Kind::File { .. } | Kind::Url | Kind::Secret),
        "auto" => matches!(kind, Kind::Integer),
        "sum" | "product" => number,
        "unique" => !matches!(kind, Kind::RichText | Kind::Json | Kind::File { .. } | Kind::Secret | Kind::Boolean),
        "default" => !matches!(kind, Kind::Json | Kind::File { .. } | Kind::Secret | Kind::Reference { .. }),
        _ => true,
    };
    for key in node.entries().iter().filter(|k| FIELD.iter().any(|known| known.name == k.name)) {
        if !fits(&key.name) {
            cx.source.fault(&key.key, &key.path, format!("`{}` means nothing for {name}.", key.name), "");
        }
    }
    let many = node.get("many");
    if many.exists() && !matches!(many.value, Value::Bool(_)) {
        cx.source.fault(&many.span, &many.path, "true or false belongs here.", "");
    }
}

fn index(cx: &Cx<'_>, filled: &Node) -> Index {
    let node = filled.get("index");
    match (&node.value, node.text()) {
        (Value::Bool(true), _) => Index::Plain,
        (Value::Bool(false) | Value::Nothing, _) => Index::No,
        (_, Some("blind")) => Index::Blind,
        _ => {
            cx.source.fault(&node.span, &node.path, "an index is true, false or \"blind\".", "");
            Index::No
        }
    }
}

/// What sealing a value excludes.
fn sealed(cx: &Cx<'_>, field: &Field, filled: &Node) {
    let fault = |key: &str, message: String, help: &str| {
        let node = filled.get(key);
        cx.source.fault(&node.key, &node.path, message, help);
    };
    let name = literal::kind_name(&field.kind);
    let text = matches!(field.kind, Kind::Text | Kind::RichText | Kind::Email | Kind::Url | Kind::Json | Kind::Date);
    if field.encrypted && (!text || field.many) {
        fault("encrypted", format!("{name} cannot be encrypted by itself."), "Only single texts and dates can.");
    }
    if field.encrypted && field.unique {
        fault(
            "unique",
            "an encrypted field cannot be unique.".into(),
            "Its index finds equal values, it does not refuse them.",
        );
    }
    if field.encrypted && field.index == Index::Plain {
        fault("index", "an encrypted field has no ordinary index.".into(), "Write index = \"blind\".");
    }
    if field.index == Index::Blind && !field.encrypted {
        fault(
            "index",
            "a blind index is for an encrypted field.".into(),
            "Add encrypted = true, or write index = true.",
        );
    }
    // A handful of possible values can be told apart by how often each occurs: "yes" and "no", a grade, a short code.
    let few = !matches!(field.kind, Kind::Text | Kind::Email | Kind::Url)
        || field.kind == Kind::Text && field.max.is_some_and(|max| max < 8);
    if field.index == Index::Blind && few {
        fault(
            "index",
            format!("{name} has too few values for a blind index."),
            "Only email, url, and text with room for 8 characters or more can have one.",
        );
    }
    if field.index == Index::Plain
        && matches!(field.kind, Kind::Json | Kind::RichText | Kind::File { .. } | Kind::Secret)
    {
        fault("index", format!("{name} cannot be indexed."), "");
    }
    if field.unique && field.many {
        fault("unique", "a field of several values cannot be unique.".into(), "");
    }
}

fn pattern(cx: &Cx<'_>, node: &Node) -> Option<String> {
    let pattern = node.text()?;
    if let Err(error) = regex_lite::Regex::new(&format!("^(?:{pattern})$")) {
        cx.source.fault(&node.span, &node.path, format!("no regular expression: {error}."), "");
        return None;
    }
    Some(pattern.to_owned())
}

/// `min` and `max` in stored form.
fn bound(cx: &Cx<'_>, node: &Node, kind: &Kind) -> Option<i64> {
    if !node.exists() {
        return None;
    }
    let size = |ty: Ty| crate::scalar::read(cx.source, node, ty);
    match kind {
        Kind::Integer | Kind::Decimal | Kind::Money => match literal::of_node(cx, node, kind)? {
            Literal::Int(n) => Some(n),
            _ => None,
        },
        Kind::Json | Kind::File { .. } => {
            Some(i64::try_from(size(Ty::Size).size()).unwrap_or(i64::MAX)).filter(|n| *n > 0)
        }
        _ => size(Ty::Int(0, 1_000_000)).int(),
    }
}

const fn default_max(kind: &Kind) -> Option<i64> {
    match kind {
        Kind::Text => Some(500),
        Kind::RichText => Some(100_000),
        Kind::Email => Some(254),
        Kind::Url => Some(2000),
        Kind::Json => Some(64 << 10),
        Kind::File { .. } => Some(10_000_000),
        Kind::Secret => Some(4000),
        _ => None,
    }
}
