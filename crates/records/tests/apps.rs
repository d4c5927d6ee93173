//! Every app's collections become tables, statements and routes that the engine accepts.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's helpers, too")]

mod bench;

use bench::{Bench, Who, place, read};
use kernel::Failure;

const APPS: [&str; 5] = ["nordkestrel", "kwestra", "kontraktr", "estokad", "connectwyze"];

#[tokio::test]
async fn every_collection_lists_and_answers_absent_records_alike() {
    for name in APPS {
        whole(name, place::sqlite()).await;
    }
}

#[tokio::test]
async fn every_collection_lists_and_answers_alike_on_postgres() {
    for name in APPS {
        if let Some(place) = place::postgres().await {
            whole(name, place).await;
        }
    }
}

async fn whole(name: &str, place: place::Place) {
    {
        let path = format!("{}/../../apps/{name}/app.toml", env!("CARGO_MANIFEST_DIR"));
        let bench = Bench::open(read(&std::fs::read_to_string(path).unwrap()), place).await;
        let owner = Who::Role(bench.app.roles[0].id, 1);
        for c in &bench.app.collections {
            let page = bench.list(owner, c.id, &[("count", "true"), ("sort", "-created_at")]).await;
            let page = page.unwrap_or_else(|f| panic!("{name} {}: {f:?}", c.id));
            assert_eq!((page["count"].as_i64(), page["items"].as_array().map(Vec::len)), (Some(0), Some(0)));
            let unknown = "01910000-0000-7000-8000-000000000001";
            for id in [unknown, "nonsense", "01910000-0000-7000-8000-00000000000Z"] {
                assert_eq!(bench.one(owner, c.id, id).await, Err(Failure::NotFound), "{name} {}", c.id);
            }
            // A role without the verb never reaches the statement; those with one do.
            for role in &bench.app.roles {
                match bench.list(Who::Role(role.id, 2), c.id, &[]).await {
                    Ok(_) | Err(Failure::Refused(_)) => {}
                    Err(other) => panic!("{name} {} as {}: {other:?}", c.id, role.id),
                }
                for action in &c.actions {
                    match bench.act(Who::Role(role.id, 2), c.id, unknown, action.id, serde_json::json!({})).await {
                        Err(Failure::NotFound | Failure::Refused(_)) => {}
                        Err(other) => panic!("{name} {}.{} as {}: {other:?}", c.id, action.id, role.id),
                        Ok(_) => panic!("an action on nothing"),
                    }
                }
            }
        }
    }
}
