//! What only SQLite has: files, locks, handles, copies.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod bench;

use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

use bench::*;
use kernel::{Failure, TenantId};
use store::{Apply, Control, Engine, Own, Table};

fn file(folder: &Path, n: u8) -> std::path::PathBuf {
    let id = tenant(n).to_string();
    folder.join("t").join(&id[34..]).join(format!("{id}.db"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_file_holds_nothing_of_another() {
    let folder = tempfile::tempdir().unwrap();
    // In the clear, so that what a file holds can be seen.
    let bench = Bench::sealed(folder.path(), Engine::Sqlite, tables(), None).await.unwrap();
    bench.tenants([1, 2]).await;
    bench.add(1, "only-in-one", 1).await.unwrap();
    bench.add(2, "only-in-two", 1).await.unwrap();
    bench.store.close().await;
    drop(bench);
    for (n, own, foreign) in [(1, "only-in-one", "only-in-two"), (2, "only-in-two", "only-in-one")] {
        let bytes = std::fs::read(file(folder.path(), n)).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
        assert!(holds(own) && !holds(foreign));
        let wal = file(folder.path(), n).with_extension("db-wal");
        assert_eq!(std::fs::metadata(wal).map_or(0, |m| m.len()), 0, "a clean end folds the log in");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_for_this_account_only() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let bench = Bench::open(&data, Engine::Sqlite).await;
    bench.tenants([1]).await;
    bench.add(1, "a", 1).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let db = file(&data, 1);
    for path in [db.clone(), db.with_extension("db-wal"), db.with_extension("db-shm"), data.join("control.db")] {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert_eq!(mode(&data.join("lock")), 0o600);
    for path in [data.clone(), data.join("t"), db.parent().unwrap().to_owned(), data.join("migrations")] {
        assert_eq!(mode(&path), 0o700, "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::open(folder.path(), Engine::Sqlite).await;
    let Err(Failure::Internal(words)) = Bench::with(folder.path(), Engine::Sqlite, tables()).await.map(drop) else {
        panic!("opened twice")
    };
    assert!(words.contains("in use by another server"), "{words}");
    bench.store.close().await;
    assert!(Bench::with(folder.path(), Engine::Sqlite, tables()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_copy_comes_before_a_migration() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::open(folder.path(), Engine::Sqlite).await;
    bench.tenants([1]).await;
    bench.add(1, "a", 1).await.unwrap();
    // Not closed cleanly: the copy must hold what is only in the write-ahead log.
    drop(bench);
    let copies = || -> Vec<_> {
        let listed = std::fs::read_dir(folder.path().join("migrations")).unwrap();
        listed
            .map(|e| e.unwrap().path())
            .filter(|p| p.extension().is_some_and(|e| e == "db"))
            .filter(|p| p.to_string_lossy().contains(&tenant(1).to_string()))
            .collect()
    };
    assert!(copies().is_empty());
    for n in 0..5 {
        let mut grown = tables();
        grown.push(Table::own(format!("extra{n}"), "no", "no").text("id"));
        let bench = Bench::with(folder.path(), Engine::Sqlite, grown).await.unwrap();
        bench.clock.advance(n);
        assert_eq!(bench.slugs(1).await, ["a"]);
        assert_eq!(bench.slugs(1).await, ["a"]);
        assert_eq!(copies().len(), (n as usize + 1).min(3));
    }
    let copy = bench::keys::peek(&copies()[0], tenant(1));
    let held: String = copy.query_row("SELECT slug FROM note", [], |r| r.get(0)).unwrap();
    assert_eq!(held, "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_file_is_refused_and_its_neighbours_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::open(folder.path(), Engine::Sqlite).await;
    bench.tenants([1, 2]).await;
    bench.store.close().await;
    drop(bench);
    let newer = bench::keys::peek(&file(folder.path(), 1), tenant(1));
    newer.execute("UPDATE _meta SET value = '99' WHERE key = 'format'", []).unwrap();
    drop(newer);
    let bench = Bench::open(folder.path(), Engine::Sqlite).await;
    assert!(matches!(bench.add(1, "a", 1).await, Err(Failure::Internal(w)) if w.contains("newer")));
    bench.add(2, "a", 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_is_left_alone_and_its_neighbours_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::open(folder.path(), Engine::Sqlite).await;
    bench.tenants([1, 2]).await;
    bench.add(1, "a", 1).await.unwrap();
    bench.store.close().await;
    drop(bench);
    let mut bytes = std::fs::read(file(folder.path(), 1)).unwrap();
    let n = bytes.len();
    bytes[4096..n].fill(0xa5);
    std::fs::write(file(folder.path(), 1), bytes).unwrap();
    let bench = Bench::open(folder.path(), Engine::Sqlite).await;
    assert!(bench.read(1).all(&ALL, ()).await.is_err());
    assert!(bench.add(1, "b", 1).await.is_err());
    bench.add(2, "a", 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_an_earlier_process_are_done_before_the_tenant_serves() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::open(folder.path(), Engine::Sqlite).await;
    bench.tenants([1]).await;
    let apply = |slug: &str| Apply::new("n/1").any(&ADD, (fresh(), None, slug.to_owned(), 1));
    let batch = bench.write(1).batch::<Control>("n").any(&USER, ("p".to_owned(), 1)).then(tenant(1), apply("a"));
    batch.commit().await.unwrap();
    // Dropped, not closed: the job's row is still in the outbox, and the job is done.
    drop(bench);
    let control = bench::keys::peek(&folder.path().join("control.db"), TenantId::HOUSE);
    let sql = "SELECT COUNT(*) FROM _outbox WHERE kind = 'apply'";
    let jobs: i64 = control.query_row(sql, [], |r| r.get(0)).unwrap();
    assert_eq!(jobs, 1);
    // As if the process had died between both commits: a second job, never done.
    let payload: Vec<u8> = control.query_row("SELECT payload FROM _outbox", [], |r| r.get(0)).unwrap();
    let payload = String::from_utf8(payload).unwrap().replace("\"T\":\"a\"", "\"T\":\"b\"");
    let payload = payload.replacen("\"T\":\"01", "\"T\":\"02", 1);
    let sql = "INSERT INTO _outbox (id, kind, payload, at, attempts, due) VALUES ('second', 'apply', ?1, 0, 0, 0)";
    control.execute(sql, [payload.as_bytes()]).unwrap();
    drop(control);
    let bench = Bench::open(folder.path(), Engine::Sqlite).await;
    assert_eq!(bench.slugs(1).await, ["a", "b"]);
    assert_eq!(bench.chain(1).await, Ok(2), "the first was not done twice");
    bench.store.close().await;
    drop(bench);
    let bench = Bench::open(folder.path(), Engine::Sqlite).await;
    assert!(bench.read(1).all(&JOBS, ()).await.unwrap().is_empty());
    assert_eq!(bench.slugs(1).await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_another_process_moved_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::open(folder.path(), Engine::Sqlite).await;
    bench.tenants([1]).await;
    bench.add(1, "a", 1).await.unwrap();
    let other = bench::keys::peek(&file(folder.path(), 1), tenant(1));
    let prev: Vec<u8> = other.query_row("SELECT hash FROM _head", [], |r| r.get(0)).unwrap();
    let body = format!("1|{}|1800000000000|n|a|t", hex::encode(prev)).into_bytes();
    other.execute("INSERT INTO _leaf VALUES (1, ?1, ?2, 1800000000000)", (&body, hash(&body))).unwrap();
    other.execute("UPDATE _head SET size = 2, hash = ?1, at = 1800000000000", [hash(&body)]).unwrap();
    bench.add(1, "b", 1).await.unwrap();
    assert_eq!(bench.chain(1).await, Ok(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_folded_in_as_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::open(folder.path(), Engine::Sqlite).await;
    bench.tenants([1]).await;
    let wal = file(folder.path(), 1).with_extension("db-wal");
    for round in 0..30 {
        let rows = (0..500).map(|i| (fresh(), None, format!("{round}-{i}-{}", "x".repeat(1000)), 1)).collect();
        bench.write(1).staging().add(&ADD, rows).await.unwrap();
    }
    // 30 rounds write more than 30 MB.
    assert!(std::fs::metadata(&wal).unwrap().len() < 12 << 20, "{}", std::fs::metadata(&wal).unwrap().len());
    // With a reader in the middle of the log, writing goes on.
    let mut stream = bench.read(1).stream(&ALL, ());
    stream.recv().await.unwrap().unwrap();
    bench.add(1, "while-reading", 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_without_end_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::open(folder.path(), Engine::Sqlite).await;
    bench.tenants([1]).await;
    let began = std::time::Instant::now();
    assert_eq!(bench.read(1).all(&PAUSE, ()).await, Err(Failure::Busy(1)));
    assert!(began.elapsed() < std::time::Duration::from_secs(6));
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::open(folder.path(), Engine::Sqlite).await;
    bench.tenants([1]).await;
    static SLY: store::Query<Own, (), (i64,)> =
        store::Query::fixed("INSERT INTO _tally (id, n) VALUES (1, 1) RETURNING n");
    assert!(matches!(bench.read(1).all(&SLY, ()).await, Err(Failure::Internal(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tenants_share_few_handles() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::open(folder.path(), Engine::Sqlite).await;
    bench.tenants(1..=40).await;
    for n in 1..=40 {
        bench.add(n, "a", 1).await.unwrap();
        assert_eq!(bench.slugs(n).await, ["a"]);
    }
    let stats = bench.store.stats();
    assert_eq!((stats.open, stats.queued, stats.following), (41, 0, 0));
    assert!(stats.handles <= 41 * 5, "{stats:?}");
}

/// Runs an ignored test of this file in a process of its own.
fn child(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env("STORE_TEST_FOLDER", folder);
    command
}

fn folder_of_child() -> std::path::PathBuf {
    #[expect(clippy::disallowed_methods, reason = "how a test speaks to its child")]
    std::env::var("STORE_TEST_FOLDER").unwrap().into()
}

#[test]
fn running_out_of_handles_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    assert!(child("starved", folder.path()).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child of running_out_of_handles_is_survived"]
async fn starved() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Nofile, Rlimit { current: Some(110), maximum: Some(110) }).unwrap();
    let folder = folder_of_child();
    let bench = std::sync::Arc::new(Bench::open(&folder, Engine::Sqlite).await);
    for n in 1..=60 {
        bench.tenants([n]).await;
        bench.add(n, "a", 1).await.unwrap();
        assert_eq!(bench.slugs(n).await, ["a"]);
    }
    assert!(bench.store.stats().handles <= 110);
    // All at once: an answer is right or `Busy`, and nothing is lost.
    let tasks: Vec<_> = (0..240u32)
        .map(|i| {
            let bench = std::sync::Arc::clone(&bench);
            let n = (i % 60) as u8 + 1;
            tokio::spawn(async move { (n, bench.add(n, &format!("b{i}"), 1).await) })
        })
        .collect();
    let mut added = [1usize; 61];
    for task in tasks {
        match task.await.unwrap() {
            (n, Ok(_)) => added[n as usize] += 1,
            (_, Err(failure)) => assert!(matches!(failure, Failure::Busy(_)), "{failure:?}"),
        }
    }
    for n in 1..=60 {
        assert_eq!(bench.slugs(n).await.len(), added[n as usize]);
        assert_eq!(bench.chain(n).await, Ok(added[n as usize]));
    }
}

/// A file system of two megabytes, where the system lets us have one.
struct Small(std::path::PathBuf);

impl Small {
    fn mount(at: &Path) -> Option<Self> {
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", "size=3m", "none"]).arg(at).output().ok()?;
        done.status.success().then(|| Self(at.to_owned()))
    }
}
impl Drop for Small {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_answered_and_the_file_stays_sound() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_small) = Small::mount(folder.path()) else {
        eprintln!("skipped: no right to mount a small file system");
        return;
    };
    std::fs::write(folder.path().join("ballast"), vec![1; 1 << 20]).unwrap();
    let bench = std::sync::Arc::new(Bench::open(folder.path(), Engine::Sqlite).await);
    bench.tenants([1]).await;
    let mut added = 0;
    let mut refused = 0;
    for round in 0..400 {
        let tasks: Vec<_> = (0..8)
            .map(|i| {
                let bench = std::sync::Arc::clone(&bench);
                let slug = format!("{round}-{i}-{}", "x".repeat(2000));
                tokio::spawn(async move { bench.add(1, &slug, 1).await })
            })
            .collect();
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => added += 1,
                Err(failure) => {
                    assert_eq!(failure, Failure::DiskFull);
                    refused += 1;
                }
            }
        }
        if refused > 20 {
            break;
        }
    }
    assert!(added > 50 && refused > 20, "{added} {refused}");
    assert_eq!(bench.slugs(1).await.len(), added);
    assert_eq!(bench.chain(1).await, Ok(added));
    // With room again, it goes on.
    std::fs::remove_file(folder.path().join("ballast")).unwrap();
    bench.add(1, "room", 1).await.unwrap();
    drop(bench);
    let bench = Bench::open(folder.path(), Engine::Sqlite).await;
    assert_eq!(bench.chain(1).await, Ok(added + 1));
}
