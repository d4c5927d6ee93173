//! Names from a manifest as people read them.

use kernel::FieldSet;
use manifest::{App, Collection, Guard, Kind, Literal, Operand, Test};
pub(crate) use route::page::{plural, with_article};

/// `sent_out` as `Sent out`.
pub(crate) fn human(name: &str) -> String {
    let spaced = name.replace('_', " ");
    let mut letters = spaced.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// `a, b or c`.
pub(crate) fn either(names: &[String]) -> String {
    joined(names, "or")
}

/// `a, b and c`.
pub(crate) fn both(names: &[String]) -> String {
    joined(names, "and")
}

fn joined(names: &[String], word: &str) -> String {
    match names.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {word} {last}", rest.join(", ")),
    }
}

/// With a small first letter, unless it is an abbreviation.
pub(crate) fn small(label: &str) -> String {
    let mut letters = label.chars();
    let (first, second) = (letters.next(), letters.next());
    if second.is_some_and(char::is_uppercase) {
        return label.to_owned();
    }
    first.map(|f| f.to_lowercase().chain(label.chars().skip(1)).collect()).unwrap_or_default()
}

/// With a great first letter.
pub(crate) fn great(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|f| f.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// What a guard wants, in words; nothing of a field that may not be read.
pub(crate) fn wants(app: &App, c: &Collection, guard: &Guard, readable: FieldSet) -> String {
    let name = |operand: &Operand| match operand {
        Operand::Field(at) => c.fields.get(*at).filter(|_| readable.has(*at)).map(|f| f.label.clone()),
        Operand::Published => Some("Published".to_owned()),
        Operand::Input(_) => None,
        Operand::Value(v) => Some(literal(app, c, &guard.left, v)),
        Operand::Now => Some("now".to_owned()),
    };
    let hidden = || "A condition of this action is not met.".to_owned();
    let Some(left) = name(&guard.left) else { return hidden() };
    let compared = |words: &str, right: &Operand| name(right).map(|r| format!("Only while {left} is {words} {r}."));
    let said = match &guard.is {
        Test::In(any) => {
            let any: Vec<String> = any.iter().map(|v| literal(app, c, &guard.left, v)).collect();
            Some(format!("Only while {left} is {}.", either(&any)))
        }
        Test::Set => Some(format!("{left} has to be filled in first.")),
        Test::Unset => Some(format!("Only while {left} is empty.")),
        Test::Less(r) => compared("less than", r),
        Test::AtMost(r) => compared("at most", r),
        Test::More(r) => compared("more than", r),
        Test::AtLeast(r) => compared("at least", r),
    };
    said.unwrap_or_else(hidden)
}

/// A literal as people read it beside the operand it is compared with.
fn literal(app: &App, c: &Collection, beside: &Operand, literal: &Literal) -> String {
    let kind = match beside {
        Operand::Field(at) => c.fields.get(*at).map(|f| &f.kind),
        _ => None,
    };
    match (literal, kind) {
        (Literal::Me, _) => "you".to_owned(),
        (Literal::Text(t), Some(Kind::Enum(_))) => human(t),
        (Literal::Text(t), _) => t.clone(),
        (Literal::Int(n), Some(Kind::Boolean)) => yes(*n != 0).to_owned(),
        (Literal::Int(n), _) if *beside == Operand::Published => yes(*n != 0).to_owned(),
        (Literal::Int(n), Some(Kind::Money)) => {
            let mut out = Vec::new();
            crate::json::amount(&mut out, *n, manifest::amount::exponent(app.currency), app.currency);
            String::from_utf8_lossy(&out).into_owned()
        }
        (Literal::Int(n), Some(Kind::Decimal)) => {
            let mut out = Vec::new();
            crate::json::decimal(&mut out, *n);
            String::from_utf8_lossy(&out).into_owned()
        }
        (Literal::Int(n), Some(Kind::DateTime)) => kernel::Time(*n).to_string(),
        (Literal::Int(n), _) => n.to_string(),
    }
}

/// `Yes` or `No`.
pub(crate) const fn yes(is: bool) -> &'static str {
    if is { "Yes" } else { "No" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_like_speech() {
        assert_eq!(human("sold_out"), "Sold out");
        for (one, many) in [("Order", "Orders"), ("Dish", "Dishes"), ("Enquiry", "Enquiries"), ("Address", "Addresses")]
        {
            assert_eq!(plural(one), many);
        }
        assert_eq!(plural("Hours"), "Hours");
        assert_eq!((small("Order line"), small("API key")), ("order line".to_owned(), "API key".to_owned()));
        assert_eq!(either(&["a".into(), "b".into(), "c".into()]), "a, b or c");
    }
}
