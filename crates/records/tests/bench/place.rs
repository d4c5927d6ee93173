//! Where a test's data lies: a folder of its own, and on PostgreSQL a database of its own.

use kernel::Rng;
use store::Engine;
use tokio_postgres::NoTls;

pub struct Place {
    pub folder: tempfile::TempDir,
    pub engine: Engine,
    base: Option<Base>,
}

/// A database that goes with the test.
struct Base {
    admin: String,
    name: String,
}

fn setting(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "how CI says where PostgreSQL is")]
    std::env::var(name).ok()
}

pub fn sqlite() -> Place {
    Place { folder: tempfile::tempdir().unwrap(), engine: Engine::Sqlite, base: None }
}

/// `None` where no PostgreSQL is at hand.
pub async fn postgres() -> Option<Place> {
    let (admin, app) = (setting("VOUCHSAFE_TEST_PG_OWNER")?, setting("VOUCHSAFE_TEST_PG_URL")?);
    let mut random = [0; 8];
    encryption::OsRng.fill(&mut random);
    let name = format!("r{}", hex::encode(random));
    let (client, connection) = tokio_postgres::connect(&admin, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let inside = |url: &str| format!("{}/{name}", url.rsplit_once('/').unwrap().0);
    let engine = Engine::Postgres { url: inside(&app), owner: Some(inside(&admin)) };
    Some(Place { folder: tempfile::tempdir().unwrap(), engine, base: Some(Base { admin, name }) })
}

impl Drop for Base {
    fn drop(&mut self) {
        let (admin, sql) = (self.admin.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        // A runtime of its own: the test's is going away.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (client, connection) = tokio_postgres::connect(&admin, NoTls).await.unwrap();
                tokio::spawn(connection);
                if client.batch_execute(&sql).await.is_err() {
                    eprintln!("left behind: {sql}");
                }
            });
        });
        dropping.join().unwrap();
    }
}

/// Mounts each case on both engines.
#[macro_export]
macro_rules! suite {
    ($app:expr; $($case:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let make = || async { Some($crate::bench::Bench::open($app, $crate::bench::place::sqlite()).await) };
                super::$case(&make).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let make = || async {
                    Some($crate::bench::Bench::open($app, $crate::bench::place::postgres().await?).await)
                };
                super::$case(&make).await;
            })*
        }
    };
}
