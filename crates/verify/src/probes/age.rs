//! Since when each secret is the same: on a server of the probe's own, whose clock is moved and whose secrets are changed.

use std::collections::{BTreeMap, BTreeSet};

use manifest::{App, Pointer};
use serde_json::{Value, json};

use super::probe;
use crate::{
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    instance::{Instance, Setup},
    plan::Probe,
    random,
    run::Scene,
    wire::{Ask, Client},
};

pub(super) const PROBES: &[Probe] = &[probe!("gov.secret_age", Together, secret_age)];

const CHECK: &str = "gov.secret_age";
const ELSEWHERE: &str = "a declared secret lies in a file or a key service, where the prober cannot replace it";
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// A server of the probe's own, with how far its clock was moved.
struct Other<'s> {
    scene: &'s Scene,
    instance: Instance,
    ahead: i64,
    /// How far the clock was when a variable's value was changed last.
    changed: BTreeMap<String, i64>,
}

/// What it tells of one secret.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    days: i64,
    state: String,
}

impl<'s> Other<'s> {
    async fn start(scene: &'s Scene) -> Result<Self, Miss> {
        // Its data are its own, on the embedded engine: one database cannot be two fresh worlds.
        let setup = Setup { database: None, ..scene.stage.instance.setup().clone() };
        let instance = Instance::start(&setup).await.map_err(Miss::Unclear)?;
        Ok(Self { scene, instance, ahead: 0, changed: BTreeMap::new() })
    }
    async fn advance(&mut self, millis: i64) -> Result<(), Miss> {
        self.ahead += millis;
        self.instance.advance(millis).await
    }
    /// Ends it and starts it with some secrets changed, at the time it had.
    async fn change(&mut self, names: &[&str]) -> Result<(), Miss> {
        let new = |name: &&str| ((*name).to_owned(), anew(self.instance.secrets.get(*name).map_or("", String::as_str)));
        let changed: Vec<(String, String)> = names.iter().map(new).collect();
        self.changed.extend(names.iter().map(|name| ((*name).to_owned(), self.ahead)));
        self.instance = self.instance.restarted(&changed, self.ahead).await.map_err(Miss::Unclear)?;
        Ok(())
    }
    fn client(&self) -> Client {
        let host = self.instance.on(&self.instance.apex);
        Client::new(self.instance.net.clone(), host, String::new(), self.scene.stage.source())
    }
    async fn get(&self, path: &str) -> Result<Value, Miss> {
        Ok(self.client().at_root(Ask::get(path)).await?.step(path)?.json())
    }
    /// What the public page says of each declared secret.
    async fn public(&self) -> Result<BTreeMap<String, Told>, Miss> {
        Ok(told(&self.get("/trust/secrets.json").await?))
    }
    /// What the team reads of every secret.
    async fn every(&self) -> Result<BTreeMap<String, Told>, Miss> {
        let (status, body) = self.instance.call("ann", "GET", "/api/v1/operator/secrets", None).await?;
        if status == 200 { Ok(told(&body)) } else { unclear(format!("the list of secrets answered {status}")) }
    }
    /// Verdicts that the server itself shows for the promises of this check.
    async fn shown(&self) -> Result<Vec<String>, Miss> {
        // The page's reading is kept for a few seconds, by the server's clock.
        self.instance.advance(6_000).await?;
        let page = self.get("/trust.json").await?;
        let promises = page.get("promises").and_then(Value::as_array).cloned().unwrap_or_default();
        let speaks = |p: &&Value| p.get("evidence").is_some_and(|e| e.get(CHECK).is_some());
        let word = |p: &Value| p.get("evidence")?.get(CHECK)?.get("verdict")?.as_str().map(str::to_owned);
        Ok(promises.iter().filter(speaks).filter_map(word).collect())
    }
    /// Sees that exactly these declared secrets are overdue, on the page and in the verdict.
    async fn overdue(&self, did: &str, wanted: &BTreeSet<&str>) -> Result<(), Miss> {
        let public = self.public().await?;
        let red: BTreeSet<&str> =
            public.iter().filter(|(_, t)| t.state == "overdue").map(|(n, _)| n.as_str()).collect();
        if red != *wanted {
            let words = |set: &BTreeSet<&str>| match set.len() {
                0 => "none overdue".to_owned(),
                _ => format!("overdue: {}", set.iter().copied().collect::<Vec<_>>().join(", ")),
            };
            return broken(did, words(wanted), words(&red));
        }
        let shown = self.shown().await?;
        if shown.is_empty() {
            return unclear("no promise of the page shows the verdict of this check");
        }
        let failing = shown.iter().filter(|v| *v == "failing").count();
        let all = if wanted.is_empty() { 0 } else { shown.len() };
        if failing != all {
            return broken(
                format!("{did}: reading the trust page"),
                format!("{all} of {} promises red", shown.len()),
                format!("{failing}"),
            );
        }
        Ok(())
    }
}

fn told(list: &Value) -> BTreeMap<String, Told> {
    let item = |v: &Value| {
        let told = Told { days: v.get("days")?.as_i64()?, state: v.get("state")?.as_str()?.to_owned() };
        Some((v.get("name")?.as_str()?.to_owned(), told))
    };
    list.get("items").and_then(Value::as_array).into_iter().flatten().filter_map(item).collect()
}

/// Another value of the same shape: an address keeps its host and gets a user, everything else is drawn anew.
fn anew(value: &str) -> String {
    match value.split_once("://") {
        Some((scheme, rest)) => {
            format!("{scheme}://u{}@{}", random::hex(6), rest.rsplit('@').next().unwrap_or(rest))
        }
        None => random::hex(value.len().max(2) / 2),
    }
}

/// The variable of a declared secret.
fn variable(from: &Pointer) -> Option<&str> {
    if let Pointer::Env(name) = from { Some(name) } else { None }
}

/// Declared secrets, and which of them a departure reaches: their names and variables.
struct Declared<'a> {
    names: BTreeSet<&'a str>,
    /// Those in files and key services, which the probe cannot change.
    elsewhere: BTreeSet<&'a str>,
    leaving: BTreeMap<&'a str, &'a str>,
    mail: Option<(&'a str, &'a str, i64)>,
}

impl<'a> Declared<'a> {
    fn of(app: &'a App) -> Self {
        let given = || app.secrets.iter().filter_map(|s| Some((s, variable(&s.from)?)));
        let leaving = given().filter(|(s, _)| s.on.iter().any(|e| e == "offboarding")).map(|(s, v)| (s.id, v));
        let mail = given().find(|(s, _)| s.from == app.mail.smtp);
        Self {
            names: given().map(|(s, _)| s.id).collect(),
            elsewhere: app.secrets.iter().filter(|s| variable(&s.from).is_none()).map(|s| s.id).collect(),
            leaving: leaving.collect(),
            mail: mail.map(|(s, v)| (s.id, v, s.max_age.map_or(365 * DAY, |age| age.0))),
        }
    }
}

async fn secret_age(scene: &Scene) -> Outcome {
    let declared = Declared::of(&scene.app);
    if declared.leaving.is_empty() && declared.mail.is_none() {
        return Err(match declared.elsewhere.is_empty() {
            true => Miss::Absent("the manifest declares no secret that ages"),
            false => Miss::Unbuilt(ELSEWHERE),
        });
    }
    if let Some((name, _, longest)) = declared.mail
        && longest > 365 * DAY
    {
        return broken(
            "reading the longest age of the mail key",
            "365 days",
            format!("{name}: {} days", longest / DAY),
        );
    }
    let mut other = Other::start(scene).await?;
    let begun = std::time::Instant::now();
    let public = other.public().await?;
    let mut names: BTreeSet<&str> = public.keys().map(String::as_str).collect();
    names.retain(|name| !declared.elsewhere.contains(name));
    if names != declared.names || public.values().any(|t| t.days != 0 || t.state == "overdue") {
        return broken(
            "reading the ages after a first start",
            format!("{} secrets, 0 days old", declared.names.len()),
            format!("{} of them, {} too old", names.len(), public.values().filter(|t| t.days != 0).count()),
        );
    }
    let every = other.every().await?.len();
    if every < declared.names.len() {
        return broken(
            "reading the team's list",
            format!("{} secrets or more", declared.names.len()),
            format!("{every}"),
        );
    }
    if !declared.leaving.is_empty() {
        left(&mut other, &declared).await?;
    }
    if let Some(mail) = declared.mail {
        grown(&mut other, mail, begun).await?;
    }
    let evidence = Evidence::new().count("secrets metered", every).count("declared", declared.names.len());
    let evidence = match declared.leaving.len() {
        0 => evidence,
        n => evidence.count("red 7 days after somebody left", n).count("red once all were replaced", 0),
    };
    other.instance.stop().await;
    if !declared.elsewhere.is_empty() {
        return Err(Miss::Unbuilt(ELSEWHERE));
    }
    Ok(match declared.mail {
        Some((_, _, age)) => evidence.count("days until the mail key is red", usize::try_from(age / DAY).unwrap_or(0)),
        None => evidence,
    })
}

/// Somebody leaves: a week later every key they could have seen is red, until each is another.
async fn left(other: &mut Other<'_>, declared: &Declared<'_>) -> Result<(), Miss> {
    let newcomer =
        |name: &str| json!({"name": name, "reason": "a canary of the prober", "owner": "the prober", "days": 300});
    for name in ["ann", "bob"] {
        other.instance.admin(&json!({"do": "operator.add", "as": "ann", "newcomer": newcomer(name)})).await?;
    }
    other.instance.admin(&json!({"do": "operator.remove", "as": "ann", "name": "bob"})).await?;
    let none = BTreeSet::new();
    let all: BTreeSet<&str> = declared.leaving.keys().copied().collect();
    other.advance(7 * DAY - HOUR).await?;
    other.overdue("7 days less an hour after an operator left", &none).await?;
    other.advance(2 * HOUR).await?;
    other.overdue("on day 8 after an operator left, every key unchanged", &all).await?;
    let mut names = declared.leaving.iter();
    let Some((first, variable)) = names.next() else { return Ok(()) };
    let rest: BTreeSet<&str> = all.iter().copied().filter(|n| n != first).collect();
    other.change(&[variable]).await?;
    other.overdue("after a start with one of the keys replaced", &rest).await?;
    let variables: Vec<&str> = names.map(|(_, variable)| *variable).collect();
    if !variables.is_empty() {
        other.change(&variables).await?;
        other.overdue("after a start with all of the keys replaced", &none).await?;
    }
    let days: Vec<i64> =
        other.public().await?.iter().filter(|(n, _)| all.contains(n.as_str())).map(|(_, t)| t.days).collect();
    if days.iter().any(|d| *d != 0) {
        return broken("reading the age of the replaced keys", "0 days", format!("{days:?}"));
    }
    Ok(())
}

/// The mail key grows old, over starts that do not change it; a new one begins at nothing.
async fn grown(other: &mut Other<'_>, mail: (&str, &str, i64), begun: std::time::Instant) -> Result<(), Miss> {
    let (name, variable, longest) = mail;
    other.advance(2 * DAY).await?;
    other.change(&[]).await?;
    let real = i64::try_from(begun.elapsed().as_millis()).unwrap_or(0);
    let age = other.ahead - other.changed.get(variable).copied().unwrap_or(0);
    let before = other.public().await?.get(name).map(|t| t.days);
    if before != Some((age + real) / DAY) {
        return broken(
            "reading the mail key's age after a start that did not change it",
            format!("{} days", (age + real) / DAY),
            before.map_or_else(|| "nothing".to_owned(), |d| format!("{d}")),
        );
    }
    other.advance(longest - age - HOUR).await?;
    other.overdue("an hour before the mail key is too old", &BTreeSet::new()).await?;
    other.advance(DAY).await?;
    other.overdue("a day later, the mail key unchanged", &BTreeSet::from([name])).await?;
    other.change(&[variable]).await?;
    other.overdue("after a start with another mail key", &BTreeSet::new()).await?;
    match other.public().await?.get(name).map(|t| t.days) {
        Some(0) => Ok(()),
        other => broken("reading the new mail key's age", "0 days", format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_value_has_the_shape_of_the_old() {
        let (one, two) = (anew("smtp://127.0.0.1:25"), anew("smtp://127.0.0.1:25"));
        assert!(one.starts_with("smtp://u") && one.ends_with("@127.0.0.1:25") && one != two);
        assert_eq!(anew(&one).matches('@').count(), 1);
        assert_eq!(anew(&random::hex(32)).len(), 64);
    }
}
