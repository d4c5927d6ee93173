//! Budgets: how much passes, who shares them, and when more does.

use std::{collections::BTreeSet, time::Instant};

use manifest::{Per, Rate};
use serde_json::json;

use super::{probe, tenant::unknown_id};
use crate::{
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    openapi::Operation,
    plan::Probe,
    run::Scene,
    stage::Tenant,
    wire::{Answer, Ask, Client},
};

pub(super) const PROBES: &[Probe] = &[
    probe!("limit.per_ip_route", Alone, per_ip_route),
    probe!("limit.retry_after", Alone, retry_after),
    probe!("limit.graduated", Alone, graduated),
    probe!("limit.tiers", Alone, tiers),
];

/// A public door whose budget is an address's own and small enough to spend.
struct Door {
    operation: Operation,
    rate: Rate,
}

fn seconds(answer: &Answer) -> Option<i64> {
    answer.header("retry-after").and_then(|v| v.parse().ok())
}

impl Door {
    fn ask(&self) -> Ask {
        knock(&self.operation)
    }
    /// Spends the whole budget of `client`'s address; the refusal that follows.
    async fn spend(&self, client: &Client) -> Result<Answer, Miss> {
        let declared = usize::try_from(self.rate.count).unwrap_or(usize::MAX);
        let started = Instant::now();
        for n in 0..declared * 2 + 10 {
            let answer = client.send(self.ask()).await?;
            if answer.status != 429 {
                continue;
            }
            // While it was being spent, a little grew back.
            let grown = started.elapsed().as_millis() * u128::from(self.rate.count)
                / u128::from(self.rate.window.0.unsigned_abs().max(1))
                + 1;
            if n < declared || n > declared + usize::try_from(grown).unwrap_or(1) {
                return broken(
                    format!("{} from one address", self.operation.path),
                    format!("{declared} pass"),
                    format!("{n} passed"),
                );
            }
            return Ok(answer);
        }
        broken(
            format!("{} from one address", self.operation.path),
            format!("{declared} pass"),
            format!("{} passed", declared * 2 + 10),
        )
    }
}

/// An operation with ids that nothing has and a body that says nothing: it spends its budget and changes nothing.
fn knock(operation: &Operation) -> Ask {
    let ask = Ask::new(operation.method, operation.at(|_| unknown_id()));
    if operation.changes() { ask.json(&json!({"token": "nonsense", "no_such_field": 1})) } else { ask }
}

/// Public doors with a budget per address, cheapest first; each of another tier.
async fn doors(scene: &Scene) -> Result<Vec<Door>, Miss> {
    let api = scene.stage.openapi(&scene.a).await?;
    let mut out: Vec<Door> = Vec::new();
    for operation in &api.operations {
        let Some(rates) = scene.app.limits.tiers.get(operation.tier.as_str()) else { continue };
        let Some(rate) = rates.iter().filter(|r| r.per == Per::Ip).min_by_key(|r| r.count) else { continue };
        let other_sooner = rates.iter().any(|r| matches!(r.per, Per::Tenant | Per::Route) && r.count <= rate.count);
        let at_tenant = !operation.action.starts_with("house.") && !operation.signed && operation.changes();
        if at_tenant && !other_sooner && rate.count <= 60 && !out.iter().any(|d| d.operation.tier == operation.tier) {
            out.push(Door { operation: operation.clone(), rate: *rate });
        }
    }
    out.sort_by_key(|d| d.rate.count);
    if out.is_empty() { Err(Miss::Unbuilt("no public route has a budget per address")) } else { Ok(out) }
}

async fn per_ip_route(scene: &Scene) -> Outcome {
    let doors = doors(scene).await?;
    let mut spent = 0;
    for door in doors.iter().take(3) {
        let (one, two) = (scene.stage.gate(&scene.a), scene.stage.gate(&scene.a));
        door.spend(&one).await?;
        let path = &door.operation.path;
        if two.send(door.ask()).await?.status == 429 {
            return broken(format!("{path} from a second address"), "not refused", "429");
        }
        for header in ["x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip", "cf-connecting-ip"] {
            let value = if header == "forwarded" { "for=203.0.113.9" } else { "203.0.113.9" };
            let answer = one.send(door.ask().header(header, value)).await?;
            if !matches!(answer.status, 429 | 400) {
                return broken(format!("{path} with a forged {header}"), "429", format!("{}", answer.status));
            }
        }
        // The neighbours still answer this address.
        let others = doors.iter().take(3).filter(|d| d.operation.tier != door.operation.tier).map(Door::ask);
        for ask in others.chain([Ask::get("/api/v1/openapi.json")]) {
            let said = ask.said();
            if one.send(ask).await?.status == 429 {
                return broken(format!("{said} after {path} was spent"), "not refused", "429");
            }
        }
        spent += 1;
    }
    Ok(Evidence::new()
        .count("budgets spent from one address", spent)
        .count("other addresses or routes refused", 0)
        .count("forged addresses believed", 0))
}

async fn retry_after(scene: &Scene) -> Outcome {
    let doors = doors(scene).await?;
    let mut waited = 0;
    for door in doors.iter().take(2) {
        for (early, passes) in [(2_000, false), (-200, true)] {
            let client = scene.stage.gate(&scene.a);
            let refusal = door.spend(&client).await?;
            let Some(wait) = seconds(&refusal).filter(|s| *s > 0) else {
                return broken(
                    format!("{} over its budget", door.operation.path),
                    "429 with a Retry-After of seconds",
                    "429 without one",
                );
            };
            if wait * 1000 <= early {
                continue;
            }
            scene.stage.advance(wait * 1000 - early).await?;
            let answer = client.send(door.ask()).await?;
            if (answer.status != 429) != passes {
                let when = if passes { "when Retry-After has passed" } else { "2 s before Retry-After has passed" };
                return broken(
                    format!("{} {when}", door.operation.path),
                    if passes { "let in" } else { "429" },
                    format!("{}", answer.status),
                );
            }
            waited += 1;
        }
    }
    if waited == 0 {
        unclear("every wait was too short to test")
    } else {
        Ok(Evidence::new().count("waits as long as told, and too short ones, judged rightly", waited))
    }
}

async fn graduated(scene: &Scene) -> Outcome {
    let doors = doors(scene).await?;
    let door = doors.first().ok_or(Miss::Unbuilt("no public route has a budget per address"))?;
    let steps = &scene.app.limits.repeat;
    if steps.is_empty() {
        return Err(Miss::Absent("the manifest declares no steps"));
    }
    let client = scene.stage.gate(&scene.a);
    let mut blocks = vec![seconds(&door.spend(&client).await?).unwrap_or(0)];
    for step in steps {
        let last = blocks.last().copied().unwrap_or(0);
        scene.stage.advance(last * 1000 + 200).await?;
        // The budget of one request that grew back meanwhile is spent, then the next is another offence.
        let mut refusal = None;
        for _ in 0..door.rate.count * 2 + 10 {
            let answer = client.send(door.ask()).await?;
            if answer.status == 429 {
                refusal = seconds(&answer);
                break;
            }
        }
        let Some(block) = refusal else { return unclear("no second offence was possible") };
        if block <= last || block * 1000 < step.0 {
            return broken(
                "a repeat offence from one address",
                format!("a block longer than {last} s, {} s at least", step.0 / 1000),
                format!("{block} s"),
            );
        }
        blocks.push(block);
    }
    let other = scene.stage.gate(&scene.a).send(door.ask()).await?;
    if other.status == 429 {
        return broken("another address meanwhile", "not refused", "429");
    }
    Ok(Evidence::new()
        .count("offences", blocks.len())
        .count("seconds, the first block", usize::try_from(blocks.first().copied().unwrap_or(0)).unwrap_or(0))
        .count("seconds, the last", usize::try_from(blocks.last().copied().unwrap_or(0)).unwrap_or(0)))
}

/// How many requests of one person at one address pass, by the manifest.
fn allowed(rates: &[Rate], signed: bool) -> Option<Rate> {
    let applies = |r: &&Rate| match r.per {
        Per::Ip | Per::Tenant | Per::Route => true,
        Per::Account => signed,
        Per::Key | Per::Source => false,
    };
    let by_count = |r: &&Rate| r.count;
    rates.iter().filter(applies).min_by_key(by_count).or(rates.first()).copied()
}

async fn tiers(scene: &Scene) -> Outcome {
    let declared = scene.app.limits.tiers.len();
    if declared < 12 {
        return broken("counting the declared tiers", "12 or more", format!("{declared}"));
    }
    let api = scene.stage.openapi(&scene.a).await?;
    if let Some(operation) = api.operations.iter().find(|o| !scene.app.limits.tiers.contains_key(o.tier.as_str())) {
        return broken(
            "reading the route table",
            "each route names a declared tier",
            format!("{} names another", operation.path),
        );
    }
    let names: BTreeSet<&str> = api.operations.iter().map(|o| o.tier.as_str()).collect();
    let mut tripped = Vec::new();
    for name in &names {
        let of = || api.operations.iter().filter(|o| o.tier == *name);
        // A door that needs no record and no memory is the cheapest; streams are left open by nobody.
        let Some(operation) = of().min_by_key(|o| (!o.signed, o.segments().count(), o.method != "GET")) else {
            continue;
        };
        let Some(rate) = scene.app.limits.tiers.get(name).and_then(|rates| allowed(rates, operation.signed)) else {
            continue;
        };
        if rate.count > 1_500 {
            continue;
        }
        trip(scene, operation, rate).await?;
        tripped.push(*name);
    }
    let evidence = Evidence::new()
        .count("tiers declared", declared)
        .count("with routes", names.len())
        .count("tripped at their declared figure", tripped.len());
    if tripped.len() < 12 {
        Err(Miss::Unbuilt("fewer than 12 of the declared tiers have a route yet"))
    } else {
        Ok(evidence)
    }
}

/// From a fresh address, as a fresh tenant's owner: as many pass as declared, and then no more.
async fn trip(scene: &Scene, operation: &Operation, rate: Rate) -> Result<(), Miss> {
    let tenant: Tenant = scene.stage.lone_canary().await?;
    let token = if operation.signed { scene.stage.token(&tenant, tenant.owner()?).await? } else { String::new() };
    let house = operation.action.starts_with("house.");
    let client = match (house, operation.signed) {
        (true, _) => scene.stage.client(&scene.stage.apex(), ""),
        (false, true) => scene.stage.at(&tenant),
        (false, false) => scene.stage.gate(&tenant),
    };
    let (count, started) = (usize::try_from(rate.count).unwrap_or(0), Instant::now());
    let mut passed = 0;
    let limit = count * 2 + 20;
    while passed < limit {
        let answer = client.send(knock(operation).bearer(&token)).await?;
        if answer.status == 429 {
            break;
        }
        passed += 1;
    }
    let grown =
        started.elapsed().as_millis() * u128::from(rate.count) / u128::from(rate.window.0.unsigned_abs().max(1)) + 1;
    if passed < count || passed > count + usize::try_from(grown).unwrap_or(0) {
        return broken(
            format!("tier `{}` ({} {})", operation.tier, operation.method, operation.path),
            format!("{count} pass"),
            format!("{passed} passed"),
        );
    }
    Ok(())
}
