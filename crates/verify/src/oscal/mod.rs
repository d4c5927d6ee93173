//! The catalogue, the page and its verdicts in the Open Security Controls Assessment Language (NIST OSCAL 1.1.3). Pure: the
//! same input gives the same text, ids and all, so that two exports can be compared.

mod catalog;
mod component;
mod plan;
mod results;

use kernel::Time;
use manifest::{App, Page, PageClaim};
use serde_json::{Value, json};

pub use catalog::catalog;
pub use component::component_definition;
pub use plan::assessment_plan;
pub use results::assessment_results;

use crate::{Verdict, random::sha256, round::Seen};

/// The language's version.
const VERSION: &str = "1.1.3";
/// Where our own properties are explained.
const NAMESPACE: &str = "urn:vouchsafe:oscal";

/// What the documents are about.
pub struct Subject<'s> {
    /// The app.
    pub app: &'s App,
    /// Its page.
    pub page: &'s Page,
    /// Version of the running program.
    pub build: &'s str,
    /// When the documents are made.
    pub at: Time,
    /// Figures that the running server measures.
    pub live: &'s dyn Fn(&str) -> Option<String>,
}

/// The four documents by the name each has in the links of the others.
#[must_use]
pub fn documents(
    of: &Subject<'_>,
    seen: &[Seen],
    verdict: &dyn Fn(&PageClaim) -> Verdict,
) -> [(&'static str, Value); 4] {
    [
        ("catalog.json", catalog(of.build, of.at)),
        ("component-definition.json", component_definition(of)),
        ("assessment-plan.json", assessment_plan(of)),
        ("assessment-results.json", assessment_results(of, seen, verdict)),
    ]
}

/// A UUID that follows from what it names (RFC 9562, version 8's freedom in version 5's clothes: OSCAL takes 4 and 5 only).
fn uuid(parts: &[&str]) -> String {
    let mut text = NAMESPACE.to_owned();
    for part in parts {
        text.push('\0');
        text.push_str(part);
    }
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(sha256(text.as_bytes())).for_each(|(to, from)| *to = from);
    let hex = hex::encode(bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    let variant = match part(16, 17) {
        "0" | "4" | "8" | "c" => "8",
        "1" | "5" | "9" | "d" => "9",
        "2" | "6" | "a" | "e" => "a",
        _ => "b",
    };
    format!("{}-{}-5{}-{variant}{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

fn metadata(title: &str, build: &str, at: Time) -> Value {
    json!({
        "title": title,
        "last-modified": at.to_string(),
        "version": build,
        "oscal-version": VERSION,
        "roles": [{"id": "prober", "title": "Outside prober"}],
        "parties": [{"uuid": prober(), "type": "organization", "name": "vouchsafe verify"}],
        "responsible-parties": [{"role-id": "prober", "party-uuids": [prober()]}],
    })
}

/// The party that observes.
fn prober() -> String {
    uuid(&["party", "prober"])
}

/// The running service.
fn service(app: &App) -> String {
    uuid(&["component", app.id])
}

fn property(name: &str, value: &str) -> Value {
    // A property's value is one line without spaces at its ends.
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    json!({"name": name, "ns": NAMESPACE, "value": if value.is_empty() { "-" } else { &value }})
}

/// Id of the objective that a check is, within its control.
fn objective(check: &str) -> String {
    format!("{check}_obj")
}

/// Checks that the page names, in the catalogue's order.
fn checks(page: &Page) -> Vec<&'static manifest::Check> {
    let named = |check: &&manifest::Check| page.claims.iter().any(|claim| claim.checks.contains(&check.id));
    manifest::checks().iter().filter(named).collect()
}

/// Controls that the page speaks of, in the catalogue's order.
fn controls(page: &Page) -> Vec<&'static manifest::Control> {
    let checks = checks(page);
    manifest::controls().iter().filter(|control| checks.iter().any(|check| check.control == control.id)).collect()
}

/// The service as a component of a system.
fn component(of: &Subject<'_>) -> Value {
    let tagline = if of.app.tagline.is_empty() { "A multi-tenant service" } else { &of.app.tagline };
    json!({
        "uuid": service(of.app),
        "type": "service",
        "title": of.app.name,
        "description": tagline,
        "props": [property("build", of.build)],
    })
}

/// Which controls were, or are to be, looked at.
fn reviewed(page: &Page) -> Value {
    let ids: Vec<Value> = controls(page).iter().map(|control| json!({"control-id": control.id})).collect();
    let objectives: Vec<Value> =
        checks(page).iter().map(|check| json!({"objective-id": objective(check.id)})).collect();
    json!({
        "control-selections": [{"include-controls": ids}],
        "control-objective-selections": [{"include-objectives": objectives}],
    })
}

#[cfg(test)]
mod tests;
