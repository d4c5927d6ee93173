//! A rush on a database that has stopped answering: nobody waits longer than told, nothing grows, and whoever came for something
//! else is served as before.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{probe, sockets};
use crate::{
    act::records,
    copy,
    disk::Disk,
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    plan::Probe,
    run::Scene,
    stage::Tenant,
    wire::{Answer, Ask, Client},
};

pub(super) const PROBES: &[Probe] = &[probe!("ops.db_pool", Alone, db_pool)];

/// How long the database stays away: longer than a request may wait.
const AWAY: Duration = Duration::from_secs(14);
/// Requests of the rush, over so many connections.
const RUSH: usize = 240;

/// What came of the rush.
#[derive(Default)]
struct Rush {
    served: usize,
    shed: usize,
    slowest: Duration,
}

impl Rush {
    fn count(&mut self, answer: &Answer) -> Result<(), Miss> {
        self.slowest = self.slowest.max(answer.took);
        match answer.status {
            200..=299 => self.served += 1,
            429 => return unclear("a limit was spent before the pool was"),
            503 if answer.header("retry-after").and_then(|v| v.parse::<u32>().ok()).is_some_and(|s| s > 0) => {
                self.shed += 1
            }
            other => {
                return broken(
                    "a rush on a database that does not answer",
                    "2xx, or 503 with Retry-After",
                    format!("{other}"),
                );
            }
        }
        Ok(())
    }
}

/// Somebody's writes to one tenant, each over a connection of its own.
async fn rush(scene: &Scene, tenant: &Tenant) -> Result<Rush, Miss> {
    let (at, field) = scene.carrier()?;
    let mut people = vec![tenant.owner()?.clone()];
    for _ in 0..3 {
        people.push(scene.stage.person(tenant, tenant.owner()?.role).await?);
    }
    let links = scene.links(tenant, at).await?;
    let collection = scene.app.collections.get(at).map_or("", |c| c.id);
    let mut asks = Vec::new();
    for n in 0..RUSH {
        let Some(person) = people.get(n % people.len()) else { continue };
        let token = scene.stage.token(tenant, person).await?;
        let mut body = scene.body(at, &crate::pick::Links { member: person.user.clone(), ..links.clone() }, &[])?;
        body.insert(field.to_owned(), format!("rush {n}").into());
        let ask = Ask::post(records(collection), &Value::Object(body)).bearer(&token);
        asks.push((scene.stage.at(tenant), ask));
    }
    let hold = Hold::take(scene, tenant).await?;
    let answers = join_all(asks.into_iter().map(|(client, ask)| async move { client.send(ask).await })).await;
    hold.end().await;
    let mut rush = Rush::default();
    for answer in answers {
        rush.count(&answer?)?;
    }
    Ok(rush)
}

/// The tenant's data, held by somebody else.
struct Hold {
    task: tokio::task::JoinHandle<()>,
    let_go: tokio::sync::oneshot::Sender<()>,
}

impl Hold {
    async fn take(scene: &Scene, tenant: &Tenant) -> Result<Self, Miss> {
        let (let_go, wait) = tokio::sync::oneshot::channel();
        let (held, taken) = tokio::sync::oneshot::channel();
        let task = match scene.stage.instance.setup().database.clone() {
            Some(url) => {
                let (at, _) = scene.carrier()?;
                let collection = scene.app.collections.get(at).map_or("", |c| c.id);
                tokio::spawn(async move {
                    let done = tables(&url, collection, held, wait).await;
                    drop(done);
                })
            }
            None => {
                let file = copy::of_tenant(scene.stage.instance.data(), &tenant.id)?;
                let file = file.ok_or_else(|| Miss::Unclear("the canary has no file".to_owned()))?;
                let disk = Disk::of(&scene.stage.instance);
                tokio::task::spawn_blocking(move || {
                    let Ok(db) = disk.connect(&file) else { return };
                    if db
                        .busy_timeout(Duration::from_secs(3))
                        .and_then(|()| db.execute_batch("BEGIN IMMEDIATE"))
                        .is_err()
                    {
                        return;
                    }
                    let _told = held.send(());
                    let runtime = tokio::runtime::Handle::current();
                    let _waited = runtime.block_on(tokio::time::timeout(AWAY, wait));
                    let _ended = db.execute_batch("ROLLBACK");
                })
            }
        };
        match tokio::time::timeout(Duration::from_secs(8), taken).await {
            Ok(Ok(())) => Ok(Self { task, let_go }),
            _ => unclear("the prober could not hold the tenant's data"),
        }
    }
    async fn end(self) {
        let _told = self.let_go.send(());
        let _ended = self.task.await;
    }
}

/// Locks a collection's table as the application's own role, until told.
async fn tables(
    url: &str,
    collection: &str,
    held: tokio::sync::oneshot::Sender<()>,
    wait: tokio::sync::oneshot::Receiver<()>,
) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let running = tokio::spawn(connection);
    let sql = "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n \
               ON n.oid = c.relnamespace WHERE n.nspname = 'tenants' AND c.relkind = 'r' AND c.relname = $1::text";
    let rows = client.query(sql, &[&collection]).await?;
    if let Some(row) = rows.first() {
        let name: String = row.get(0);
        client.batch_execute(&format!("BEGIN; LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")).await?;
        let _told = held.send(());
        let _waited = tokio::time::timeout(AWAY, wait).await;
        client.batch_execute("ROLLBACK").await?;
    }
    drop(client);
    let _ended = running.await;
    Ok(())
}

/// Port of the database server.
fn port(url: &str) -> Option<u16> {
    let config: tokio_postgres::Config = url.parse().ok()?;
    config.get_ports().first().copied().or(Some(5432))
}

/// What must not grow: connections to the database server, else threads of the process.
fn size(pid: u32, server: Option<u16>) -> Result<usize, Miss> {
    match server {
        Some(port) => Ok(sockets::of(pid)?.iter().filter(|s| !s.listens && s.there.port() == port).count()),
        None => Ok(std::fs::read_dir(format!("/proc/{pid}/task"))?.count()),
    }
}

async fn db_pool(scene: &Scene) -> Outcome {
    let instance = &scene.stage.instance;
    let pid = instance.pid.ok_or_else(|| Miss::Unclear("the server's process is not known".to_owned()))?;
    let server = instance.setup().database.as_deref().and_then(port);
    let status = instance.admin(&json!({"do": "status", "as": "verify"})).await?;
    let told = |name: &str| status.pointer(&format!("/pool/{name}")).and_then(Value::as_u64);
    let Some(wait) = told("wait_ms").map(Duration::from_millis) else {
        return broken("asking the server how long a request waits", "a time", "none");
    };
    let most = told("connections").and_then(|n| usize::try_from(n).ok());
    if server.is_some() != most.is_some() || wait > Duration::from_secs(30) || most.is_some_and(|m| m > 200) {
        return broken(
            "asking the server for the size of its pool",
            "a fixed number, and a wait below 30 s",
            "another answer",
        );
    }
    // A first write each, so that every file is open and every statement known.
    let (held, free) = (&scene.a, &scene.b);
    let (at, field) = scene.carrier()?;
    for tenant in [held, free] {
        scene.make(tenant, at, Some((field, "calm"))).await?;
    }
    let quiet = size(pid, server)?;
    let watched = async {
        let (mut peak, began) = (0, Instant::now());
        let mut slowest = Duration::ZERO;
        let others: Vec<Client> = (0..4).map(|_| scene.stage.at(free)).collect();
        while began.elapsed() < Duration::from_secs(9) {
            for client in &others {
                let answer = client.at_root(Ask::get("/healthz")).await?;
                slowest = slowest.max(answer.took);
                // On files of their own, another tenant's people write on.
                if server.is_none() {
                    let started = Instant::now();
                    scene.make(free, at, Some((field, "meanwhile"))).await?;
                    slowest = slowest.max(started.elapsed() / 4);
                }
                peak = peak.max(size(pid, server)?);
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        Ok::<_, Miss>((peak, slowest))
    };
    let (rush, watched) = tokio::join!(rush(scene, held), watched);
    let (rush, (peak, slowest)) = (rush?, watched?);
    let bound = most.unwrap_or(quiet + 64);
    if peak > bound {
        return broken(
            "a rush on a database that does not answer",
            format!("{bound} connections or threads at most"),
            format!("{peak}"),
        );
    }
    // Its turn, and what the database itself may take.
    let limit = wait * 2 + Duration::from_secs(2);
    if rush.slowest > limit {
        let expected = format!("an answer within {} s", limit.as_secs());
        return broken(
            "a rush on a database that does not answer",
            expected,
            format!("after {} s", rush.slowest.as_secs()),
        );
    }
    if rush.shed == 0 {
        return unclear("nobody had to wait: the database was not held long enough");
    }
    if slowest > Duration::from_secs(3) {
        return broken("others meanwhile", "served as before", format!("after {} ms", slowest.as_millis()));
    }
    // Afterwards everything is as before.
    scene.make(held, at, Some((field, "after"))).await?;
    let evidence = Evidence::new()
        .count("requests in a rush", RUSH)
        .count("sent away with 503 and Retry-After", rush.shed)
        .count("lost", 0)
        .millis("longest wait", rush.slowest)
        .millis("slowest of the others", slowest);
    Ok(match server {
        Some(_) => evidence.count("connections at most", peak),
        None => evidence.count("threads at most", peak).word("database", "embedded: one writer for each tenant"),
    })
}
