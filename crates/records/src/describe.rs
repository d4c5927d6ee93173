//! JSON schemas of inputs and answers, from the manifest, for OpenAPI.

use manifest::{Field, Kind};
use serde_json::{Map, Value as Json, json};

use crate::shelf::Desk;

fn one(field: &Field, currency: &str) -> Json {
    match &field.kind {
        Kind::Integer => json!({ "type": "integer", "minimum": field.min, "maximum": field.max }),
        Kind::Decimal => json!({ "type": "number" }),
        Kind::Money => {
            json!({ "type": "string", "description": format!("amount in {currency}"), "examples": [format!("12.50 {currency}")] })
        }
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Date => json!({ "type": "string", "format": "date" }),
        Kind::DateTime => json!({ "type": "string", "format": "date-time" }),
        Kind::Enum(of) => json!({ "type": "string", "enum": of }),
        Kind::Email => json!({ "type": "string", "format": "email", "maxLength": field.max }),
        Kind::Url => json!({ "type": "string", "format": "uri", "maxLength": field.max }),
        Kind::Json => json!({}),
        Kind::Reference { .. } => json!({ "type": "string", "format": "uuid" }),
        Kind::File { .. } => {
            json!({ "type": ["object", "string"], "description": "an uploaded file's id, or its metadata" })
        }
        Kind::Text | Kind::RichText | Kind::Secret => {
            json!({ "type": "string", "minLength": field.min, "maxLength": field.max, "pattern": field.pattern })
        }
    }
}

/// A field's schema.
fn of(field: &Field, currency: &str) -> Json {
    let mut schema = one(field, currency);
    if let Json::Object(members) = &mut schema {
        members.retain(|_, v| !v.is_null());
    }
    let mut schema = if field.many { json!({ "type": "array", "items": schema }) } else { schema };
    if let Json::Object(members) = &mut schema {
        members.insert("title".to_owned(), field.label.clone().into());
    }
    schema
}

fn object(fields: &[&Field], needed: bool, currency: &str) -> Json {
    let properties: Map<String, Json> = fields.iter().map(|f| (f.id.to_owned(), of(f, currency))).collect();
    let required: Vec<&str> = fields.iter().filter(|f| needed && f.required).map(|f| f.id).collect();
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let (Json::Object(members), false) = (&mut schema, required.is_empty()) {
        members.insert("required".to_owned(), json!(required));
    }
    schema
}

fn settable(desk: &Desk) -> Vec<&Field> {
    desk.shelf.def.fields.iter().filter(|f| f.derived.is_none() && !f.read_only).collect()
}

/// A new record.
pub(crate) fn fresh(desk: &Desk) -> Json {
    object(&settable(desk), true, desk.records.app.currency)
}

/// A change.
pub(crate) fn change(desk: &Desk) -> Json {
    object(&settable(desk), false, desk.records.app.currency)
}

/// Inputs of an action.
pub(crate) fn inputs(desk: &Desk, input: &[Field]) -> Json {
    object(&input.iter().collect::<Vec<_>>(), true, desk.records.app.currency)
}

/// A record as it is shown; fields that the caller may not read are absent.
pub(crate) fn record(desk: &Desk) -> Json {
    let moment = json!({ "type": "string", "format": "date-time" });
    let mut properties = Map::new();
    properties.insert("id".to_owned(), json!({ "type": "string", "format": "uuid" }));
    properties.insert("created_at".to_owned(), moment.clone());
    properties.insert("updated_at".to_owned(), moment);
    properties.insert("version".to_owned(), json!({ "type": "integer" }));
    if desk.shelf.def.drafts {
        properties.insert("published".to_owned(), json!({ "type": "boolean" }));
        properties.insert("published_at".to_owned(), json!({ "type": ["string", "null"], "format": "date-time" }));
        properties
            .insert("draft".to_owned(), json!({ "type": "boolean", "description": "changes wait to be published" }));
    }
    for field in desk.shelf.def.fields.iter().filter(|f| f.kind != Kind::Secret) {
        properties.insert(field.id.to_owned(), of(field, desk.records.app.currency));
    }
    json!({ "type": "object", "properties": properties, "required": ["id", "version"] })
}

/// A page.
pub(crate) fn page(desk: &Desk) -> Json {
    json!({
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": { "type": "array", "items": record(desk) },
            "next": { "type": ["string", "null"], "description": "cursor of the next page" },
            "count": { "type": "integer" },
        },
    })
}

/// Parameters of a list.
pub(crate) fn query() -> Json {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "filter": { "type": "string", "maxLength": 4096, "examples": ["status = \"paid\" and note is not null"] },
            "sort": { "type": "string", "examples": ["-created_at,name"] },
            "fields": { "type": "string" },
            "limit": { "type": "integer", "minimum": 1, "maximum": 200, "default": 30 },
            "cursor": { "type": "string" },
            "count": { "type": "boolean", "default": false },
        },
    })
}

/// A batch.
pub(crate) fn batch() -> Json {
    json!({
        "type": "array",
        "minItems": 1,
        "maxItems": 500,
        "items": {
            "type": "object",
            "properties": {
                "op": { "enum": ["create", "update", "delete"] },
                "id": { "type": "string", "format": "uuid" },
                "version": { "type": "integer" },
                "fields": { "type": "object" },
            },
        },
    })
}

/// What a batch answers.
pub(crate) fn batched() -> Json {
    json!({
        "type": "object",
        "properties": {
            "items": { "type": "array", "items": { "type": "object", "properties": { "id": { "type": "string", "format": "uuid" } } } },
        },
    })
}
