//! Who of the team may act from inside: what the register holds, and that it turns away whoever is not in it. A person signs
//! that the names are the right ones; what a program can see of it stands beside the signature.

use std::time::Duration;

use kernel::DAY;
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

const REASON: &str = "a line of the prober, for a server of its own";

/// Orders that were refused, each for the reason wanted: any other failure would look the same.
struct Refused<'s>(&'s Side, usize);

impl Refused<'_> {
    async fn order(&mut self, did: &str, why: &str, order: &Value) -> Result<(), Miss> {
        match self.0.order(order).await? {
            Err(words) if words.contains(why) => {
                self.1 += 1;
                Ok(())
            }
            Err(_) => broken(did, format!("refused: {why}"), "refused for another reason"),
            Ok(_) => broken(did, "refused", "done"),
        }
    }
}

const OUTSIDE: &str = "not in the register";

/// What the register of a server holds, in numbers.
async fn state(side: &Side, by: &str) -> Result<Value, Miss> {
    side.admin(&json!({"do": "operator.state", "as": by})).await
}

/// `listed` names, all of them in force, and no other acts.
async fn holds(side: &Side, by: &str, did: &str, listed: u64, force: u64) -> Result<(), Miss> {
    let told = state(side, by).await?;
    let number = |name: &str| told.get(name).and_then(Value::as_u64);
    let enforced = told.get("enforced").and_then(Value::as_bool);
    let saw = (enforced, number("listed"), number("in_force"));
    if saw != (Some(true), Some(listed), Some(force)) {
        return broken(
            format!("reading the register {did}"),
            format!("in force, {listed} names, {force} of them acting"),
            format!("{saw:?}"),
        );
    }
    Ok(())
}

async fn named(scene: &Scene) -> Outcome {
    // On a server of its own: nobody's register is written in.
    let side = Side::up(scene, &Wish::default()).await?;
    let [one, two, three] = ["a", "b", "c"].map(|tag| format!("prober-{tag}-{}", random::hex(4)));
    let status = |by: &str| json!({"do": "status", "as": by});
    let mut refused = Refused(&side, 0);
    for (did, why, order) in [
        ("a line without a reason", "reason", line(&one, &one, "", 9)),
        ("a line for more than a year", "expires", line(&one, &one, REASON, 400)),
        ("a line whose day is over", "expires", line(&one, &one, REASON, -1)),
        ("a line under a name with other letters", "name", line(&one, "Prober\u{430}", REASON, 9)),
    ] {
        refused.order(did, why, &order).await?;
    }
    side.admin(&line(&one, &one, REASON, 9)).await?;
    side.admin(&status(&one)).await?;
    holds(&side, &one, "after the first line", 1, 1).await?;
    refused.order("an act by a name that is not in the register", OUTSIDE, &status(&two)).await?;
    refused.order("a line added by a name that is not in it", OUTSIDE, &line(&two, &two, REASON, 9)).await?;
    refused
        .order("the last one taken out", "nobody in force", &json!({"do": "operator.remove", "as": one, "name": one}))
        .await?;
    side.admin(&line(&one, &two, REASON, 9)).await?;
    side.admin(&status(&two)).await?;
    // Somebody whose day comes while we look.
    let soon = scene.stage.began.0.plus(i64::try_from(scene.stage.began.1.elapsed().as_millis()).unwrap_or(0) + 4_000);
    let mut short = line(&one, &three, REASON, 9);
    if let Some(newcomer) = short.get_mut("newcomer").and_then(Value::as_object_mut) {
        newcomer.remove("days");
        newcomer.insert("expires".to_owned(), soon.to_string().into());
    }
    side.admin(&short).await?;
    side.admin(&status(&three)).await?;
    side.admin(&json!({"do": "operator.remove", "as": one, "name": two})).await?;
    refused.order("an act by a name that was removed", OUTSIDE, &status(&two)).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    refused.order("an act by a name whose day has come", "your day", &status(&three)).await?;
    holds(&side, &one, "after one was removed and one's day came", 2, 1).await?;
    Err(Miss::Person(Evidence::new().count("acts and lines refused on a trial server", refused.1)))
}

async fn review(scene: &Scene) -> Outcome {
    let side = Side::up(scene, &Wish::default()).await?;
    let [one, two] = ["a", "b"].map(|tag| format!("prober-{tag}-{}", random::hex(4)));
    let decide =
        |keep: &[&str], remove: &[&str]| json!({"do": "operator.review", "as": one, "keep": keep, "remove": remove});
    for name in [&one, &two] {
        side.admin(&line(&one, name, REASON, 9)).await?;
    }
    let mut refused = Refused(&side, 0);
    refused.order("a review without a decision about somebody", "decision", &decide(&[&one], &[])).await?;
    refused.order("a review that takes out everybody", "nobody in force", &decide(&[], &[&one, &two])).await?;
    let done = side.admin(&decide(&[&one], &[&two])).await?;
    if done.get("digest").and_then(Value::as_str).is_none_or(|digest| digest.len() != 64) {
        return broken("a review", "the digest of what was reviewed", "none");
    }
    refused.order("an act by whom the review removed", OUTSIDE, &json!({"do": "status", "as": two})).await?;
    // A side's clock is the machine's, as the stage's is when it begins.
    let until = done.get("signed_until").and_then(Value::as_str).and_then(|t| t.parse::<jiff::Timestamp>().ok());
    let left = until.map_or(0, |until| until.as_millisecond() - scene.stage.began.0.0);
    if !(1..=93 * DAY).contains(&left) {
        let saw = if until.is_some() { "a signature for longer" } else { "no signature" };
        return broken("a review", "signed, for at most 92 days", saw);
    }
    // Nor does anybody sign for longer without one.
    let statement = json!({"subject": "gov.access_review", "statement": "gone through", "days": 200});
    let order = json!({"do": "attest", "as": one, "attestation": statement});
    refused.order("a signature for 200 days without a review", "expires", &order).await?;
    let told = state(&side, &one).await?;
    if told.get("review_days").and_then(Value::as_u64) != Some(0) {
        return broken("reading when the last review was", "today", "another day, or never");
    }
    Err(Miss::Person(
        Evidence::new().count("reviews done on a trial server", 1).count("acts and signatures refused", refused.1),
    ))
}
