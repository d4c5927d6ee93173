//! OpenAPI 3.1 out of the route table: every route, nothing written twice.

use serde_json::{Map, Value, json};

use crate::router::Router;

/// The document.
#[must_use]
pub fn document(app: &manifest::App, router: &Router) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in router.routes() {
        // The team's own desk is nobody's interface.
        if !route.path.starts_with("/api/") || route.action.resource == "operator" {
            continue;
        }
        let method = route.serve.method.as_str().to_ascii_lowercase();
        let entry = paths.entry(route.path.clone()).or_insert_with(|| json!({}));
        if let Value::Object(methods) = entry {
            methods.insert(method, operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": format!("{} API", app.name),
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!("Paths are below the url of one {}. Errors are problem documents (RFC 9457).", app.tenant.noun),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An access token from sign-in."},
            },
            "schemas": {"Problem": problem()},
        },
    })
}

fn operation(route: &route::Route) -> Value {
    let serve = &route.serve;
    let names: Vec<&str> = segments(&route.path).collect();
    let mut parameters: Vec<Value> = names
        .iter()
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    let reads = serve.method == http::Method::GET;
    if reads && let Some(Value::Object(members)) = serve.takes.get("properties") {
        let required = |name: &str| {
            serve.takes.get("required").and_then(Value::as_array).is_some_and(|r| r.iter().any(|n| n == name))
        };
        for (name, schema) in members.iter().filter(|(name, _)| !names.contains(&name.as_str())) {
            parameters.push(json!({"name": name, "in": "query", "required": required(name), "schema": schema}));
        }
    }
    let id = format!("{}{}", serve.method.as_str().to_ascii_lowercase(), route.path.replace(['/', '{', '}'], "_"));
    let mut operation = json!({
        "operationId": id,
        "tags": [route.action.resource],
        "x-action": format!("{}.{}", route.action.resource, route.action.verb),
        "x-limit": route.tier,
        "parameters": parameters,
        "responses": {
            "default": {
                "description": "A problem.",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    });
    let Value::Object(members) = &mut operation else { return operation };
    if let Some(also) = serve.also {
        members.insert("x-also".to_owned(), json!(format!("{}.{}", also.resource, also.verb)));
    }
    if !serve.event.is_empty() {
        members.insert("x-audit".to_owned(), json!(serve.event));
    }
    if !matches!(route.action.resource, "public" | "house" | "development") {
        members.insert("security".to_owned(), json!([{"bearer": []}]));
    }
    if !reads && !serve.takes.is_null() && serve.intake != route::Intake::None {
        let schema = without(&serve.takes, &names);
        members.insert(
            "requestBody".to_owned(),
            json!({"required": true, "content": {"application/json": {"schema": schema}}}),
        );
    }
    let good = if serve.gives.is_null() {
        json!({"description": "Done."})
    } else {
        json!({"description": "Done.", "content": {"application/json": {"schema": serve.gives}}})
    };
    if let Some(Value::Object(responses)) = members.get_mut("responses") {
        responses.insert("2XX".to_owned(), good);
    }
    operation
}

/// A schema without the members that the path gives.
fn without(schema: &Value, names: &[&str]) -> Value {
    let mut schema = schema.clone();
    if let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        members.retain(|name, _| !names.contains(&name.as_str()));
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| !name.as_str().is_some_and(|n| names.contains(&n)));
    }
    schema
}

/// Names of a path template's segments.
pub(crate) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|s| Some(s.strip_prefix('{')?.strip_suffix('}')?.trim_start_matches('*')))
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string"},
            "detail": {"type": "string"},
            "errors": {"type": "array", "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {"field": {"type": "string"}, "code": {"type": "string"}, "detail": {"type": "string"}},
            }},
        },
    })
}
