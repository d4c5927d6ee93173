//! A grid's filter form: conditions with a field, an operator and a value, brought into the API's own grammar. Pure.
//!
//! What a condition means and whether it is allowed is the grammar's reader's to say, as for every caller of the API.

use kernel::FieldSet;
use manifest::{App, Derived, Equal, Field, Kind, Literal};

use super::{ask::Asked, words};
use crate::shelf::Shelf;

/// Conditions a form keeps at most.
pub(crate) const MOST: usize = 6;
/// Text fields that a search looks into at most.
const SEARCHED: usize = 4;

/// Operators: name in the address, words, sign of the grammar.
pub(crate) const OPERATORS: [(&str, &str, &str); 9] = [
    ("is", "is", "="),
    ("not", "is not", "!="),
    ("has", "contains", "~"),
    ("over", "is more than / after", ">"),
    ("least", "is at least / from", ">="),
    ("under", "is less than / before", "<"),
    ("most", "is at most / until", "<="),
    ("empty", "is empty", "is null"),
    ("given", "is not empty", "is not null"),
];

/// One condition as the form has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) field: String,
    pub(crate) operator: String,
    pub(crate) value: String,
}

/// What a grid is asked to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sieve {
    pub(crate) conditions: Vec<Condition>,
    pub(crate) search: Option<String>,
    /// A named row set.
    pub(crate) view: Option<String>,
    /// State that is chosen: field, value.
    pub(crate) state: Option<String>,
    pub(crate) sort: Option<String>,
    pub(crate) cursor: Option<String>,
    /// Every column.
    pub(crate) wide: bool,
}

impl Sieve {
    /// From an address; conditions without a field are none.
    pub(crate) fn read(asked: &Asked) -> Self {
        let owned = |name: &str| asked.get(name).map(str::to_owned);
        let condition = |n: usize| {
            let field = owned(&format!("f{n}"))?;
            let operator = owned(&format!("o{n}")).unwrap_or_else(|| "is".to_owned());
            let value = owned(&format!("v{n}")).unwrap_or_default();
            Some(Condition { field, operator, value })
        };
        Self {
            conditions: (1..=MOST).filter_map(condition).collect(),
            search: owned("q"),
            view: owned("view"),
            state: owned("state"),
            sort: owned("sort"),
            cursor: owned("cursor"),
            wide: asked.get("columns") == Some("all"),
        }
    }

    /// Whether it leaves anything out.
    pub(crate) fn filters(&self) -> bool {
        !self.conditions.is_empty() || self.search.is_some() || self.view.is_some() || self.state.is_some()
    }

    /// The members of an address that says the same.
    pub(crate) fn members(&self) -> Vec<(String, String)> {
        let mut out = Vec::new();
        let mut put = |name: &str, value: &Option<String>| {
            out.extend(value.iter().map(|v| (name.to_owned(), v.clone())));
        };
        put("q", &self.search);
        put("view", &self.view);
        put("state", &self.state);
        put("sort", &self.sort);
        put("cursor", &self.cursor);
        put("columns", &self.wide.then(|| "all".to_owned()));
        for (at, c) in self.conditions.iter().enumerate() {
            let n = at + 1;
            put(&format!("f{n}"), &Some(c.field.clone()));
            put(&format!("o{n}"), &Some(c.operator.clone()));
            put(&format!("v{n}"), &Some(c.value.clone()).filter(|v| !v.is_empty()));
        }
        out
    }

    /// An address below `path`.
    pub(crate) fn href(&self, path: &str) -> String {
        let members: Vec<String> =
            self.members().iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        if members.is_empty() { path.to_owned() } else { format!("{path}?{}", members.join("&")) }
    }

    /// What of it may be said again: nothing that names what may not be read.
    pub(crate) fn known(&self, shelf: &Shelf, readable: FieldSet) -> Self {
        let field = |name: &str| {
            let system = ["id", "created_at", "updated_at"].contains(&name);
            let drafts = shelf.def.drafts && ["published", "published_at"].contains(&name);
            system || drafts || shelf.def.position(name).is_some_and(|at| readable.has(at))
        };
        let mut known = self.clone();
        known.conditions.retain(|c| field(&c.field));
        known.sort = known.sort.filter(|sort| sort.split(',').all(|part| field(part.trim().trim_start_matches('-'))));
        known.view =
            known.view.filter(|v| shelf.def.rows.get(v.as_str()).is_some_and(|any| viewable(shelf, readable, any)));
        known
    }

    /// The same from its first page on.
    pub(crate) fn first(&self) -> Self {
        Self { cursor: None, ..self.clone() }
    }

    /// Without one condition.
    pub(crate) fn without(&self, at: usize) -> Self {
        let mut rest = self.first();
        if at < rest.conditions.len() {
            rest.conditions.remove(at);
        }
        rest
    }

    /// In the grammar of the API's `filter`; nothing where nothing is left out.
    pub(crate) fn filter(&self, app: &App, shelf: &Shelf, readable: FieldSet) -> Option<String> {
        let mut terms: Vec<String> = self.conditions.iter().map(|c| term(app, shelf, c)).collect();
        terms.extend(self.view.as_deref().and_then(|name| shelf.def.rows.get(name)).map(|any| view(app, shelf, any)));
        if let (Some(state), Some(field)) = (&self.state, state(shelf, readable)) {
            terms.push(format!("{} = {}", field.id, quoted(state)));
        }
        terms.extend(self.search.as_deref().and_then(|words| search(shelf, readable, words)));
        (!terms.is_empty()).then(|| terms.join(" and "))
    }
}

/// The field by whose values a grid offers to choose: the state, if it may be read.
pub(crate) fn state(shelf: &Shelf, readable: FieldSet) -> Option<&Field> {
    shelf.fields().find(|(at, f)| readable.has(*at) && super::look::is_state(f)).map(|(_, f)| f)
}

/// Fields a search looks into.
pub(crate) fn searched(shelf: &Shelf, readable: FieldSet) -> Vec<&Field> {
    let plain = |(at, f): &(usize, &Field)| {
        readable.has(*at) && !f.many && !shelf.sealed.has(*at) && matches!(f.kind, Kind::Text | Kind::Email)
    };
    shelf.fields().filter(plain).map(|(_, f)| f).take(SEARCHED).collect()
}

/// The record's own number, if it may be read.
pub(crate) fn numbered(shelf: &Shelf, readable: FieldSet) -> Option<&Field> {
    shelf.fields().find(|(at, f)| readable.has(*at) && f.derived == Some(Derived::Sequence)).map(|(_, f)| f)
}

fn search(shelf: &Shelf, readable: FieldSet, words: &str) -> Option<String> {
    let number = words.parse::<u32>().ok().zip(numbered(shelf, readable));
    let texts = searched(shelf, readable).into_iter().map(|f| format!("{} ~ {}", f.id, quoted(words)));
    let any: Vec<String> = number.map(|(n, f)| format!("{} = {n}", f.id)).into_iter().chain(texts).collect();
    (!any.is_empty()).then(|| format!("({})", any.join(" or ")))
}

/// A view's equalities. A view whose fields may not be read is refused by the grammar, as it should be.
pub(crate) fn view(app: &App, shelf: &Shelf, all: &[Equal]) -> String {
    let value = |field: Option<&Field>, literal: &Literal| match (literal, field.map(|f| &f.kind)) {
        (Literal::Me, _) => "@me".to_owned(),
        (Literal::Text(text), _) => quoted(text),
        (Literal::Int(n), Some(Kind::Boolean) | None) => (*n != 0).to_string(),
        (Literal::Int(n), Some(Kind::Money)) => {
            let mut out = Vec::new();
            crate::json::amount(&mut out, *n, manifest::amount::exponent(app.currency), app.currency);
            quoted(&String::from_utf8_lossy(&out))
        }
        (Literal::Int(n), Some(Kind::DateTime)) => quoted(&kernel::Time(*n).to_string()),
        (Literal::Int(n), _) => n.to_string(),
    };
    let one = |e: &Equal| {
        let field = shelf.def.position(&e.column).and_then(|at| shelf.field(at));
        let any: Vec<String> = e.any.iter().map(|l| value(field, l)).collect();
        format!("{} in ({})", e.column, any.join(", "))
    };
    all.iter().map(one).collect::<Vec<_>>().join(" and ")
}

/// Whether a view can be asked for: all its columns are fields that may be read, or publication.
pub(crate) fn viewable(shelf: &Shelf, readable: FieldSet, all: &[Equal]) -> bool {
    let known = |e: &Equal| {
        e.column == "published" && shelf.def.drafts || shelf.def.position(&e.column).is_some_and(|at| readable.has(at))
    };
    !all.is_empty() && all.iter().all(known)
}

fn term(app: &App, shelf: &Shelf, c: &Condition) -> String {
    let sign = OPERATORS.iter().find(|(name, ..)| *name == c.operator).map_or("=", |(_, _, sign)| *sign);
    // A name that is none becomes one that no field has: the grammar then refuses it in its own words.
    let plain = c.field.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !c.field.is_empty();
    let field = if plain { c.field.as_str() } else { "unknown" };
    if sign.starts_with("is") {
        return format!("{field} {sign}");
    }
    let value = if sign == "~" { quoted(&c.value) } else { value(app, shelf, field, &c.value) };
    format!("{field} {sign} {value}")
}

/// A value as people type it, in the grammar's words: `12` in a money field, `yes`, `me`, a day for a moment.
fn value(app: &App, shelf: &Shelf, field: &str, typed: &str) -> String {
    let typed = typed.trim();
    let kind = shelf.def.position(field).and_then(|at| shelf.field(at)).map(|f| &f.kind);
    let moment = matches!(field, "created_at" | "updated_at" | "published_at");
    match kind {
        _ if field == "published" => flag(typed),
        Some(Kind::Boolean) => flag(typed),
        Some(Kind::Integer | Kind::Decimal) if number(typed) => typed.replace(',', "."),
        Some(Kind::Money) if !typed.ends_with(|c: char| c.is_ascii_alphabetic()) => {
            quoted(&format!("{} {}", typed.replace(',', "."), app.currency))
        }
        Some(Kind::Reference { .. }) if typed.eq_ignore_ascii_case("me") => "@me".to_owned(),
        Some(Kind::Enum(of)) => {
            let known =
                of.iter().find(|v| v.eq_ignore_ascii_case(typed) || words::human(v).eq_ignore_ascii_case(typed));
            quoted(known.map_or(typed, String::as_str))
        }
        Some(Kind::DateTime) => quoted(&instant(typed)),
        None if moment => quoted(&instant(typed)),
        _ => quoted(typed),
    }
}

fn flag(typed: &str) -> String {
    match typed.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" | "y" => "true".to_owned(),
        "no" | "false" | "0" | "n" => "false".to_owned(),
        _ => quoted(typed),
    }
}

fn number(typed: &str) -> bool {
    let digits = typed.strip_prefix('-').unwrap_or(typed);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b','))
}

/// A day begins at midnight, UTC; `2026-05-04 09:30` is taken too.
pub(crate) fn instant(typed: &str) -> String {
    let dashed = typed.replacen(' ', "T", 1);
    match dashed.len() {
        10 => format!("{dashed}T00:00:00Z"),
        16 => format!("{dashed}:00Z"),
        19 => format!("{dashed}Z"),
        _ => dashed,
    }
}

/// A text of the grammar.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// A member of a query, percent-encoded.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_texts() {
        assert_eq!(quoted(r#"a" or id is not null or name = "\"#), r#""a\" or id is not null or name = \"\\""#);
        assert_eq!(encoded("a&b=ö"), "a%26b%3D%C3%B6");
        assert!(number("-12,5") && !number("1 or 2") && !number("") && !number("-"));
    }

    #[test]
    fn moments_are_completed() {
        for (typed, whole) in [
            ("2026-05-04", "2026-05-04T00:00:00Z"),
            ("2026-05-04 09:30", "2026-05-04T09:30:00Z"),
            ("2026-05-04T09:30", "2026-05-04T09:30:00Z"),
            ("2026-05-04T09:30:00Z", "2026-05-04T09:30:00Z"),
        ] {
            assert_eq!(instant(typed), whole);
        }
    }
}
