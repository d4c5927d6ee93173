//! Databases under a key: where it comes from, how a connection is given it, and a plain file of an earlier time turned into
//! a sealed one.

use std::{io::Read, path::Path};

use kernel::{Failure, Secret, TenantId};
use rusqlite::{Connection, OpenFlags};
use zeroize::Zeroizing;

use super::fault::Fault;
use crate::bulk::{self, Bulk, Sealing};

/// How a plain database begins.
const PLAIN: &[u8; 16] = b"SQLite format 3\0";

fn broken(error: rusqlite::Error) -> Failure {
    Fault::from(error).failure()
}

/// Gives a connection its key, before anything else is asked of it. None: plain SQLite.
pub(crate) fn unlock(connection: &Connection, key: Option<&Secret>) -> rusqlite::Result<()> {
    let Some(key) = key else { return Ok(()) };
    let mut order = Zeroizing::new(String::with_capacity(96));
    order.push_str("PRAGMA key = \"raw:");
    let mut digits = Zeroizing::new([0; 64]);
    let _always_64 = hex::encode_to_slice(key.expose(), digits.as_mut_slice());
    order.push_str(std::str::from_utf8(digits.as_slice()).unwrap_or_default());
    order.push_str("\";");
    connection.execute_batch(&order)
}

/// The key of a database that is still to be made, its envelope durable beside it.
pub(crate) fn fresh(sealing: Option<&Sealing>, id: TenantId, path: &Path) -> Result<Option<Secret>, Failure> {
    let Some(sealing) = sealing.filter(|s| pages(s)) else { return Ok(None) };
    let (key, envelope) = bulk::wait(sealing.keys.fresh(id, Bulk::Database))?;
    bulk::write(&bulk::beside(path), &envelope)?;
    Ok(Some(key))
}

fn pages(sealing: &Sealing) -> bool {
    sealing.pages && !kernel::sabotage::off("vault.at_rest_db")
}

/// The key of a database that exists. A plain one is sealed first when it has to be.
pub(crate) fn key(sealing: Option<&Sealing>, id: TenantId, path: &Path) -> Result<Option<Secret>, Failure> {
    let plain = plain(path)?;
    match sealing {
        Some(sealing) if plain && pages(sealing) => convert(sealing, id, path).map(Some),
        _ if plain => Ok(None),
        Some(sealing) => {
            let lost = || Failure::internal("store: a sealed database without the file of its key");
            let envelope = bulk::read(&bulk::beside(path))?.ok_or_else(lost)?;
            bulk::wait(sealing.keys.open(id, Bulk::Database, envelope)).map(Some)
        }
        None => Err(Failure::internal("store: the database is sealed, and there are no keys")),
    }
}

/// Refuses a folder whose databases are sealed while the settings say that they are not: they would stay as they are, and
/// new ones would not be like them.
pub(crate) fn fits(sealing: Option<&Sealing>, house: &Path) -> Result<(), Failure> {
    let sealed = || Ok::<_, Failure>(house.exists() && !plain(house)?);
    if sealing.is_some_and(|s| !s.pages) && sealed()? {
        return Err(Failure::internal(
            "store: this data folder was sealed by the program (encryption.at_rest = \"program\"), which is not undone in \
             place. Say \"program\" again, or export every tenant, start on an empty folder and import",
        ));
    }
    Ok(())
}

/// Whether the file is plain SQLite. It is not open anywhere in this process yet: closing it drops nobody's locks.
fn plain(path: &Path) -> Result<bool, Failure> {
    let mut head = [0; 16];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    match read {
        Ok(()) => Ok(head == *PLAIN),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(true),
        Err(e) if e.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => Err(Failure::Busy(1)),
        Err(e) => Err(Failure::Internal(format!("store: a database cannot be read: {e}").into())),
    }
}

/// Seals a plain database that nobody has open: into a new file, which is checked and then takes the old one's name. A crash
/// at any point leaves either the plain file or the sealed one, each whole; the next start goes on. Then the plain bytes are
/// written over where they lay; what the disk kept of them elsewhere (spare blocks of an SSD, copies that a file system makes,
/// pages freed before) no program reaches.
fn convert(sealing: &Sealing, id: TenantId, path: &Path) -> Result<Secret, Failure> {
    let io = |e: std::io::Error| Failure::Internal(format!("store: a database cannot be sealed: {e}").into());
    let new = path.with_extension("new");
    // Declared first, dropped last: closing any of them would drop the locks of the connection.
    let remains = Remains::of(path).map_err(io)?;
    for suffix in ["new", "new-journal", "new-wal", "new-shm"] {
        let _mostly_absent = std::fs::remove_file(path.with_extension(suffix));
    }
    let old = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(broken)?;
    // All of it in the one file: a log left beside the new one would be taken for its own. Not cut off: see `Remains`.
    let told: (i64, i64, i64) = old
        .query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .map_err(broken)?;
    if told.0 != 0 || told.1 != told.2 {
        return Err(Failure::Busy(1));
    }
    let (key, envelope) = bulk::wait(sealing.keys.fresh(id, Bulk::Database))?;
    bulk::write(&bulk::beside(path), &envelope)?;
    super::connection::create(&new).map_err(io)?;
    let digits = Zeroizing::new(hex::encode(key.expose()));
    let place = new.to_str().ok_or_else(|| Failure::internal("store: the data folder's name is not text"))?;
    let escaped: String = place
        .chars()
        .map(|c| match c {
            '%' => "%25".to_owned(),
            '?' => "%3f".to_owned(),
            '#' => "%23".to_owned(),
            '\'' => "''".to_owned(),
            other => other.to_string(),
        })
        .collect();
    let order = Zeroizing::new(format!("VACUUM INTO 'file:{escaped}?key=raw:{}'", digits.as_str()));
    old.execute_batch(&order).map_err(broken)?;
    let sealed = Connection::open_with_flags(&new, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(broken)?;
    unlock(&sealed, Some(&key)).map_err(broken)?;
    let verdict: String = sealed.query_row("PRAGMA quick_check(1)", [], |r| r.get(0)).map_err(broken)?;
    if verdict != "ok" || count(&old)? != count(&sealed)? || plain(&new)? {
        return Err(Failure::internal("store: the sealed copy of a database is not sound"));
    }
    sealed.execute_batch("PRAGMA journal_mode=WAL").map_err(broken)?;
    sealed.close().map_err(|(_, e)| broken(e))?;
    old.close().map_err(|(_, e)| broken(e))?;
    for suffix in ["db-wal", "db-shm"] {
        let _gone_or_empty = std::fs::remove_file(path.with_extension(suffix));
    }
    std::fs::File::open(&new).and_then(|f| f.sync_all()).map_err(io)?;
    std::fs::rename(&new, path).map_err(io)?;
    path.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all()).map_err(io)?;
    // The sealed file is in force: what fails from here on costs nothing but thoroughness.
    let _best_effort = remains.wipe();
    Ok(key)
}

/// The plain database and its log, held open so that their blocks can be written over once they have no name any more.
struct Remains(Vec<std::fs::File>);

impl Remains {
    fn of(path: &Path) -> std::io::Result<Self> {
        let open = |path: &Path| std::fs::OpenOptions::new().read(true).write(true).open(path);
        let mut held = vec![open(path)?];
        match open(&path.with_extension("db-wal")) {
            Ok(log) => held.push(log),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        Ok(Self(held))
    }
    fn wipe(&self) -> std::io::Result<()> {
        self.0.iter().try_for_each(wipe)
    }
}

/// Writes zeros over all of a file that nobody needs any more, durable.
pub(crate) fn wipe(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    let (zeros, mut at) = (vec![0; 64 * 1024], 0);
    let mut left = file.metadata()?.len();
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(zeros.len()).min(zeros.len());
        file.write_all_at(zeros.get(..piece).unwrap_or_default(), at)?;
        at += piece as u64;
        left -= piece as u64;
    }
    file.sync_all()
}

/// Rows of every table.
fn count(connection: &Connection) -> Result<Vec<(String, i64)>, Failure> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let mut statement = connection.prepare(sql).map_err(broken)?;
    let names = statement.query_map([], |r| r.get::<_, String>(0)).map_err(broken)?;
    names
        .map(|name| {
            let name = name.map_err(broken)?;
            let mut sql = String::from("SELECT COUNT(*) FROM ");
            crate::text::quote(&mut sql, &name);
            Ok((name, connection.query_row(&sql, [], |r| r.get(0)).map_err(broken)?))
        })
        .collect()
}
