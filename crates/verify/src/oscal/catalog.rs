use std::collections::BTreeMap;

use kernel::Time;
use manifest::{Check, Control};
use serde_json::{Value, json};

use super::{metadata, objective, property, uuid};

/// Every control and check there is: the same for every app.
#[must_use]
pub fn catalog(build: &str, at: Time) -> Value {
    let mut areas: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for found in manifest::controls() {
        areas.entry(found.area).or_default().push(control(found));
    }
    let groups: Vec<Value> = areas
        .into_iter()
        .map(|(area, controls)| {
            json!({"id": format!("area-{}", area.replace(' ', "-")), "class": "area", "title": title(area), "controls": controls})
        })
        .collect();
    json!({"catalog": {
        "uuid": uuid(&["catalog", build, &at.to_string()]),
        "metadata": metadata("Controls of a multi-tenant service and the checks that test them", build, at),
        "groups": groups,
    }})
}

/// `data rights` -> `Data rights`.
fn title(area: &str) -> String {
    let mut letters = area.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn control(control: &Control) -> Value {
    let checks: Vec<&Check> = control.checks.iter().filter_map(|id| manifest::check(id)).collect();
    let statements: Vec<Value> = checks
        .iter()
        .map(|check| json!({"id": format!("{}_smt.i", check.id), "name": "item", "prose": check.statement}))
        .collect();
    let mut parts = vec![json!({"id": format!("{}_smt", control.id), "name": "statement", "parts": statements})];
    parts.extend(checks.iter().map(|check| {
        json!({
            "id": objective(check.id),
            "name": "assessment-objective",
            "props": [property("check", check.id), property("kind", check.kind.word()), property("vantages", check.vantages)],
            "prose": check.statement,
        })
    }));
    // Without a title of its own, a control is called what its id says.
    let name = control.id.split_once('.').map_or(control.id, |(_, name)| name).replace('_', " ");
    json!({"id": control.id, "class": "vouchsafe", "title": title(&name), "parts": parts})
}
