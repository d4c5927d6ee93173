//! `docs/app.schema.json` is what the key tables say. `REWRITE=1 cargo test -p manifest --test schema` writes it.

use std::{fs, path::PathBuf};

#[test]
#[expect(clippy::disallowed_methods, reason = "a test's own switch")]
fn the_committed_schema_is_fresh() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/app.schema.json");
    let fresh = serde_json::to_string_pretty(&manifest::schema()).unwrap() + "\n";
    if std::env::var("REWRITE").is_ok() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &fresh).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap_or_default() == fresh, "stale: run with REWRITE=1");
}
