//! Public forms: one record with its parts and the records it refers to, from somebody without an account.

use kernel::{Failure, FieldSet, Write};
use manifest::{Kind, Submission, Target};
use serde_json::{Map, Value as Json, json};
use store::{Own, Receipt, Tx, Value};

use crate::{
    collect::{Allowed, Errors, members},
    share::Link,
    shelf::{Records, Shelf},
    sql,
    write::{Fresh, Writer},
};

/// The member that people do not see and programs fill in.
const HONEYPOT: &str = "website";
/// The member that says how long the form was open, in milliseconds.
const ELAPSED: &str = "elapsed_ms";
/// A person needs at least this long.
const FASTEST: i64 = 1000;

fn set(fields: &[usize]) -> FieldSet {
    fields.iter().fold(FieldSet::NONE, |set, at| set.with(*at))
}

/// The same words for every sign of a program.
fn refused() -> Failure {
    Failure::field("form", "refused", "this could not be accepted")
}

/// Takes out what guards against programs, and refuses those it shows.
fn guard(s: &Submission, shelf: &Shelf, given: &mut Map<String, Json>) -> Result<(), Failure> {
    let refused = || if kernel::sabotage::off("edge.bot_rules") { Ok(()) } else { Err(refused()) };
    let declared = |name: &str| shelf.def.position(name).is_some_and(|at| s.fields.contains(&at));
    if s.honeypot && !declared(HONEYPOT) {
        match given.remove(HONEYPOT) {
            None | Some(Json::Null) => {}
            Some(Json::String(text)) if text.is_empty() => {}
            Some(_) => refused()?,
        }
    }
    if s.timing && !declared(ELAPSED) {
        match given.remove(ELAPSED) {
            None | Some(Json::Null) => {}
            Some(v) if v.as_i64().is_some_and(|ms| ms >= FASTEST) => {}
            Some(_) => refused()?,
        }
    }
    Ok(())
}

/// A record of the submission, checked by the fields its declaration accepts.
async fn record(
    w: &Writer<'_>,
    tx: &Tx<Write>,
    given: &Map<String, Json>,
    more: Vec<(usize, Value)>,
    trusted: FieldSet,
    errors: &mut Errors,
) -> Result<Fresh, Failure> {
    let mut taken = members(w.shelf, &w.allowed, given, w.records.app.currency, errors);
    taken.extend(more);
    w.complete(tx, taken, trusted, errors).await
}

/// Takes a submission.
pub(crate) async fn run(
    records: &Records,
    s: &Submission,
    tx: Tx<Write>,
    mut given: Map<String, Json>,
) -> Result<(Receipt, Json), Failure> {
    let shelf = records.shelf(s.creates).ok_or(Failure::NotFound)?;
    guard(s, shelf, &mut given)?;
    let mut w = Writer::new(records, shelf, tx.permit());
    w.allowed = Allowed { read: set(&s.fields), write: set(&s.fields), inside: false };
    let mut errors = Errors::default();

    let mut more: Vec<(usize, Value)> = s.sets.iter().map(|(at, l)| (*at, sql::literal(l, &w.me))).collect();
    let (mut trusted, mut referred) = (FieldSet::NONE, Vec::new());
    for (at, fields) in &s.references {
        let Some(field) = shelf.field(*at) else { continue };
        let Kind::Reference { to: Target::Collection(to), .. } = field.kind else { continue };
        let Some(target) = records.shelf(to) else { continue };
        let Some(value) = given.remove(field.id).filter(|v| !v.is_null()) else { continue };
        let Json::Object(value) = value else {
            errors.add(field.id, "type", "expected: an object");
            continue;
        };
        let there = w.elsewhere(target, set(fields));
        errors.prefix = format!("{}/", field.id);
        let fresh = record(&there, &tx, &value, Vec::new(), FieldSet::NONE, &mut errors).await?;
        errors.prefix.clear();
        more.push((*at, Value::Text(fresh.id.clone())));
        trusted = trusted.with(*at);
        referred.push((fresh, target));
    }
    let lists = lists(records, s, &mut given, &mut errors);
    let main = record(&w, &tx, &given, more, trusted, &mut errors).await?;
    let mut parts = Vec::new();
    for (at, fields, list) in lists {
        let Some(part) = records.shelf(at) else { continue };
        let Some((_, reference)) = part.def.part_of else { continue };
        let there = w.elsewhere(part, fields);
        for (n, value) in list.into_iter().enumerate() {
            errors.prefix = format!("{}/{n}/", part.def.id);
            let Json::Object(value) = value else {
                errors.add("", "type", "expected: an object");
                continue;
            };
            let parent = vec![(reference, Value::Text(main.id.clone()))];
            let fresh = record(&there, &tx, &value, parent, FieldSet::NONE.with(reference), &mut errors).await?;
            parts.push((fresh, part));
        }
        errors.prefix.clear();
    }
    errors.settle()?;
    commit(&w, tx, main, referred, parts).await
}

/// Lists of parts, within their bounds.
fn lists(
    records: &Records,
    s: &Submission,
    given: &mut Map<String, Json>,
    errors: &mut Errors,
) -> Vec<(usize, FieldSet, Vec<Json>)> {
    let mut out = Vec::new();
    for (at, fields, most) in &s.children {
        let Some(part) = records.shelf(*at) else { continue };
        match given.remove(part.def.id) {
            None | Some(Json::Null) => {}
            Some(Json::Array(list)) if list.len() <= usize::try_from(*most).unwrap_or(usize::MAX) => {
                out.push((*at, set(fields), list));
            }
            Some(Json::Array(_)) => errors.add(part.def.id, "too_long", "more than allowed at once"),
            Some(_) => errors.add(part.def.id, "type", "expected: a list"),
        }
    }
    out
}

async fn commit(
    w: &Writer<'_>,
    tx: Tx<Write>,
    main: Fresh,
    referred: Vec<(Fresh, &std::sync::Arc<Shelf>)>,
    parts: Vec<(Fresh, &std::sync::Arc<Shelf>)>,
) -> Result<(Receipt, Json), Failure> {
    let (records, shelf, id) = (w.records, w.shelf, main.id.clone());
    let mut batch = tx.batch::<Own>(format!("{}/{id}", shelf.def.id));
    for (fresh, target) in referred {
        batch = w.elsewhere(target, FieldSet::ALL).insert(batch, fresh, false, false);
    }
    batch = w.insert(batch, main, true, false);
    let mut summed: Vec<usize> = Vec::new();
    for (fresh, part) in parts {
        batch = w.elsewhere(part, FieldSet::ALL).insert(batch, fresh, false, false);
        if !summed.contains(&part.at) {
            summed.push(part.at);
        }
    }
    for at in summed {
        if let Some(part) = records.shelf(at) {
            batch = w.elsewhere(part, FieldSet::ALL).follow(batch, Some(&id));
        }
    }
    let shown = |share: &&manifest::Share| share.shows.first().is_some_and(|(at, _)| *at == shelf.at);
    let link =
        records.app.shares.iter().find(shown).map(|share| (Link::new(share, records.rng.as_ref(), w.now), share));
    if let Some((link, share)) = &link {
        batch = link.add(batch, share, &id, &w.me, w.now);
    }
    let receipt = batch.commit().await?;
    let mut answer = json!({ "id": id });
    if let Json::Object(members) = &mut answer {
        if let Some(at) = shelf.sequence {
            members.insert(shelf.field(at).map_or("number", |f| f.id).to_owned(), number(shelf, at, &receipt)?);
        }
        if let Some((link, _)) = link {
            members.insert("receipt".to_owned(), link.told(&w.home));
        }
    }
    Ok((receipt, answer))
}

/// The number that the record was given.
fn number(shelf: &Shelf, at: usize, receipt: &Receipt) -> Result<Json, Failure> {
    let mut found = Json::Null;
    receipt.each(|row| {
        if let Some(column) = shelf.sql.all.column(at) {
            found = row.opt_int(column)?.into();
        }
        Ok(())
    })?;
    Ok(found)
}
