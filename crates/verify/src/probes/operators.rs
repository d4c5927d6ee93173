//! Who of the team may act from inside: what the register holds, and that it turns away whoever is not in it. A person signs
//! that the names are the right ones; what a program can see of it stands beside the signature.

use serde_json::{Value, json};

use super::{
    probe,
    side::{Side, Wish},
};
use crate::{
    evidence::{Evidence, Miss, Outcome, broken},
    plan::Probe,
    random,
    run::Scene,
};

pub(super) const PROBES: &[Probe] =
    &[probe!("gov.named_operators", Together, named), probe!("gov.access_review", Together, review)];

/// A line of the register.
fn line(by: &str, name: &str, reason: &str, days: i64) -> Value {
    let newcomer = json!({"name": name, "reason": reason, "owner": "the prober", "days": days});
    json!({"do": "operator.add", "as": by, "newcomer": newcomer})
}

const DAY: i64 = 86_400_000;
const REASON: &str = "a line of the prober, for a server of its own";

/// An order that must be refused.
async fn refused(side: &Side, did: &str, order: &Value) -> Result<(), Miss> {
    match side.admin(order).await {
        Err(Miss::Unclear(_)) => Ok(()),
        Err(other) => Err(other),
        Ok(_) => broken(did, "refused", "done"),
    }
}

fn number(state: &Value, name: &str) -> usize {
    state.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
}

/// What the register of the server under test holds, in numbers.
async fn state(scene: &Scene) -> Result<Value, Miss> {
    scene.stage.instance.admin(&json!({"do": "operator.state", "as": "verify"})).await
}

async fn named(scene: &Scene) -> Outcome {
    // On a server of its own: nobody's register is written in.
    let side = Side::up(scene, &Wish::default()).await?;
    let [one, two] = ["a", "b"].map(|tag| format!("prober-{tag}-{}", random::hex(4)));
    let status = |by: &str| json!({"do": "status", "as": by});
    for (did, order) in [
        ("a line without a reason", line(&one, &one, "", 9)),
        ("a line for more than a year", line(&one, &one, REASON, 400)),
        ("a line whose day is over", line(&one, &one, REASON, -1)),
    ] {
        refused(&side, did, &order).await?;
    }
    side.admin(&line(&one, &one, REASON, 9)).await?;
    side.admin(&status(&one)).await?;
    refused(&side, "an act by a name that is not in the register", &status(&two)).await?;
    refused(&side, "a line added by a name that is not in it", &line(&two, &two, REASON, 9)).await?;
    side.admin(&line(&one, &two, REASON, 9)).await?;
    side.admin(&status(&two)).await?;
    side.admin(&json!({"do": "operator.remove", "as": one, "name": two})).await?;
    refused(&side, "an act by a name that was removed", &status(&two)).await?;
    let state = state(scene).await?;
    for (name, what) in
        [("without_reason_or_owner", "without reason or owner"), ("beyond_a_year", "for more than a year")]
    {
        if number(&state, name) > 0 {
            return broken("reading the register", "name, reason, owner, day within a year", format!("a line {what}"));
        }
    }
    Err(Miss::Person(
        Evidence::new()
            .count("in the register", number(&state, "listed"))
            .count("in force", number(&state, "in_force"))
            .count("expired", number(&state, "expired"))
            .count("declared but not in it", number(&state, "declared_outside"))
            .count("acts and lines refused on a trial server", 6),
    ))
}

async fn review(scene: &Scene) -> Outcome {
    let side = Side::up(scene, &Wish::default()).await?;
    let [one, two] = ["a", "b"].map(|tag| format!("prober-{tag}-{}", random::hex(4)));
    let decide =
        |keep: &[&str], remove: &[&str]| json!({"do": "operator.review", "as": one, "keep": keep, "remove": remove});
    for name in [&one, &two] {
        side.admin(&line(&one, name, REASON, 9)).await?;
    }
    refused(&side, "a review without a decision about somebody", &decide(&[&one], &[])).await?;
    let done = side.admin(&decide(&[&one], &[&two])).await?;
    if done.get("digest").and_then(Value::as_str).is_none_or(|digest| digest.len() != 64) {
        return broken("a review", "the digest of what was reviewed", "none");
    }
    refused(&side, "an act by whom the review removed", &json!({"do": "status", "as": two})).await?;
    // A side's clock is the machine's, as the stage's is when it begins.
    let until = done.get("signed_until").and_then(Value::as_str).and_then(|t| t.parse::<jiff::Timestamp>().ok());
    let left = until.map_or(0, |until| until.as_millisecond() - scene.stage.began.0.0);
    if !(1..=93 * DAY).contains(&left) {
        let saw = if until.is_some() { "a signature for longer" } else { "no signature" };
        return broken("a review", "signed, for at most 92 days", saw);
    }
    let state = state(scene).await?;
    let evidence = match state.get("review_days").and_then(Value::as_u64) {
        Some(days) => Evidence::new().count("days since the last review", usize::try_from(days).unwrap_or(usize::MAX)),
        None => Evidence::new().word("last review", "none yet"),
    };
    Err(Miss::Person(evidence.count("reviews tried on a trial server", 2)))
}
