//! Orders about the operators themselves: the register, a link to their pages, the review of their accesses.

use access::register::{self, Standing};
use authentication::operator;
use disclosure::Decisions;
use kernel::{DAY, Failure, TenantId};
use serde::Deserialize;
use serde_json::{Value, json};
use store::Control;

use crate::{
    Server,
    admin::{Order, moment},
};

/// Somebody for the register.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Newcomer {
    name: String,
    reason: String,
    owner: String,
    /// Last day (`2027-01-31`) or moment.
    expires: Option<String>,
    days: Option<i64>,
}

/// One order whose name begins with `operator.`.
///
/// # Errors
/// What is wrong with it; those of the store.
pub(crate) async fn act(server: &Server, order: &Order) -> Result<Value, Failure> {
    let (who, now) = (order.operator.as_str(), server.clock.now());
    let name = || order.name.as_deref().ok_or(Failure::bad("`name` is missing"));
    match order.what.as_str() {
        "operator.list" => list(server, who).await,
        "operator.state" => state(server, who).await,
        "operator.add" => {
            let wanted = order.newcomer.as_ref().ok_or(Failure::bad("`newcomer` is missing"))?;
            let expires = moment(wanted.expires.as_deref(), wanted.days, now)?;
            let expires = expires.ok_or(Failure::field("expires", "required", "a last day within a year"))?;
            let Newcomer { name, reason, owner, .. } = wanted;
            let new = register::Newcomer {
                name: name.trim().to_owned(),
                reason: reason.clone(),
                owner: owner.clone(),
                expires,
            };
            let batch =
                server.house_tx(who, "operator.added").await?.batch::<Control>(format!("operator/{}", new.name));
            register::add(batch, server.rng.as_ref(), &new, who, now)?.commit().await?;
            Ok(json!({"added": new.name, "until": expires.to_string()}))
        }
        "operator.remove" => {
            let name = name()?;
            let batch = server.house_tx(who, "operator.removed").await?.batch::<Control>(format!("operator/{name}"));
            let batch = disclosure::departed(register::remove(batch, name, who, now), server.rng.as_ref(), name, now);
            batch.fact("operator", name).commit().await?;
            server.disclosure.forget();
            Ok(json!({"removed": name}))
        }
        "operator.link" => link(server, who).await,
        "operator.review" => {
            let decisions = Decisions { keep: order.keep.clone(), remove: order.remove.clone() };
            if decisions.keep.is_empty() && decisions.remove.is_empty() {
                let tx = server.house_tx(who, "access.reviewed").await?;
                return Ok(server.disclosure.reviewable(&tx).await?.json());
            }
            let tx = server.house_tx(who, "access.reviewed").await?;
            let (_, reviewed) = server.disclosure.review(tx, who, decisions).await?;
            Ok(serde_json::to_value(reviewed).unwrap_or_default())
        }
        _ => Err(Failure::bad("unknown order")),
    }
}

/// A link to the pages, for the one who asks for it.
async fn link(server: &Server, name: &str) -> Result<Value, Failure> {
    let now = server.clock.now();
    if !matches!(server.access.standing(name, now).await?, Standing::Listed(_)) {
        let why = "the pages are for people in the register; add yourself first (`vouchsafe operator add`)";
        return Err(Failure::Conflict(why.into()));
    }
    let batch = server.house_tx(name, "operator.link_made").await?.batch::<Control>(format!("operator/{name}"));
    let (batch, token) = operator::mint(batch, server.rng.as_ref(), name, now);
    batch.fact("operator", name).commit().await?;
    let base = server.tenancy.home(TenantId::HOUSE).await?.ok_or(Failure::NotFound)?.url.clone();
    let url = format!("{}/operator/enter?token={token}", base.trim_end_matches('/'));
    Ok(json!({"url": url, "until": now.plus(operator::LINK).to_string()}))
}

async fn list(server: &Server, who: &str) -> Result<Value, Failure> {
    let now = server.clock.now();
    let tx = server.house_tx(who, "operator.listed").await?;
    let line = |o: &register::Operator| {
        json!({
            "name": o.name, "reason": o.reason, "owner": o.owner, "added_by": o.added_by,
            "added_at": o.added_at.to_string(), "expires": o.expires.to_string(),
            "state": if o.in_force(now) { "in force" } else { "expired" },
        })
    };
    Ok(Value::Array(register::all(&tx).await?.iter().map(line).collect()))
}

/// Numbers alone: for the prober.
async fn state(server: &Server, who: &str) -> Result<Value, Failure> {
    let now = server.clock.now();
    let tx = server.house_tx(who, "operator.listed").await?;
    let all = register::all(&tx).await?;
    let review = server.disclosure.last_review(&tx).await?;
    Ok(json!({
        "enforced": server.access.standing("", now).await? != Standing::Open,
        "listed": all.len(),
        "in_force": all.iter().filter(|o| o.in_force(now)).count(),
        "review_days": review.map(|at| now.since(at).div_euclid(DAY)),
    }))
}
