//! The file as a tree of values that know their path and place, before and after defaults were filled in.

use std::sync::LazyLock;

use toml_edit::{Document, Item, TableLike, Value as Toml};

use crate::{Millis, Pointer, Rate, fault::Source, fault::Span};

/// One key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) key: Span,
    pub(crate) span: Span,
    pub(crate) given: bool,
    pub(crate) value: Value,
}

/// What a key holds: as TOML has it, or already read by its type.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Nothing,
    Text(String),
    Int(i64),
    /// As written.
    Float(String),
    Bool(bool),
    /// As written.
    Date(String),
    List(Vec<Node>),
    Table(Vec<Node>),
    /// With its words where the unit would be lost: "12 months", "daily".
    Duration(Millis, Option<String>),
    Size(u64),
    Rates(Vec<Rate>),
    Pointer(Pointer),
}

static NOTHING: LazyLock<Node> = LazyLock::new(|| Node {
    name: String::new(),
    path: String::new(),
    key: 0..0,
    span: 0..0,
    given: false,
    value: Value::Nothing,
});

impl Node {
    pub(crate) fn absent(name: &str, path: String, key: Span) -> Self {
        Self { name: name.to_owned(), path, span: key.clone(), key, given: false, value: Value::Nothing }
    }
    /// The member called `name`, or nothing.
    pub(crate) fn get(&self, name: &str) -> &Self {
        self.entries().iter().find(|n| n.name == name).unwrap_or(&NOTHING)
    }
    pub(crate) fn entries(&self) -> &[Self] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }
    /// The items of a list, or the value itself when it is none.
    pub(crate) fn one_or_many(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            Value::Nothing => &[],
            _ => std::slice::from_ref(self),
        }
    }
    pub(crate) fn exists(&self) -> bool {
        !matches!(self.value, Value::Nothing)
    }
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
    pub(crate) fn words(&self) -> String {
        self.text().unwrap_or("").to_owned()
    }
    pub(crate) fn texts(&self) -> Vec<String> {
        self.one_or_many().iter().filter_map(|n| n.text().map(str::to_owned)).collect()
    }
    pub(crate) fn int(&self) -> Option<i64> {
        match &self.value {
            Value::Int(n) => Some(*n),
            _ => None,
        }
    }
    /// A number already checked to be in range.
    pub(crate) fn number<N: TryFrom<i64> + Default>(&self) -> N {
        self.int().and_then(|n| N::try_from(n).ok()).unwrap_or_default()
    }
    pub(crate) fn flag(&self) -> bool {
        matches!(self.value, Value::Bool(true))
    }
    pub(crate) fn millis(&self) -> Option<Millis> {
        match &self.value {
            Value::Duration(millis, _) => Some(*millis),
            _ => None,
        }
    }
    pub(crate) fn time(&self) -> Millis {
        self.millis().unwrap_or(Millis(0))
    }
    pub(crate) fn size(&self) -> u64 {
        match &self.value {
            Value::Size(bytes) => *bytes,
            _ => 0,
        }
    }
    pub(crate) fn pointer(&self) -> Option<Pointer> {
        match &self.value {
            Value::Pointer(pointer) => Some(pointer.clone()),
            _ => None,
        }
    }
    pub(crate) fn pointers(&self) -> Vec<Pointer> {
        self.one_or_many().iter().filter_map(Self::pointer).collect()
    }
    /// What kind of value it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Nothing => "nothing",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::Date(_) => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            _ => "a text",
        }
    }
}

/// Bytes of characters `range` (bytes within the text's value) of a quoted text; the whole when escapes are in it.
pub(crate) fn within(source: &Source<'_>, node: &Node, range: Span) -> Span {
    let raw = source.slice(&node.span);
    let plain = node.text().is_some_and(|text| raw.get(1..1 + text.len()) == Some(text));
    if !plain || range.end < range.start {
        return node.span.clone();
    }
    node.span.start + 1 + range.start..node.span.start + 1 + range.end
}

/// Reads the TOML; `None` when it is none, with the fault recorded.
pub(crate) fn parse(source: &Source<'_>, text: &str) -> Option<Node> {
    match Document::parse(text.to_owned()) {
        Ok(document) => {
            let entries = table(document.as_table(), "");
            Some(Node { value: Value::Table(entries), given: true, ..NOTHING.clone() })
        }
        Err(error) => {
            let words = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
            source.fault(&error.span().unwrap_or(0..0), "toml", format!("not TOML: {words}."), "");
            None
        }
    }
}

/// A default, written as TOML.
pub(crate) fn literal(text: &str, name: &str, path: &str, key: &Span) -> Node {
    let value = text.parse::<Toml>().map_or(Value::Nothing, |v| read_value(&v, path));
    Node { name: name.to_owned(), path: path.to_owned(), key: key.clone(), span: key.clone(), given: false, value }
}

pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn table(table: &dyn TableLike, path: &str) -> Vec<Node> {
    let entry = |(name, item): (&str, &Item)| {
        let path = join(path, name);
        let key = table.key(name).and_then(toml_edit::Key::span).unwrap_or(0..0);
        let value = match item {
            Item::None => return None,
            Item::Value(value) => read_value(value, &path),
            Item::Table(inner) => Value::Table(self::table(inner, &path)),
            Item::ArrayOfTables(list) => Value::List(list.iter().map(|t| member(&path, t)).collect()),
        };
        let span = match item {
            Item::Value(value) => value.span().unwrap_or_else(|| key.clone()),
            _ => key.clone(),
        };
        Some(Node { name: name.to_owned(), path, key, span, given: true, value })
    };
    table.iter().filter_map(entry).collect()
}

fn member(path: &str, inner: &toml_edit::Table) -> Node {
    let span = inner.span().unwrap_or(0..0);
    let value = Value::Table(table(inner, path));
    Node { name: String::new(), path: path.to_owned(), key: span.clone(), span, given: true, value }
}

fn read_value(value: &Toml, path: &str) -> Value {
    let raw = |display: Option<&str>, otherwise: String| display.map_or(otherwise, |d| d.trim().to_owned());
    match value {
        Toml::String(text) => Value::Text(text.value().clone()),
        Toml::Integer(n) => Value::Int(*n.value()),
        Toml::Boolean(b) => Value::Bool(*b.value()),
        Toml::Float(n) => Value::Float(raw(n.as_repr().and_then(|r| r.as_raw().as_str()), n.value().to_string())),
        Toml::Datetime(d) => Value::Date(d.value().to_string()),
        Toml::Array(list) => Value::List(list.iter().map(|item| item_node(item, path)).collect()),
        Toml::InlineTable(inner) => Value::Table(table(inner, path)),
    }
}

fn item_node(item: &Toml, path: &str) -> Node {
    let span = item.span().unwrap_or(0..0);
    let value = read_value(item, path);
    Node { name: String::new(), path: path.to_owned(), key: span.clone(), span, given: true, value }
}
