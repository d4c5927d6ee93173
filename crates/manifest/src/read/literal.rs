//! Values of the manifest in stored form, typed by the field they are for.

use crate::{
    Field, Kind, Literal, amount,
    read::Cx,
    tree::{Node, Value},
};

/// How a kind is called in `app.toml`.
pub(crate) const fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::RichText => "rich_text",
        Kind::Integer => "integer",
        Kind::Decimal => "decimal",
        Kind::Money => "money",
        Kind::Boolean => "boolean",
        Kind::Date => "date",
        Kind::DateTime => "date_time",
        Kind::Enum(_) => "enum",
        Kind::Email => "email",
        Kind::Url => "url",
        Kind::Json => "json",
        Kind::Reference { .. } => "reference",
        Kind::File { .. } => "file",
        Kind::Secret => "secret",
    }
}

/// The literal in `node`, or a fault.
pub(crate) fn literal(cx: &Cx<'_>, node: &Node, field: &Field) -> Option<Literal> {
    if field.many {
        return many(cx, node, field);
    }
    match of_value(cx, &node.value, &field.kind) {
        Ok(literal) => match out_of_bounds(cx, field, &literal) {
            None => Some(literal),
            Some(message) => {
                cx.source.fault(&node.span, &node.path, message, "");
                None
            }
        },
        Err((message, help)) => {
            cx.source.fault(&node.span, &node.path, message, help);
            None
        }
    }
}

fn many(cx: &Cx<'_>, node: &Node, field: &Field) -> Option<Literal> {
    let Value::List(items) = &node.value else {
        cx.source.fault(&node.span, &node.path, format!("`{}` holds several values: write a list.", field.id), "");
        return None;
    };
    let one = Field { many: false, ..field.clone() };
    let values: Vec<serde_json::Value> = items
        .iter()
        .filter_map(|item| match literal(cx, item, &one)? {
            Literal::Text(text) => Some(text.into()),
            _ => None,
        })
        .collect();
    Some(Literal::Text(serde_json::Value::from(values).to_string()))
}

/// The literal in `node` for a bare kind, or a fault.
pub(crate) fn of_node(cx: &Cx<'_>, node: &Node, kind: &Kind) -> Option<Literal> {
    of_value(cx, &node.value, kind)
        .map_err(|(message, help)| cx.source.fault(&node.span, &node.path, message, help))
        .ok()
}

type Wrong = (String, String);

fn of_value(cx: &Cx<'_>, value: &Value, kind: &Kind) -> Result<Literal, Wrong> {
    let mismatch = || (format!("this is no {}.", kind_name(kind)), example(cx, kind));
    match (value, kind) {
        (Value::Int(n), Kind::Integer) => Ok(Literal::Int(*n)),
        (Value::Int(n), Kind::Decimal) => of_text(cx, kind, &n.to_string()),
        (Value::Float(raw), Kind::Decimal) => of_text(cx, kind, &raw.replace('_', "")),
        (Value::Bool(b), Kind::Boolean) => Ok(Literal::Int(i64::from(*b))),
        (Value::Date(raw), Kind::Date | Kind::DateTime) => of_text(cx, kind, raw),
        (Value::Text(_), Kind::Integer | Kind::Decimal | Kind::Boolean) => Err(mismatch()),
        (Value::Text(text), _) => of_text(cx, kind, text),
        _ => Err(mismatch()),
    }
}

/// The literal that `text` is for `kind`, as guards write it behind an operator.
pub(crate) fn of_text(cx: &Cx<'_>, kind: &Kind, text: &str) -> Result<Literal, Wrong> {
    let mismatch = || (format!("`{text}` is no {}.", kind_name(kind)), example(cx, kind));
    let as_is = || Literal::Text(text.to_owned());
    match kind {
        Kind::Text | Kind::RichText => Ok(as_is()),
        Kind::Email if text.contains('@') => Ok(as_is()),
        Kind::Url if text.starts_with("https://") || text.starts_with("http://") => Ok(as_is()),
        Kind::Integer => text.parse().map(Literal::Int).map_err(|_| mismatch()),
        Kind::Decimal => amount::parse_decimal(text).map(Literal::Int).ok_or_else(mismatch),
        Kind::Money => money(cx, text),
        Kind::Boolean => match text {
            "true" => Ok(Literal::Int(1)),
            "false" => Ok(Literal::Int(0)),
            _ => Err(mismatch()),
        },
        Kind::Date if text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok() => Ok(as_is()),
        Kind::DateTime => kernel::Time::parse(text).map(|t| Literal::Int(t.0)).ok_or_else(mismatch),
        Kind::Enum(of) if of.iter().any(|v| v == text) => Ok(as_is()),
        Kind::Enum(of) => {
            let help = crate::near::hint(text, "Values", of.iter().map(String::as_str));
            Err((format!("`{text}` is not one of its values."), help))
        }
        Kind::Reference { .. } if text == "@me" => Ok(Literal::Me),
        _ => Err(mismatch()),
    }
}

fn money(cx: &Cx<'_>, text: &str) -> Result<Literal, Wrong> {
    let currency = cx.currency;
    if let Some(minor) = amount::parse_money(text, currency) {
        return Ok(Literal::Int(minor));
    }
    let other = text.rsplit_once(' ').map(|(_, code)| code).filter(|code| amount::is_currency(code));
    Err(match other {
        Some(code) if code != currency => (
            format!("this is in {code}; all money of this app is in {currency}."),
            "See `currency` in [app].".to_owned(),
        ),
        _ => (format!("`{text}` is no amount of money."), example(cx, &Kind::Money)),
    })
}

fn example(cx: &Cx<'_>, kind: &Kind) -> String {
    match kind {
        Kind::Money => format!("Write it as \"{}\".", amount::write_money(1250, cx.currency)),
        Kind::Decimal => "Write it as 12.5, with at most six digits after the point.".to_owned(),
        Kind::Integer => "Write a whole number without quotes.".to_owned(),
        Kind::Boolean => "Write true or false without quotes.".to_owned(),
        Kind::Date => "Write it as \"2026-05-04\".".to_owned(),
        Kind::DateTime => "Write it as \"2026-05-04T09:30:00Z\".".to_owned(),
        Kind::Reference { .. } | Kind::File { .. } | Kind::Secret | Kind::Json => {
            "No value of this type can be written here.".to_owned()
        }
        _ => String::new(),
    }
}

/// What is wrong with a literal that is outside its field's own bounds.
fn out_of_bounds(cx: &Cx<'_>, field: &Field, literal: &Literal) -> Option<String> {
    let size = match (literal, &field.kind) {
        (Literal::Int(n), Kind::Integer | Kind::Decimal | Kind::Money) => *n,
        (Literal::Text(text), Kind::Text | Kind::RichText | Kind::Email | Kind::Url) => {
            i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
        }
        _ => return None,
    };
    let say = |bound: i64| match field.kind {
        Kind::Money => amount::write_money(bound, cx.currency),
        Kind::Decimal => amount::write_decimal(bound),
        Kind::Integer => bound.to_string(),
        _ => format!("{bound} characters"),
    };
    if let Some(min) = field.min.filter(|m| size < *m) {
        return Some(format!("this is below the least of `{}`, {}.", field.id, say(min)));
    }
    if let Some(max) = field.max.filter(|m| size > *m) {
        return Some(format!("this is above the most of `{}`, {}.", field.id, say(max)));
    }
    let (Literal::Text(text), Some(pattern)) = (literal, &field.pattern) else { return None };
    let fits = regex_lite::Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|r| r.is_match(text));
    (!fits).then(|| format!("`{text}` does not match the pattern of `{}`.", field.id))
}
