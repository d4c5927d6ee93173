//! The digest of what this program is built from: sources, pages' assets, the cipher in C, compiled-in lists, lock file. The
//! program that serves and the one whose controls can be switched off differ by a feature alone: what binds a run of the one
//! to the other is that both are made from the same sources.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

fn main() -> std::io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "Cargo tells a build script where it is in no other way")]
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = here.join("../..");
    let mut files = ["Cargo.lock", "Cargo.toml", ".cargo/config.toml"].map(|name| root.join(name)).to_vec();
    files.retain(|file| file.is_file());
    // Lists that are compiled in.
    files.extend(["checks", "controls", "unswitched"].map(|name| root.join(format!("ledger/{name}.tsv"))));
    for entry in fs::read_dir(root.join("crates"))? {
        let folder = entry?.path();
        collect(&folder, &mut files)?;
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    files.sort();
    let mut digest = Sha256::new();
    for file in &files {
        let name = file.strip_prefix(&root).unwrap_or(file).to_string_lossy().replace('\\', "/");
        let bytes = fs::read(file)?;
        digest.update(format!("{name}\0{}\0", bytes.len()));
        digest.update(&bytes);
        println!("cargo::rerun-if-changed={}", file.display());
    }
    let hex: String = digest.finalize().iter().map(|b| format!("{b:02x}")).collect();
    println!("cargo::rustc-env=VOUCHSAFE_SOURCES={hex}");
    Ok(())
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            // Tests are no part of any program.
            if path.file_name().is_none_or(|name| name != "tests") {
                collect(&path, into)?;
            }
        } else {
            into.push(path);
        }
    }
    Ok(())
}
