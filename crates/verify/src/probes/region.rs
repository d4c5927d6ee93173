//! Several regions: a node each, with a data folder, a house database, files and a root key of its own.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};

use super::data::{PNG, drawer, upload_bytes};
use crate::{
    copy,
    disk::Disk,
    evidence::{Miss, Outcome, broken, unclear},
    instance::{Instance, Setup},
    opener::{self, Kek, Key},
    random,
    run::Scene,
    stage::{Stage, Tenant},
    wire::Ask,
};

/// One region's node, and a tenant with planted texts in it.
struct Node {
    region: &'static str,
    scene: Scene,
    tenant: Tenant,
    needle: String,
    root: Key,
    kek: Kek,
}

fn variable(region: &str) -> String {
    format!("VOUCHSAFE_ROOT_{}", region.to_uppercase().replace('-', "_"))
}

/// A node of one region: it gets that region's root key and no other.
async fn node(scene: &Scene, region: &'static str) -> Result<Node, Miss> {
    let mut variables = vec![("VOUCHSAFE_REGION".to_owned(), region.to_owned())];
    for other in scene.app.regions.iter().filter(|r| r.id != region) {
        variables.push((variable(other.id), String::new()));
        if let manifest::Pointer::Env(name) = &other.root_key {
            variables.push((name.clone(), String::new()));
        }
    }
    let setup = Setup { database: None, ..scene.stage.instance.setup().clone() };
    let instance = Instance::start_with(&setup, &variables).await.map_err(Miss::Unclear)?;
    let stage = Arc::new(Stage::new(Arc::clone(&scene.app), instance, scene.stage.real()));
    let (tenant, needle) = (stage.canary_in(region).await?, format!("cnryregion{}", random::hex(12)));
    let (app, page) = (Arc::clone(&scene.app), Arc::clone(&scene.page));
    let scene = Scene { app, stage, a: tenant.clone(), b: tenant.clone(), page };
    let (at, field) = scene.carrier()?;
    scene.make(&tenant, at, Some((field, &needle))).await?;
    if let Some(drawer) = drawer(&scene) {
        upload_bytes(&scene, &tenant, drawer, [PNG.as_slice(), needle.repeat(4_000).as_bytes()].concat()).await?;
    }
    let instance = &scene.stage.instance;
    let none = || Miss::Unclear("the tenant has no stored key".to_owned());
    let kek = opener::keks(instance, &tenant.id).await?.pop().ok_or_else(none)?;
    let root = opener::root(instance, region).ok_or_else(none)?;
    Ok(Node { region, scene, tenant, needle, root, kek })
}

/// Nobody brings a tenant here that belongs elsewhere, or takes this one away.
async fn stays(node: &Node, others: &[&'static str]) -> Result<usize, Miss> {
    let (scene, mut tried) = (&node.scene, 0);
    for other in others {
        tried += 1;
        if scene.stage.canary_in(other).await.is_ok() {
            return broken(format!("making a tenant of {other} on the node of {}", node.region), "refused", "made");
        }
        let token = scene.stage.token(&node.tenant, node.tenant.owner()?).await?;
        for (method, body) in [("PATCH", json!({"region": other})), ("PUT", json!({"region": other}))] {
            tried += 1;
            let ask = Ask::new(method, "/api/v1/tenant").json(&body).bearer(&token);
            if scene.stage.at(&node.tenant).send(ask).await?.decided()?.good() {
                return broken(format!("an owner who moves a tenant to {other} by {method}"), "refused", "accepted");
            }
        }
    }
    let told = scene.read(&node.tenant, node.tenant.owner()?, "/api/v1/tenant").await?.decided()?.json();
    if told.get("region").and_then(Value::as_str) != Some(node.region) {
        return broken("reading a tenant's region", node.region, "another");
    }
    Ok(tried)
}

/// What one node's tenant left is opened in its own folder, and is in no other's, opened or as it lies there.
async fn nothing_of(node: &Node, other: &Node) -> Result<usize, Miss> {
    let marks = [node.needle.as_str(), &node.tenant.id, &node.tenant.slug];
    let forms: Vec<Vec<u8>> = marks.iter().flat_map(|text| copy::forms(text)).collect();
    let theirs = &other.scene.stage.instance;
    let (raw, seen) = copy::search_raw(theirs.data(), forms.clone()).await?;
    let (opened, _) = copy::search(&Disk::of(theirs), forms.clone()).await?;
    let named =
        copy::files(theirs.data())?.into_iter().filter(|f| f.to_string_lossy().contains(&node.tenant.id)).count();
    let (log, err) = theirs.logs();
    let told = [log, err].iter().filter(|text| marks.iter().any(|mark| text.contains(mark))).count();
    if raw.len() + opened.len() + named + told > 0 {
        return broken(
            format!("searching the folder of {} for a tenant of {}", other.region, node.region),
            "nothing",
            format!("{} files, {} opened, {named} names, {told} logs", raw.len(), opened.len()),
        );
    }
    Ok(seen)
}

/// The other region's root opens none of this one's keys, and its node does not start on this one's data.
async fn opens_nothing(node: &Node, other: &Node, data: std::path::PathBuf) -> Result<(), Miss> {
    for region in [node.region, other.region] {
        let labelled = Kek { region: region.to_owned(), ..node.kek.clone() };
        if labelled.unwrapped(&node.tenant.id, &other.root).is_some() {
            return broken(
                format!("unwrapping a key of {} with the root of {}", node.region, other.region),
                "refused",
                "it opens",
            );
        }
    }
    match other.scene.stage.instance.again(data).await {
        Err(said) if said.contains(node.region) && said.contains("VOUCHSAFE_REGION") => Ok(()),
        Err(_) => broken(
            format!("starting the node of {} on the data of {}", other.region, node.region),
            "words that name the region whose data it is",
            "others",
        ),
        Ok(started) => {
            started.stop().await;
            broken(
                format!("starting the node of {} on the data of {}", other.region, node.region),
                "refused",
                "it started",
            )
        }
    }
}

/// Regions held apart. What is not there yet is named.
pub(super) async fn apart(scene: &Scene) -> Outcome {
    let regions: Vec<&'static str> = scene.app.regions.iter().map(|r| r.id).collect();
    let mut nodes = Vec::new();
    for region in &regions {
        nodes.push(node(scene, region).await?);
    }
    let names: BTreeSet<&str> = nodes.iter().map(|n| n.kek.root.as_str()).collect();
    let own = |n: &Node| n.kek.region == n.region && n.kek.root == opener::root_name(&n.root, n.region);
    if names.len() != nodes.len() || !nodes.iter().all(own) {
        return broken("reading which root wrapped the key of each region's tenant", "that region's own", "another");
    }
    let (mut refused, mut searched) = (0, 0);
    for (n, one) in nodes.iter().enumerate() {
        let others: Vec<&'static str> = regions.iter().copied().filter(|r| *r != one.region).collect();
        refused += stays(one, &others).await?;
        let instance = &one.scene.stage.instance;
        let (mine, _) = copy::search(&Disk::of(instance), copy::forms(&one.needle)).await?;
        if mine.is_empty() {
            return unclear("a planted text was not found where it must be");
        }
        for (m, other) in nodes.iter().enumerate().filter(|(m, _)| *m != n) {
            searched += nothing_of(one, other).await?;
            let to = other.scene.stage.instance.scratch().join(format!("moved-{n}-{m}"));
            let (disk, into, id) = (Disk::of(instance), to.clone(), one.tenant.id.clone());
            copy::aside(move || copy::folder(&disk, &into, &[id.as_str()])).await??;
            opens_nothing(one, other, to).await?;
        }
    }
    for node in &nodes {
        node.scene.stage.instance.stop().await;
    }
    if refused == 0 || searched == 0 {
        return unclear("nothing was tried");
    }
    Err(Miss::Unbuilt(
        "each region's node keeps data, files, logs and keys by itself; there are no backups yet to follow",
    ))
}
