//! Pages under a key: what lies on the disk, who opens it, and data of a time before.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod bench;

use std::path::{Path, PathBuf};

use bench::*;
use futures_util::StreamExt;
use kernel::{Failure, Id, TenantId};
use rusqlite::Connection;
use store::{Control, Engine, Table, Whole};

const PLANTED: &str = "planted-d41c9be07a5f";

fn file(folder: &Path, n: u8) -> PathBuf {
    let id = tenant(n).to_string();
    folder.join("t").join(&id[34..]).join(format!("{id}.db"))
}

fn holding(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path));
        } else if std::fs::read(&path).unwrap().windows(PLANTED.len()).any(|w| w == PLANTED.as_bytes()) {
            found.push(path);
        }
    }
    found
}

async fn sealed(folder: &Path, tables: Vec<Table>, pages: Option<bool>) -> Bench {
    Bench::sealed(folder, Engine::Sqlite, tables, pages.map(keys::sealing)).await.unwrap()
}

fn grown() -> Vec<Table> {
    let mut grown = tables();
    grown.push(Table::own("extra", "no", "no").text("id"));
    grown
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_waits_for_a_database_that_cannot_be_opened_and_replaces_none_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let bench = sealed(folder.path(), tables(), Some(true)).await;
    bench.tenants([1]).await;
    bench.store.close().await;
    drop(bench);
    for (n, suffix) in [(1, "key"), (2, "db")] {
        let (lost, aside) = (file(folder.path(), 1).with_extension(suffix), folder.path().join("aside"));
        let bench = std::sync::Arc::new(sealed(folder.path(), tables(), Some(true)).await);
        let before = bench.chain(1).await;
        bench.store.close().await;
        drop(bench);
        std::fs::rename(&lost, &aside).unwrap();
        let bench = std::sync::Arc::new(sealed(folder.path(), tables(), Some(true)).await);
        let following = tokio::spawn({
            let bench = std::sync::Arc::clone(&bench);
            async move {
                let batch = bench.write(1).batch::<Control>("n/1").any(&USER, (format!("p-{suffix}"), n));
                batch.then(tenant(1), store::Apply::new("n/1")).commit().await
            }
        });
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        let stats = bench.store.stats();
        assert_eq!((stats.following, stats.buried), (1, 0), "without {suffix}");
        assert!(!lost.exists(), "made in its place: {suffix}");
        std::fs::rename(&aside, &lost).unwrap();
        assert!(matches!(following.await.unwrap(), Ok(_) | Err(Failure::Unknown)));
        for _ in 0..100 {
            if bench.store.stats().following == 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert_eq!(bench.chain(1).await, before.map(|n| n + 1), "applied once: {suffix}");
        bench.store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_written_can_be_read_from_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let bench = sealed(folder.path(), tables(), Some(true)).await;
    bench.tenants([1]).await;
    let add =
        async |bench: &Bench, n: usize| bench.add(1, &format!("{PLANTED}-{n}-{}", "x".repeat(900)), 1).await.unwrap();
    for n in 0..100 {
        add(&bench, n).await;
    }
    bench.write(1).blobs().put(Id::from_bytes([9; 16]), 1 << 20, Whole::new(PLANTED.repeat(5000))).await.unwrap();
    assert_eq!(holding(folder.path()), Vec::<PathBuf>::new(), "in the write-ahead log");
    bench.store.close().await;
    drop(bench);
    assert_eq!(holding(folder.path()), Vec::<PathBuf>::new(), "in the file");
    let bench = sealed(folder.path(), grown(), Some(true)).await;
    assert_eq!(bench.slugs(1).await.len(), 100);
    assert!(std::fs::read_dir(folder.path().join("migrations")).unwrap().count() >= 2);
    assert_eq!(holding(folder.path()), Vec::<PathBuf>::new(), "in the copy");
    for path in [file(folder.path(), 1), folder.path().join("control.db")] {
        assert!(std::fs::read(path).unwrap().starts_with(b"vouchsafe page 1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_its_key_opens_a_file_and_a_changed_page_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bench = sealed(folder.path(), tables(), Some(true)).await;
    bench.tenants([1, 2]).await;
    for n in 0..50 {
        bench.add(1, &format!("{n}-{}", "x".repeat(900)), 1).await.unwrap();
    }
    bench.store.close().await;
    drop(bench);
    let path = file(folder.path(), 1);
    let key = std::fs::read(path.with_extension("key")).unwrap();
    let count =
        |db: &Connection| db.query_row("SELECT COUNT(*), MAX(LENGTH(slug)) FROM note", [], |r| r.get::<_, i64>(0));
    assert_eq!(count(&keys::peek(&path, tenant(1))).unwrap(), 50);
    assert!(count(&Connection::open(&path).unwrap()).is_err(), "without a key");
    for wrong in
        ["raw:", "raw:00", &format!("raw:{}", "00".repeat(32)), &format!("raw:{}", "zz".repeat(32)), "password"]
    {
        let db = Connection::open(&path).unwrap();
        let _refused_here_or_below = db.execute_batch(&format!("PRAGMA key = \"{wrong}\""));
        assert!(count(&db).is_err(), "{wrong}");
    }
    // Another tenant's key, or file, in its place.
    let two = file(folder.path(), 2);
    std::fs::copy(two.with_extension("key"), path.with_extension("key")).unwrap();
    let bench = sealed(folder.path(), tables(), Some(true)).await;
    assert!(matches!(bench.read(1).all(&ALL, ()).await, Err(Failure::Internal(_))));
    drop(bench);
    std::fs::remove_file(path.with_extension("key")).unwrap();
    let bench = sealed(folder.path(), tables(), Some(true)).await;
    assert!(
        matches!(bench.read(1).all(&ALL, ()).await, Err(Failure::Internal(w)) if w.contains("without the file of its key"))
    );
    drop(bench);
    std::fs::write(path.with_extension("key"), key).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() > 10 * 4096);
    // In each page: its first byte, one in the middle, the last of the ciphertext, of the tag, of the nonce. Two pages swapped.
    for page in 0..bytes.len() / 4096 {
        for at in [0, 20, 100, 2000, 4096 - 41, 4096 - 25, 4095] {
            let mut bad = bytes.clone();
            bad[page * 4096 + at] ^= 0x10;
            std::fs::write(&path, &bad).unwrap();
            let db = keys::peek(&path, tenant(1));
            let sound = db.query_row("PRAGMA integrity_check", [], |r| r.get::<_, String>(0)).is_ok_and(|v| v == "ok");
            assert!(!sound, "page {page} byte {at}");
        }
    }
    let mut swapped = bytes.clone();
    swapped[8 * 4096..9 * 4096].copy_from_slice(&bytes[9 * 4096..10 * 4096]);
    std::fs::write(&path, &swapped).unwrap();
    let db = keys::peek(&path, tenant(1));
    assert!(!db.query_row("PRAGMA integrity_check", [], |r| r.get::<_, String>(0)).is_ok_and(|v| v == "ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_a_time_before_is_sealed_once() {
    let folder = tempfile::tempdir().unwrap();
    let id = Id::from_bytes([9; 16]);
    let bench = sealed(folder.path(), tables(), None).await;
    bench.tenants([1, 2]).await;
    for n in 0..30 {
        bench.add(1, &format!("{PLANTED}-{n}-{}", "x".repeat(3000)), n).await.unwrap();
    }
    let object = PLANTED.repeat(20_000);
    bench.write(1).blobs().put(id, 1 << 20, Whole::new(object.clone())).await.unwrap();
    // Not closed: what is only in the write-ahead log must come along.
    drop(bench);
    drop(sealed(folder.path(), grown(), None).await.slugs(1).await);
    assert!(holding(folder.path()).len() >= 3, "file or log, copy, object");
    // What a crash in the middle of sealing leaves.
    std::fs::write(file(folder.path(), 1).with_extension("new"), b"half").unwrap();
    std::fs::write(file(folder.path(), 1).with_extension("key"), [b"vouchsafe key 1\n".as_slice(), &[1; 78]].concat())
        .unwrap();
    for _ in 0..2 {
        let bench = sealed(folder.path(), grown(), Some(true)).await;
        assert_eq!(bench.slugs(1).await.len(), 30);
        assert_eq!(bench.chain(1).await, Ok(30));
        let (size, mut bytes) = bench.read(1).blobs().get(id).await.unwrap();
        assert_eq!(size, object.len() as u64);
        let mut whole = Vec::new();
        while let Some(piece) = bytes.next().await {
            whole.extend_from_slice(&piece.unwrap());
        }
        assert_eq!(whole, object.as_bytes());
        assert_eq!(holding(folder.path()), Vec::<PathBuf>::new());
        bench.store.close().await;
    }
    let bench = sealed(folder.path(), grown(), Some(true)).await;
    bench.add(1, "later", 1).await.unwrap();
    bench.add(2, "later", 1).await.unwrap();
    assert_eq!(bench.chain(1).await, Ok(31));
    let copies = std::fs::read_dir(folder.path().join("migrations")).unwrap().map(|e| e.unwrap().path());
    for copy in copies.filter(|p| p.extension().is_some_and(|e| e == "db")) {
        let name = copy.file_stem().unwrap().to_str().unwrap()[..36].to_owned();
        let owner: TenantId = name.parse().unwrap();
        let sound: String = keys::peek(&copy, owner).query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
        assert_eq!(sound, "ok");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_plain_on_a_volume_and_what_is_sealed_is_not_undone() {
    let folder = tempfile::tempdir().unwrap();
    let bench = sealed(folder.path(), tables(), Some(false)).await;
    bench.tenants([1]).await;
    bench.add(1, PLANTED, 1).await.unwrap();
    bench.store.close().await;
    drop(bench);
    assert!(std::fs::read(file(folder.path(), 1)).unwrap().starts_with(b"SQLite format 3\0"));
    // Sealed when the settings say so; afterwards a start without sealing is refused, and nothing is changed.
    let bench = sealed(folder.path(), tables(), Some(true)).await;
    bench.add(1, "sealed", 1).await.unwrap();
    bench.store.close().await;
    drop(bench);
    for _ in 0..2 {
        let refused =
            Bench::sealed(folder.path(), Engine::Sqlite, tables(), Some(keys::sealing(false))).await.err().unwrap();
        assert!(format!("{refused:?}").contains("sealed by the program"), "{refused:?}");
        assert!(std::fs::read(file(folder.path(), 1)).unwrap().starts_with(b"vouchsafe page 1"));
    }
    assert_eq!(sealed(folder.path(), tables(), Some(true)).await.slugs(1).await.len(), 2);
}

/// A second name for the same blocks shows what is left in them.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_plain_is_written_over() {
    let (folder, aside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let id = Id::from_bytes([9; 16]);
    let bench = sealed(folder.path(), tables(), None).await;
    bench.tenants([1]).await;
    for n in 0..30 {
        bench.add(1, &format!("{PLANTED}-{n}-{}", "x".repeat(3000)), n).await.unwrap();
    }
    bench.write(1).blobs().put(id, 1 << 20, Whole::new(PLANTED.repeat(20_000))).await.unwrap();
    drop(bench);
    for (n, path) in holding(folder.path()).into_iter().enumerate() {
        std::fs::hard_link(path, aside.path().join(n.to_string())).unwrap();
    }
    let links = || std::fs::read_dir(aside.path()).unwrap().map(|e| std::fs::read(e.unwrap().path()).unwrap());
    assert!(links().count() >= 2, "database or log, and the object");
    let bench = sealed(folder.path(), tables(), Some(true)).await;
    assert_eq!(bench.slugs(1).await.len(), 30);
    assert!(links().all(|bytes| bytes.iter().all(|byte| *byte == 0)));
}
