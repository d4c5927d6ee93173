//! The sample apps are read without a fault.

use std::{fs, path::PathBuf};

fn apps() -> Vec<(PathBuf, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../apps");
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path().join("app.toml")).collect();
    found.sort();
    found.into_iter().filter_map(|p| fs::read_to_string(&p).ok().map(|t| (p, t))).collect()
}

#[test]
fn every_sample_is_read() {
    let apps = apps();
    assert!(apps.len() >= 2, "the samples lie in apps/");
    for (path, text) in apps {
        if let Err(faults) = manifest::read(&text, &path.display().to_string()) {
            panic!("\n{}", manifest::render(&faults, false));
        }
    }
}
