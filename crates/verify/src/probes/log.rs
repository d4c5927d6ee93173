//! The log as a customer holds it: the daily roots among their keys, proofs, exports, and how long leaves are kept. Trees,
//! notes and proofs are checked by the prober's own reading of RFC 6962 and C2SP.

use std::{path::PathBuf, time::Duration};

use kernel::{DAY, Time};
use serde_json::Value;

use super::probe;
use crate::{
    chain,
    copy::{self, aside},
    disk::Disk,
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    merkle::{self, Checkpoint},
    plan::Probe,
    random,
    run::Scene,
    stage::{Stage, Tenant},
    wire::{Answer, Ask, Client},
};

pub(super) const PROBES: &[Probe] =
    &[probe!("audit.merkle_jwks", Alone, merkle_jwks), probe!("audit.retention", Alone, retention)];

/// How long a day's end may take to be seen.
const SEEN: Duration = Duration::from_secs(12);

/// One tenant of one instance, as its owner sees it.
struct Door<'s> {
    scene: &'s Scene,
    tenant: &'s Tenant,
    client: Client,
}

impl<'s> Door<'s> {
    fn new(scene: &'s Scene, tenant: &'s Tenant) -> Self {
        Self { scene, tenant, client: scene.stage.at(tenant) }
    }
    async fn get(&self, path: &str) -> Result<Answer, Miss> {
        let token = self.scene.stage.token(self.tenant, self.tenant.owner()?).await?;
        self.client.send(Ask::get(path).bearer(&token)).await?.decided()
    }
    /// The tenant's key set; without a credential where it has a host of its own.
    async fn keys(&self) -> Result<Value, Miss> {
        let path = "/.well-known/jwks.json";
        let answer = if self.tenant.prefix.is_empty() {
            self.client.send(Ask::get(path)).await?.decided()?
        } else {
            self.get(path).await?
        };
        Ok(answer.step("the key set")?.json())
    }
    /// The published days, the newest first, each signed by a key of the set.
    async fn days(&self) -> Result<Vec<(String, Checkpoint)>, Miss> {
        let set = self.keys().await?;
        let Some(listed) = set.get("checkpoints").and_then(Value::as_array) else { return Ok(Vec::new()) };
        let mut days = Vec::new();
        for entry in listed {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
            let Some(signed) = Checkpoint::open(text("checkpoint"), &set) else {
                return broken("opening a checkpoint of the key set", "signed by a key of the set", "it is not");
            };
            if merkle::hash(text("root")) != Some(signed.root) {
                return broken("reading a daily root", "the one that is signed", "another");
            }
            days.push((text("day").to_owned(), signed));
        }
        Ok(days)
    }
    /// Waits for the day that ended last.
    async fn closed(&self, now: Time, what: &str) -> Result<Checkpoint, Miss> {
        let wanted: String = now.plus(-DAY).to_string().chars().take(10).collect();
        let began = tokio::time::Instant::now();
        loop {
            if let Some((_, signed)) = self.days().await?.into_iter().next().filter(|(day, _)| *day == wanted) {
                return Ok(signed);
            }
            if began.elapsed() > SEEN {
                return broken(what, "its signed root in the key set", "none");
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
    async fn leaves(&self) -> Result<Vec<Vec<u8>>, Miss> {
        let answer = self.get("/api/v1/audit/export?format=jsonl").await?.step("audit export")?;
        Ok(answer.body.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(<[u8]>::to_vec).collect())
    }
    async fn export(&self) -> Result<Vec<u8>, Miss> {
        Ok(self.get("/api/v1/audit/export").await?.step("audit export with proof")?.body.clone())
    }
    /// A leaf's proof file, checked against its bytes.
    async fn included(&self, at: usize, leaf: &[u8], set: &Value) -> Result<(), Miss> {
        let answer = self.get(&format!("/api/v1/audit/proofs/{at}")).await?.step("an inclusion proof")?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let read =
            merkle::proof(&text).and_then(|(index, path, note)| Some((index, path, Checkpoint::open(note, set)?)));
        let Some((index, path, signed)) = read else {
            return broken("reading a proof file", "a tlog-proof with a signed checkpoint", "something else");
        };
        if index != at || !merkle::includes(&signed, at, leaf, &path) {
            return broken("following a leaf's proof", "the signed root", "another root");
        }
        let mut wrong = leaf.to_vec();
        if let Some(byte) = wrong.last_mut() {
            *byte ^= 1;
        }
        if merkle::includes(&signed, at, &wrong, &path) {
            return unclear("the prober's own verifier took a changed leaf");
        }
        Ok(())
    }
    /// Whether the log shows itself as the continuation of a checkpoint.
    async fn extends(&self, saved: &Checkpoint, newest: &Checkpoint) -> Result<bool, Miss> {
        let path = format!("/api/v1/audit/consistency?from={}&to={}", saved.size, newest.size);
        let answer = self.get(&path).await?;
        if !answer.good() {
            return Ok(false);
        }
        let proof: Option<Vec<merkle::Hash>> = answer
            .json()
            .get("proof")
            .and_then(Value::as_array)
            .and_then(|all| all.iter().map(|hash| merkle::hash(hash.as_str()?)).collect());
        Ok(proof.is_some_and(|proof| merkle::extends(saved, newest, &proof)))
    }
    async fn make(&self, text: &str) -> Result<(), Miss> {
        let (at, field) = self.scene.carrier()?;
        let links = self.scene.links(self.tenant, at).await?;
        let mut body = self.scene.body(at, &links, &[])?;
        body.insert(field.to_owned(), text.into());
        let collection = self.scene.app.collections.get(at).map_or("", |c| c.id);
        let token = self.scene.stage.token(self.tenant, self.tenant.owner()?).await?;
        let ask = Ask::post(crate::act::records(collection), &Value::Object(body)).bearer(&token);
        self.client.send(ask).await?.decided()?.step("creating a record").map(drop)
    }
}

/// The command line's verdict on a file: whether it is whole, and what it says.
async fn judged(scene: &Scene, bytes: &[u8], since: Option<&Checkpoint>) -> Result<(bool, String), Miss> {
    let place = |name: &str| -> PathBuf { scene.stage.instance.scratch().join(format!("{name}-{}", random::hex(5))) };
    let (file, saved) = (place("export"), place("saved"));
    std::fs::write(&file, bytes)?;
    let mut command = tokio::process::Command::new(&scene.stage.instance.setup().binary);
    command.args(["audit", "verify"]).arg(&file);
    if let Some(since) = since {
        std::fs::write(&saved, &since.note)?;
        command.arg("--since").arg(&saved);
    }
    let ended = command.output().await?;
    let _left = std::fs::remove_file(&file);
    Ok((ended.status.success(), String::from_utf8_lossy(&ended.stdout).into_owned()))
}

async fn merkle_jwks(scene: &Scene) -> Outcome {
    let tenant = scene.stage.lone_canary().await?;
    let door = Door::new(scene, &tenant);
    // Days with and without events; at the end of each its root is among the keys.
    let mut saved: Vec<Checkpoint> = Vec::new();
    for day in 0..4 {
        if day % 2 == 0 {
            for n in 0..3 {
                door.make(&format!("day {day}, {n}")).await?;
            }
        }
        scene.stage.advance(DAY).await?;
        saved.push(
            door.closed(scene.stage.now(), if day % 2 == 0 { "a day with events" } else { "a quiet day" }).await?,
        );
    }
    let (set, days) = (door.keys().await?, door.days().await?);
    if saved.iter().any(|old| !days.iter().any(|(_, now)| now == old)) {
        return broken("looking for the roots of the days before", "unchanged", "changed or gone");
    }
    let Some((newest, middle)) = saved.last().zip(saved.get(1)) else { return unclear("no days") };

    // The roots are those of an independent tree over the exported leaves, and every proof leads to them.
    let leaves = door.leaves().await?;
    let mut roots = 0;
    for old in &saved {
        let root = leaves.get(..old.size).map(merkle::root);
        if root != Some(old.root) {
            return broken("building the tree over exported leaves", "each day's signed root", "another root");
        }
        if !door.extends(old, newest).await? {
            return broken("asking for a consistency proof since a saved root", "a proof that holds", "none");
        }
        roots += 1;
    }
    for (at, leaf) in leaves.iter().enumerate().take(newest.size) {
        door.included(at, leaf, &set).await?;
    }

    let flips = exported(scene, &door, middle).await?;
    let rewritten = rewritten(scene, &leaves, middle, newest).await?;
    let mut evidence = Evidence::new()
        .count("days with a signed root", roots)
        .count("quiet days among them", saved.len() / 2)
        .hash("newest root", newest.root)
        .count("inclusion proofs followed", newest.size)
        .count("consistency proofs followed", saved.len())
        .count("flipped bits refused with their place", flips)
        .count("rewritten and shortened logs refused", rewritten);
    if scene.stage.instance.setup().database.is_none() {
        evidence = evidence.count("forks by a second server refused", forked(scene, &door).await?);
    }
    Ok(evidence)
}

/// The export with proof holds against a saved root, and with any bit of it changed it does not.
async fn exported(scene: &Scene, door: &Door<'_>, since: &Checkpoint) -> Result<usize, Miss> {
    let export = door.export().await?;
    let (whole, said) = judged(scene, &export, Some(since)).await?;
    if !whole || !said.contains(&format!("saved checkpoint of size {}", since.size)) {
        return broken(
            "checking an untouched export offline",
            "whole, and in agreement with the saved root",
            "refused",
        );
    }
    let tries = 12;
    for _ in 0..tries {
        let mut bytes = export.clone();
        let at = random::below(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << random::below(8);
        }
        let (whole, said) = judged(scene, &bytes, Some(since)).await?;
        if whole || !said.contains("bytes ") {
            return broken("one flipped bit in an export", "refused, with its place", "accepted");
        }
    }
    Ok(tries)
}

/// Leaves changed, and every link behind them made to fit: the log holds by itself, and not against a saved root. So does
/// one that was cut short.
async fn rewritten(scene: &Scene, leaves: &[Vec<u8>], middle: &Checkpoint, newest: &Checkpoint) -> Result<usize, Miss> {
    let bare = |leaves: &[Vec<u8>]| leaves.iter().flat_map(|l| [l.as_slice(), b"\n"].concat()).collect::<Vec<u8>>();
    let mut forged: Vec<Vec<u8>> = Vec::new();
    for (at, leaf) in leaves.iter().enumerate() {
        let mut text = String::from_utf8_lossy(leaf).into_owned();
        if at == 1 {
            text = text.replace("\"outcome\":\"done\"", "\"outcome\":\"failed\"");
        }
        if let (Some(before), Some(last)) = (at.checked_sub(1).and_then(|n| leaves.get(n)), forged.last()) {
            let (old, new) = (hex::encode(chain::leaf_hash(before)), hex::encode(chain::leaf_hash(last)));
            text = text.replace(&old, &new);
        }
        forged.push(text.into_bytes());
    }
    if chain::verify(&forged, None).is_err() || forged == leaves {
        return unclear("the prober's rewritten log does not hold together");
    }
    if !judged(scene, &bare(&forged), None).await?.0 {
        return unclear("the rewritten log does not pass as one");
    }
    let mut refused = 0;
    for (what, log, root) in [
        ("a consistently rewritten log", &forged, newest),
        ("a consistently rewritten log, an older root", &forged, middle),
        ("a shortened log", &leaves.get(..newest.size - 1).unwrap_or_default().to_vec(), newest),
    ] {
        if log.get(..root.size).map(merkle::root) == Some(root.root) {
            return unclear("the rewritten log has the saved root");
        }
        if judged(scene, &bare(log), Some(root)).await?.0 {
            return broken(format!("{what} against a saved root"), "refused", "accepted");
        }
        refused += 1;
    }
    Ok(refused)
}

/// A second server on a copy of the data, with the same keys: it writes and signs a history of its own. What was saved of
/// the first refuses it, shorter and longer.
async fn forked(scene: &Scene, door: &Door<'_>) -> Result<usize, Miss> {
    let instance = &scene.stage.instance;
    let to = instance.scratch().join(format!("forked-{}", random::hex(4)));
    let (from, into, id) = (Disk::of(instance), to.clone(), door.tenant.id.clone());
    aside(move || copy::folder(&from, &into, &[&id])).await??;
    let started = instance.again(to).await.map_err(Miss::Unclear)?;
    let port = started.net.address.port();
    let tenant =
        Tenant { host: format!("{}:{port}", door.tenant.host.split(':').next().unwrap_or("")), ..door.tenant.clone() };
    let real = i64::try_from(scene.stage.began.1.elapsed().as_millis()).unwrap_or(0);
    let moved = scene.stage.now().since(scene.stage.began.0) - real;
    let other = Scene {
        app: scene.app.clone(),
        stage: std::sync::Arc::new(Stage::new(scene.app.clone(), started, scene.stage.began.0.plus(real))),
        a: tenant.clone(),
        b: tenant,
        page: scene.page.clone(),
    };
    other.stage.advance(moved).await?;
    let fork = Door::new(&other, &other.a);

    for n in 0..3 {
        door.make(&format!("only in the first history, {n}")).await?;
    }
    scene.stage.advance(DAY).await?;
    let saved = door.closed(scene.stage.now(), "a day on the first server").await?;
    other.stage.advance(DAY).await?;
    let short = fork.closed(other.stage.now(), "a day on the second server").await?;
    if short.size >= saved.size || judged(scene, &fork.export().await?, Some(&saved)).await?.0 {
        return broken("a log shorter than a saved root says", "refused", "accepted");
    }
    for n in 0..4 {
        fork.make(&format!("only in the second history, {n}")).await?;
    }
    other.stage.advance(DAY).await?;
    let forged = fork.closed(other.stage.now(), "another day on the second server").await?;
    let export = fork.export().await?;
    if forged.size <= saved.size || !judged(scene, &export, None).await?.0 {
        return unclear("the second history does not hold by itself");
    }
    if judged(scene, &export, Some(&saved)).await?.0 || fork.extends(&saved, &forged).await? {
        return broken("a second history, signed by the same key, against a root of the first", "refused", "accepted");
    }
    other.stage.instance.stop().await;
    Ok(2)
}

/// Leaves of one bundle, and some more.
const LEAVES: usize = 262;

async fn retention(scene: &Scene) -> Outcome {
    let kept = scene.app.audit.retention.0;
    if kept < 366 * DAY {
        return broken("reading the declared time", "12 calendar months or more, at most 366 days", "less");
    }
    let tenant = scene.stage.lone_canary().await?;
    let door = Door::new(scene, &tenant);
    fill(scene, &door).await?;
    let oldest = async || -> Result<Option<u64>, Miss> {
        let page = door.get("/api/v1/audit?limit=1").await?.step("audit")?.json();
        Ok(page.get("items").and_then(|items| items.get(0)?.get("leaf")?.get("seq")?.as_u64()))
    };
    scene.stage.advance(DAY).await?;
    door.closed(scene.stage.now(), "the first day").await?;
    let leaves = door.leaves().await?;
    let early: Vec<(usize, Vec<u8>)> =
        [0, 7, 255].into_iter().filter_map(|at| Some((at, leaves.get(at)?.clone()))).collect();

    // The day before their time: every leaf is there, and provable.
    scene.stage.advance(kept - 2 * DAY).await?;
    let before = door.closed(scene.stage.now(), "the day before").await?;
    let set = door.keys().await?;
    if oldest().await? != Some(0) {
        return broken("asking for the oldest leaf before its time", "leaf 0", "it is gone");
    }
    if door.leaves().await?.get(..leaves.len()) != Some(&leaves) {
        return broken("exporting the log before its time", "every leaf", "not every leaf");
    }
    for (at, leaf) in &early {
        door.included(*at, leaf, &set).await?;
    }

    // Past it: the bytes of whole bundles go, by a leaf that says so, and the old leaves' proofs still hold.
    scene.stage.advance(3 * DAY).await?;
    let after = door.closed(scene.stage.now(), "the day after").await?;
    let mut first = oldest().await?;
    for _ in 0..20 {
        if first != Some(0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        first = oldest().await?;
    }
    if first != Some(256) {
        let saw = first.map_or_else(|| "none".to_owned(), |first| format!("leaf {first}"));
        return broken("asking for the oldest leaf after its time", "leaf 256: one bundle has gone", saw);
    }
    let left = door.leaves().await?;
    let text = |leaf: &Vec<u8>| String::from_utf8_lossy(leaf).into_owned();
    if !left.iter().any(|leaf| text(leaf).contains("\"action\":\"log.pruned\"")) {
        return broken("looking for the leaf of the pruning", "log.pruned", "none");
    }
    if left.get(..leaves.len() - 256) != leaves.get(256..) {
        return broken("exporting the log after that time", "every younger leaf, unchanged", "not all of them");
    }
    let set = door.keys().await?;
    for (at, leaf) in &early {
        door.included(*at, leaf, &set).await?;
    }
    if !door.extends(&before, &after).await? {
        return broken("a consistency proof across the pruning", "one that holds", "none");
    }
    let (whole, _) = judged(scene, &door.export().await?, Some(&before)).await?;
    if !whole {
        return broken("checking what is left offline, against a root from before", "whole", "refused");
    }
    let days = usize::try_from(kept / DAY).unwrap_or(0);
    Ok(Evidence::new()
        .count("days kept", days)
        .count("leaves there on the day before", leaves.len())
        .count("leaves gone after it", 256)
        .count("proofs of gone leaves that hold", early.len()))
}

/// More than a bundle of leaves, within the budgets: a minute passes between handfuls.
async fn fill(scene: &Scene, door: &Door<'_>) -> Result<(), Miss> {
    let (at, field) = scene.carrier()?;
    let links = scene.links(door.tenant, at).await?;
    for n in 0..LEAVES {
        scene.insert(door.tenant, door.tenant.owner()?, at, &links, &[], Some((field, &format!("kept {n}")))).await?;
        if n % 20 == 19 {
            scene.stage.advance(60_000).await?;
        }
    }
    Ok(())
}
