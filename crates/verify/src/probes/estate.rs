//! Where the data lies, and whether it is still there when the program that served it died.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::probe;
use crate::{
    act::Made,
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    instance::Instance,
    plan::Probe,
    random,
    run::Scene,
    stage::{Stage, Tenant},
    wire::Ask,
};

pub(super) const PROBES: &[Probe] = &[
    probe!("ops.db_failover", Alone, db_failover),
    probe!("tenant.region_pin", Together, region_pin),
    probe!("gov.pci_scope", Together, pci_scope),
];

/// Records acknowledged before the end.
const WRITTEN: usize = 12;

fn failed(words: String) -> Miss {
    Miss::Unclear(words)
}

/// There is no replica here: what stands in its place is that the same data is served again, with everything acknowledged.
async fn db_failover(scene: &Scene) -> Outcome {
    match scene.stage.instance.setup().database.clone() {
        Some(url) => cut_off(scene, &url).await,
        None => killed(scene).await,
    }
}

async fn records_of(scene: &Scene, tenant: &Tenant) -> Result<Vec<Made>, Miss> {
    let (at, field) = scene.carrier()?;
    let mut made = Vec::new();
    for n in 0..WRITTEN {
        made.push(scene.make(tenant, at, Some((field, &format!("kept {n}")))).await?);
    }
    Ok(made)
}

/// A server of its own is killed, and another is started on what it left.
async fn killed(scene: &Scene) -> Outcome {
    let app = Arc::clone(&scene.app);
    let first = Instance::start(scene.stage.instance.setup()).await.map_err(failed)?;
    let stage = Arc::new(Stage::new(Arc::clone(&app), first, scene.stage.now()));
    let tenant = stage.lone_canary().await?;
    let before = Scene {
        app: Arc::clone(&app),
        stage: Arc::clone(&stage),
        a: tenant.clone(),
        b: tenant.clone(),
        page: Arc::clone(&scene.page),
    };
    let made = records_of(&before, &tenant).await?;
    let died = Instant::now();
    stage.instance.stop().await;
    let data: PathBuf = stage.instance.data().to_owned();
    let second = stage.instance.again(data).await.map_err(failed)?;
    let after = Arc::new(Stage::new(Arc::clone(&app), second, scene.stage.now()));
    let name = tenant.host.split(':').next().unwrap_or_default();
    let moved = Tenant { host: after.on(name), ..tenant };
    let after =
        Scene { app, stage: Arc::clone(&after), a: moved.clone(), b: moved.clone(), page: Arc::clone(&scene.page) };
    let mut back = None;
    for one in &made {
        let answer = after.read(&moved, moved.owner()?, &one.path()).await?;
        if answer.status != 200 {
            return broken(
                "killing the server and starting another on its data",
                "every acknowledged record",
                format!("{}", answer.status),
            );
        }
        back.get_or_insert_with(|| died.elapsed());
    }
    after.stage.instance.stop().await;
    Ok(Evidence::new()
        .word("replica", "none: started anew on the same data")
        .count("records acknowledged and there again", made.len())
        .millis("from the end to the first answer", back.unwrap_or_default()))
}

/// Every connection to the database server is ended from its side; requests find new ones.
async fn cut_off(scene: &Scene, url: &str) -> Outcome {
    let made = records_of(scene, &scene.a).await?;
    let wrong = |e: tokio_postgres::Error| {
        failed(format!("postgres: {}", e.as_db_error().map_or("connection", |db| db.message())))
    };
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.map_err(wrong)?;
    let running = tokio::spawn(connection);
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE application_name = 'vouchsafe' AND datname = current_database() AND pid <> pg_backend_pid()";
    let died = Instant::now();
    let ended = client.query(sql, &[]).await.map_err(wrong)?.len();
    drop(client);
    let _ended = running.await;
    if ended == 0 {
        return unclear("no connection of the server was found at the database");
    }
    let mut first = None;
    for one in &made {
        loop {
            let answer = scene.read(&scene.a, scene.a.owner()?, &one.path()).await?;
            match answer.status {
                200 => break,
                503 if died.elapsed() < Duration::from_secs(20) => tokio::time::sleep(Duration::from_millis(100)).await,
                other => {
                    return broken(
                        "ending every connection to the database",
                        "every acknowledged record, 503 meanwhile",
                        format!("{other}"),
                    );
                }
            }
        }
        first.get_or_insert_with(|| died.elapsed());
    }
    Ok(Evidence::new()
        .word("replica", "the database server's: this program finds it again")
        .count("connections ended", ended)
        .count("records acknowledged and there again", made.len())
        .millis("until the first answer", first.unwrap_or_default()))
}

/// Regular files that a process has open, outside of some folders.
fn outside(pid: u32, inside: &[&std::path::Path]) -> Result<(usize, BTreeSet<PathBuf>), Miss> {
    let (mut all, mut out) = (0, BTreeSet::new());
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        let Ok(target) = std::fs::read_link(entry?.path()) else { continue };
        let kernel = ["/dev/", "/proc/", "/sys/", "/memfd:"].iter().any(|p| target.to_string_lossy().starts_with(p));
        if !target.is_absolute() || kernel {
            continue;
        }
        all += 1;
        if !inside.iter().any(|folder| target.starts_with(folder)) {
            out.insert(target);
        }
    }
    Ok((all, out))
}

async fn region_pin(scene: &Scene) -> Outcome {
    let instance = &scene.stage.instance;
    let [only] = scene.app.regions.as_slice() else {
        return super::region::apart(scene).await;
    };
    let owner = scene.a.owner()?;
    let region = |v: &Value| v.get("region").and_then(Value::as_str).unwrap_or_default().to_owned();
    let told = scene.read(&scene.a, owner, "/api/v1/tenant").await?.decided()?.step("reading the tenant")?.json();
    if region(&told) != only.id {
        return broken("reading a tenant's region", "the one that the manifest declares", "another");
    }
    // Nobody moves out by accident: not at creation, not by a change.
    for elsewhere in ["us-east", "", "../us"] {
        let slug = format!("canary-{}", random::hex(5));
        let person =
            json!({"email": format!("{slug}@canary.example"), "name": "Canary", "role": null, "password": null});
        let order = json!({"do": "tenant.create", "as": "verify", "slug": slug, "name": slug, "canary": true, "region": elsewhere, "people": [person]});
        if let Ok(made) = instance.admin(&order).await {
            let id = made.get("id").cloned().unwrap_or_default();
            let _gone = instance.admin(&json!({"do": "tenant.delete", "as": "verify", "tenant": id})).await;
            return broken("making a tenant in a region that is not declared", "refused", "made");
        }
    }
    let token = scene.stage.token(&scene.a, owner).await?;
    let change = Ask::patch("/api/v1/tenant", &json!({"region": "us-east"})).bearer(&token);
    let answer = scene.stage.at(&scene.a).send(change).await?.decided()?;
    let after = scene.read(&scene.a, owner, "/api/v1/tenant").await?.decided()?.json();
    if answer.good() || region(&after) != only.id {
        return broken("an owner who changes the region", "refused", format!("{}", answer.status));
    }
    // Every file that the server has open lies in its data folder, or is its log or what it was started with.
    let (at, field) = scene.carrier()?;
    scene.make(&scene.a, at, Some((field, "where"))).await?;
    let pid = instance.pid.ok_or_else(|| failed("the server's process is not known".to_owned()))?;
    let (files, strays) = outside(pid, &[instance.data(), instance.scratch(), &instance.setup().folder])?;
    if !strays.is_empty() {
        return broken(
            "listing the files that the server has open",
            "none outside its data folder",
            format!("{}", strays.len()),
        );
    }
    Ok(Evidence::new()
        .version("region", only.id)
        .count("tries to leave it refused", 4)
        .count("open files, all in the data folder", files))
}

async fn pci_scope(scene: &Scene) -> Outcome {
    let pages = super::card::card_inputs(scene).await?;
    Err(Miss::Person(
        Evidence::new()
            .count("pages without a field for cards", pages)
            .word("card numbers", "entered at the processor"),
    ))
}
