use serde_json::{Value, json};

use super::{Subject, component, metadata, reviewed, uuid};

/// How the page is tested. There is no system security plan: the component definition stands in its place.
#[must_use]
pub fn assessment_plan(of: &Subject<'_>) -> Value {
    let described = uuid(&["resource", of.app.id, "component-definition"]);
    let every = of.app.verify.every.0 / 60_000;
    json!({"assessment-plan": {
        "uuid": plan(of),
        "metadata": metadata(&format!("{}: how the promises are tested", of.app.name), of.build, of.at),
        "import-ssp": {
            "href": format!("#{described}"),
            "remarks": "No system security plan exists; the component definition describes the service.",
        },
        "local-definitions": {"components": [with_status(component(of))]},
        "terms-and-conditions": {"parts": [{
            "name": "methodology",
            "title": "Method",
            "prose": format!(
                "An outside prober that shares no code with the service acts with canary tenants of its own, every {every} minutes. \
                 What needs a moved clock or a disk to read is tested on an instance of the same program and settings with fresh data. \
                 A promise is called broken after two tries, the second with fresh canaries."
            ),
        }]},
        "reviewed-controls": reviewed(of.page),
        "back-matter": {"resources": [{
            "uuid": described,
            "title": "Component definition",
            "rlinks": [{"href": "component-definition.json", "media-type": "application/json"}],
        }]},
    }})
}

/// Id of the plan's document.
pub(super) fn plan(of: &Subject<'_>) -> String {
    uuid(&["assessment-plan", of.app.id, of.build, &of.at.to_string()])
}

/// A component of a system that runs.
pub(super) fn with_status(mut component: Value) -> Value {
    if let Some(members) = component.as_object_mut() {
        members.insert("status".to_owned(), json!({"state": "operational"}));
    }
    component
}
