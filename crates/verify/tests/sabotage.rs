//! With a control switched off, its probe must turn red: a probe that stays green proves nothing.
//!
//! Needs a test build: `cargo build -p cli --features sabotage --target-dir target/sabotage`, then
//! `cargo test -p verify --test sabotage -- --ignored`.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A check that a test build can switch off, and an app where it is in force.
const CONTROLS: [(&str, &str); 43] = [
    ("access.role_floor", "kontraktr"),
    ("access.roster", "kontraktr"),
    ("access.row_visibility", "kontraktr"),
    ("access.server_side", "kontraktr"),
    ("audit.coverage", "kontraktr"),
    ("audit.hash_chain", "kontraktr"),
    ("auth.access_token", "kontraktr"),
    ("auth.deactivation", "kontraktr"),
    ("auth.delegated_mode", "kwestra"),
    ("auth.email_verify", "kontraktr"),
    ("auth.external_jwt", "kwestra"),
    ("auth.lockout", "kontraktr"),
    ("auth.password_hash", "kontraktr"),
    ("auth.refresh_reuse", "kontraktr"),
    ("auth.refresh_rotation", "kontraktr"),
    ("auth.session_cookie", "kontraktr"),
    ("auth.session_jwt", "kontraktr"),
    ("auth.session_revoke", "kontraktr"),
    ("data.export_tenant", "kontraktr"),
    ("edge.csp", "kontraktr"),
    ("edge.csrf", "kontraktr"),
    ("edge.flood_caps", "kontraktr"),
    ("edge.framing", "kontraktr"),
    ("edge.hsts", "kontraktr"),
    ("edge.input_validation", "kontraktr"),
    ("edge.permissions", "kontraktr"),
    ("edge.referrer", "kontraktr"),
    ("edge.sanitise", "kontraktr"),
    ("edge.tls", "kontraktr"),
    ("limit.graduated", "kontraktr"),
    ("limit.per_ip_route", "kontraktr"),
    ("limit.retry_after", "kontraktr"),
    ("limit.tiers", "kontraktr"),
    ("obs.request_id", "kontraktr"),
    ("pay.no_card_data", "kontraktr"),
    ("tenant.cross_read", "kontraktr"),
    ("tenant.hard_wall", "kontraktr"),
    ("tenant.query_scope", "kontraktr"),
    ("tenant.reserved_names", "kontraktr"),
    ("tenant.resolve", "kontraktr"),
    ("tenant.slug_membership", "estokad"),
    ("tenant.storage_prefix", "estokad"),
    ("tenant.suspension", "kontraktr"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The app with a page that promises this check alone.
fn app(check: &str, name: &str, to: &Path) -> PathBuf {
    let (from, folder) = (root().join("apps").join(name), to.join(check));
    for file in verify::copy::files(&from).unwrap() {
        let target = folder.join(file.strip_prefix(&from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, target).unwrap();
    }
    std::fs::write(folder.join("security.md"), format!("- It is kept. [ONE](#{check} \"probed\")\n")).unwrap();
    folder
}

fn verdict(binary: &Path, folder: &Path, off: &str) -> (String, Option<i32>) {
    let mut command = Command::new(binary);
    let out =
        command.arg("verify").arg(folder).args(["--format", "json"]).env("VOUCHSAFE_SABOTAGE", off).output().unwrap();
    let list: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
    (list.pointer("/0/verdict").and_then(serde_json::Value::as_str).unwrap_or("none").to_owned(), out.status.code())
}

#[test]
#[ignore = "needs a test build"]
fn a_control_that_is_off_is_seen() {
    let binary = root().join("target/sabotage/debug/vouchsafe");
    assert!(binary.exists(), "cargo build -p cli --features sabotage --target-dir target/sabotage");
    let to = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (check, name) in CONTROLS {
        let folder = app(check, name, to.path());
        let (on, off) = (verdict(&binary, &folder, ""), verdict(&binary, &folder, check));
        if on != ("proven".to_owned(), Some(0)) || off != ("failing".to_owned(), Some(1)) {
            wrong.push((check, on, off));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
