//! Secrets planted in every kind of place are nowhere to be read: not in a file of the data folder, in the write-ahead log, in a
//! copy made before a migration, in the log, or in PostgreSQL's tables.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod house;

use std::path::{Path, PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use house::*;
use serde_json::json;
use tokio_postgres::NoTls;

/// Planted: the place's name and the text.
type Planted = Vec<(&'static str, String)>;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// A text as careless programs leave it.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    let inner = |pad: usize| {
        let packed = BASE64_STANDARD.encode([vec![b' '; pad], bytes.to_vec()].concat());
        packed.as_bytes()[4..packed.len() - 6].to_vec()
    };
    let wide = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![bytes.to_vec(), hex::encode(bytes).into(), hex::encode_upper(bytes).into(), inner(0), inner(1), inner(2), wide]
}

fn holds(bytes: &[u8], text: &str) -> bool {
    forms(text).iter().any(|form| memchr::memmem::find(bytes, form).is_some())
}

/// Files that hold one of the texts. Sockets and mail of the development mailbox, which is its letterbox, are passed over.
fn found_in(folder: &Path, planted: &Planted) -> Vec<String> {
    let mut hits = Vec::new();
    for file in files(folder) {
        let Ok(bytes) = std::fs::read(&file) else { continue };
        for (place, text) in planted {
            if holds(&bytes, text) {
                hits.push(format!("{place}: {}", file.display()));
            }
        }
    }
    hits
}

/// Plants: an ordinary value, a sealed one, a file, credentials. Returns what may be in no file, and what may be in no table
/// either.
async fn plant(house: &House) -> (Planted, Planted) {
    let tenant = &house.ready.tenants[0];
    let member = tenant.members.first().unwrap();
    let way = Door::new(house.port, &tenant.sign_in_url).from(fresh());
    let tokens = way.post("", &json!({"email": member.email, "password": member.password})).await.is(200).json();
    let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let owner = Door::new(house.port, &tenant.url).token(access);
    let text = |place: &str| format!("planted-{place}-7c1f0be2a9d4");
    let feed = json!({"name": text("value"), "address": "https://feeds.example/a.csv", "token": text("sealed")});
    owner.post(&records("feeds"), &feed).await.is(201);
    let storage = json!({"name": "s", "kind": "s3", "bucket": "b", "credentials": text("credentials")});
    let made = owner.post(&records("storages"), &storage).await.is(201).json();
    // Changed and dropped: what a page held before is in it no more.
    owner.patch(&record("storages", &made["id"]), &json!({"credentials": text("second")})).await.is(200);
    let file = [PNG, text("file").repeat(5000).as_bytes()].concat();
    let path = "/api/v1/collections/assets/files/file?name=a.png";
    let kept = owner.send("POST", path, Some("image/png"), &file).await.is(201).json();
    owner.post(&records("assets"), &json!({"name": "a", "file": kept["id"]})).await.is(201);
    let sealed: Planted = vec![
        ("a sealed field", text("sealed")),
        ("credentials", text("credentials")),
        ("credentials after a change", text("second")),
        ("a file", text("file")),
        ("a password", member.password.clone()),
        ("an access token", access.to_owned()),
        ("a refresh token", refresh.to_owned()),
    ];
    let ordinary = vec![("an ordinary value", text("value")), ("an address", member.email.clone())];
    (ordinary.into_iter().chain(sealed.clone()).collect(), sealed)
}

/// Demo people's passwords and a development server's keys lie in a file of their own; it is no store of the product.
fn without_development(house: &House) {
    let _absent = std::fs::remove_file(house.data.join("secrets.json"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_planted_is_found_on_the_disk() {
    let logs = tempfile::tempdir().unwrap();
    let log = |name: &str| {
        let file = logs.path().join(name);
        move |settings: &mut vouchsafe::Settings| settings.log = Some(file)
    };
    let house = House::tuned("connectwyze", unlimited, log("first")).await;
    let (planted, _) = plant(&house).await;
    let secrets = std::fs::read(house.data.join("secrets.json")).unwrap();
    without_development(&house);
    assert_eq!(found_in(&house.data, &planted), Vec::<String>::new(), "while it runs");
    std::fs::write(house.data.join("secrets.json"), secrets).unwrap();
    let more = "\n[collections.later]\nlabel = \"Later\"\n[collections.later.fields]\nnote = \"text\"\n";
    let house = house.edited(|text| format!("{text}{more}"), log("second")).await;
    let owner = house.member(0, &house.ready.tenants[0].members[0].role.clone()).await;
    assert_eq!(
        owner.get(&format!("{}?limit=200", records("feeds"))).await.is(200).text().matches("planted-value").count(),
        1
    );
    let copies = files(&house.data.join("migrations"));
    assert!(copies.iter().any(|f| f.extension().is_some_and(|e| e == "db")), "{copies:?}");
    let wal = files(&house.data).into_iter().filter(|f| f.to_string_lossy().ends_with(".db-wal")).count();
    assert!(wal > 0);
    without_development(&house);
    house
        .end_keeping(|data| {
            assert_eq!(found_in(data, &planted), Vec::<String>::new(), "after the end, copies included");
            for database in files(data).iter().filter(|f| f.extension().is_some_and(|e| e == "db")) {
                let bytes = std::fs::read(database).unwrap();
                assert!(!bytes.starts_with(b"SQLite format 3"), "{}", database.display());
            }
        })
        .await;
    assert_eq!(found_in(logs.path(), &planted), Vec::<String>::new(), "in the log");
    assert!(files(logs.path()).iter().all(|f| std::fs::metadata(f).unwrap().len() > 0), "the log was written");
}

/// The same search does find what is not sealed: otherwise it shows nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_volume_the_search_finds_what_is_in_the_clear() {
    let volume = |text: &str| swap(&unlimited(text), "at_rest = \"program\"", "at_rest = \"volume\"");
    // What a volume keeps must be gone in time without a key to destroy.
    let house = House::tuned("connectwyze", volume, |_| ()).await;
    let (planted, sealed) = plant(&house).await;
    without_development(&house);
    let found = found_in(&house.data, &planted);
    assert!(found.iter().any(|hit| hit.starts_with("an ordinary value")), "{found:?}");
    assert_eq!(found_in(&house.data, &sealed), Vec::<String>::new(), "sealed by us, whatever the volume does");
    house.end().await;
}

fn setting(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "how CI says where PostgreSQL is")]
    std::env::var(name).ok()
}

/// Every row of every table, as text.
async fn rows(url: &str, tenant: &str) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let mut out = Vec::new();
    for (schema, scope) in [("house", "00000000-0000-0000-0000-000000000000"), ("tenants", tenant)] {
        client.query("SELECT set_config('app.tenant', $1, false)", &[&scope]).await.unwrap();
        let named = "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = $1";
        for table in client.query(named, &[&schema]).await.unwrap() {
            let sql = format!("SELECT t::text FROM {schema}.\"{}\" AS t", table.get::<_, &str>(0));
            out.extend(client.query(&sql, &[]).await.unwrap().iter().map(|row| row.get::<_, String>(0)));
        }
    }
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_sealed_is_found_in_the_tables_of_postgres() {
    let (Some(owner), Some(url)) = (setting("VOUCHSAFE_TEST_PG_OWNER"), setting("VOUCHSAFE_TEST_PG_URL")) else {
        eprintln!("skipped: no PostgreSQL");
        return;
    };
    let name = format!("planted{}", std::process::id());
    let (admin, connection) = tokio_postgres::connect(&owner, NoTls).await.unwrap();
    tokio::spawn(connection);
    admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let inside = |url: &str| format!("{}/{name}", url.rsplit_once('/').unwrap().0);
    let (url, inner) = (inside(&url), inside(&owner));
    let tune = |settings: &mut vouchsafe::Settings| {
        settings.database = Some(url.clone());
        settings.environment.insert("VOUCHSAFE_DATABASE_OWNER".to_owned(), inner.clone());
    };
    let house = House::tuned("connectwyze", unlimited, tune).await;
    let (planted, sealed) = plant(&house).await;
    let told = house.admin(json!({"do": "status"})).await;
    assert_eq!(told["engine"], "postgres");
    let owner = house.member(0, &house.ready.tenants[0].members[0].role.clone()).await;
    let tenant = owner.get("/api/v1/tenant").await.is(200).json()["id"].as_str().unwrap().to_owned();
    let all = rows(&url, &tenant).await;
    assert!(all.iter().any(|row| row.contains(&planted[0].1)), "an ordinary value lies in a row: the search works");
    for (place, text) in &sealed {
        assert_eq!(all.iter().filter(|row| holds(row.as_bytes(), text)).count(), 0, "{place}");
    }
    without_development(&house);
    assert_eq!(found_in(&house.data, &planted), Vec::<String>::new());
    house.end().await;
    // A vacuum of PostgreSQL's own cannot be sent away; it ends by itself.
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    for _ in 0..40 {
        if admin.batch_execute(&drop).await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
}
