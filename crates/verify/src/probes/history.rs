//! The history of the repository that holds the app, read through git's plumbing piece by piece: no known kind of secret,
//! and no value that is in force here. Before it counts, the scan has to find what was planted in a repository of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
};

use super::probe;
use crate::{
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    leaks::{self, Finding, Live},
    plan::Probe,
    random,
    run::Scene,
};

pub(super) const PROBES: &[Probe] = &[probe!("gov.secret_scan", Together, secret_scan)];

/// How long reading a history may take.
const PATIENCE: Duration = Duration::from_secs(45);
/// Bytes read at once, and those kept from the piece before: nothing longer is looked for.
const PIECE: usize = 256 * 1024;
const OVERLAP: usize = 4 * 1024;
/// Findings that are kept, those that somebody allowed aside: with one, the promise is broken.
const MOST: usize = 500;
/// Texts that look like secrets and are none, each with its reason: beside the repository's own files.
const ALLOWED: &str = ".secret-scan.tsv";

/// What a history holds.
#[derive(Debug, Default)]
struct Scanned {
    objects: usize,
    commits: usize,
    bytes: u64,
    /// By what they are and where.
    found: BTreeSet<Finding>,
    /// Hashes of those that somebody looked at.
    allowed: BTreeSet<String>,
}

/// What is looked for besides the kinds, and what is let pass.
struct Known<'k> {
    live: &'k [Live],
    allowed: &'k BTreeMap<String, String>,
}

/// Git, told to run nothing of the repository's and to read nothing of this machine's.
fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.args(["-c", "safe.directory=*", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-C"]);
    command.arg(folder).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
    // Clones see what a replacement or a graft hides here; and nothing is fetched.
    command.env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_GRAFT_FILE", "/dev/null");
    command.env("GIT_NO_LAZY_FETCH", "1").env("GIT_ALLOW_PROTOCOL", "none");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// What one git command says; none: it failed.
async fn said(folder: &Path, arguments: &[&str]) -> Result<Option<String>, Miss> {
    let run = match git(folder).args(arguments).output().await {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return unclear("there is no git on this machine"),
        other => other?,
    };
    let text = String::from_utf8_lossy(&run.stdout).trim().to_owned();
    Ok(run.status.success().then_some(text))
}

/// The repository that holds a folder.
async fn repository(folder: &Path) -> Result<PathBuf, Miss> {
    let Some(top) = said(folder, &["rev-parse", "--show-toplevel"]).await? else {
        return Err(Miss::Unbuilt("the app's folder is in no git repository here: there is no history to read"));
    };
    if said(folder, &["rev-parse", "--is-shallow-repository"]).await?.as_deref() != Some("false") {
        return Err(Miss::Unbuilt("the clone is shallow: the whole history is not here"));
    }
    if said(folder, &["rev-parse", "--verify", "-q", "HEAD"]).await?.is_none() {
        return Err(Miss::Unbuilt("the repository has no commit yet"));
    }
    Ok(top.into())
}

/// Reads every object that any branch, tag or note reaches.
async fn scan(folder: &Path, known: &Known<'_>, limit: Duration) -> Result<Scanned, Miss> {
    let begun = Instant::now();
    let mut list = git(folder).args(["rev-list", "--objects", "--all", "HEAD"]).spawn()?;
    let mut cat = git(folder).args(["cat-file", "--batch", "--buffer"]).stdin(Stdio::piped()).spawn()?;
    let (Some(names), Some(mut asks), Some(says)) = (list.stdout.take(), cat.stdin.take(), cat.stdout.take()) else {
        return unclear("git has no pipes");
    };
    // One task asks and one reads, so that neither waits for a full pipe.
    let asking = tokio::spawn(async move {
        let mut lines = BufReader::new(names).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let id = line.split(' ').next().unwrap_or_default();
            if asks.write_all(format!("{id}\n").as_bytes()).await.is_err() {
                return;
            }
        }
        drop(asks.shutdown().await);
    });
    let reading = read(says, known, begun, limit);
    let scanned = reading.await;
    asking.abort();
    let scanned = scanned?;
    for child in [&mut list, &mut cat] {
        ended(child).await?;
    }
    Ok(scanned)
}

async fn ended(child: &mut Child) -> Result<(), Miss> {
    match tokio::time::timeout(Duration::from_secs(5), child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        _ => unclear("git did not read the whole history"),
    }
}

/// Objects as `git cat-file --batch` writes them: a head line, the bytes, a line's end.
async fn read(
    says: impl tokio::io::AsyncRead + Unpin,
    known: &Known<'_>,
    begun: Instant,
    limit: Duration,
) -> Result<Scanned, Miss> {
    let mut says = BufReader::with_capacity(PIECE, says);
    let mut scanned = Scanned::default();
    let mut head = String::new();
    let mut buffer: Vec<u8> = Vec::with_capacity(PIECE + OVERLAP);
    loop {
        head.clear();
        if says.read_line(&mut head).await? == 0 {
            return Ok(scanned);
        }
        let mut words = head.split_whitespace();
        let (Some(id), Some(kind), Some(size)) = (words.next(), words.next(), words.next()) else {
            return unclear("git named an object it does not have");
        };
        let mut left: u64 = size.parse().map_err(|_| Miss::Unclear("git's answer cannot be read".to_owned()))?;
        let (id, wanted) = (id.to_owned(), kind != "tree");
        scanned.objects += 1;
        scanned.commits += usize::from(kind == "commit");
        scanned.bytes += left;
        buffer.clear();
        while left > 0 {
            if begun.elapsed() > limit {
                return unclear(format!("the history is longer than {} s of reading", limit.as_secs()));
            }
            let kept = buffer.len().min(OVERLAP);
            buffer.drain(..buffer.len() - kept);
            let more = left.min(u64::try_from(PIECE).unwrap_or(u64::MAX));
            let more = usize::try_from(more).unwrap_or(PIECE);
            buffer.resize(kept + more, 0);
            says.read_exact(buffer.get_mut(kept..).unwrap_or_default()).await?;
            left -= u64::try_from(more).unwrap_or(0);
            if wanted && scanned.found.len() < MOST {
                let (fine, open): (Vec<Finding>, Vec<Finding>) = leaks::find(&buffer, known.live)
                    .into_iter()
                    .partition(|f| f.rule != leaks::VALUE && known.allowed.contains_key(&f.hash));
                scanned.allowed.extend(fine.into_iter().map(|f| f.hash));
                scanned.found.extend(open.into_iter().map(|f| f.at(&id)));
            }
        }
        let mut end = [0];
        says.read_exact(&mut end).await?;
    }
}

/// A repository with one commit that holds these texts and a later one that does not.
async fn planted(folder: &Path, texts: &[String]) -> Result<(), Miss> {
    std::fs::create_dir_all(folder)?;
    let run = async |arguments: &[&str]| match said(folder, arguments).await? {
        Some(_) => Ok(()),
        None => unclear(format!("git {} failed in a repository of the probe's own", arguments.first().unwrap_or(&""))),
    };
    run(&["init", "-q", "--template="]).await?;
    for (name, text) in [("first", texts.join("\n")), ("second", "nothing to see".to_owned())] {
        std::fs::write(folder.join("settings.txt"), format!("{text}\n"))?;
        run(&["add", "settings.txt"]).await?;
        let who = ["-c", "user.name=prober", "-c", "user.email=prober@canary.example", "-c", "commit.gpgsign=false"];
        let commit = ["commit", "-q", "--no-verify", "-m", name];
        run(&[who.as_slice(), commit.as_slice()].concat()).await?;
    }
    Ok(())
}

/// Hashes of findings that somebody looked at, and why each is no secret.
fn allowed(top: &Path) -> Result<BTreeMap<String, String>, Miss> {
    let Ok(text) = std::fs::read_to_string(top.join(ALLOWED)) else { return Ok(BTreeMap::new()) };
    let mut out = BTreeMap::new();
    for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        match line.split_once('\t') {
            Some((hash, reason)) if hash.len() == 64 && reason.trim().len() > 10 => {
                out.insert(hash.to_owned(), reason.to_owned());
            }
            _ => {
                return broken(
                    format!("reading {ALLOWED}"),
                    "a SHA-256, a tab and a reason on each line",
                    "a line without",
                );
            }
        }
    }
    Ok(out)
}

async fn secret_scan(scene: &Scene) -> Outcome {
    let instance = &scene.stage.instance;
    let folder = &instance.setup().folder;
    let top = repository(folder).await?;
    let (here, missing) = leaks::here(&scene.app, &instance.setup().variables);
    let live: Vec<Live> = here.iter().flat_map(|value| leaks::forms(value)).collect();

    // What was planted in an old commit must be found, each kind once, or a clean history says nothing.
    let own = instance.scratch().join(format!("planted-{}", random::hex(4)));
    let samples = leaks::samples();
    let canary = random::hex(24);
    let with_canary: Vec<Live> = live.iter().cloned().chain(leaks::forms(&canary)).collect();
    let mut texts: Vec<String> = samples.iter().map(|(_, text)| text.clone()).collect();
    texts.extend(leaks::forms(&canary).iter().map(|form| format!("value {}", form.text())));
    planted(&own, &texts).await?;
    let seen = scan(&own, &Known { live: &with_canary, allowed: &BTreeMap::new() }, PATIENCE).await?;
    let found = |rule: &str| seen.found.iter().filter(|f| f.rule == rule).count();
    let there = |rule: &str| samples.iter().filter(|(r, _)| *r == rule).count();
    let missed: Vec<&str> = samples.iter().map(|(rule, _)| *rule).filter(|rule| found(rule) < there(rule)).collect();
    let values = seen.found.iter().filter(|f| f.rule == leaks::VALUE).count();
    if !missed.is_empty() || values < leaks::forms(&canary).len() {
        return unclear(format!("the scan misses what was planted: {}", missed.join(", ")));
    }

    let allowed = allowed(&top)?;
    let scanned = scan(folder, &Known { live: &live, allowed: &allowed }, PATIENCE).await?;
    if let Some(first) = scanned.found.first() {
        // The hash of a value in force would be a place to try guesses at.
        let hash = if first.rule == leaks::VALUE { String::new() } else { format!(", SHA-256 {}", first.hash) };
        return broken(
            format!("reading {} objects of the repository's history", scanned.objects),
            "0 findings",
            format!(
                "{}; the first is a {} in object {}{hash}",
                scanned.found.len(),
                first.rule,
                first.object.get(..12).unwrap_or_default(),
            ),
        );
    }
    if missing > 0 {
        return Err(Miss::Unbuilt(
            "no known kind of secret in the whole history; but of the values in force not all were given to the prober, \
             and it looked for the others alone",
        ));
    }
    Ok(Evidence::new()
        .count("commits", scanned.commits)
        .count("objects", scanned.objects)
        .count("kilobytes read", usize::try_from(scanned.bytes / 1024).unwrap_or(usize::MAX))
        .count("rules", samples.len())
        .count("fingerprints of values in force", live.len())
        .count("values from this machine", here.len())
        .count("planted secrets found", seen.found.len())
        .count("looked at and allowed", scanned.allowed.len())
        .count("findings", scanned.found.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_secret_is_found_in_an_old_commit_and_across_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let (samples, allowed) = (leaks::samples(), BTreeMap::new());
        let none = Known { live: &[], allowed: &allowed };
        let (_, secret) = samples.first().unwrap();
        // It begins before a piece ends.
        let text = format!("{} {secret} rest", "x ".repeat(PIECE / 2 - 5));
        planted(folder.path(), &[text]).await.unwrap();
        let scanned = scan(folder.path(), &none, PATIENCE).await.unwrap();
        assert_eq!((scanned.commits, scanned.found.len()), (2, 1), "{:?}", scanned.found);
        assert_eq!(repository(folder.path()).await.unwrap(), folder.path().canonicalize().unwrap());
        assert!(matches!(scan(folder.path(), &none, Duration::ZERO).await, Err(Miss::Unclear(_))));
    }

    #[tokio::test]
    async fn a_graft_hides_nothing() {
        let folder = tempfile::tempdir().unwrap();
        planted(folder.path(), &[leaks::samples().remove(0).1]).await.unwrap();
        assert!(said(folder.path(), &["replace", "--graft", "HEAD"]).await.unwrap().is_some());
        let none = Known { live: &[], allowed: &BTreeMap::new() };
        let scanned = scan(folder.path(), &none, PATIENCE).await.unwrap();
        assert_eq!(scanned.found.len(), 1, "{:?}", scanned.found);
    }

    #[tokio::test]
    async fn no_repository_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(repository(folder.path()).await, Err(Miss::Unbuilt(_))));
        std::fs::write(folder.path().join(ALLOWED), "abc\tno\n").unwrap();
        assert!(matches!(allowed(folder.path()), Err(Miss::Broken(_))));
    }
}
