//! Pending changes of a published record: stored values by field name, as JSON in the column `draft`.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value as Json, json};
use store::Value;

use crate::shelf::Shelf;

/// As JSON text.
pub(crate) fn write(shelf: &Shelf, pending: &[(usize, Value)]) -> String {
    let mut members = Map::new();
    for (at, value) in pending {
        if let Some(field) = shelf.field(*at) {
            members.insert(field.id.to_owned(), stored(value));
        }
    }
    Json::Object(members).to_string()
}

/// A stored value as JSON that keeps its type.
pub(crate) fn stored(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Int(n) => (*n).into(),
        Value::Text(t) => t.as_str().into(),
        Value::Blob(b) => json!({ "sealed": STANDARD.encode(b) }),
    }
}

/// From the column; members that are no field any more are passed over.
pub(crate) fn read(shelf: &Shelf, text: &str) -> Vec<(usize, Value)> {
    let Ok(Json::Object(members)) = serde_json::from_str::<Json>(text) else { return Vec::new() };
    let value = |json: &Json| match json {
        Json::Number(n) => Value::Int(n.as_i64().unwrap_or(0)),
        Json::String(t) => Value::Text(t.clone()),
        Json::Object(o) => {
            let sealed = o.get("sealed").and_then(Json::as_str).and_then(|t| STANDARD.decode(t).ok());
            sealed.map_or(Value::Null, Value::Blob)
        }
        _ => Value::Null,
    };
    members.iter().filter_map(|(name, json)| Some((shelf.def.position(name)?, value(json)))).collect()
}

/// Later changes over earlier ones.
pub(crate) fn merged(earlier: Vec<(usize, Value)>, later: &[(usize, Value)]) -> Vec<(usize, Value)> {
    let mut out: Vec<_> = earlier.into_iter().filter(|(at, _)| later.iter().all(|(l, _)| l != at)).collect();
    out.extend(later.iter().cloned());
    out
}
