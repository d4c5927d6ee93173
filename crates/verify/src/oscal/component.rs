use manifest::{Control, PageClaim};
use serde_json::{Value, json};

use super::{Subject, component, controls, metadata, property, service, uuid};

/// What the service says it does for each control: the page's own words.
#[must_use]
pub fn component_definition(of: &Subject<'_>) -> Value {
    let requirements: Vec<Value> = controls(of.page).into_iter().map(|control| requirement(of, control)).collect();
    let mut service = component(of);
    if let Some(component) = service.as_object_mut() {
        component.insert(
            "control-implementations".to_owned(),
            json!([{
                "uuid": uuid(&["implementation", of.app.id]),
                "source": "catalog.json",
                "description": format!("The security page of {}", of.app.name),
                "implemented-requirements": requirements,
            }]),
        );
    }
    json!({"component-definition": {
        "uuid": uuid(&["component-definition", of.app.id, of.build, &of.at.to_string()]),
        "metadata": metadata(&format!("{}: what the security page promises", of.app.name), of.build, of.at),
        "components": [service],
    }})
}

fn requirement(of: &Subject<'_>, control: &Control) -> Value {
    let bound = |claim: &&PageClaim| claim.checks.iter().any(|check| control.checks.contains(check));
    let claims: Vec<&PageClaim> = of.page.claims.iter().filter(bound).collect();
    let words: Vec<String> = claims.iter().map(|claim| format!("[{}] {}", claim.id, claim.text(of.live))).collect();
    let promises = claims.iter().map(|claim| property("promise", &claim.id));
    let kinds = claims.iter().map(|claim| property("kind", claim.kind.word())).take(1);
    json!({
        "uuid": uuid(&["requirement", of.app.id, control.id]),
        "control-id": control.id,
        "description": words.join("\n\n"),
        "props": promises.chain(kinds).collect::<Vec<_>>(),
        "remarks": format!("Kept by component {}.", service(of.app)),
    })
}
