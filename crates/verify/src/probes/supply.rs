//! The parts of the running build against a list of known flaws: on a server that is given a list of the probe's, and on a
//! live one as anybody reads it.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use kernel::{DAY, Time};
use serde_json::Value;

use super::{
    probe,
    side::{Side, Wish},
};
use crate::{
    checked::Place,
    evidence::{Evidence, Miss, Outcome, broken},
    plan::Probe,
    random,
    run::Scene,
    wire::{Ask, Client},
};

pub(super) const PROBES: &[Probe] = &[probe!("gov.dependency_audit", Together, dependency_audit)];

/// Days that a list counts, and that a flaw may stay open.
const FRESH: i64 = 7;
const OPEN: i64 = 30;
/// Days in which somebody finds a flaw somewhere: an older newest entry is a list that nobody keeps.
const QUARTER: i64 = 92;
const PATH: &str = "/trust/advisories.json";

/// A list of the probe's own.
struct List(PathBuf);

impl List {
    fn new(scene: &Scene) -> Self {
        Self(scene.stage.instance.scratch().join(format!("advisories-{}", random::hex(4))))
    }
    /// An advisory against every version of a package, or against none that anybody uses.
    fn plant(&self, id: &str, package: &str, date: &str, hits: bool) -> Result<(), Miss> {
        let folder = self.0.join("crates").join(package);
        std::fs::create_dir_all(&folder)?;
        let patched = if hits { ">= 99999.0.0" } else { ">= 0.0.0-0" };
        let text = format!(
            "```toml\n[advisory]\nid = \"{id}\"\npackage = \"{package}\"\ndate = \"{date}\"\n\n\
             [versions]\npatched = [\"{patched}\"]\n```\n\n# Planted by the prober\n\nNo flaw.\n"
        );
        std::fs::write(folder.join(format!("{id}.md")), text)?;
        Ok(())
    }
    /// As if nobody had fetched it for so many days.
    fn age(&self, now: Time, days: i64) -> Result<(), Miss> {
        let at = u64::try_from(now.0 - days * DAY).unwrap_or(0);
        let at = UNIX_EPOCH + Duration::from_millis(at);
        let mut open = vec![self.0.clone()];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let path = entry?.path();
                std::fs::File::open(&path)?.set_modified(at)?;
                if path.is_dir() {
                    open.push(path);
                }
            }
        }
        Ok(())
    }
    fn path(&self) -> String {
        self.0.display().to_string()
    }
}

/// A day so many days before another, `2026-11-22`.
fn before(now: Time, days: i64) -> String {
    now.plus(-days * DAY).to_string().get(..10).unwrap_or_default().to_owned()
}

/// What a server says of its own audit.
struct Told(Value);

impl Told {
    async fn read(client: &Client) -> Result<Self, Miss> {
        let answer = client.at_root(Ask::get(PATH)).await?.decided()?;
        match answer.status {
            200 => Ok(Self(answer.json().get("audit").cloned().unwrap_or_default())),
            status => broken(format!("GET {PATH}"), "200", format!("{status}")),
        }
    }
    fn number(&self, name: &str) -> i64 {
        self.0.get(name).and_then(Value::as_i64).unwrap_or(-1)
    }
    fn state(&self) -> &str {
        self.0.get("state").and_then(Value::as_str).unwrap_or_default()
    }
    fn list_days(&self) -> i64 {
        self.0.get("list").and_then(|l| l.get("days")?.as_i64()).unwrap_or(i64::MAX)
    }
    /// Days since a moment it names.
    fn days_since(&self, now: Time, pointer: &str) -> i64 {
        let text = self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let at = Time::day(text).or_else(|| Time::parse(text));
        at.map_or(i64::MAX, |at| now.since(at).div_euclid(DAY))
    }
    fn flaws(&self) -> Vec<(String, String)> {
        let text = |v: &Value, name: &str| v.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let list = self.0.get("flaws").and_then(Value::as_array);
        list.into_iter().flatten().map(|v| (text(v, "id"), text(v, "part"))).collect()
    }
}

/// Names and versions of the parts, as the server lists them.
async fn parts(client: &Client) -> Result<Vec<(String, String)>, Miss> {
    let bom = client.at_root(Ask::get("/trust/sbom.json")).await?.step("sbom")?.json();
    let text = |v: &Value, name: &str| v.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = bom.get("components").and_then(Value::as_array);
    let parts: Vec<_> = list.into_iter().flatten().map(|v| (text(v, "name"), text(v, "version"))).collect();
    if parts.len() < 50 {
        return broken("GET /trust/sbom.json", "every part of the running build", format!("{}", parts.len()));
    }
    Ok(parts)
}

async fn dependency_audit(scene: &Scene) -> Outcome {
    match scene.stage.instance.place {
        Place::Live => live(scene).await,
        // That the audit works is one thing, that this build was compared with a real list another.
        Place::Own => {
            let worked = planted(scene).await?;
            live(scene).await.map(|own| worked.and(own))
        }
    }
}

/// What anybody reads.
async fn live(scene: &Scene) -> Outcome {
    let client = scene.stage.client(&scene.stage.apex(), "");
    let (told, parts) = (Told::read(&client).await?, parts(&client).await?);
    if told.0.is_null() {
        return Err(Miss::Unbuilt("this server has no list of known flaws to compare its build with"));
    }
    let now = scene.stage.now();
    let scanned = told.days_since(now, "/scanned_at").max(told.days_since(now, "/list/fetched_at"));
    if scanned > FRESH {
        return broken(
            format!("GET {PATH}"),
            format!("a scan and a list of at most {FRESH} days"),
            format!("{scanned}"),
        );
    }
    let newest = told.days_since(now, "/list/newest_entry");
    if newest > QUARTER {
        return broken(
            format!("GET {PATH}"),
            format!("a list whose newest entry is of the last {QUARTER} days"),
            format!("{newest} days"),
        );
    }
    let flaws = told.flaws();
    let known: BTreeSet<String> = parts.iter().map(|(name, version)| format!("{name} {version}")).collect();
    if told.number("open") != i64::try_from(flaws.len()).unwrap_or(-1) || flaws.iter().any(|(_, p)| !known.contains(p))
    {
        return broken(format!("GET {PATH}"), "as many flaws as counted, each of a part", "another count");
    }
    let oldest = told.number("oldest_days");
    if !flaws.is_empty() && !(0..=OPEN).contains(&oldest) {
        return broken(format!("GET {PATH}"), format!("no flaw open for more than {OPEN} days"), format!("{oldest}"));
    }
    let evidence = Evidence::new()
        .count("parts", parts.len())
        .count("flaws open", flaws.len())
        .count("days since the scan", usize::try_from(scanned.max(0)).unwrap_or(0));
    Ok(if flaws.is_empty() {
        evidence
    } else {
        evidence.count("days of the oldest", usize::try_from(oldest).unwrap_or(0))
    })
}

/// A server that is given a list in which one advisory hits a part of it, and one does not.
async fn planted(scene: &Scene) -> Outcome {
    let parts = parts(&scene.stage.client(&scene.stage.apex(), "")).await?;
    // The probe's own clock stands still beside the list's files: no steering here.
    let now = scene.stage.began.0;
    let names: BTreeSet<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
    let single = |name: &str| parts.iter().filter(|(n, _)| n == name).count() == 1;
    let mut single = names.iter().copied().filter(|name| single(name));
    let (Some(hit), Some(later)) = (single.next(), single.next()) else {
        return broken("GET /trust/sbom.json", "parts by name", "none of one version");
    };
    let list = List::new(scene);
    list.plant("RUSTSEC-2026-9001", hit, &before(now, 3), true)?;
    list.plant("RUSTSEC-2026-9002", later, &before(now, 9), false)?;
    list.plant("RUSTSEC-2026-9003", "no-part-of-this-build", &before(now, 9), true)?;
    let wish = [("VOUCHSAFE_ADVISORIES", list.path())];
    let variables: Vec<(&str, &str)> = wish.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let side = Side::up(scene, &Wish { variables: &variables, ..Wish::default() }).await?;
    let client = side.client(scene, &scene.app.domain);

    let told = Told::read(&client).await?;
    seen(&told, "with one flaw of 3 days that hits a part and two that do not", ("current", 1, 3))?;
    if told.list_days() != 0 || told.flaws().iter().any(|(_, part)| part.split(' ').next() != Some(hit)) {
        return broken(format!("GET {PATH}"), "the part that was hit, by a list of today", "another");
    }
    let page = client.at_root(Ask::get("/trust/inventory")).await?.step("inventory")?.page();
    if !page.contains("RUSTSEC-2026-9001") || page.contains("RUSTSEC-2026-9002") {
        return broken("GET /trust/inventory", "the flaw that hits, and no other", "not so");
    }
    // A list that changed is read again while the server runs.
    list.plant("RUSTSEC-2026-9004", later, &before(now, OPEN + 10), true)?;
    let told = until(&client, |told| told.number("open") == 2).await?;
    seen(&told, "with a second flaw of 40 days planted while it runs", ("overdue", 2, OPEN + 10))?;
    std::fs::remove_file(list.0.join("crates").join(later).join("RUSTSEC-2026-9004.md"))?;
    list.age(now, 8)?;
    let told = until(&client, |told| told.list_days() >= 8).await?;
    seen(&told, "with a list that nobody fetched for 8 days", ("stale", 1, 3))?;
    Ok(Evidence::new()
        .count("parts", parts.len())
        .count("advisories planted", 4)
        .count("of them against a part", 2)
        .count("found", 2)
        .word("a flaw open for 40 days", "shown as overdue")
        .word("a list of 8 days", "shown as stale")
        .word("a changed list", "read again while it runs"))
}

fn seen(told: &Told, did: &str, wanted: (&str, i64, i64)) -> Result<(), Miss> {
    let saw = (told.state(), told.number("open"), told.number("oldest_days"));
    if saw == wanted {
        return Ok(());
    }
    let words = |(state, open, oldest): (&str, i64, i64)| format!("{state}, {open} open, the oldest for {oldest} days");
    broken(did, words(wanted), words(saw))
}

/// Asks until it is so, or for 20 seconds.
async fn until(client: &Client, wanted: impl Fn(&Told) -> bool) -> Result<Told, Miss> {
    for _ in 0..40 {
        let told = Told::read(client).await?;
        if wanted(&told) {
            return Ok(told);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Told::read(client).await
}
