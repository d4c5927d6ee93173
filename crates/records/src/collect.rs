//! Members of an input, each checked by its field; everything wrong is told at once, by name.

use kernel::{Failure, FieldError, FieldSet};
use manifest::Field;
use regex_lite::Regex;
use serde_json::{Map, Value as Json};
use store::Value;

use crate::{body::named, input, shelf::Shelf};

/// Errors told at most.
const TOLD: usize = 100;

/// What is wrong so far. Names are paths below `prefix`: `order_lines/3/count`.
#[derive(Default)]
pub(crate) struct Errors {
    pub(crate) list: Vec<FieldError>,
    pub(crate) prefix: String,
}

impl Errors {
    /// One more.
    pub(crate) fn add(&mut self, field: &str, code: &'static str, detail: &'static str) {
        if self.list.len() < TOLD {
            let field = format!("{}{}", self.prefix, named(field));
            self.list.push(FieldError { field, code, detail: detail.into() });
        }
    }
    /// Fails if there is anything.
    pub(crate) fn settle(self) -> Result<(), Failure> {
        if self.list.is_empty() { Ok(()) } else { Err(Failure::Invalid(self.list)) }
    }
}

/// Which members an input may have.
pub(crate) struct Allowed {
    /// Fields that may be read: the others do not exist for this caller.
    pub(crate) read: FieldSet,
    /// Fields that may be set.
    pub(crate) write: FieldSet,
    /// Seeds and the system's own changes may set what is never accepted from outside.
    pub(crate) inside: bool,
}

/// Names every record has, never accepted.
const SYSTEM: [&str; 9] =
    ["id", "created_at", "created_by", "updated_at", "version", "published", "published_at", "publish_at", "draft"];

/// Checks each member; what passes comes back in stored form, by position. `null` empties a field.
pub(crate) fn members(
    shelf: &Shelf,
    allowed: &Allowed,
    given: &Map<String, Json>,
    currency: &str,
    errors: &mut Errors,
) -> Vec<(usize, Value)> {
    let mut taken = Vec::with_capacity(given.len());
    for (name, json) in given {
        let Some((at, field)) = shelf.def.position(name).and_then(|at| Some((at, shelf.field(at)?))) else {
            if SYSTEM.contains(&name.as_str()) {
                errors.add(name, "read_only", "is set by the server alone");
            } else if !kernel::sabotage::off("edge.input_validation") {
                errors.add(name, "unknown", "no such field");
            }
            continue;
        };
        if let Some((code, detail)) = barred(field, at, allowed) {
            errors.add(name, code, detail);
            continue;
        }
        match value(field, shelf.patterns.get(at).and_then(Option::as_ref), json, currency) {
            Ok(value) => taken.push((at, value)),
            Err((code, detail)) => errors.add(name, code, detail),
        }
    }
    taken
}

/// A member's value; `null` where nothing is needed.
pub(crate) fn value(
    field: &Field,
    pattern: Option<&Regex>,
    json: &Json,
    currency: &str,
) -> Result<Value, input::Unfit> {
    match json {
        Json::Null if field.required => Err(("required", "must not be empty")),
        Json::Null => Ok(Value::Null),
        json => input::accept(field, pattern, json, currency),
    }
}

fn barred(field: &Field, at: usize, allowed: &Allowed) -> Option<(&'static str, &'static str)> {
    if field.derived.is_some() {
        return Some(if allowed.read.has(at) || allowed.inside {
            ("derived", "is derived and never accepted from outside")
        } else {
            ("unknown", "no such field")
        });
    }
    if allowed.inside {
        return None;
    }
    match (allowed.read.has(at), allowed.write.has(at)) {
        (false, false) => Some(("unknown", "no such field")),
        (true, _) if field.read_only => Some(("read_only", "is never accepted from outside")),
        (false, true) if field.read_only => Some(("unknown", "no such field")),
        (true, false) => Some(("forbidden", "you may read this field, not set it")),
        (_, true) => None,
    }
}

/// Inputs of an action: typed like fields, none of another name, none missing.
pub(crate) fn inputs(
    declared: &[Field],
    patterns: &[Option<Regex>],
    given: &Map<String, Json>,
    currency: &str,
    errors: &mut Errors,
) -> Vec<Value> {
    for name in given.keys() {
        if declared.iter().all(|f| f.id != name) && !kernel::sabotage::off("edge.input_validation") {
            errors.add(name, "unknown", "no such input");
        }
    }
    let mut values = Vec::with_capacity(declared.len());
    for (at, field) in declared.iter().enumerate() {
        let json = given.get(field.id).unwrap_or(&Json::Null);
        let default =
            || field.default.as_ref().filter(|_| json.is_null()).map(|d| crate::sql::literal(d, &Value::Null));
        let taken = match default() {
            Some(default) => Ok(default),
            None => value(field, patterns.get(at).and_then(Option::as_ref), json, currency),
        };
        values.push(taken.unwrap_or_else(|(code, detail)| {
            errors.add(field.id, code, detail);
            Value::Null
        }));
    }
    values
}
