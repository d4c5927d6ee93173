//! What comes in: shapes and queries.

use manifest::{Collection, Kind};
use serde_json::{Map, Value, json};

use super::probe;
use crate::{
    act::records,
    evidence::{Evidence, Miss, Outcome, broken},
    pick,
    plan::Probe,
    run::Scene,
    wire::{Answer, Ask},
};

pub(super) const PROBES: &[Probe] = &[
    probe!("edge.input_validation", Together, input_validation),
    probe!("edge.parameterised", Together, parameterised),
];

/// Refused with a 4xx, never a 5xx.
pub(super) fn refused(did: &str, answer: &Answer) -> Result<(), Miss> {
    if (400..500).contains(&answer.status) { Ok(()) } else { broken(did, "4xx", format!("{}", answer.status)) }
}

async fn input_validation(scene: &Scene) -> Outcome {
    let a = &scene.a;
    let owner = a.owner()?;
    let token = scene.stage.token(a, owner).await?;
    let (mut fields, mut shapes) = (0, 0);
    for at in pick::makeable(&scene.app) {
        let Some(collection) = scene.app.collections.get(at) else { continue };
        let links = scene.links(a, at).await?;
        let client = scene.stage.at(a);
        let body = scene.body(at, &links, &[])?;
        for (name, value) in wrong(collection) {
            let mut body = body.clone();
            body.insert(name.clone(), value);
            let answer =
                client.send(Ask::post(records(collection.id), &json!(body)).bearer(&token)).await?.decided()?;
            let did = format!("creating in {} with a wrong `{name}`", collection.id);
            refused(&did, &answer)?;
            let errors = answer.json().get("errors").and_then(Value::as_array).cloned().unwrap_or_default();
            if !errors.iter().any(|e| e.get("field").and_then(Value::as_str).is_some_and(|f| f.starts_with(&name))) {
                return broken(did, "an error that names the field", format!("{} without it", answer.status));
            }
            fields += 1;
        }
        if shapes == 0 {
            for (what, kind, bytes) in hostile(&body) {
                let ask = Ask::new("POST", records(collection.id)).bytes(kind, bytes).bearer(&token);
                refused(what, &client.send(ask).await?.decided()?)?;
                shapes += 1;
            }
        }
    }
    let next = scene.stage.at(a).send(Ask::get("/api/v1/me").bearer(&token)).await?.decided()?;
    if !next.good() {
        return broken("an ordinary call afterwards", "200", format!("{}", next.status));
    }
    Ok(Evidence::new()
        .count("wrong fields refused by name", fields)
        .count("hostile bodies refused", shapes)
        .count("answers of 5xx", 0))
}

/// Wrong values for the fields of a collection, and fields that must not be given.
fn wrong(collection: &Collection) -> Vec<(String, Value)> {
    let mut out = vec![
        ("no_such_field".to_owned(), json!("x")),
        ("created_by".to_owned(), json!("x")),
        ("version".to_owned(), json!(7)),
    ];
    for field in &collection.fields {
        let value = match &field.kind {
            _ if !pick::settable(field) => json!("1"),
            Kind::Text if field.many => json!("not a list"),
            Kind::Text if field.pattern.is_some() => json!("\u{7}~ no match \u{7}~"),
            Kind::Text => field.max.map_or(json!(7), |m| json!("x".repeat(usize::try_from(m).unwrap_or(0) + 1))),
            Kind::RichText | Kind::Secret => json!(7),
            Kind::Integer => json!(1.5),
            Kind::Decimal | Kind::Boolean => json!("not one"),
            Kind::Money => json!("12.50 XXX"),
            Kind::Date => json!("2026-02-30"),
            Kind::DateTime => json!("yesterday"),
            Kind::Enum(_) => json!(if field.many { json!(["no-such-value"]) } else { json!("no-such-value") }),
            Kind::Email => json!("not an address"),
            Kind::Url => json!("javascript:alert(1)"),
            Kind::Reference { .. } => json!("not-an-id"),
            Kind::Json | Kind::File { .. } => continue,
        };
        out.push((field.id.to_owned(), value));
    }
    out
}

fn hostile(body: &Map<String, Value>) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let good = json!(body).to_string();
    let inner = good.strip_prefix('{').unwrap_or_default().to_owned();
    let many: Map<String, Value> = (0..10_000).map(|n| (format!("f{n}"), json!(n))).collect();
    let deep = format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    let first = body.iter().next().map(|(k, v)| format!("{}:{v},", json!(k))).unwrap_or_default();
    vec![
        ("a body cut in half", "application/json", good.as_bytes().get(..good.len() / 2).unwrap_or_default().to_vec()),
        ("a body that is a list", "application/json", b"[1,2]".to_vec()),
        ("a body that is nothing", "application/json", Vec::new()),
        ("a number that is not one", "application/json", format!("{{\"no_such\":NaN,{inner}").into_bytes()),
        ("10,000 members", "application/json", json!(many).to_string().into_bytes()),
        ("5,000 levels", "application/json", deep.into_bytes()),
        ("bad UTF-8", "application/json", [b"{\"a\":\"\xff\xfe\",".as_slice(), inner.as_bytes()].concat()),
        ("a member given twice", "application/json", format!("{{{first}{inner}").into_bytes()),
        ("another content type", "text/plain", good.clone().into_bytes()),
        ("text after the object", "application/json", format!("{good}{{}}").into_bytes()),
    ]
}

/// Texts that mean something to a database.
const INJECTIONS: [&str; 14] = [
    "' OR '1'='1",
    "'; DROP TABLE _leaf; --",
    "\" OR \"\"=\"",
    "1) OR (1=1",
    "x' UNION SELECT 1,2,3 --",
    "') OR 1=1 /*",
    "\\'; SELECT pg_sleep(5); --",
    "%",
    "_",
    "$1",
    "?1",
    ":a",
    "@a",
    "{rows}",
];

pub(super) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

async fn parameterised(scene: &Scene) -> Outcome {
    let a = &scene.stage.lone_canary().await?;
    let token = scene.stage.token(a, a.owner()?).await?;
    let (at, field) = scene.carrier()?;
    let made = scene.make(a, at, Some((field, "ordinary"))).await?;
    let (base, client) = (records(made.collection), scene.stage.at(a));
    let mut values = 0;
    for text in INJECTIONS {
        // As a value it is a value: stored, found by itself, and by nothing else.
        let row = scene.make(a, at, Some((field, text))).await?;
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        let filter = escaped(&format!("{field} = \"{quoted}\""));
        let answer =
            client.send(Ask::get(format!("{base}?filter={filter}&limit=200")).bearer(&token)).await?.decided()?;
        let items = answer.json().get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let right = items.len() == 1 && items.iter().all(|i| i.get(field).and_then(Value::as_str) == Some(text));
        if answer.status >= 500 || (answer.good() && !right) {
            return broken(
                "filtering by a text full of SQL",
                "the one row that holds it",
                format!("{} with {} rows", answer.status, items.len()),
            );
        }
        let back = client.send(Ask::get(row.path()).bearer(&token)).await?.decided()?.json();
        if back.get(field).and_then(Value::as_str) != Some(text) {
            return broken("storing a text full of SQL", "the same text back", "another");
        }
        values += 1;
    }
    let mut names = 0;
    for text in INJECTIONS.iter().chain(["id; DROP TABLE x", "(SELECT 1)", "rowid", "tenant_id", "password"].iter()) {
        let text = escaped(text);
        for query in [
            format!("sort={text}"),
            format!("fields={text}"),
            format!("filter={text}%20%3D%201"),
            format!("limit={text}"),
            format!("cursor={text}"),
            format!("{text}=1"),
            format!("filter={field}%20{text}%201"),
        ] {
            let answer = client.send(Ask::get(format!("{base}?{query}")).bearer(&token)).await?.decided()?;
            names += 1;
            refused("a name, operator or cursor full of SQL in a query", &answer)?;
        }
        if names % 70 == 0 && !client.send(Ask::get(made.path()).bearer(&token)).await?.decided()?.good() {
            return broken("the ordinary record afterwards", "still there", "gone");
        }
    }
    for text in INJECTIONS {
        let answer = client.send(Ask::get(format!("{base}/{}", escaped(text))).bearer(&token)).await?.decided()?;
        refused("an id full of SQL", &answer)?;
        names += 1;
    }
    if !client.send(Ask::get(made.path()).bearer(&token)).await?.decided()?.good() {
        return broken("the ordinary record afterwards", "still there", "gone");
    }
    Ok(Evidence::new()
        .count("values taken as values", values)
        .count("names, operators, cursors and ids refused", names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_for_a_query() {
        assert_eq!(escaped("a b"), "a%20b");
    }
}
