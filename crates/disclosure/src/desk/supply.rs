//! "What we build on is compared with the public lists of known flaws": the parts of the running build, and what is known
//! against them.

use std::{
    fs,
    path::{Path, PathBuf},
    str::FromStr as _,
    sync::{Arc, LazyLock, Mutex, PoisonError, RwLock},
    time::UNIX_EPOCH,
};

use kernel::{DAY, Time, sabotage::off};
use rustsec::{Database, Lockfile, database::Query};
use serde::Serialize;
use serde_json::{Value, json};

use super::channel::stamp;

const HOUR: i64 = 3_600_000;
/// Days after which a list, or a comparison with it, says nothing any more.
const LIST_DAYS: i64 = 7;
/// Days that a known flaw may stay open.
const OPEN_DAYS: i64 = 30;

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

/// A known flaw of a part of this build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// The advisory's id.
    pub id: String,
    /// The part and its version.
    pub part: String,
    /// When it was published, `2025-02-24`.
    pub date: String,
    /// Days since, when it was looked up.
    pub days: i64,
}

/// What a list of advisories says about the running build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advisories {
    /// Those that hold against a part of this build, the oldest first.
    pub open: Vec<Flaw>,
    /// Notes that are no flaws: unmaintained parts and the like.
    pub notes: Vec<Flaw>,
    /// Advisories in the list.
    pub listed: usize,
    /// Date of the newest in the list, `2025-02-24`.
    pub newest: String,
    /// When the list was last fetched or written.
    pub dated: Time,
    /// When this build was compared with it.
    pub scanned: Time,
}

/// How the comparison stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audit {
    /// The list is fresh, and no flaw is open for long.
    Current,
    /// The list is too old to say anything.
    Stale,
    /// A flaw is open for too long.
    Overdue,
}

impl Audit {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Stale => "stale",
            Self::Overdue => "overdue",
        }
    }
}

impl Advisories {
    /// Written in the future, as this machine's clock has it: its age cannot be told.
    const fn ahead(&self, now: Time) -> bool {
        now.since(self.dated) < -DAY
    }
    /// Whole days since the list was fetched.
    #[must_use]
    pub const fn age(&self, now: Time) -> i64 {
        now.since(self.dated) / DAY
    }
    /// Whole days since the oldest open flaw was published.
    #[must_use]
    pub fn oldest(&self, now: Time) -> Option<i64> {
        self.open.iter().map(|flaw| flaw.days + now.since(self.scanned) / DAY).max()
    }
    pub(crate) fn audit(&self, now: Time) -> Audit {
        match self.oldest(now) {
            _ if self.ahead(now) => Audit::Stale,
            _ if now.since(self.dated) > LIST_DAYS * DAY || now.since(self.scanned) > LIST_DAYS * DAY => Audit::Stale,
            Some(days) if days > OPEN_DAYS => Audit::Overdue,
            _ => Audit::Current,
        }
    }
    /// One sentence: the count, the oldest, and the age of the list.
    #[must_use]
    pub fn words(&self, now: Time) -> String {
        let oldest = self.oldest(now).map(|days| format!(", the oldest for {}", plural(days))).unwrap_or_default();
        if self.ahead(now) {
            return format!("{}, by a list dated in the future, whose age cannot be told", self.open.len());
        }
        let old = if self.audit(now) == Audit::Stale { ", which is too old to tell" } else { "" };
        format!("{}{oldest}, by a list fetched {} ago{old}", self.open.len(), plural(self.age(now)))
    }
    /// As `/trust/advisories.json` has it.
    pub(super) fn json(&self, now: Time) -> Value {
        json!({
            "state": self.audit(now).word(),
            "open": self.open.len(),
            "oldest_days": self.oldest(now),
            "flaws": self.open,
            "notes": self.notes,
            "scanned_at": stamp(self.scanned),
            "list": {
                "fetched_at": stamp(self.dated),
                "days": self.age(now),
                "entries": self.listed,
                "newest_entry": self.newest,
            },
            "promised": {"list_days": LIST_DAYS, "open_days": OPEN_DAYS},
        })
    }
}

fn plural(days: i64) -> String {
    format!("{days} day{}", if days == 1 { "" } else { "s" })
}

/// A folder with advisories that somebody else keeps fresh; read again by itself when it changes.
pub struct AdvisoryList {
    folder: PathBuf,
    state: RwLock<Arc<Advisories>>,
    /// When that was written which could not be read, and when that was tried: not again before it changes, or an hour on.
    unread: Mutex<Option<(Option<Time>, Time)>>,
}

impl AdvisoryList {
    /// Reads it for the first time. Reads the disk: not for an async thread.
    ///
    /// # Errors
    /// Words for the terminal: the folder is not there or not a list of advisories.
    pub fn open(folder: &Path, now: Time) -> Result<Self, String> {
        let found = advisories(folder, now)?;
        Ok(Self { folder: folder.to_owned(), state: RwLock::new(Arc::new(found)), unread: Mutex::default() })
    }
    /// Compares this build with the list again when it was written since, and once a day; whether it did. What cannot be
    /// read leaves the last comparison, which grows old. Reads the disk: not for an async thread.
    ///
    /// # Errors
    /// Words for the log.
    pub fn refresh(&self, now: Time) -> Result<bool, String> {
        let (known, at) = (self.now(), written(&self.folder));
        let unread = *self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = unread.is_some_and(|(was, tried)| was == at && (0..HOUR).contains(&now.since(tried)));
        if failed || at == Some(known.dated) && now.since(known.scanned) < DAY {
            return Ok(false);
        }
        // Noted before: what makes the reader fall over is not read again either.
        *self.unread.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, now));
        let found = advisories(&self.folder, now)?;
        *self.unread.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
        Ok(true)
    }
    /// What it says.
    #[must_use]
    pub fn now(&self) -> Arc<Advisories> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// When anything in the folder was last written. A fetch that brought nothing new counts too: git notes it in its folder.
fn written(folder: &Path) -> Option<Time> {
    let stamp = |path: &Path| {
        let at = fs::metadata(path).and_then(|m| m.modified()).ok()?;
        i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
    };
    let mut newest = stamp(&folder.join(".git/FETCH_HEAD"));
    let mut open = vec![folder.join("crates"), folder.join("rust")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            newest = newest.max(stamp(&path));
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path);
            }
        }
    }
    newest.map(Time)
}

/// Compares the build with the advisory folder that the operator keeps fresh. Reads the disk: not for an async thread.
///
/// # Errors
/// Words for the log: the folder is not there or not a list of advisories.
fn advisories(folder: &Path, now: Time) -> Result<Advisories, String> {
    let lock = PARTS.as_ref().ok_or("the lock file of this build cannot be read")?;
    let dated = written(folder);
    let database = Database::open(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let newest = database.iter().map(|a| a.date().as_str().to_owned()).max().unwrap_or_default();
    let listed = database.iter().count();
    let Some(dated) = dated.filter(|_| listed > 0) else {
        return Err(format!("{}: no advisory in it", folder.display()));
    };
    let mut found = Advisories { listed, newest, dated, scanned: now, ..Advisories::default() };
    let hits = match off("gov.dependency_audit") {
        true => Vec::new(),
        false => database.query_vulnerabilities(lock, &Query::new().withdrawn(false)),
    };
    for hit in hits {
        let date = hit.advisory.date.as_str().to_owned();
        let published = Time::day(&date).unwrap_or(now);
        let flaw = Flaw {
            id: hit.advisory.id.to_string(),
            part: format!("{} {}", hit.package.name, hit.package.version),
            days: now.since(published) / DAY,
            date,
        };
        match hit.advisory.informational {
            Some(_) => found.notes.push(flaw),
            None => found.open.push(flaw),
        }
    }
    found.open.sort_by(|a, b| a.date.cmp(&b.date).then_with(|| a.id.cmp(&b.id)));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_named_with_its_checksum() {
        let bom = sbom("0.1.0");
        let parts = bom["components"].as_array().unwrap();
        assert!(parts.len() > 100);
        assert!(parts.iter().all(|p| p["hashes"][0]["content"].as_str().unwrap().len() == 64));
        assert!(parts.iter().any(|p| p["purl"].as_str().unwrap().starts_with("pkg:cargo/hyper@1")));
    }

    /// After anything that a test has written.
    fn soon() -> Time {
        let now = UNIX_EPOCH.elapsed().unwrap().as_millis();
        Time(i64::try_from(now).unwrap() + 60_000)
    }

    fn plant(folder: &Path, id: &str, package: &str, patched: &str) {
        let at = folder.join("crates").join(package);
        fs::create_dir_all(&at).unwrap();
        let text = format!(
            "```toml\n[advisory]\nid = \"{id}\"\npackage = \"{package}\"\ndate = \"2026-01-0{}\"\n\n[versions]\npatched = [{patched}]\n```\n\n# A flaw\n\nWords.\n",
            id.chars().last().unwrap()
        );
        fs::write(at.join(format!("{id}.md")), text).unwrap();
    }

    /// A made-up flaw of a part of this build is found, one of an old version of it is not.
    #[test]
    fn a_known_flaw_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        plant(folder.path(), "RUSTSEC-2026-0001", "hyper", "\">= 99.0.0\"");
        plant(folder.path(), "RUSTSEC-2026-0002", "serde", "\">= 0.9.0\"");
        let now = soon();
        let found = advisories(folder.path(), now).unwrap();
        assert_eq!((found.listed, found.open.len(), found.newest.as_str()), (2, 1, "2026-01-02"));
        assert!(found.open[0].part.starts_with("hyper 1"));
        let published = Time::parse("2026-01-01T00:00:00Z").unwrap();
        assert_eq!(found.oldest(found.scanned), Some(now.since(published) / DAY));
        assert!(advisories(&folder.path().join("nothing"), now).is_err());
        // A clock that lags behind the list says nothing about its age.
        assert!(advisories(folder.path(), published).unwrap().words(published).contains("future"));
        assert_eq!(found.audit(published), Audit::Stale);
    }

    #[test]
    fn what_is_old_says_so() {
        let flaw = Flaw { id: "A".into(), part: "hyper 1".into(), date: "2026-01-01".into(), days: 3 };
        let found = Advisories { open: vec![flaw], ..Advisories::default() };
        assert_eq!(found.audit(Time(7 * DAY)), Audit::Current);
        assert_eq!(found.audit(Time(7 * DAY + 1)), Audit::Stale);
        assert_eq!(found.words(Time(DAY)), "1, the oldest for 4 days, by a list fetched 1 day ago");
        let fetched = Advisories { dated: Time(28 * DAY), scanned: Time(28 * DAY), ..found };
        let old = Advisories { open: vec![Flaw { days: 31, ..fetched.open[0].clone() }], ..fetched.clone() };
        assert_eq!((old.audit(Time(28 * DAY)), fetched.audit(Time(28 * DAY))), (Audit::Overdue, Audit::Current));
        assert_eq!(old.json(Time(28 * DAY))["oldest_days"], 31);
    }

    #[test]
    fn a_list_that_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        plant(folder.path(), "RUSTSEC-2026-0002", "serde", "\">= 0.9.0\"");
        let list = AdvisoryList::open(folder.path(), soon()).unwrap();
        assert_eq!((list.now().open.len(), list.refresh(soon())), (0, Ok(false)));
        plant(folder.path(), "RUSTSEC-2026-0001", "hyper", "\">= 99.0.0\"");
        let file =
            fs::File::options().write(true).open(folder.path().join("crates/hyper/RUSTSEC-2026-0001.md")).unwrap();
        let later = file.metadata().unwrap().modified().unwrap() + std::time::Duration::from_secs(2);
        file.set_modified(later).unwrap();
        assert_eq!((list.refresh(soon()), list.now().open.len()), (Ok(true), 1));
        assert_eq!((list.refresh(soon()), list.refresh(soon().plus(DAY + 1))), (Ok(false), Ok(true)));
        fs::remove_dir_all(folder.path().join("crates")).unwrap();
        let broken = soon();
        assert!(list.refresh(broken).is_err() && list.now().open.len() == 1);
        // Not at every look; but what was a passing trouble is over within the hour.
        assert_eq!(list.refresh(broken.plus(HOUR - 1)), Ok(false));
        assert!(list.refresh(broken.plus(HOUR)).is_err());
    }
}
