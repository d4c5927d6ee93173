//! The wall between two tenants, tried without knowing the app: every door and every body comes from the service's own
//! OpenAPI document. What exists at one tenant must look, from the other, like what never existed.

use serde_json::{Map, Value, json};

use crate::{
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    openapi::{OpenApi, Operation},
    random,
    run::Scene,
    stage::Tenant,
    wire::Ask,
};

/// Records made at the other tenant, at most.
const RECORDS: usize = 8;

/// Something that exists: the path template's beginning, and its id.
struct Thing {
    below: String,
    id: String,
}

/// Reads, changes and deletions with ids of the other tenant, beside the same with ids that nothing has.
pub async fn tried(scene: &Scene) -> Outcome {
    let (a, b) = (&scene.a, &scene.b);
    let document = scene.stage.gate(a).send(Ask::get("/api/v1/openapi.json")).await?.decided()?.step("openapi")?.json();
    let api = OpenApi::read(&document).ok_or(Miss::Unclear("the OpenAPI document has no paths".to_owned()))?;
    let theirs = things(scene, b, &document, &api).await?;
    let (ours, own) = (scene.stage.token(a, a.owner()?).await?, scene.stage.token(b, b.owner()?).await?);
    let (home, foreign) = (scene.stage.at(a), scene.stage.at(b));
    let (mut tries, mut seen) = (0, 0);
    for operation in api.operations.iter().filter(|o| o.signed && o.segments().count() == 1) {
        for thing in theirs.iter().filter(|t| operation.path.starts_with(&t.below)) {
            let (there, nowhere) = (ask(operation, &thing.id), ask(operation, &unknown()));
            let asked = home.send(there.bearer(&ours)).await?.decided()?;
            let unknown = home.send(nowhere.bearer(&ours)).await?.decided()?;
            tries += 1;
            if (asked.status, &asked.body) != (unknown.status, &unknown.body) {
                return broken(
                    format!("{} {} with an id of another tenant", operation.method, operation.path),
                    format!("as for an unknown id: {}", unknown.status),
                    format!("{}", asked.status),
                );
            }
            // At the other's own door, and with the other's key at ours.
            let there = foreign.send(ask(operation, &thing.id).bearer(&ours)).await?.decided()?;
            let here = home.send(ask(operation, &thing.id).bearer(&own)).await?.decided()?;
            tries += 2;
            if there.good() || here.good() {
                return broken(format!("{} {} across", operation.method, operation.path), "a refusal", "2xx");
            }
            // The same record is there for its owner: the question was a real one.
            if operation.method == "GET"
                && foreign.send(ask(operation, &thing.id).bearer(&own)).await?.decided()?.good()
            {
                seen += 1;
            }
        }
    }
    if seen == 0 {
        return unclear("nothing could be made that its own tenant sees");
    }
    Ok(Evidence::new()
        .count("foreign records", theirs.len())
        .count("tries across", tries)
        .count("seen by their owner", seen)
        .count("differences", 0))
}

fn ask(operation: &Operation, id: &str) -> Ask {
    let ask = Ask::new(operation.method, operation.at(|_| id.to_owned()));
    match operation.method {
        "GET" | "DELETE" => ask,
        _ => ask.json(&json!({})).header("if-match", "\"1\""),
    }
}

/// A well-formed id that nothing has.
fn unknown() -> String {
    let h = random::hex(16);
    let part = |from: usize, to: usize| h.get(from..to).unwrap_or("0000").to_owned();
    format!("{}-{}-7{}-9{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// The other tenant's last member, and one record of each collection that can be made from its schema alone.
async fn things(scene: &Scene, tenant: &Tenant, document: &Value, api: &OpenApi) -> Result<Vec<Thing>, Miss> {
    let token = scene.stage.token(tenant, tenant.owner()?).await?;
    let mut out = Vec::new();
    if let Some(member) = tenant.people.last() {
        out.push(Thing { below: "/api/v1/members/{".to_owned(), id: member.user.clone() });
    }
    let creates = api.operations.iter().filter(|o| o.method == "POST" && o.path.ends_with("/records"));
    for operation in creates {
        let Some(schema) = schema(document, &operation.path) else { continue };
        let Some(body) = body(document, schema) else { continue };
        let ask = Ask::post(operation.path.clone(), &body).bearer(&token);
        let made = scene.stage.at(tenant).send(ask).await?.decided()?;
        if made.good() {
            out.push(Thing { below: format!("{}/{{", operation.path), id: made.text("id") });
        }
        if out.len() > RECORDS {
            break;
        }
    }
    Ok(out)
}

/// The schema of what a POST takes.
fn schema<'d>(document: &'d Value, path: &str) -> Option<&'d Value> {
    let operation = document.get("paths")?.get(path)?.get("post")?;
    let schema = operation.pointer("/requestBody/content/application~1json/schema")?;
    Some(followed(document, schema))
}

/// What a `$ref` within the document leads to.
fn followed<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let pointer = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
    pointer.and_then(|p| document.pointer(p)).unwrap_or(schema)
}

/// An object with the required properties, each of a kind that can be guessed.
fn body(document: &Value, schema: &Value) -> Option<Value> {
    let names = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut out = Map::new();
    for name in names.iter().filter_map(Value::as_str) {
        let property = followed(document, schema.get("properties")?.get(name)?);
        out.insert(name.to_owned(), guess(property)?);
    }
    Some(Value::Object(out))
}

fn guess(property: &Value) -> Option<Value> {
    if let Some(first) = property.get("enum").and_then(Value::as_array).and_then(|e| e.first()) {
        return Some(first.clone());
    }
    let kind = property.get("type");
    let kind = kind.and_then(|k| k.as_str().or_else(|| k.as_array()?.first()?.as_str()))?;
    let number = |name: &str| property.get(name).and_then(Value::as_i64);
    let text = |name: &str| property.get(name).and_then(Value::as_str);
    Some(match (kind, text("format")) {
        ("boolean", _) => json!(true),
        ("integer" | "number", _) => json!(number("minimum").unwrap_or(1)),
        ("array", _) => json!([]),
        ("object", _) => json!({}),
        ("string", Some("date")) => json!("2026-03-14"),
        ("string", Some("date-time")) => json!("2026-03-14T09:26:53.000Z"),
        ("string", Some("email")) => json!(format!("{}@sink.canary.example", random::hex(5))),
        ("string", Some("uri")) => json!("https://canary.example/"),
        ("string", Some("uuid")) => return None,
        ("string", _) => match text("pattern") {
            Some(pattern) => json!(crate::pattern::text(pattern)?),
            None => {
                let most = usize::try_from(number("maxLength").unwrap_or(40)).unwrap_or(40);
                json!(format!("Canary {}", random::hex(6)).chars().take(most).collect::<String>())
            }
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_made_from_schemas() {
        let document = json!({"components": {"schemas": {"A": {"type": "object", "required": ["name", "kind", "on"],
            "properties": {"name": {"type": "string", "maxLength": 9}, "kind": {"enum": ["x", "y"]}, "on": {"type": "boolean"}, "more": {}}}}},
            "paths": {"/r": {"post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}}}}});
        let made = body(&document, schema(&document, "/r").unwrap()).unwrap();
        assert_eq!((made["name"].as_str().unwrap().len(), &made["kind"], &made["on"]), (9, &json!("x"), &json!(true)));
        let unmade = json!({"required": ["to"], "properties": {"to": {"type": "string", "format": "uuid"}}});
        assert_eq!(body(&document, &unmade), None);
    }
}
