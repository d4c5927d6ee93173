//! The audit log: what is in it, that it holds together, whose it is.

use serde_json::{Value, json};

use super::{probe, tenant::unknown_id};
use crate::{
    act::records,
    chain,
    copy::{self, aside},
    disk::Disk,
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    plan::Probe,
    random,
    run::Scene,
    stage::{Door, Tenant},
    wire::{Answer, Ask},
};

pub(super) const PROBES: &[Probe] = &[
    probe!("audit.coverage", Together, coverage),
    probe!("audit.hash_chain", Together, hash_chain),
    probe!("audit.per_tenant", Together, per_tenant),
];

/// What was done, and what the log must say of it.
struct Deed {
    name: String,
    request: String,
    actor: String,
    outcome: &'static str,
}

impl Deed {
    fn new(name: impl Into<String>, answer: &Answer, actor: &str, outcome: &'static str) -> Self {
        let request = answer.header("x-request-id").unwrap_or_default().to_owned();
        Self { name: name.into(), request, actor: actor.to_owned(), outcome }
    }
}

fn text<'l>(leaf: &'l Value, name: &str) -> &'l str {
    leaf.get(name).and_then(Value::as_str).unwrap_or_default()
}

async fn coverage(scene: &Scene) -> Outcome {
    let tenant = scene.stage.canary().await?;
    let owner = tenant.owner()?;
    let mut deeds = done(scene, &tenant).await?;
    deeds.extend(refused(scene, &tenant).await?);
    if scene.stage.door() == Door::Password {
        let answer =
            scene.stage.password(&scene.stage.gate(&tenant), &owner.email, "not the password").await?.decided()?;
        deeds.push(Deed::new("a failed sign-in", &answer, "", "failed"));
    }
    let mut leaves = scene.leaves(&tenant).await?;
    if scene.app.tenant.membership_slug {
        // Sign-in happens at the shared host: its leaves are the house's.
        leaves.extend(
            super::host::house_leaves(scene).await?.into_iter().filter(|l| text(l, "action").starts_with("session.")),
        );
    }
    for deed in &deeds {
        let found: Vec<&Value> = leaves.iter().filter(|l| text(l, "req_id") == deed.request).collect();
        let [leaf] = found.as_slice() else {
            return broken(&deed.name, "exactly one audit row", format!("{} rows", found.len()));
        };
        let whole = ["action", "target", "ts", "source"].iter().all(|name| !text(leaf, name).is_empty());
        if !whole || text(leaf, "outcome") != deed.outcome || !text(leaf, "actor").contains(&deed.actor) {
            let saw = format!(
                "outcome {}, actor {}",
                text(leaf, "outcome"),
                if text(leaf, "actor").contains(&deed.actor) { "right" } else { "wrong" }
            );
            return broken(&deed.name, format!("actor, action, target, time, outcome {}", deed.outcome), saw);
        }
    }
    let none = rolled_back(scene, &tenant).await?;
    let count = |outcome| deeds.iter().filter(|d| d.outcome == outcome).count();
    Ok(Evidence::new()
        .count("changes with one row each", count("done"))
        .count("refusals with one row each", count("refused"))
        .count("failures with one row each", count("failed"))
        .count("rows for changes that did not happen", none))
}

/// A change of each kind by the owner.
async fn done(scene: &Scene, tenant: &Tenant) -> Result<Vec<Deed>, Miss> {
    let (owner, (at, field)) = (tenant.owner()?, scene.carrier()?);
    let token = scene.stage.token(tenant, owner).await?;
    let client = scene.stage.at(tenant);
    let links = scene.links(tenant, at).await?;
    let mut deeds = Vec::new();
    let mut act = async |name: &str, ask: Ask| -> Result<Answer, Miss> {
        let answer = client.send(ask.bearer(&token)).await?.decided()?.step(name)?;
        deeds.push(Deed::new(name, &answer, &owner.user, "done"));
        Ok(answer)
    };
    let collection = scene.app.collections.get(at).map_or("", |c| c.id);
    let mut body = scene.body(at, &links, &[])?;
    body.insert(field.to_owned(), "audit".into());
    let made = act("creating a record", Ask::post(records(collection), &json!(body))).await?;
    let path = format!("{}/{}", records(collection), made.text("id"));
    let tag = made.header("etag").unwrap_or("\"1\"").to_owned();
    let changed =
        act("changing a record", Ask::patch(path.clone(), &json!({field: "audit 2"})).header("if-match", &tag)).await?;
    let tag = changed.header("etag").unwrap_or("\"2\"").to_owned();
    act("deleting a record", Ask::delete(path).header("if-match", &tag)).await?;
    let invited = format!("guest-{}@canary.example", random::hex(5));
    let last = scene.app.roles.last().map_or("", |r| r.id);
    act("inviting a member", Ask::post("/api/v1/members/invitations", &json!({"email": invited, "role": last})))
        .await?;
    if let Some(member) = tenant.people.last().filter(|p| p.user != owner.user) {
        let user = format!("/api/v1/members/{}", member.user);
        act(
            "changing a role",
            Ask::patch(user.clone(), &json!({"role": scene.app.roles.first().map_or("", |r| r.id)})),
        )
        .await?;
        act("suspending a member", Ask::new("POST", format!("{user}/suspend"))).await?;
        act("resuming a member", Ask::new("POST", format!("{user}/resume"))).await?;
        act("removing a member", Ask::delete(user)).await?;
    }
    act("renaming the tenant", Ask::patch("/api/v1/tenant", &json!({"name": "Canary renamed"}))).await?;
    if scene.app.data.export.contains(&at) {
        let format = scene.app.data.formats.first().map_or("csv", String::as_str);
        act("exporting records", Ask::get(format!("{}/export?format={format}", records(collection)))).await?;
    }
    Ok(deeds)
}

/// Some refused changes by the last role.
async fn refused(scene: &Scene, tenant: &Tenant) -> Result<Vec<Deed>, Miss> {
    let Some(role) = scene.app.roles.last().filter(|_| scene.app.roles.len() > 1) else { return Ok(Vec::new()) };
    let person = scene.stage.person(tenant, role.id).await?;
    let token = scene.stage.token(tenant, &person).await?;
    let client = scene.stage.at(tenant);
    let mut asks = Vec::new();
    for (i, collection) in scene.app.collections.iter().enumerate() {
        let held = role.floor.collections.get(&i);
        let lacks = |verb: &str| held.is_none_or(|g| !g.verbs.contains_key(verb));
        if lacks("create") && asks.len() < 3 {
            asks.push((
                format!("creating in {} without the right", collection.id),
                Ask::post(records(collection.id), &json!({})),
            ));
        }
    }
    if role.floor.tenant.get("members").is_none_or(|m| *m < manifest::Manage::Manage) {
        asks.push((
            "removing a member without the right".to_owned(),
            Ask::delete(format!("/api/v1/members/{}", unknown_id())),
        ));
    }
    let mut deeds = Vec::new();
    for (name, ask) in asks {
        let answer = client.send(ask.bearer(&token)).await?.decided()?;
        if answer.status != 403 {
            return unclear(format!("{name} answered {}", answer.status));
        }
        deeds.push(Deed::new(name, &answer, &person.user, "refused"));
    }
    Ok(deeds)
}

/// A change against a state that has passed, and one that is not acceptable: rows that say "done" for them.
async fn rolled_back(scene: &Scene, tenant: &Tenant) -> Result<usize, Miss> {
    let (owner, (at, field)) = (tenant.owner()?, scene.carrier()?);
    let made = scene.make(tenant, at, Some((field, "rolled back"))).await?;
    let token = scene.stage.token(tenant, owner).await?;
    let client = scene.stage.at(tenant);
    let stale = client
        .send(Ask::patch(made.path(), &json!({field: "x"})).bearer(&token).header("if-match", "\"999\""))
        .await?
        .decided()?;
    let unfit = client
        .send(Ask::patch(made.path(), &json!({"no_such_field": 1})).bearer(&token).header("if-match", &made.etag))
        .await?
        .decided()?;
    if stale.good() || unfit.good() {
        return unclear("a stale or unfit change was taken");
    }
    let leaves = scene.leaves(tenant).await?;
    let ids = [stale.header("x-request-id"), unfit.header("x-request-id")];
    let rows = leaves.iter().filter(|l| text(l, "outcome") == "done" && ids.contains(&Some(text(l, "req_id")))).count();
    if rows > 0 {
        broken(
            "changes that were refused for a stale tag or an unknown field",
            "no row that says done",
            format!("{rows}"),
        )
    } else {
        Ok(rows)
    }
}

/// A tenant with a dozen leaves.
async fn busy(scene: &Scene) -> Result<Tenant, Miss> {
    let tenant = scene.stage.lone_canary().await?;
    let (at, field) = scene.carrier()?;
    for n in 0..8 {
        scene.make(&tenant, at, Some((field, &format!("chain {n}")))).await?;
    }
    Ok(tenant)
}

async fn server_check(scene: &Scene, tenant: &Tenant) -> Result<Value, Miss> {
    Ok(scene.read(tenant, tenant.owner()?, "/api/v1/audit/check").await?.decided()?.step("audit check")?.json())
}

async fn hash_chain(scene: &Scene) -> Outcome {
    let tenant = busy(scene).await?;
    let log = scene.log(&tenant).await?;
    let n = log.len();
    if n < 8 {
        return broken("exporting the log after 8 changes", "8 leaves or more", format!("{n}"));
    }
    let head = match chain::verify(&log, None) {
        Ok(head) => head,
        Err(at) => {
            return broken(
                "recomputing every link of an export",
                "each leaf holds the hash of the one before",
                format!("leaf {at} does not"),
            );
        }
    };
    let api = scene.stage.openapi(&tenant).await?;
    if let Some(door) = api.operations.iter().find(|o| o.path.starts_with("/api/v1/audit") && o.changes()) {
        return broken(
            "reading the route table",
            "no route changes or deletes leaves",
            format!("{} {}", door.method, door.path),
        );
    }
    let checked = server_check(scene, &tenant).await?;
    if checked.get("intact") != Some(&Value::Bool(true)) {
        return broken("the server's own check of an untouched log", "intact", "not intact");
    }
    let caught = tampered(&log, head)?;
    let evidence =
        Evidence::new().count("links recomputed", n).hash("head", head).count("changes of an export found", caught);
    if let Some(client) = super::served::connect(scene).await? {
        let refused = super::served::forged(&client, &tenant).await?;
        let checked = server_check(scene, &tenant).await?;
        if checked.get("intact") != Some(&Value::Bool(false)) {
            return broken("a leaf forged at the end, then the server's check", "its place named", "intact");
        }
        return Ok(evidence
            .count("changes of leaves refused by the database", refused)
            .count("forged leaves named by the server", 1));
    }
    let named = on_a_copy(scene).await?;
    Ok(evidence.count("changes on disk named by the server at their place", named))
}

/// Every kind of change of an export must be found by the prober's own verifier.
fn tampered(log: &[Vec<u8>], head: [u8; 32]) -> Result<usize, Miss> {
    let middle = log.len() / 2;
    let mut all: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut edited = log.to_vec();
    if let Some(line) = edited.get_mut(middle) {
        *line = String::from_utf8_lossy(line).replace("\"done\"", "\"none\"").into_bytes();
    }
    all.push(edited);
    let mut dropped = log.to_vec();
    dropped.remove(middle);
    all.push(dropped);
    let mut swapped = log.to_vec();
    swapped.swap(middle, middle + 1);
    all.push(swapped);
    let mut doubled = log.to_vec();
    doubled.insert(middle, log.get(middle).cloned().unwrap_or_default());
    all.push(doubled);
    all.push(log.get(..log.len() - 1).unwrap_or_default().to_vec());
    let caught = all.iter().filter(|l| chain::verify(l, Some(head)).is_err()).count();
    if caught == all.len() { Ok(caught) } else { unclear("the prober's own verifier missed a change") }
}

/// What somebody with the disk does to the leaf at `seq`.
const ATTACKS: [(&str, &str); 4] = [
    (
        "edit",
        "UPDATE _leaf SET body = CAST(replace(CAST(body AS TEXT), '\"done\"', '\"none\"') AS BLOB) WHERE seq = ?1",
    ),
    ("drop", "DELETE FROM _leaf WHERE seq = ?1"),
    (
        "swap",
        "UPDATE _leaf SET body = (SELECT o.body FROM _leaf o WHERE o.seq = CASE _leaf.seq WHEN ?1 THEN ?1 + 1 ELSE ?1 END) WHERE seq IN (?1, ?1 + 1)",
    ),
    ("insert", "UPDATE _leaf SET seq = -seq - 1 WHERE seq >= ?1"),
];

/// On a copy of the data: a leaf edited (with its stored hash made to fit), dropped, swapped, inserted, the last one cut; a
/// server started on it must name the place.
async fn on_a_copy(scene: &Scene) -> Result<usize, Miss> {
    let mut victims = Vec::new();
    for _ in 0..=ATTACKS.len() {
        let tenant = busy(scene).await?;
        let token = scene.stage.token(&tenant, tenant.owner()?).await?;
        victims.push((tenant, token));
    }
    let instance = &scene.stage.instance;
    let to = instance.scratch().join(format!("tampered-{}", random::hex(4)));
    let (from, into) = (Disk::of(instance), to.clone());
    let ids: Vec<String> = victims.iter().map(|(t, _)| t.id.clone()).collect();
    aside(move || copy::folder(&from, &into, &ids.iter().map(String::as_str).collect::<Vec<_>>())).await??;
    for ((tenant, _), (_, statement)) in victims.iter().zip(ATTACKS) {
        let file =
            copy::of_tenant(&to, &tenant.id)?.ok_or_else(|| Miss::Unclear("no file of the tenant".to_owned()))?;
        attack(&Disk::of(instance).at(&to), &file, statement).map_err(|e| Miss::Unclear(format!("sqlite: {e}")))?;
    }
    let started = instance.again(to).await.map_err(Miss::Unclear)?;
    let mut named = 0;
    for (i, (tenant, token)) in victims.iter().enumerate() {
        let client = crate::wire::Client::new(
            started.net.clone(),
            moved(&tenant.host, started.net.address.port()),
            tenant.prefix.clone(),
            scene.stage.source(),
        );
        let answer = client
            .send(Ask::get("/api/v1/audit/check").bearer(token))
            .await?
            .decided()?
            .step("audit check on the copy")?
            .json();
        let (intact, at) =
            (answer.get("intact") == Some(&Value::Bool(true)), answer.get("broken_at").and_then(Value::as_u64));
        match ATTACKS.get(i) {
            None if !intact => return unclear("the untouched log is not intact on the copy"),
            None => {}
            Some((what, _)) if intact || at.is_none_or(|at| !(PLACE..=PLACE + 1).contains(&at)) => {
                let saw = at.map_or_else(|| "intact".to_owned(), |at| format!("place {at}"));
                return broken(
                    format!("{what} of leaf {PLACE} on disk, then the server's check"),
                    format!("place {PLACE} or the next named"),
                    saw,
                );
            }
            Some(_) => named += 1,
        }
    }
    started.stop().await;
    Ok(named)
}

/// The leaf that is attacked.
const PLACE: u64 = 4;

fn attack(disk: &Disk, file: &std::path::Path, statement: &str) -> rusqlite::Result<()> {
    let db = disk.connect(file).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    let place = i64::try_from(PLACE).unwrap_or(0);
    db.execute(statement, [place])?;
    if statement.contains("-seq - 1") {
        // Everything from there one place on, and a copy of the leaf before in the gap.
        db.execute("UPDATE _leaf SET seq = -seq WHERE seq < 0", [])?;
        db.execute(
            "INSERT INTO _leaf (seq, body, hash, at) SELECT ?1, body, hash, at FROM _leaf WHERE seq = ?1 - 1",
            [place],
        )?;
        db.execute("UPDATE _head SET size = size + 1", [])?;
    }
    // A careful attacker makes the stored hashes fit the bodies.
    let mut bodies = db.prepare("SELECT seq, body FROM _leaf")?;
    let rows: Vec<(i64, Vec<u8>)> = bodies.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
    for (seq, body) in rows {
        db.execute("UPDATE _leaf SET hash = ?2 WHERE seq = ?1", rusqlite::params![seq, chain::leaf_hash(&body)])?;
    }
    Ok(())
}

/// The same host on another port.
fn moved(host: &str, port: u16) -> String {
    format!("{}:{port}", host.split(':').next().unwrap_or(host))
}

async fn per_tenant(scene: &Scene) -> Outcome {
    let (a, b) = (scene.stage.lone_canary().await?, scene.stage.lone_canary().await?);
    let (at, field) = scene.carrier()?;
    scene.make(&a, at, Some((field, "quiet"))).await?;
    let before = server_check(scene, &a).await?;
    let theirs = scene.make(&b, at, Some((field, "busy"))).await?;
    for n in 0..20 {
        scene.make(&b, at, Some((field, &format!("busy {n}")))).await?;
    }
    let after = server_check(scene, &a).await?;
    if before.get("head") != after.get("head") || before.get("size") != after.get("size") {
        return broken("20 writes at B, then A's head", "unchanged", "changed");
    }
    let log: String = scene.leaves(&a).await?.iter().map(|l| format!("{l}\n")).collect();
    if [&theirs.id, &b.id, &b.owner()?.user].iter().any(|id| log.contains(id.as_str())) {
        return broken("reading A's log", "nothing of B's", "an id of B's");
    }
    let token = scene.stage.token(&b, b.owner()?).await?;
    for path in ["/api/v1/audit", "/api/v1/audit/export", "/api/v1/audit/check"] {
        let answer = scene.stage.at(&a).send(Ask::get(path).bearer(&token)).await?.decided()?;
        // The issuer's token names its tenant: elsewhere it is no credential at all.
        if answer.status != 404 && !(answer.status == 401 && scene.stage.door() == Door::Delegated) {
            return broken(format!("B's owner: GET {path} of A"), "404", format!("{}", answer.status));
        }
    }
    Ok(Evidence::new()
        .count("writes next door", 20)
        .count("changes of the own head", 0)
        .count("foreign readers let in", 0))
}
