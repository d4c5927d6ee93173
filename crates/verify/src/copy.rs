//! Reading the disk of an instance: copies of database files, and the search for a text in raw bytes.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use rusqlite::{Connection, OpenFlags, backup::Backup};

use crate::{
    disk::{self, Disk},
    evidence::Miss,
    opener::Key,
    wire::find,
};

/// Every file below `folder`.
///
/// # Errors
/// As the file system says.
pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                out.push(entry.path());
            }
        }
    }
    out.sort();
    Ok(out)
}

/// Copies a data folder while its server runs: databases through SQLite's backup interface, from outside the server's
/// process and under their keys; every other file as it is. Of the tenants' own files only those of `tenants`.
///
/// # Errors
/// When a database cannot be read.
pub fn folder(from: &Disk, to: &Path, tenants: &[&str]) -> io::Result<()> {
    for file in files(from.data())? {
        let Ok(rest) = file.strip_prefix(from.data()) else { continue };
        let stem = rest.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        let owner = match rest.components().nth(1).and_then(|c| c.as_os_str().to_str()) {
            Some(tenant) if rest.starts_with("blobs") => tenant,
            _ => stem,
        };
        if rest.components().count() > 1 && owner.len() == 36 && !tenants.contains(&owner) {
            continue;
        }
        let target = to.join(rest);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let name = rest.to_string_lossy();
        if name.ends_with(".db") {
            backup(&file, &target, from.key(&file)?.as_ref()).map_err(io::Error::other)?;
        } else if !(name.ends_with("-wal") || name.ends_with("-shm") || name.ends_with(".lock") || name == "lock") {
            std::fs::copy(&file, &target)?;
        }
    }
    Ok(())
}

/// Copies one live database, and opens the copy: what lies at `to` is plain SQLite.
///
/// # Errors
/// As SQLite says; a key or a page that does not open.
pub fn database(disk: &Disk, from: &Path, to: &Path) -> io::Result<()> {
    let Some(key) = disk.key(from)? else { return backup(from, to, None).map_err(io::Error::other) };
    let sealed = to.with_extension("sealed");
    backup(from, &sealed, Some(&key)).map_err(io::Error::other)?;
    let bytes = std::fs::read(&sealed)?;
    std::fs::remove_file(&sealed)?;
    let plain = disk::pages(&bytes, &key).ok_or_else(|| io::Error::other("a page does not open"))?;
    std::fs::write(to, plain)
}

fn backup(from: &Path, to: &Path, key: Option<&Key>) -> rusqlite::Result<()> {
    let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    disk::unlock(&source, key)?;
    source.busy_timeout(Duration::from_secs(5))?;
    let mut target = Connection::open(to)?;
    disk::unlock(&target, key)?;
    Backup::new(&source, &mut target)?.run_to_completion(512, Duration::from_millis(2), None)
}

/// The file of a tenant: the one database whose name holds its id.
///
/// # Errors
/// As the file system says.
pub fn of_tenant(data: &Path, id: &str) -> io::Result<Option<PathBuf>> {
    Ok(files(data)?.into_iter().find(|f| f.file_name().and_then(|n| n.to_str()) == Some(&format!("{id}.db"))))
}

/// A text in the forms a careless program leaves it in.
#[must_use]
pub fn forms(text: &str) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    // Base64 of a text inside a longer one depends on where it begins: the middle of each of three shifts is the same.
    let shifted = |n: usize| {
        let mut padded = vec![b' '; n];
        padded.extend_from_slice(bytes);
        let packed = BASE64_STANDARD.encode(&padded);
        let inner = packed.get(4..packed.len().saturating_sub(6)).unwrap_or_default();
        inner.as_bytes().to_vec()
    };
    let mut out = vec![bytes.to_vec(), hex::encode(bytes).into_bytes(), hex::encode_upper(bytes).into_bytes()];
    out.extend((0..3).map(shifted).filter(|f| f.len() >= 8));
    out.push(BASE64_URL_SAFE_NO_PAD.encode(bytes).into_bytes());
    out.push(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
    out
}

/// Runs disk work where it holds nobody up.
///
/// # Errors
/// Unclear when it was cut off.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Miss> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Miss::Unclear("disk work was cut off".to_owned()))
}

/// Files of a data folder that hold one of the forms, as they lie there or when they are opened: what is sealed hides
/// nothing from this. And how many there are.
///
/// # Errors
/// Unclear when the folder cannot be read.
pub async fn search(disk: &Disk, forms: Vec<Vec<u8>>) -> Result<(Vec<PathBuf>, usize), Miss> {
    let disk = disk.clone();
    Ok(aside(move || holding(disk.data(), &forms, |file| disk.read(file))).await??)
}

/// Files below any folder that hold one of the forms as they lie there.
///
/// # Errors
/// Unclear when the folder cannot be read.
pub async fn search_raw(folder: &Path, forms: Vec<Vec<u8>>) -> Result<(Vec<PathBuf>, usize), Miss> {
    let folder = folder.to_owned();
    Ok(aside(move || holding(&folder, &forms, |file| std::fs::read(file).into_iter().collect())).await??)
}

/// Unreadable files (sockets, gone meanwhile) are passed over.
fn holding(
    folder: &Path,
    forms: &[Vec<u8>],
    read: impl Fn(&Path) -> Vec<Vec<u8>>,
) -> io::Result<(Vec<PathBuf>, usize)> {
    let all = files(folder)?;
    let count = all.len();
    let holds = |file: &PathBuf| read(file).iter().any(|bytes| forms.iter().any(|f| find(bytes, f).is_some()));
    Ok((all.into_iter().filter(holds).collect(), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_every_form() {
        let folder = tempfile::tempdir().unwrap();
        let secret = "cnry-0123456789abcdef-secret";
        let longer = format!("xx{secret}yy");
        for (i, bytes) in
            [secret.as_bytes().to_vec(), hex::encode(secret).into_bytes(), BASE64_STANDARD.encode(longer).into_bytes()]
                .iter()
                .enumerate()
        {
            std::fs::write(folder.path().join(i.to_string()), bytes).unwrap();
        }
        std::fs::write(folder.path().join("clean"), "nothing").unwrap();
        let raw = |file: &Path| std::fs::read(file).into_iter().collect();
        let (found, all) = holding(folder.path(), &forms(secret), raw).unwrap();
        assert_eq!((found.len(), all), (3, 4));
    }

    #[test]
    fn a_live_database_is_copied_whole() {
        let folder = tempfile::tempdir().unwrap();
        let live = Connection::open(folder.path().join("a.db")).unwrap();
        live.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (7);").unwrap();
        let to = folder.path().join("copy");
        super::folder(&Disk::plain(folder.path()), &to, &[]).unwrap();
        assert!(!to.join("a.db-wal").exists());
        let copy = Connection::open(to.join("a.db")).unwrap();
        assert_eq!(copy.query_row("SELECT x FROM t", [], |r| r.get::<_, i64>(0)).unwrap(), 7);
        assert!(of_tenant(&to, "a").unwrap().is_some());
    }
}
