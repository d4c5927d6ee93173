use std::sync::{Arc, atomic::Ordering};

use kernel::{Clock, Event, Failure, Id, Rng, Steered, TenantId, Time};

use super::Files;
use crate::{
    Chain, Head, Placed, Table, Value,
    ddl::Schemas,
    engine::{Hooks, House, Order, Step},
    tx::Refusal,
};

struct Fixed;
impl Rng for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}
impl Chain for Fixed {
    fn next(&self, head: &Head, _: &Event, now: Time, _: &dyn Rng) -> Placed {
        Placed { head: Head { size: head.size + 1, hash: [1; 32], at: now }, body: Vec::new(), values: Vec::new() }
    }
}

fn add(n: i64) -> Order {
    let sql = "INSERT INTO note (id) VALUES (?1)".into();
    Order { steps: vec![Step { sql, args: vec![Value::Int(n)], rows: None, keep: false }], ..Order::default() }
}

async fn files(folder: &std::path::Path) -> Files {
    let clock: Arc<dyn Clock> = Arc::new(Steered::at(Time(1)));
    let house = House {
        chain: Arc::new(Fixed),
        clock,
        rng: Arc::new(Fixed),
        hooks: Hooks::default(),
        sealing: None,
        ids: Default::default(),
    };
    let schemas = Schemas::new(vec![Table::own("note", "", "").int("id")]).unwrap();
    Files::open(folder, schemas, Arc::new(house)).await.unwrap()
}

async fn count(files: &Files, tenant: TenantId) -> Result<i64, Failure> {
    let mut n = 0;
    let mut with = |row: &crate::Row<'_>| {
        n = row.int(0)?;
        Ok(())
    };
    files.read(tenant, "SELECT COUNT(*) FROM note", &[], &mut with).await?;
    Ok(n)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_fsync_is_answered_unknown_and_the_file_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (TenantId(Id::from_bytes([1; 16])), TenantId(Id::from_bytes([2; 16])));
    let open = files(folder.path()).await;
    open.create(one).await.unwrap();
    open.create(two).await.unwrap();
    assert!(open.submit(one, add(1)).await.is_ok());
    open.desk().fail.store(true, Ordering::SeqCst);
    assert!(matches!(open.submit(one, add(2)).await, Err(Refusal::Failure(Failure::Unknown))));
    assert!(matches!(open.submit(one, add(3)).await, Err(Refusal::Failure(Failure::Busy(30)))));
    assert_eq!(count(&open, one).await, Err(Failure::Busy(30)));
    // Its neighbour goes on.
    assert!(open.submit(two, add(1)).await.is_ok());
    drop(open);
    let open = files(folder.path()).await;
    assert_eq!((count(&open, one).await, count(&open, two).await), (Ok(1), Ok(1)));
}
