//! "What we build on is compared with the public lists of known flaws": the parts of the running build, and what is known
//! against them.

use std::{path::Path, str::FromStr as _, sync::LazyLock};

use kernel::Time;
use rustsec::{Database, Lockfile, database::Query};
use serde_json::{Value, json};

/// The lock file this program was built from.
static LOCK: &str = include_str!("../../../../Cargo.lock");
static PARTS: LazyLock<Option<Lockfile>> = LazyLock::new(|| Lockfile::from_str(LOCK).ok());

/// CycloneDX 1.6: every crate of the running build with its version and checksum.
pub(super) fn sbom(build: &str) -> Value {
    let packages = PARTS.as_ref().map(|lock| lock.packages.as_slice()).unwrap_or_default();
    let parts = packages.iter().filter(|p| p.source.is_some()).map(|p| {
        let (name, version) = (p.name.as_str(), p.version.to_string());
        let purl = format!("pkg:cargo/{name}@{version}");
        let hashes = p.checksum.as_ref().map(|sum| json!([{"alg": "SHA-256", "content": sum.to_string()}]));
        json!({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, "hashes": hashes.unwrap_or(json!([]))})
    });
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": "vouchsafe", "name": "vouchsafe", "version": build}},
        "components": parts.collect::<Vec<_>>(),
    })
}

/// What a list of advisories says about the running build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advisories {
    /// Ids of those that hold against a part of this build, and the part.
    pub open: Vec<(String, String)>,
    /// Notes that are no flaws: unmaintained parts and the like.
    pub notes: Vec<(String, String)>,
    /// Advisories in the list.
    pub listed: usize,
    /// Date of the newest in the list, `2025-02-24`: older than today's flaws means that those are not known here.
    pub newest: String,
    /// When the list was read.
    pub read_at: Option<Time>,
}

impl Advisories {
    /// One sentence: the count and the age of the list.
    #[must_use]
    pub fn words(&self) -> String {
        let notes = match self.notes.len() {
            0 => String::new(),
            n => format!(" ({n} notes about unmaintained parts)"),
        };
        format!("{}{notes}, by a list of {} whose newest entry is of {}", self.open.len(), self.listed, self.newest)
    }
}

/// Compares the build with the advisory folder that the operator keeps fresh. Reads the disk: not for an async thread.
///
/// # Errors
/// Words for the log: the folder is not there or not a list of advisories.
pub fn advisories(folder: &Path, now: Time) -> Result<Advisories, String> {
    let lock = PARTS.as_ref().ok_or("the lock file of this build cannot be read")?;
    let database = Database::open(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let newest = database.iter().map(|a| a.date().as_str().to_owned()).max().unwrap_or_default();
    let mut found = Advisories { listed: database.iter().count(), newest, read_at: Some(now), ..Advisories::default() };
    if found.listed == 0 {
        return Err(format!("{}: no advisory in it", folder.display()));
    }
    for hit in database.query_vulnerabilities(lock, &Query::new()) {
        let named = (hit.advisory.id.to_string(), format!("{} {}", hit.package.name, hit.package.version));
        match hit.advisory.informational {
            Some(_) => found.notes.push(named),
            None => found.open.push(named),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_part_is_named_with_its_checksum() {
        let bom = sbom("0.1.0");
        let parts = bom["components"].as_array().unwrap();
        assert!(parts.len() > 100);
        assert!(parts.iter().all(|p| p["hashes"][0]["content"].as_str().unwrap().len() == 64));
        assert!(parts.iter().any(|p| p["purl"].as_str().unwrap().starts_with("pkg:cargo/hyper@1")));
    }

    /// A made-up flaw of a part of this build is found, one of an old version of it is not.
    #[test]
    fn a_known_flaw_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let write = |id: &str, package: &str, patched: &str| {
            let at = folder.path().join("crates").join(package);
            fs::create_dir_all(&at).unwrap();
            let text = format!(
                "```toml\n[advisory]\nid = \"{id}\"\npackage = \"{package}\"\ndate = \"2026-01-0{}\"\n\n[versions]\npatched = [{patched}]\n```\n\n# A flaw\n\nWords.\n",
                id.chars().last().unwrap()
            );
            fs::write(at.join(format!("{id}.md")), text).unwrap();
        };
        write("RUSTSEC-2026-0001", "hyper", "\">= 99.0.0\"");
        write("RUSTSEC-2026-0002", "serde", "\">= 0.9.0\"");
        let found = advisories(folder.path(), Time(0)).unwrap();
        assert_eq!((found.listed, found.open.len(), found.newest.as_str()), (2, 1, "2026-01-02"));
        assert!(found.open[0].1.starts_with("hyper 1"));
        assert!(found.words().starts_with("1, by a list of 2"));
        assert!(advisories(&folder.path().join("nothing"), Time(0)).is_err());
    }
}
