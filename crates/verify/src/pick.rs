//! Records that a manifest accepts, made from its field kinds; and the collections worth trying.

use std::collections::{BTreeMap, BTreeSet};

use manifest::{App, Collection, Derived, Field, Kind, Target};
use serde_json::{Map, Value, json};

use crate::{pattern, random};

/// What a record must refer to: records by collection, and a member.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// Position of the collection -> id of one of its records.
    pub records: BTreeMap<usize, String>,
    /// A member's user id.
    pub member: String,
}

/// Whether a value for this field comes from outside.
#[must_use]
pub const fn settable(field: &Field) -> bool {
    field.derived.is_none() && !field.read_only
}

/// Fields a new record must be given.
pub fn required(collection: &Collection) -> impl Iterator<Item = (usize, &Field)> {
    collection.fields.iter().enumerate().filter(|(_, f)| f.required && settable(f) && f.default.is_none())
}

/// Collections whose records must exist before one of `at` can, `at` itself last; the flag says that they must be
/// published. `None` when the prober cannot make one (a required file, a cycle, a named row set).
#[must_use]
pub fn chain(app: &App, at: usize) -> Option<Vec<(usize, bool)>> {
    let mut order = Vec::new();
    let mut open = BTreeSet::new();
    visit(app, at, false, &mut open, &mut order).then_some(order)
}

fn visit(app: &App, at: usize, published: bool, open: &mut BTreeSet<usize>, order: &mut Vec<(usize, bool)>) -> bool {
    if let Some(known) = order.iter_mut().find(|(c, _)| *c == at) {
        known.1 |= published;
        return true;
    }
    let Some(collection) = app.collections.get(at) else { return false };
    if !open.insert(at) {
        return false;
    }
    let copied = collection.fields.iter().filter_map(|f| match f.derived {
        Some(Derived::Copy(reference, _)) => Some(reference),
        _ => None,
    });
    let copied: BTreeSet<usize> = copied.collect();
    for (i, field) in collection.fields.iter().enumerate() {
        let needed = field.required && settable(field) && field.default.is_none();
        match &field.kind {
            Kind::File { .. } if needed => return false,
            Kind::Reference { to: Target::Collection(to), only, .. } if needed || copied.contains(&i) => {
                let publish = match only {
                    None => false,
                    Some(cells) if cells.iter().all(|c| c.column == "published") => true,
                    Some(_) => return false,
                };
                if !visit(app, *to, publish, open, order) {
                    return false;
                }
            }
            _ => {}
        }
    }
    open.remove(&at);
    order.push((at, published));
    true
}

/// A new record of `collection`: its required fields, and `more` on top.
#[must_use]
pub fn record(app: &App, collection: &Collection, links: &Links, more: &[&str]) -> Map<String, Value> {
    let mut out = Map::new();
    for (at, field) in collection.fields.iter().enumerate() {
        let copied = collection.fields.iter().any(|f| matches!(f.derived, Some(Derived::Copy(r, _)) if r == at));
        let wanted = (field.required && field.default.is_none()) || copied || more.contains(&field.id);
        if wanted
            && settable(field)
            && let Some(value) = value(app, field, links)
        {
            out.insert(field.id.to_owned(), value);
        }
    }
    out
}

/// One acceptable value, different each time where the kind allows.
#[must_use]
pub fn value(app: &App, field: &Field, links: &Links) -> Option<Value> {
    let single = match &field.kind {
        Kind::Text => Value::from(words(field)?),
        Kind::RichText => json!(format!("<p>Canary {}</p>", random::hex(4))),
        Kind::Integer => json!(field.min.unwrap_or(1)),
        Kind::Decimal => {
            let millionths = field.min.unwrap_or(1_000_000).max(1_000_000).min(field.max.unwrap_or(i64::MAX));
            serde_json::from_str(&format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000)).ok()?
        }
        Kind::Money => json!(format!("{}.50 {}", field.min.map_or(12, |m| m / 100 + 1), app.currency)),
        Kind::Boolean => json!(true),
        Kind::Date => json!("2026-03-14"),
        Kind::DateTime => json!("2026-03-14T09:26:53.000Z"),
        Kind::Enum(of) => json!(of.first()?),
        Kind::Email => json!(format!("{}@canary.example", random::hex(5))),
        Kind::Url => json!(format!("https://canary.example/{}", random::hex(5))),
        Kind::Json => json!({"canary": true}),
        Kind::Reference { to: Target::Members, .. } => json!(links.member),
        Kind::Reference { to: Target::Collection(to), .. } => json!(links.records.get(to)?),
        Kind::Secret => json!(format!("cnry{}", random::hex(12))),
        Kind::File { .. } => return None,
    };
    Some(if field.many { json!([single]) } else { single })
}

fn words(field: &Field) -> Option<String> {
    if let Some(pattern) = &field.pattern {
        return pattern::text(pattern);
    }
    let max = field.max.and_then(|m| usize::try_from(m).ok()).unwrap_or(500);
    let least = field.min.and_then(|m| usize::try_from(m).ok()).unwrap_or(1);
    let text = format!("Canary {}", random::hex(6));
    let text: String = text.chars().take(max).collect();
    Some(if text.len() < least { format!("{text}{}", "x".repeat(least - text.len())) } else { text })
}

/// A plain text field that a record can carry a marker in: no pattern, room for `least` characters.
#[must_use]
pub fn marker_field(collection: &Collection, least: i64) -> Option<&Field> {
    let fits = |f: &&Field| {
        f.kind == Kind::Text
            && !f.many
            && f.pattern.is_none()
            && settable(f)
            && f.max.is_none_or(|m| m >= least)
            && !f.encrypted
    };
    collection.fields.iter().filter(fits).min_by_key(|f| (f.personal, f.unique, !f.required))
}

/// Collections that can be made, those with the shortest way first.
#[must_use]
pub fn makeable(app: &App) -> Vec<usize> {
    let length = |at: &usize| chain(app, *at).map_or(usize::MAX, |c| c.len());
    let mut out: Vec<usize> = (0..app.collections.len()).filter(|at| length(at) < usize::MAX).collect();
    out.sort_by_key(|at| (length(at), *at));
    out
}

/// The collection that carries markers best: short way, plain text with room, changeable.
#[must_use]
pub fn carrier(app: &App) -> Option<(usize, &Field)> {
    makeable(app).into_iter().find_map(|at| {
        let collection = app.collections.get(at)?;
        if collection.append_only || collection.part_of.is_some() {
            return None;
        }
        Some((at, marker_field(collection, 60)?))
    })
}
#[cfg(test)]
mod tests {
    use super::*;

    fn apps() -> Vec<App> {
        ["kwestra", "nordkestrel", "kontraktr", "estokad", "connectwyze"]
            .iter()
            .map(|name| {
                let path = format!("{}/../../apps/{name}/app.toml", env!("CARGO_MANIFEST_DIR"));
                let text = std::fs::read_to_string(&path).unwrap();
                manifest::read(&text, &path).unwrap_or_else(|f| panic!("{name}: {}", manifest::render(&f, false)))
            })
            .collect()
    }

    #[test]
    fn every_app_has_a_carrier_and_several_collections_to_make() {
        for app in apps() {
            let (at, field) = carrier(&app).unwrap();
            assert!(app.collections[at].position(field.id).is_some(), "{}", app.id);
            assert!(makeable(&app).len() * 2 > app.collections.len(), "{}: {:?}", app.id, makeable(&app));
        }
    }

    #[test]
    fn records_hold_every_required_field() {
        for app in apps() {
            for at in makeable(&app) {
                let collection = &app.collections[at];
                let mut links = Links { member: "m".into(), ..Links::default() };
                for (c, _) in chain(&app, at).unwrap() {
                    links.records.insert(c, "r".into());
                }
                let made = record(&app, collection, &links, &[]);
                for (_, field) in required(collection) {
                    assert!(made.contains_key(field.id), "{}: {}.{}", app.id, collection.id, field.id);
                }
            }
        }
    }
}
