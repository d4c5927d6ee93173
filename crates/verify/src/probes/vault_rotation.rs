//! Keys that follow each other by themselves: a tenant's, the roots', and what a key service has to do with it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use kernel::DAY;
use serde_json::{Value, json};

use super::vault::{Stored, keys_of, opens, plant, read, replies};
use crate::{
    copy,
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    instance::{Instance, Setup},
    keyservice::KeyService,
    opener,
    run::Scene,
    stage::{Stage, Tenant},
    wire::Ask,
};

/// How long the server may take for a step that it does by itself.
const STEP: Duration = Duration::from_secs(20);

/// What the server does by itself.
#[derive(Clone, Copy)]
enum Goal {
    /// The tenant has so many keys.
    Keys(usize),
    /// Nothing is sealed under another version.
    Moved(u32),
    /// Every other version is retired.
    Retired(u32),
}

impl Goal {
    async fn reached(self, scene: &Scene, tenant: &Tenant, stored: &[Stored]) -> Result<bool, Miss> {
        let keks = opener::keks(&scene.stage.instance, &tenant.id).await?;
        Ok(match self {
            Self::Keys(n) => keks.len() == n,
            Self::Retired(newest) => keks.iter().all(|k| k.retired == (k.version != newest)),
            Self::Moved(newest) => {
                again(scene, tenant, stored).await?.iter().all(|s| opener::key_version(&s.blob) == newest)
            }
        })
    }
    async fn wait(self, scene: &Scene, tenant: &Tenant, stored: &[Stored], what: &'static str) -> Result<(), Miss> {
        let begun = Instant::now();
        while !self.reached(scene, tenant, stored).await? {
            if begun.elapsed() > STEP {
                return broken(what, "within 20 s, by itself", "not within 20 s");
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        Ok(())
    }
}

/// The stored values again, as they lie there now.
async fn again(scene: &Scene, tenant: &Tenant, stored: &[Stored]) -> Result<Vec<Stored>, Miss> {
    let mut out = Vec::new();
    for one in stored {
        let [region, _, collection, field, row] = &one.spot.pieces;
        let at = (collection.as_str(), row.as_str());
        out.extend(read(scene, tenant, region, at, (&[field.as_str()], std::slice::from_ref(&one.text))).await?);
    }
    Ok(out)
}

pub(super) async fn rotation(scene: &Scene) -> Outcome {
    let (stage, instance) = (&scene.stage, &scene.stage.instance);
    let age = scene.app.encryption.rotate.0;
    if age > 90 * DAY {
        return broken("reading the age at which keys rotate", "90 days at most", "more");
    }
    let before = status(instance).await?;
    let tenant = stage.lone_canary().await?;
    let mut stored = plant(scene, &tenant).await?.0;
    // What a later change of the same record replaced lies nowhere any more.
    let newest: BTreeMap<Vec<String>, Stored> = stored.drain(..).map(|s| (s.spot.pieces.to_vec(), s)).collect();
    let stored: Vec<Stored> = newest.into_values().collect();
    let first = opener::keks(instance, &tenant.id).await?;
    let [one] = first.as_slice() else { return unclear("a new tenant has more than one key") };
    if stored.is_empty() && replies(scene, &tenant).await?.is_empty() {
        return unclear("nothing is sealed");
    }
    stage.advance(age - stage.now().0 + one.created_at - DAY).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    if opener::keks(instance, &tenant.id).await?.len() != 1 {
        return broken("looking at a tenant's key a day before its time", "one version", "more");
    }
    stage.advance(2 * DAY).await?;
    Goal::Keys(2).wait(scene, &tenant, &stored, "moving the clock past the age of a tenant's key").await?;
    // A write at once, and what was written before.
    let keys = keys_of(instance, &tenant.id).await?;
    let Some((newest, _)) = keys.last().copied() else { return unclear("no key") };
    let wrote = plant(scene, &tenant).await?.0.into_iter().chain(replies(scene, &tenant).await?);
    let wrote: Vec<Stored> = wrote.collect();
    let late = wrote.iter().filter(|s| opener::key_version(&s.blob) == newest).count();
    let kept = wrote.iter().filter(|s| s.spot.pieces.get(2).is_some_and(|c| c == "_once")).count();
    if late + kept < wrote.len() || late == 0 {
        return broken("writing after the rotation", "sealed under the new key", "under the old one");
    }
    if again(scene, &tenant, &stored).await?.iter().any(|s| opens(s, &keys).is_none()) {
        return broken("opening every value while keys change", "it opens", "one does not");
    }
    Goal::Moved(newest).wait(scene, &tenant, &stored, "waiting until old values are sealed anew").await?;
    let moved = again(scene, &tenant, &stored).await?;
    if moved.iter().any(|s| opens(s, &keys).as_deref() != Some(s.text.as_bytes())) {
        return broken("opening every value after the rotation", "what was written", "something else or nothing");
    }
    stage.advance(120_000).await?;
    Goal::Retired(newest).wait(scene, &tenant, &stored, "waiting until the old key is retired").await?;
    let days = ages(scene).await?;
    let told = shown_age(scene, days).await?;
    let roots = roots_judged(scene, &before).await?;
    let (turned, wrapped) = turned_in_service(scene).await?;
    Ok(Evidence::new()
        .count("values sealed anew under the next key", moved.len())
        .count("days that the oldest key in use has", usize::try_from(days).unwrap_or(0))
        .count("days that the trust page tells, rounded up", usize::try_from(told).unwrap_or(0))
        .count("roots told to be too old", roots)
        .count("roots of a key service turned in time", turned)
        .count("keys wrapped by the new version", wrapped))
}

fn told(status: &Value, name: &str) -> Vec<Value> {
    let regions = status.get("regions").and_then(Value::as_array).into_iter().flatten();
    regions.filter_map(|r| r.get(name).cloned()).collect()
}

async fn status(instance: &Instance) -> Result<Value, Miss> {
    instance.admin(&json!({"do": "keys.status", "as": "verify"})).await
}

/// Age in days of the oldest key in use, as the operator reads it.
async fn ages(scene: &Scene) -> Result<i64, Miss> {
    let ages = told(&status(&scene.stage.instance).await?, "age_days");
    match ages.iter().filter_map(Value::as_i64).max() {
        Some(oldest) if oldest <= 90 => Ok(oldest),
        _ => broken("reading the age of the oldest key in use", "90 days at most", "older or not told"),
    }
}

/// The age that everyone reads on the trust page, in days.
async fn shown_age(scene: &Scene, days: i64) -> Result<i64, Miss> {
    const MARK: &str = "\u{1}";
    let claims = scene.page.claims.iter().filter(|c| c.checks.contains(&"vault.rotation"));
    let words = |live: &str| (live == "key_age").then(|| MARK.to_owned());
    let sentence = claims.map(|claim| claim.text(&words)).find(|text| text.contains(MARK));
    let Some((before, _)) = sentence.as_deref().and_then(|s| s.split_once(MARK)) else {
        return broken("looking for the age of the newest key on the page", "a figure in the promise's words", "none");
    };
    let before: String = before.chars().rev().take(16).collect::<Vec<_>>().into_iter().rev().collect();
    let begun = Instant::now();
    loop {
        let page = scene.stage.at(&scene.a).at_root(Ask::get("/trust")).await?.decided()?.step("GET /trust")?.page();
        let text = page.split_whitespace().collect::<Vec<_>>().join(" ");
        let behind = text.split_once(before.as_str()).map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let number: String = behind.chars().take_while(char::is_ascii_digit).collect();
        let told: Option<i64> = number.parse().ok();
        match told.filter(|told| (days..=days + 1).contains(told)) {
            Some(told) => return Ok(told),
            None if begun.elapsed() > STEP => {
                let what = told.map_or_else(|| "no number".to_owned(), |told| format!("{told} days"));
                return broken("reading the age of the newest key on the trust page", format!("{days} days"), what);
            }
            None => tokio::time::sleep(Duration::from_millis(300)).await,
        }
    }
}

/// Roots that are given to the program cannot turn by themselves: those past the declared age are told to be too old, where
/// they were not before, and the log says so.
async fn roots_judged(scene: &Scene, before: &Value) -> Result<usize, Miss> {
    let instance = &scene.stage.instance;
    let judged = |status: &Value| -> Vec<(i64, bool)> {
        let days = told(status, "root_days").into_iter().filter_map(|v| v.as_i64());
        days.zip(told(status, "root_over").into_iter().filter_map(|v| v.as_bool())).collect()
    };
    let most = scene.app.encryption.rotate.0 / DAY;
    let right = |judged: &[(i64, bool)]| {
        judged.len() == scene.app.regions.len() && judged.iter().all(|(days, over)| *over == (*days >= most))
    };
    let (young, old) = (judged(before), judged(&status(instance).await?));
    if !right(&young) || !right(&old) || old.iter().any(|(_, over)| !over) {
        return broken(
            "reading the age of each root before and after it passed the declared one",
            "red as soon as it is older, and not before",
            format!("{young:?}, then {old:?}"),
        );
    }
    let begun = Instant::now();
    while !instance.logs().0.contains("a root key is older than keys may be") {
        if begun.elapsed() > STEP {
            return broken("reading the log after a root passed its age", "a warning", "none within 20 s");
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(old.len())
}

/// Who holds each region's root, when a key service does.
fn pointers(scene: &Scene, service: &KeyService) -> Vec<(String, String)> {
    let mut out = vec![("VAULT_TOKEN".to_owned(), service.token().to_owned())];
    for region in &scene.app.regions {
        let value = format!("kms:{}", service.key(region.id));
        out.push((format!("VOUCHSAFE_ROOT_{}", region.id.to_uppercase().replace('-', "_")), value.clone()));
        if let manifest::Pointer::Env(name) = &region.root_key {
            out.push((name.clone(), value));
        }
    }
    out
}

/// A server of its own whose roots a key service holds, on the embedded engine: what holds a root has nothing to do with it.
async fn in_service(scene: &Scene, service: &KeyService) -> Result<(Stage, Tenant), Miss> {
    let setup = Setup { database: None, ..scene.stage.instance.setup().clone() };
    let instance = Instance::start_with(&setup, &pointers(scene, service)).await.map_err(Miss::Unclear)?;
    let stage = Stage::new(Arc::clone(&scene.app), instance, scene.stage.real());
    let tenant = stage.lone_canary().await?;
    Ok((stage, tenant))
}

/// Versions of the service's key that wrapped the stored keys of tenants and regions.
fn wrapped_by(instance: &Instance) -> Result<Vec<usize>, Miss> {
    let mut out = Vec::new();
    for file in copy::files(&instance.data().join("keys"))? {
        if file.extension().is_some_and(|e| e == "json") {
            let stored: Value = serde_json::from_slice(&std::fs::read(file)?).unwrap_or_default();
            let text = stored.get("wrapped").and_then(Value::as_str).and_then(|hex| hex::decode(hex).ok());
            let text = String::from_utf8(text.unwrap_or_default()).unwrap_or_default();
            let version = text.strip_prefix("vault:v").and_then(|rest| rest.split(':').next()?.parse().ok());
            out.push(version.unwrap_or(0));
        }
    }
    Ok(out)
}

/// A root in a key service is turned there at the declared age, once, and every stored key is wrapped by its new version.
async fn turned_in_service(scene: &Scene) -> Result<(usize, usize), Miss> {
    let service = KeyService::start().await?;
    let (stage, tenant) = in_service(scene, &service).await?;
    let stage = Arc::new(stage);
    let first = on(scene, &stage, &tenant);
    let (at, field) = scene.carrier()?;
    let path = first.make(&tenant, at, Some((field, "before the root turned"))).await?.path();
    let regions: Vec<&str> = scene.app.regions.iter().map(|r| r.id).collect();
    let done = |versions: usize| {
        let turned = regions.iter().all(|r| service.versions(r) == versions);
        let wrapped = wrapped_by(&stage.instance)?;
        let all = turned && !wrapped.is_empty() && wrapped.iter().all(|v| *v == versions);
        Ok::<_, Miss>(all.then_some(wrapped.len()))
    };
    stage.advance(scene.app.encryption.rotate.0 - DAY).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    if done(1)?.is_none() {
        return broken("looking at the roots in a key service a day before their time", "one version", "more");
    }
    stage.advance(2 * DAY).await?;
    let begun = Instant::now();
    let wrapped = loop {
        match done(2)? {
            Some(wrapped) => break wrapped,
            None if begun.elapsed() > STEP => {
                return broken(
                    "moving the clock past the age of a root in a key service",
                    "turned there and every stored key wrapped by the new version, within 20 s",
                    "not within 20 s",
                );
            }
            None => tokio::time::sleep(Duration::from_millis(300)).await,
        }
    };
    stage.advance(DAY).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let over = told(&status(&stage.instance).await?, "root_over").iter().any(|v| v.as_bool() != Some(false));
    if service.asked("rotate") != regions.len() || over {
        return broken(
            "looking at the turned roots a day later",
            "turned once, and young",
            "turned again, or still red",
        );
    }
    // Whatever is still wrapped by the old version is lost now, in files and in rows; and the start after this needs both.
    service.forget(1);
    let data = stage.instance.data().to_owned();
    stage.instance.stop().await;
    reads_again(scene, &stage, data, tenant, &path, "after the old version of the root was destroyed").await?;
    Ok((regions.len(), wrapped))
}

fn on(scene: &Scene, stage: &Arc<Stage>, tenant: &Tenant) -> Scene {
    Scene {
        app: Arc::clone(&scene.app),
        stage: Arc::clone(stage),
        a: tenant.clone(),
        b: tenant.clone(),
        page: Arc::clone(&scene.page),
    }
}

/// A server on the same data starts and shows the record.
async fn reads_again(
    scene: &Scene,
    stage: &Stage,
    data: std::path::PathBuf,
    tenant: Tenant,
    path: &str,
    when: &str,
) -> Result<(), Miss> {
    let second = match stage.instance.again(data).await {
        Ok(second) => second,
        Err(said) if said.contains("encryption:") => {
            return broken(format!("a start {when}"), "it starts", "refused for its keys");
        }
        Err(said) => return unclear(said),
    };
    let after = Arc::new(Stage::new(Arc::clone(&scene.app), second, stage.real()));
    let name = tenant.host.split(':').next().unwrap_or_default();
    let moved = Tenant { host: after.on(name), ..tenant };
    let answer = on(scene, &after, &moved).read(&moved, moved.owner()?, path).await?.decided()?;
    after.instance.stop().await;
    if answer.status != 200 {
        return broken(format!("reading {when}"), "200", format!("{}", answer.status));
    }
    Ok(())
}

/// With its key service away a server that stopped does not start again and says why; with it back everything opens.
pub(super) async fn service_away(scene: &Scene) -> Outcome {
    let service = KeyService::start().await?;
    let (stage, tenant) = in_service(scene, &service).await?;
    let stage = Arc::new(stage);
    let first = on(scene, &stage, &tenant);
    let (at, field) = scene.carrier()?;
    let path = first.make(&tenant, at, Some((field, "behind a key service"))).await?.path();
    // While it runs, what is open stays open, and nothing new begins.
    service.set_away(true);
    if first.read(&tenant, tenant.owner()?, &path).await?.decided()?.status != 200 {
        return broken("reading while the key service is away", "200: the tenant's keys are open", "refused");
    }
    if stage.lone_canary().await.is_ok() {
        return broken("making a tenant while the key service is away", "refused", "made");
    }
    stage.instance.stop().await;
    let data = stage.instance.data().to_owned();
    match stage.instance.again(data.clone()).await {
        Ok(second) => {
            second.stop().await;
            return broken(
                "starting anew while the key service is away",
                "a start that ends and says so",
                "it started",
            );
        }
        Err(said) if said.contains("key service") && said.contains("cannot be reached") => {}
        Err(_) => return broken("starting anew while the key service is away", "words that name it", "others"),
    }
    service.set_away(false);
    reads_again(scene, &stage, data, tenant, &path, "after the key service came back").await?;
    Ok(Evidence::new()
        .word("with the key service away", "open keys go on, no new tenant, no start")
        .word("with it back", "everything opens"))
}
