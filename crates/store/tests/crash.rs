//! SIGKILL in the middle of concurrent writes: what was acknowledged is there, chains are whole, and no change of the
//! house is half applied. `STORE_TEST_CRASHES` says how many times (10).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod bench;

use std::{
    collections::HashSet,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use bench::*;
use store::{Apply, Control, Engine};

use crate::bench::place::Place;

fn setting(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "how a test speaks to its child, and a person to the test")]
    std::env::var(name).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "the child"]
async fn writes_until_killed() {
    let folder = setting("STORE_TEST_FOLDER").unwrap();
    let engine = match setting("STORE_TEST_DATABASE").as_deref().and_then(|s| s.split_once(' ')) {
        Some((url, owner)) => Engine::Postgres { url: url.to_owned(), owner: Some(owner.to_owned()) },
        None => Engine::Sqlite,
    };
    // `with` asks for STORE_TEST_PLAIN.
    let bench = Arc::new(Bench::open(Path::new(&folder), engine).await);
    bench.tenants(1..=3).await;
    let mut tasks = Vec::new();
    for n in 1..=3 {
        for _ in 0..4 {
            let bench = Arc::clone(&bench);
            tasks.push(tokio::spawn(async move {
                loop {
                    let slug = fresh();
                    bench.add(n, &slug, 1).await.unwrap();
                    println!("ack {n} {slug}");
                }
            }));
        }
        for _ in 0..2 {
            let bench = Arc::clone(&bench);
            tasks.push(tokio::spawn(async move {
                loop {
                    let slug = format!("{}-{n}", fresh());
                    let apply = Apply::new("n").any(&ADD, (fresh(), None, slug.clone(), 1));
                    let number = i64::from_str_radix(&slug[24..36], 16).unwrap();
                    let batch = bench.write(n).batch::<Control>("n").any(&USER, (slug.clone(), number));
                    batch.then(tenant(n), apply).commit().await.unwrap();
                    println!("ack {n} {slug}");
                }
            }));
        }
    }
    futures_util::future::join_all(tasks).await;
}

fn killed_after(folder: &Path, engine: &Engine, pages: bool, time: Duration) -> HashSet<(u8, String)> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    if let Engine::Postgres { url, owner } = engine {
        command.env("STORE_TEST_DATABASE", format!("{url} {}", owner.as_deref().unwrap()));
    }
    if !pages {
        command.env("STORE_TEST_PLAIN", "1");
    }
    let mut child = command
        .args(["--exact", "writes_until_killed", "--ignored", "--nocapture"])
        .env("STORE_TEST_FOLDER", folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let mut acknowledged = HashSet::new();
        for line in lines.lines().map_while(Result::ok) {
            if let Some((n, slug)) = line.strip_prefix("ack ").and_then(|l| l.split_once(' ')) {
                acknowledged.insert((n.parse().unwrap(), slug.to_owned()));
            }
        }
        acknowledged
    });
    std::thread::sleep(time);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_on_sqlite() {
    nothing_is_lost(Place::sqlite().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_on_a_volume() {
    nothing_is_lost(Place::volume().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_on_postgres() {
    match Place::postgres().await {
        Some(place) => nothing_is_lost(place).await,
        None => eprintln!("skipped: no PostgreSQL"),
    }
}

async fn nothing_is_lost(place: Place) {
    let rounds: u64 = setting("STORE_TEST_CRASHES").and_then(|n| n.parse().ok()).unwrap_or(10);
    let mut acknowledged = HashSet::new();
    for round in 0..rounds {
        let time = Duration::from_millis(150 + round * 37 % 400);
        let (path, engine, pages) = (place.folder().to_owned(), place.engine.clone(), place.pages);
        let killed = tokio::task::spawn_blocking(move || killed_after(&path, &engine, pages, time));
        acknowledged.extend(killed.await.unwrap());
        let bench = place.open().await;
        let mut found = HashSet::new();
        let created = bench.store.tenants().await.unwrap();
        for n in (1..=3).filter(|n| created.contains(&tenant(*n))) {
            found.extend(bench.slugs(n).await.into_iter().map(|slug| (n, slug)));
            bench.chain(n).await.unwrap();
        }
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "round {round}: {} lost, such as {:?}", lost.len(), lost.first());
        verify(&bench.read(1).all(&HOUSE_LEAVES, ()).await.unwrap()).unwrap();
        let people: HashSet<_> = bench.read(1).all(&USERS, ()).await.unwrap().into_iter().map(|p| p.0).collect();
        let followed: HashSet<_> = found.into_iter().map(|(_, slug)| slug).filter(|s| s.len() > 36).collect();
        assert_eq!(people, followed, "round {round}: half applied");
    }
    assert!(acknowledged.len() as u64 > rounds * 10, "{}", acknowledged.len());
}
