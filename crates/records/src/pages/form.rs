//! Forms from field types: one control for each kind, with its limits in words.

use kernel::{Failure, FieldSet, Mode};
use manifest::{Equal, Field as Def, Kind, Literal, Target};
use maud::{Markup, html};
use route::{Kept, Mishap, page::Field};
use serde_json::Value as Json;
use store::Tx;

use super::{
    Room, Shown,
    label::{self, Names},
    listed, sieve, text, words,
};
use crate::{answer, list::Asked, shelf::sealed};

/// Name of the member that holds the version a form was drawn from.
pub(crate) const VERSION: &str = "_version";
/// Name of the member that holds the id a form will make.
pub(crate) const ONCE: &str = "_once";
/// Before the name of a write-only field: it is to be emptied.
pub(crate) const EMPTY: &str = "_empty.";

/// The length of texts whose declaration says none: not worth a hint.
const USUAL: i64 = 500;
/// Records a select offers; above that a name is typed.
const OFFERED: usize = 200;

/// What a reference can point at.
pub(crate) enum Choices {
    /// Not a reference.
    None,
    /// Few: they are chosen from.
    Few(Vec<(String, String)>),
    /// Many: a name is typed; some are suggested.
    Many(Vec<String>),
}

/// A field as a form has it.
pub(crate) struct Slot<'f> {
    pub(crate) def: &'f Def,
    pub(crate) choices: Choices,
    /// Its value is not shown again: what is typed replaces it.
    pub(crate) hidden: bool,
    /// As it would be typed.
    pub(crate) values: Vec<String>,
}

/// Whether a field's value is never put into a form.
pub(crate) fn write_only(def: &Def) -> bool {
    sealed(def)
}

/// Fields that a form sets: those that may be written, without files, which have forms of their own.
pub(crate) fn settable(room: &Room, write: FieldSet, fresh: bool) -> impl Iterator<Item = (usize, &Def)> {
    let parent = room.shelf().def.part_of.map(|(_, at)| at).filter(|_| !fresh);
    room.shelf().fields().filter(move |(at, f)| {
        let file = matches!(f.kind, Kind::File { .. });
        write.has(*at) && f.derived.is_none() && !f.read_only && !file && parent != Some(*at)
    })
}

/// Slots with their values: those of `record`, or of a new one.
pub(crate) async fn slots<'r, M: Mode>(
    room: &'r Room,
    tx: &Tx<M>,
    fields: Vec<(usize, &'r Def)>,
    record: Option<&Shown>,
) -> Result<Vec<Slot<'r>>, Failure> {
    let mut slots = Vec::new();
    for (_, def) in fields {
        let values = match record {
            Some(record) => record.get(def.id).map_or_else(Vec::new, |v| typed(def, v)),
            None => def.default.as_ref().map_or_else(Vec::new, |d| initial(room, tx, def, d)),
        };
        let hidden = write_only(def) || record.is_some_and(|r| !r.contains_key(def.id));
        let choices = choices(room, tx, def).await?;
        slots.push(Slot { def, choices, hidden, values: if hidden { Vec::new() } else { values } });
    }
    Ok(slots)
}

/// Inputs of an action as slots.
pub(crate) async fn inputs<'r, M: Mode>(
    room: &'r Room,
    tx: &Tx<M>,
    declared: &'r [Def],
) -> Result<Vec<Slot<'r>>, Failure> {
    slots(room, tx, declared.iter().enumerate().collect(), None).await
}

/// A default as it would be typed.
fn initial<M: Mode>(room: &Room, tx: &Tx<M>, def: &Def, default: &Literal) -> Vec<String> {
    let me = tx.permit().principal().user().into();
    let value = crate::sql::literal(default, &me);
    let mut out = Vec::new();
    crate::json::value(&mut out, def, crate::json::Seen::value(&value), room.records().digits, room.app().currency);
    serde_json::from_slice::<Json>(&out).map_or_else(|_| Vec::new(), |json| typed(def, &json))
}

/// A value of an answer as it would be typed.
pub(crate) fn typed(def: &Def, value: &Json) -> Vec<String> {
    match value {
        Json::Null => Vec::new(),
        Json::Array(all) if def.many => all.iter().flat_map(|v| typed(def, v)).collect(),
        Json::String(said) if def.kind == Kind::Money => vec![said.split(' ').next().unwrap_or("").to_owned()],
        Json::String(said) if def.kind == Kind::DateTime => vec![minute(said)],
        Json::String(said) => vec![said.clone()],
        json if def.kind == Kind::Json => vec![serde_json::to_string_pretty(json).unwrap_or_default()],
        other => vec![other.to_string()],
    }
}

/// `2026-05-04T09:30` of a moment, with its seconds where they are not zero.
fn minute(said: &str) -> String {
    let upto = if said.get(16..19).is_some_and(|s| s != ":00") { 19 } else { 16 };
    said.get(..upto).unwrap_or(said).to_owned()
}

async fn choices<M: Mode>(room: &Room, tx: &Tx<M>, def: &Def) -> Result<Choices, Failure> {
    let Kind::Reference { to, only, .. } = &def.kind else { return Ok(Choices::None) };
    match to {
        Target::Members => {
            let mut names = Names::default();
            names.people(room, tx).await?;
            Ok(Choices::Few(names.options()))
        }
        Target::Collection(at) => records(room, tx, *at, only.as_deref().unwrap_or_default(), None).await,
    }
}

/// Records of a collection by name; `called`: those of exactly that name.
pub(crate) async fn records<M: Mode>(
    room: &Room,
    tx: &Tx<M>,
    at: usize,
    only: &[Equal],
    called: Option<&str>,
) -> Result<Choices, Failure> {
    let Some(shelf) = room.records().shelf(at) else { return Ok(Choices::None) };
    let Some(reading) = room.beside(tx, shelf.def.id, "read").await? else { return Ok(Choices::Many(Vec::new())) };
    let readable = answer::readable(shelf, reading.permit().reach());
    let naming = label::naming(shelf, readable);
    let field = naming.and_then(|n| shelf.field(n));
    let mut terms = Vec::new();
    if sieve::viewable(shelf, readable, only) {
        terms.push(sieve::view(room.app(), shelf, only));
    }
    if let Some(called) = called {
        let Some(term) = field.and_then(|f| same(f, &shelf.def.label, called)) else {
            return Ok(Choices::Few(Vec::new()));
        };
        terms.push(term);
    }
    let filter = terms.join(" and ");
    let asked = Asked {
        filter: Some(&filter),
        sort: field.map(|f| f.id),
        fields: Some(field.map_or("id", |f| f.id)),
        limit: i64::try_from(OFFERED).ok(),
        ..Asked::default()
    };
    let found = listed(room.records(), shelf, &reading, &asked).await?;
    let named = found.items.iter().map(|r| (text(r, "id").to_owned(), label::name(shelf, naming, r)));
    Ok(if found.next.is_some() {
        Choices::Many(named.map(|(_, name)| name).collect())
    } else {
        Choices::Few(named.collect())
    })
}

/// A term for records of a name: `Order 12` is the order of that number.
fn same(field: &Def, label: &str, called: &str) -> Option<String> {
    if field.kind == Kind::Integer {
        let number = called.strip_prefix(label).unwrap_or(called).trim();
        return number.parse::<u32>().ok().map(|n| format!("{} = {n}", field.id));
    }
    Some(format!("{} = {}", field.id, sieve::quoted(called)))
}

/// The controls, in the manifest's order, with what was typed and what was wrong.
pub(crate) fn controls(room: &Room, slots: &[Slot<'_>], fresh: bool, mishap: Option<&Mishap>) -> Markup {
    html! { @for slot in slots { (control(room, slot, fresh, mishap)) } }
}

fn control(room: &Room, slot: &Slot<'_>, fresh: bool, mishap: Option<&Mishap>) -> Markup {
    let def = slot.def;
    let kept = mishap.map(|m| &m.kept).filter(|k| k.get(def.id).is_some() && !slot.hidden);
    let values: Vec<String> = kept.map_or_else(|| slot.values.clone(), |k| sent(k, def));
    let error = mishap.and_then(|m| m.error(def.id));
    let one = values.first().cloned().unwrap_or_default();
    let hint = hint(room, def, slot.hidden && !fresh);
    let required = def.required && (fresh || !slot.hidden);
    let dress = |field: Field| {
        let field = field.required(required).error(error);
        if hint.is_empty() { field } else { field.hint(hint.clone()) }
    };
    let line = |kind| dress(Field::text(def.id, def.label.clone()).kind(kind).value(one.clone()));
    match &def.kind {
        Kind::Boolean => html! {
            (Field::hidden(def.id, "false"))
            (dress(Field::check(def.id, def.label.clone()).checked(one == "true")).required(false))
        },
        Kind::Enum(of) if def.many => {
            let options: Vec<(String, String)> = of.iter().map(|v| (v.clone(), words::human(v))).collect();
            boxes(def, &options, &values, &hint, error)
        }
        Kind::Enum(of) => {
            let options = of.iter().map(|v| (v.clone(), words::human(v)));
            html! { (dress(Field::select(def.id, def.label.clone(), offered(def, options, &one)).value(one))) }
        }
        Kind::Reference { .. } => reference(slot, &values, &hint, error, dress),
        Kind::Text if def.many => html! {
            (dress(Field::area(def.id, def.label.clone()).value(values.join("\n")).rows(4)))
        },
        Kind::RichText => html! { (dress(Field::area(def.id, def.label.clone()).value(one).rows(10))) },
        Kind::Json => {
            html! { (dress(Field::area(def.id, def.label.clone()).value(one).rows(8)).attr("spellcheck", "false")) }
        }
        Kind::Text if def.max.is_some_and(|m| m > 200 && m != USUAL) && !slot.hidden => {
            let area = dress(Field::area(def.id, def.label.clone()).value(one).rows(4));
            html! { (longest(area, def)) }
        }
        Kind::Secret => html! { (line("password").autocomplete("new-password")) (emptied(slot, fresh)) },
        Kind::Email => html! { (longest(line("email"), def).autocomplete("off")) (emptied(slot, fresh)) },
        Kind::Url => html! { (line("url")) (emptied(slot, fresh)) },
        Kind::Integer => html! { (bounded(line("number"), def).attr("step", "1")) },
        Kind::Decimal | Kind::Money => html! { (line("text").attr("inputmode", "decimal")) },
        Kind::Date => html! { (line("date")) },
        Kind::DateTime => html! { (line("datetime-local")) },
        Kind::Text => html! { (longest(line("text"), def).autocomplete("off")) (emptied(slot, fresh)) },
        Kind::File { .. } => html! {},
    }
}

/// What was sent of a field; an unticked box is its hidden `false`.
fn sent(kept: &Kept, def: &Def) -> Vec<String> {
    let all: Vec<String> = kept.all(def.id).map(str::to_owned).collect();
    match (&def.kind, def.many) {
        (Kind::Boolean, _) => all.last().cloned().into_iter().collect(),
        (_, true) => all.into_iter().filter(|v| !v.is_empty()).collect(),
        _ => all,
    }
}

/// Options with a first one that says nothing: to be chosen from, or to leave it out.
fn offered(def: &Def, options: impl Iterator<Item = (String, String)>, value: &str) -> Vec<(String, String)> {
    let none = (String::new(), if def.required { "Choose…".to_owned() } else { "Not set".to_owned() });
    let all: Vec<_> = options.collect();
    // A value that is not offered any more is still what is stored.
    let stray = (!value.is_empty() && all.iter().all(|(id, _)| id != value))
        .then(|| (value.to_owned(), format!("As it is ({})", label::short(value))));
    std::iter::once(none).chain(stray).chain(all).collect()
}

fn reference(
    slot: &Slot<'_>,
    values: &[String],
    hint: &str,
    error: Option<&str>,
    dress: impl Fn(Field) -> Field,
) -> Markup {
    let def = slot.def;
    let one = values.first().cloned().unwrap_or_default();
    match &slot.choices {
        Choices::Few(all) if def.many => boxes(def, all, values, hint, error),
        Choices::Few(all) => {
            let options = offered(def, all.iter().cloned(), &one);
            html! { (dress(Field::select(def.id, def.label.clone(), options).value(one))) }
        }
        Choices::Many(_) | Choices::None if def.many => {
            html! { (dress(Field::area(def.id, def.label.clone()).value(values.join("\n")).rows(3))) }
        }
        Choices::Many(names) => html! {
            (dress(Field::text(def.id, def.label.clone()).value(one).attr("list", format!("of-{}", def.id))).autocomplete("off"))
            datalist id={ "of-" (def.id) } { @for name in names { option value=(name) {} } }
        },
        Choices::None => html! { (dress(Field::text(def.id, def.label.clone()).value(one))) },
    }
}

/// Several of several.
fn boxes(def: &Def, options: &[(String, String)], values: &[String], hint: &str, error: Option<&str>) -> Markup {
    html! {
        fieldset.field.boxes aria-invalid=[error.map(|_| "true")] {
            legend { (def.label) @if !def.required { " " span.optional { "optional" } } }
            input type="hidden" name=(def.id) value="";
            @if !hint.is_empty() { p.hint { (hint) } }
            @if let Some(error) = error { p.error { (error) } }
            div.choices {
                @for (value, label) in options {
                    label { input type="checkbox" name=(def.id) value=(value) checked[values.contains(value)]; " " (label) }
                }
            }
        }
    }
}

/// A write-only value can be emptied, where it need not be there.
fn emptied(slot: &Slot<'_>, fresh: bool) -> Markup {
    html! {
        @if slot.hidden && !fresh && !slot.def.required {
            (Field::check(format!("{EMPTY}{}", slot.def.id), format!("Empty {}", words::small(&slot.def.label))))
        }
    }
}

fn longest(field: Field, def: &Def) -> Field {
    match def.max.filter(|_| def.kind != Kind::Integer) {
        Some(max) => field.attr("maxlength", max.to_string()),
        None => field,
    }
}

fn bounded(field: Field, def: &Def) -> Field {
    let least = |field: Field| match def.min {
        Some(min) => field.attr("min", min.to_string()),
        None => field,
    };
    match def.max {
        Some(max) => least(field).attr("max", max.to_string()),
        None => least(field),
    }
}

/// What a value has to be, in words.
fn hint(room: &Room, def: &Def, replaces: bool) -> String {
    let mut said = Vec::new();
    if replaces {
        said.push("Not shown here. What you type replaces it; left empty, it stays.".to_owned());
    } else if sealed(def) {
        said.push("Sealed before it is stored.".to_owned());
    }
    said.extend(limits(room, def));
    match def.kind {
        Kind::Text if def.many => said.push("One on each line.".to_owned()),
        Kind::RichText => {
            said.push("HTML: paragraphs, headings, lists, links. Scripts and styles are taken out.".to_owned())
        }
        Kind::Json => said.push("JSON.".to_owned()),
        Kind::DateTime => said.push("In UTC.".to_owned()),
        Kind::Reference { to: Target::Collection(_), .. } if def.many => {}
        _ => {}
    }
    if def.unique {
        said.push("No two may share it.".to_owned());
    }
    said.join(" ")
}

fn limits(room: &Room, def: &Def) -> Option<String> {
    let amount = |n: i64| {
        let mut out = Vec::new();
        match def.kind {
            Kind::Money => crate::json::amount(&mut out, n, room.records().digits, room.app().currency),
            Kind::Decimal => crate::json::decimal(&mut out, n),
            _ => crate::json::int(&mut out, n),
        }
        String::from_utf8_lossy(&out).into_owned()
    };
    match def.kind {
        Kind::Integer | Kind::Decimal | Kind::Money => {
            let bounds = match (def.min, def.max) {
                (Some(min), Some(max)) => Some(format!("From {} to {}.", amount(min), amount(max))),
                (Some(min), None) => Some(format!("At least {}.", amount(min))),
                (None, Some(max)) => Some(format!("At most {}.", amount(max))),
                (None, None) => None,
            };
            let currency = (def.kind == Kind::Money).then(|| format!("In {}.", room.app().currency));
            let all: Vec<String> = currency.into_iter().chain(bounds).collect();
            (!all.is_empty()).then(|| all.join(" "))
        }
        Kind::Text | Kind::RichText | Kind::Email | Kind::Url | Kind::Secret => {
            let length = def.max.filter(|m| *m < 100_000 && *m != USUAL).map(|m| format!("At most {m} characters."));
            let form = def.pattern.as_ref().map(|p| format!("Written as {p}."));
            let all: Vec<String> = length.into_iter().chain(form).collect();
            (!all.is_empty()).then(|| all.join(" "))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_lose_only_empty_seconds() {
        assert_eq!(minute("2026-05-04T09:30:00.000Z"), "2026-05-04T09:30");
        assert_eq!(minute("2026-05-04T09:30:12.345Z"), "2026-05-04T09:30:12");
    }
}
