//! Where a test's data lies: a folder of its own, and on PostgreSQL a database of its own.

use std::path::Path;

use aws_lc_rs::rand;
use kernel::Failure;
use store::{Engine, Table};
use tempfile::TempDir;
use tokio_postgres::NoTls;

use super::Bench;

pub struct Place {
    folder: TempDir,
    pub engine: Engine,
    pub pages: bool,
    base: Option<Base>,
}

/// A database that goes with the test.
pub struct Base {
    admin: String,
    name: String,
}

pub fn setting(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "how CI says where PostgreSQL is")]
    std::env::var(name).ok()
}

pub async fn execute(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
}

impl Place {
    pub async fn sqlite() -> Option<Self> {
        Some(Self { folder: tempfile::tempdir().unwrap(), engine: Engine::Sqlite, pages: true, base: None })
    }
    /// As on a volume that others encrypt: pages in the clear.
    pub async fn volume() -> Option<Self> {
        Some(Self { pages: false, ..Self::sqlite().await? })
    }
    pub async fn postgres() -> Option<Self> {
        let (owner, app) = (setting("VOUCHSAFE_TEST_PG_OWNER")?, setting("VOUCHSAFE_TEST_PG_URL")?);
        let mut random = [0; 8];
        rand::fill(&mut random).unwrap();
        let name = format!("t{}", hex::encode(random));
        execute(&owner, &format!("CREATE DATABASE {name}")).await;
        let inside = |url: &str| format!("{}/{name}", url.rsplit_once('/').unwrap().0);
        let engine = Engine::Postgres { url: inside(&app), owner: Some(inside(&owner)) };
        Some(Self {
            folder: tempfile::tempdir().unwrap(),
            engine,
            pages: true,
            base: Some(Base { admin: owner, name }),
        })
    }
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
    pub async fn with(&self, tables: Vec<Table>) -> Result<Bench, Failure> {
        let sealing = super::keys::sealing(self.pages);
        Bench::sealed(self.folder.path(), self.engine.clone(), tables, Some(sealing)).await
    }
    pub async fn open(&self) -> Bench {
        self.with(super::tables()).await.unwrap()
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        let (admin, sql) = (self.admin.clone(), format!("DROP DATABASE {}", self.name));
        // A runtime of its own: the test's is busy with the drop. Connections of the test are still closing.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (client, connection) = tokio_postgres::connect(&admin, NoTls).await.unwrap();
                tokio::spawn(connection);
                for _ in 0..40 {
                    if client.batch_execute(&sql).await.is_ok() {
                        return;
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
                eprintln!("left behind: {sql}");
            });
        });
        dropping.join().unwrap();
    }
}
