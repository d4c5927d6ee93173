//! The JSON Schema (2020-12) of `app.toml`, made from the key tables the parser uses.

use serde_json::{Map, Value, json};

use crate::{
    keys::{FIELD, Key, Names, Own, SECTIONS, Ty},
    read::RESOURCES,
};

/// The schema.
#[must_use]
pub fn schema() -> Value {
    let mut root = object(SECTIONS);
    if let Value::Object(map) = &mut root {
        map.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        map.insert("title".into(), json!("app.toml of a Vouchsafe app"));
        map.insert("$defs".into(), definitions());
    }
    root
}

const NAME: &str = "^[a-z][a-z0-9_]{0,39}$";
const DASHED: &str = "^[a-z][a-z0-9_-]{0,39}$";
const DURATION: &str = "^[0-9]+ (ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?|weeks?|months?|years?)$";
const SIZE: &str = "^[0-9]+ (B|bytes|KB|MB|GB|KiB|MiB|GiB)$";
const RATE: &str = "^[0-9]+/([0-9]+ )?[a-z]+ per (ip|account|key|tenant|source|route)$";
const POINTER: &str = "^(env:[A-Z_][A-Z0-9_]*|file:/.*|kms:.+)$";

/// A table with these keys and no others.
fn object(keys: &[Key]) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let mut of = ty(key.ty);
        if let Value::Object(map) = &mut of {
            map.insert("description".into(), json!(key.doc));
            if let Some(default) = default(key) {
                map.insert("default".into(), default);
            }
        }
        properties.insert(key.name.to_owned(), of);
    }
    let required: Vec<&str> = keys.iter().filter(|k| k.required).map(|k| k.name).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": required })
}

/// The default as JSON; texts, numbers, flags and lists read the same in both.
fn default(key: &Key) -> Option<Value> {
    let number = key.default.starts_with(|c: char| c.is_ascii_digit());
    let text = if number { key.default.replace('_', "") } else { key.default.to_owned() };
    serde_json::from_str(&text).ok()
}

fn ty(ty: Ty) -> Value {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    let one_or_many = |item: Value| json!({ "anyOf": [item, { "type": "array", "items": item }] });
    match ty {
        Ty::Text => json!({ "type": "string" }),
        Ty::Name => text(NAME),
        Ty::Color => text("^#[0-9A-Fa-f]{6}$"),
        Ty::Int(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Ty::Bool => json!({ "type": "boolean" }),
        Ty::Duration => text(DURATION),
        Ty::Every => json!({ "anyOf": [{ "enum": ["hourly", "daily", "weekly"] }, text(DURATION)] }),
        Ty::Size => text(SIZE),
        Ty::Rates => one_or_many(text(RATE)),
        Ty::Pointer => text(POINTER),
        Ty::Pointers => one_or_many(text(POINTER)),
        Ty::OneOf(words) => json!({ "enum": words }),
        Ty::Texts => one_or_many(json!({ "type": "string" })),
        Ty::SomeOf(words) => one_or_many(json!({ "enum": words })),
        Ty::Ints(least, most) => one_or_many(json!({ "type": "integer", "minimum": least, "maximum": most })),
        Ty::Durations => one_or_many(text(DURATION)),
        // TOML has dates of its own, which tools hand to a schema as texts.
        Ty::Date => text("^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
        Ty::Table(keys) | Ty::Maybe(keys) => object(keys),
        Ty::Map(names, keys) => named(if names == Names::Dashed { DASHED } else { NAME }, object(keys)),
        Ty::WordOr(word, keys) => json!({ "anyOf": [{ "const": word }, object(keys)] }),
        Ty::Ages => json!({ "type": "object" }),
        Ty::Words => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Ty::Limits => {
            let mut tiers = named(NAME, one_or_many(text(RATE)));
            if let Value::Object(map) = &mut tiers {
                map.insert("properties".into(), json!({ "repeat": { "type": "array", "items": text(DURATION) } }));
                map.insert(
                    "patternProperties".into(),
                    json!({ "^(?!repeat$)[a-z][a-z0-9_]{0,39}$": one_or_many(text(RATE)) }),
                );
            }
            tiers
        }
        Ty::Own(own) => self::own(own),
    }
}

fn named(pattern: &str, of: Value) -> Value {
    json!({ "type": "object", "additionalProperties": false, "patternProperties": { pattern: of } })
}

fn own(own: Own) -> Value {
    let names = json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] });
    match own {
        Own::Grants => json!({ "$ref": "#/$defs/grants" }),
        Own::Fields | Own::Input => named(NAME, json!({ "$ref": "#/$defs/field" })),
        Own::Rows => named(NAME, json!({ "$ref": "#/$defs/values" })),
        Own::Unique => {
            json!({ "type": "array", "items": { "type": "array", "items": { "type": "string" }, "minItems": 2 } })
        }
        Own::PartOf => {
            json!({ "type": "object", "additionalProperties": { "type": "string" }, "minProperties": 1, "maxProperties": 1 })
        }
        Own::Versions => {
            json!({ "anyOf": [{ "const": "all" }, { "type": "integer", "minimum": 0, "maximum": 10_000 }] })
        }
        Own::Guard | Own::Sets | Own::Literals => json!({ "$ref": "#/$defs/values" }),
        Own::Create => json!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/values" } }),
        Own::Accepts | Own::Shows => json!({ "type": "object", "additionalProperties": names }),
        Own::Counts => {
            json!({ "type": "object", "additionalProperties": { "type": "integer", "minimum": 1, "maximum": 1000 } })
        }
        Own::Literal => json!({ "type": ["string", "number", "boolean", "array"] }),
        Own::Bound => json!({ "type": ["string", "number"] }),
        Own::On => json!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/inbound" } }),
        Own::Targets => {
            json!({ "anyOf": [{ "const": "eu" }, { "type": "array", "items": { "type": "string", "pattern": "^[A-Z]{2}$" } }] })
        }
        Own::OriginLock => {
            json!({ "anyOf": [{ "enum": ["none", "client_certificate"] }, { "type": "string", "pattern": POINTER }] })
        }
        Own::Account => {
            json!({ "type": "object", "properties": { "type": { "const": "secret" }, "per": { "const": "tenant" } } })
        }
        Own::Demo => {
            json!({ "type": "array", "items": { "anyOf": [{ "type": "string" }, { "$ref": "#/$defs/demo" }] } })
        }
        Own::Index => json!({ "enum": [true, false, "blind"] }),
        Own::Many => json!({ "type": "boolean" }),
    }
}

/// Grammars of their own, as far as a schema can say them.
fn definitions() -> Value {
    let grant = json!({ "$ref": "#/$defs/grant" });
    let rights = RESOURCES.iter().map(|r| ((*r).to_owned(), json!({ "enum": ["", "read", "manage", "all"] })));
    let tenant =
        json!({ "type": "object", "additionalProperties": false, "properties": rights.collect::<Map<_, _>>() });
    json!({
        "grants": {
            "description": "\"all\", or COLLECTION = grant; \"*\" stands for all collections",
            "anyOf": [
                { "const": "all" },
                { "type": "object", "properties": { "tenant": { "anyOf": [{ "type": "string" }, tenant] } }, "additionalProperties": grant }
            ]
        },
        "grant": {
            "description": "\"verb verb [where ROWS]\", a list of those, or { all = GRANT, FIELD = \"read\" | \"read write\" | \"\" }",
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" } },
                { "type": "object" }
            ]
        },
        "field": {
            "description": "\"type\", \"!type\" for a required field, or a table",
            "anyOf": [{ "type": "string", "pattern": "^!?[a-z_]+$" }, object(FIELD)]
        },
        "values": { "type": "object", "additionalProperties": { "type": ["string", "number", "boolean", "array"] } },
        "inbound": {
            "type": "object",
            "additionalProperties": false,
            "required": ["find", "set"],
            "properties": {
                "find": { "type": "object", "minProperties": 1, "maxProperties": 1 },
                "when": { "$ref": "#/$defs/values" },
                "set": { "$ref": "#/$defs/values" }
            }
        },
        "demo": {
            "type": "object",
            "additionalProperties": false,
            "required": ["slug"],
            "properties": { "slug": { "type": "string" }, "name": { "type": "string" }, "region": { "type": "string" } }
        }
    })
}
