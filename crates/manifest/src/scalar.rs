//! Single values and lists of them, by type.

use crate::{
    Millis, Pointer,
    fault::Source,
    keys::Ty,
    near,
    tree::{Node, Value, within},
    units,
};

/// The value read as `ty`; the same node with nothing in it after a fault.
pub(crate) fn read(source: &Source<'_>, node: &Node, ty: Ty) -> Node {
    let value = match ty {
        Ty::Text | Ty::Name | Ty::Color | Ty::OneOf(_) | Ty::Duration | Ty::Every | Ty::Size | Ty::Pointer => {
            text(source, node).and_then(|words| from_text(source, node, &words, ty))
        }
        Ty::Int(least, most) => int(source, node, least, most),
        Ty::Bool => match node.value {
            Value::Bool(b) => Some(Value::Bool(b)),
            _ => wrong(source, node, "true or false"),
        },
        Ty::Date => date(source, node),
        Ty::Rates => rates(source, node),
        Ty::Texts => list(source, node, Ty::Text),
        Ty::SomeOf(words) => list(source, node, Ty::OneOf(words)),
        Ty::Pointers => list(source, node, Ty::Pointer),
        Ty::Ints(least, most) => list(source, node, Ty::Int(least, most)),
        Ty::Durations => list(source, node, Ty::Duration),
        _ => None,
    };
    Node { value: value.unwrap_or(Value::Nothing), ..node.clone() }
}

fn wrong(source: &Source<'_>, node: &Node, wanted: &str) -> Option<Value> {
    source.fault(&node.span, &node.path, format!("{wanted} belongs here, not {}.", node.kind()), "");
    None
}

fn text(source: &Source<'_>, node: &Node) -> Option<String> {
    if node.text().is_none() {
        wrong(source, node, "a text in quotes");
    }
    node.text().map(str::to_owned)
}

fn from_text(source: &Source<'_>, node: &Node, words: &str, ty: Ty) -> Option<Value> {
    let fault = |message: String, help: &str| {
        source.fault(&node.span, &node.path, message, help);
        None
    };
    match ty {
        Ty::Name if !crate::fill::is_name(words, false) => fault(
            format!("`{words}` is no name."),
            "Names are of a-z, 0-9 and _, begin with a letter and have at most 40 characters.",
        ),
        Ty::Color if !is_color(words) => fault(format!("`{words}` is no color."), "Write it as #1f5c4a."),
        Ty::OneOf(known) if !known.contains(&words) => {
            fault(format!("`{words}` is not allowed here."), &near::hint(words, "It is one of", known.iter().copied()))
        }
        Ty::Duration => match units::duration(words) {
            Some((millis, spoken)) => Some(Value::Duration(millis, spoken)),
            None => fault(
                format!("`{words}` is no duration."),
                "Write it as \"15 min\", \"24 h\", \"30 days\", \"12 months\" or \"2 years\".",
            ),
        },
        Ty::Every => match every(words) {
            Some((millis, spoken)) => Some(Value::Duration(millis, spoken)),
            None => fault(
                format!("`{words}` is no interval."),
                "Write \"daily\", \"hourly\" or a duration such as \"6 h\".",
            ),
        },
        Ty::Size => match units::size(words) {
            Some(bytes) => Some(Value::Size(bytes)),
            None => fault(format!("`{words}` is no size."), "Write it as \"8 MB\" or \"16 KiB\"."),
        },
        Ty::Pointer => pointer(source, node, words),
        _ if words.chars().any(|c| c.is_control() && c != '\n') => {
            fault("control characters are not allowed.".into(), "")
        }
        _ => Some(Value::Text(words.to_owned())),
    }
}

fn every(words: &str) -> Option<(Millis, Option<String>)> {
    match words {
        "hourly" => Some((Millis(3_600_000), Some("hourly".into()))),
        "daily" => Some((Millis(86_400_000), Some("daily".into()))),
        "weekly" => Some((Millis(604_800_000), Some("weekly".into()))),
        other => units::duration(other).filter(|(m, _)| m.0 > 0),
    }
}

fn is_color(words: &str) -> bool {
    words.strip_prefix('#').is_some_and(|hex| hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn pointer(source: &Source<'_>, node: &Node, words: &str) -> Option<Value> {
    let (scheme, rest) = words.split_once(':').unwrap_or(("", words));
    let env = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    let pointer = match scheme {
        "env" if !rest.is_empty() && rest.bytes().all(env) && !rest.starts_with(|c: char| c.is_ascii_digit()) => {
            Pointer::Env(rest.to_owned())
        }
        "file" if rest.starts_with('/') => Pointer::File(rest.to_owned()),
        "kms" if !rest.is_empty() => Pointer::Kms(rest.to_owned()),
        _ => {
            let help =
                "Write \"env:NAME\" (capitals, digits, _), \"file:/path\" or \"kms:...\", and keep the secret there.";
            source.hide(words);
            source.fault(&node.span, &node.path, "a secret is never written here, only where it is kept.", help);
            return None;
        }
    };
    Some(Value::Pointer(pointer))
}

fn int(source: &Source<'_>, node: &Node, least: i64, most: i64) -> Option<Value> {
    let Value::Int(n) = node.value else { return wrong(source, node, "a whole number") };
    if n < least || n > most {
        source.fault(&node.span, &node.path, format!("{n} is not from {least} to {most}."), "");
        return None;
    }
    Some(Value::Int(n))
}

fn date(source: &Source<'_>, node: &Node) -> Option<Value> {
    let words = match &node.value {
        Value::Date(words) | Value::Text(words) => words,
        _ => return wrong(source, node, "a date such as 2026-05-04"),
    };
    if words.parse::<jiff::civil::Date>().is_err() || words.len() != 10 {
        source.fault(&node.span, &node.path, format!("`{words}` is no date."), "Write it as 2026-05-04.");
        return None;
    }
    Some(Value::Date(words.clone()))
}

fn rates(source: &Source<'_>, node: &Node) -> Option<Value> {
    let mut rates = Vec::new();
    for item in node.one_or_many() {
        let Some(words) = text(source, item) else { continue };
        match units::rate(&words) {
            Ok(rate) => rates.push(rate),
            Err((range, message, help)) => source.fault(&within(source, item, range), &node.path, message, help),
        }
    }
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        source.fault(&node.span, &node.path, "a tier needs at least one rate.", "Write it as \"12/min per ip\".");
    }
    Some(Value::Rates(rates))
}

fn list(source: &Source<'_>, node: &Node, ty: Ty) -> Option<Value> {
    let read = |item: &Node| Node { path: node.path.clone(), ..read(source, item, ty) };
    let items: Vec<Node> = node.one_or_many().iter().map(read).filter(Node::exists).collect();
    Some(Value::List(items))
}
