use manifest::{Check, PageClaim};
use serde_json::{Value, json};

use super::{Subject, checks, metadata, objective, prober, property, reviewed, service, uuid};
use crate::{Verdict, round::Seen};

/// What was observed of each check that the page names, and what that says of its objective. A check that nobody looked at
/// has a finding and no observation.
#[must_use]
pub fn assessment_results(of: &Subject<'_>, seen: &[Seen], verdict: &dyn Fn(&PageClaim) -> Verdict) -> Value {
    let checks = checks(of.page);
    let latest = |check: &Check| seen.iter().filter(|s| s.check == check.id).max_by_key(|s| s.at);
    let observed: Vec<(&Check, Option<&Seen>)> = checks.iter().map(|check| (*check, latest(check))).collect();
    let start = seen.iter().map(|s| s.at).min().unwrap_or(of.at);
    let observations: Vec<Value> =
        observed.iter().filter_map(|(check, seen)| Some(observation(of, check, (*seen)?))).collect();
    let findings: Vec<Value> = observed.iter().map(|(check, seen)| finding(of, check, *seen, verdict)).collect();
    let mut result = json!({
        "uuid": uuid(&["result", of.app.id, of.build, &of.at.to_string()]),
        "title": format!("Verdicts of {}", of.at),
        "description": format!("{} promises of {}, bound to {} checks", of.page.claims.len(), of.app.name, checks.len()),
        "start": start.to_string(),
        "end": of.at.to_string(),
        "reviewed-controls": reviewed(of.page),
        "findings": findings,
    });
    if let Some(result) = result.as_object_mut().filter(|_| !observations.is_empty()) {
        result.insert("observations".to_owned(), observations.into());
    }
    json!({"assessment-results": {
        "uuid": uuid(&["assessment-results", of.app.id, of.build, &of.at.to_string()]),
        "metadata": metadata(&format!("{}: what the prober saw", of.app.name), of.build, of.at),
        "import-ap": {"href": "assessment-plan.json"},
        "results": [result],
    }})
}

fn observed(of: &Subject<'_>, seen: &Seen) -> String {
    uuid(&["observation", of.app.id, seen.check, &seen.at.to_string()])
}

fn observation(of: &Subject<'_>, check: &Check, seen: &Seen) -> Value {
    let mut props = vec![
        property("check", check.id),
        property("verdict", seen.verdict.word()),
        property("where", seen.place.word()),
        property("steered-clock", if seen.steered { "yes" } else { "no" }),
    ];
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    props.extend(seen.evidence.iter().map(|(name, value)| property(&token(name), &text(value))));
    let found = seen.finding.as_ref();
    let saw = match found {
        Some(f) => format!("Did: {}. Expected: {}. Saw: {}.", f.did, f.expected, f.saw),
        None if seen.summary.is_empty() => seen.note.clone(),
        None => seen.summary.clone(),
    };
    let method = match seen.verdict {
        Verdict::Attested | Verdict::Unsigned | Verdict::Expired => "EXAMINE",
        _ => "TEST",
    };
    json!({
        "uuid": observed(of, seen),
        "title": check.id,
        "description": check.statement,
        "props": props,
        "methods": [method],
        "types": ["control-objective"],
        "origins": [{"actors": [{"type": "party", "actor-uuid": prober()}]}],
        "subjects": [{"subject-uuid": service(of.app), "type": "component"}],
        "relevant-evidence": [{"description": if saw.is_empty() { "Nothing more to say." } else { &saw }}],
        "collected": seen.at.to_string(),
    })
}

/// A name as OSCAL's tokens are spelt.
fn token(name: &str) -> String {
    let fit = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = name.chars().map(fit).collect();
    if name.starts_with(|c: char| c.is_alphabetic() || c == '_') { name } else { format!("_{name}") }
}

fn finding(of: &Subject<'_>, check: &Check, seen: Option<&Seen>, verdict: &dyn Fn(&PageClaim) -> Verdict) -> Value {
    let own = seen.map_or(Verdict::Unproven, |s| s.verdict);
    let (state, reason) = match own {
        Verdict::Proven | Verdict::Attested => ("satisfied", "pass"),
        Verdict::Failing => ("not-satisfied", "fail"),
        _ => ("not-satisfied", "other"),
    };
    let claims = of.page.claims.iter().filter(|claim| claim.checks.contains(&check.id));
    let promises: Vec<Value> = claims
        .map(|claim| json!({"name": "promise", "ns": super::NAMESPACE, "value": claim.id, "remarks": format!("This promise is {}.", verdict(claim).word())}))
        .collect();
    let note = seen.map_or("No probe has looked at it.", |s| if s.note.is_empty() { own.word() } else { &s.note });
    let mut finding = json!({
        "uuid": uuid(&["finding", of.app.id, check.id, &of.at.to_string()]),
        "title": check.id,
        "description": check.statement,
        "props": promises,
        "target": {
            "type": "objective-id",
            "target-id": objective(check.id),
            "status": {"state": state, "reason": reason, "remarks": own.word()},
            "remarks": note,
        },
    });
    if let (Some(finding), Some(seen)) = (finding.as_object_mut(), seen) {
        finding.insert("related-observations".to_owned(), json!([{"observation-uuid": observed(of, seen)}]));
    }
    finding
}
