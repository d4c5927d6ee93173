//! What only PostgreSQL has: a role, a wall inside one database, nodes beside each other. Skipped without one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod bench;

use std::sync::Arc;

use bench::{
    place::{Place, execute},
    *,
};
use kernel::Failure;
use store::{Apply, Control, Engine};
use tokio_postgres::NoTls;

macro_rules! place {
    () => {
        match Place::postgres().await {
            Some(place) => place,
            None => return eprintln!("skipped: no PostgreSQL"),
        }
    };
}

fn urls(place: &Place) -> (String, String) {
    match &place.engine {
        Engine::Postgres { url, owner } => (url.clone(), owner.clone().unwrap()),
        Engine::Sqlite => panic!("not PostgreSQL"),
    }
}

async fn client(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_tenant_there_are_no_rows() {
    let place = place!();
    let bench = place.open().await;
    bench.tenants([1, 2]).await;
    for n in [1, 2] {
        let id = bench.add(n, "a", 1).await.unwrap();
        let batch = bench.write(n).batch::<store::Own>("n").any(&LINE, (fresh(), id)).fact("f", "v");
        batch.emit("mail", Vec::new()).commit().await.unwrap();
    }
    let (app, owner) = urls(&place);
    for url in [&app, &owner] {
        let client = client(url).await;
        let tables = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'tenants'";
        let tables = client.query(tables, &[]).await.unwrap();
        assert!(tables.len() > 8);
        for table in tables {
            let table: &str = table.get(0);
            let count = client.query_one(&format!("SELECT COUNT(*) FROM {table}"), &[]).await.unwrap();
            assert_eq!(count.get::<_, i64>(0), 0, "{table}");
        }
    }
    let client = client(&app).await;
    // With one, its own; and nothing can be written for another.
    let sql = format!("BEGIN; SELECT set_config('app.tenant', '{}', true)", tenant(1));
    client.batch_execute(&sql).await.unwrap();
    assert_eq!(client.query_one("SELECT COUNT(*) FROM tenants.note", &[]).await.unwrap().get::<_, i64>(0), 1);
    let foreign = format!("INSERT INTO tenants.note (tenant_id, id, slug, size) VALUES ('{}', 'x', 'x', 1)", tenant(2));
    assert!(client.batch_execute(&foreign).await.is_err());
    client.batch_execute("ROLLBACK").await.unwrap();
    for sql in [
        "TRUNCATE tenants.note",
        "DROP TABLE tenants.note",
        "ALTER TABLE tenants.note DISABLE ROW LEVEL SECURITY",
        "CREATE TABLE tenants.mine (id int)",
        "SET ROLE vouchsafe_owner",
        "UPDATE tenants._leaf SET at = 0",
        "DELETE FROM tenants._leaf",
        "CREATE POLICY sly ON tenants.note USING (true)",
    ] {
        assert!(client.batch_execute(sql).await.is_err(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsafe_role_is_refused() {
    let place = place!();
    drop(place.open().await);
    let (_, owner) = urls(&place);
    let engine = Engine::Postgres { url: owner, owner: None };
    let folder = tempfile::tempdir().unwrap();
    let Err(Failure::Internal(words)) = Bench::with(folder.path(), engine, tables()).await.map(drop) else {
        panic!("the owner may serve")
    };
    assert!(words.contains("owns tables"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_wall_is_refused() {
    let place = place!();
    drop(place.open().await);
    let (url, owner) = urls(&place);
    execute(&owner, "ALTER TABLE tenants.note NO FORCE ROW LEVEL SECURITY").await;
    let folder = tempfile::tempdir().unwrap();
    let opened = Bench::with(folder.path(), Engine::Postgres { url, owner: None }, tables()).await.map(drop);
    assert!(matches!(opened, Err(Failure::Internal(w)) if w.contains("forced row security")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outdated_schema_needs_the_owner() {
    let place = place!();
    let (url, owner) = urls(&place);
    let engine = || Engine::Postgres { url: url.clone(), owner: None };
    let folder = tempfile::tempdir().unwrap();
    let opened = Bench::with(folder.path(), engine(), tables()).await.map(drop);
    assert!(matches!(opened, Err(Failure::Internal(w)) if w.contains("VOUCHSAFE_DATABASE_OWNER")));
    drop(place.open().await);
    assert!(Bench::with(folder.path(), engine(), tables()).await.is_ok());
    execute(&owner, "UPDATE house.meta SET value = '99' WHERE key = 'format'").await;
    let opened = Bench::with(folder.path(), engine(), tables()).await.map(drop);
    assert!(matches!(opened, Err(Failure::Internal(w)) if w.contains("newer")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_forgets_is_refused() {
    let place = place!();
    drop(place.open().await);
    let (url, _) = urls(&place);
    let name = url.rsplit_once('/').unwrap().1.to_owned();
    let (_, owner) = urls(&place);
    execute(&owner, &format!("ALTER DATABASE {name} SET synchronous_commit = off")).await;
    let folder = tempfile::tempdir().unwrap();
    let opened = Bench::with(folder.path(), Engine::Postgres { url, owner: None }, tables()).await.map(drop);
    assert!(matches!(opened, Err(Failure::Internal(w)) if w.contains("synchronous_commit")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_write_one_log() {
    let place = place!();
    let other = tempfile::tempdir().unwrap();
    let one = Arc::new(place.open().await);
    let two = Arc::new(Bench::with(other.path(), place.engine.clone(), tables()).await.unwrap());
    one.tenants([1]).await;
    let tasks: Vec<_> = (0..40)
        .map(|i: i64| {
            let node = Arc::clone(if i % 2 == 0 { &one } else { &two });
            tokio::spawn(async move {
                loop {
                    let batch = node.write(1).batch::<Control>("n").any(&USER, (format!("p{i:02}"), i));
                    let apply = Apply::new("n").any(&ADD, (fresh(), None, format!("n{i:02}"), i));
                    match batch.then(tenant(1), apply).commit().await {
                        Ok(_) => return,
                        // Five times another node was first; nothing was done.
                        Err(Failure::Busy(1)) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(one.chain(1).await, Ok(40));
    assert_eq!(two.slugs(1).await.len(), 40);
    assert_eq!(verify(&two.read(1).all(&HOUSE_LEAVES, ()).await.unwrap()), Ok(40));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_may_be_named_like_a_table_of_the_house() {
    let place = place!();
    let mut named = tables();
    named.push(store::Table::own("person", "yes", "no").text("id"));
    // Of the suite's tables only this engine's schemas keep them apart.
    let bench = Bench::with(place.folder(), place.engine.clone(), named).await.unwrap();
    static ADD: store::Change<store::Own, (String,)> = store::Change::fixed("INSERT INTO person (id) VALUES ($1)");
    static COUNT: store::Query<store::Own, (), (i64,)> =
        store::Query::fixed("SELECT COUNT(*) FROM person WHERE {rows}");
    bench.tenants([1]).await;
    bench.write(1).batch("p").any(&ADD, ("own".to_owned(),)).commit().await.unwrap();
    let batch = bench.write(1).batch::<Control>("p").any(&USER, ("house".to_owned(), 1));
    batch.then(tenant(1), Apply::new("p").any(&ADD, ("followed".to_owned(),))).commit().await.unwrap();
    assert_eq!(bench.read(1).one(&COUNT, ()).await.unwrap().0, 2);
    assert_eq!(bench.read(1).all(&USERS, ()).await.unwrap(), [("house".to_owned(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_is_replaced() {
    let place = place!();
    let bench = place.open().await;
    bench.tenants([1]).await;
    bench.add(1, "a", 1).await.unwrap();
    let (app, _) = urls(&place);
    // A role may end its own sessions.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'vouchsafe'";
    client(&app).await.batch_execute(end).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let mut tries = 0;
    while bench.add(1, "b", 1).await.is_err() {
        tries += 1;
        assert!(tries < 5);
    }
    assert_eq!(bench.slugs(1).await, ["a", "b"]);
    assert_eq!(bench.chain(1).await, Ok(2));
}
