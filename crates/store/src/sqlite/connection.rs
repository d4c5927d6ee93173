//! How a connection is set up. Never open, read or copy a live `.db`, `-wal` or `-shm` by file API in this process:
//! closing any descriptor of a file drops the locks that SQLite holds on it.

use std::{path::Path, time::Duration};

use kernel::{Failure, Secret};
use rusqlite::{Connection, OpenFlags, config::DbConfig, limits::Limit};

use super::{fault::Fault, seal::unlock};

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The file's one writer.
    Writer,
    /// One of its readers: `query_only`.
    Reader,
}

/// Opens a file that exists. `cache`: page cache in KiB; `statements`: prepared ones kept.
pub(crate) fn open(
    path: &Path,
    key: Option<&Secret>,
    role: Role,
    cache: u32,
    statements: usize,
) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let patience = if kernel::sabotage::off("ops.db_pool") { 60 } else { 2 };
    unlock(&connection, key)?;
    connection.busy_timeout(Duration::from_secs(patience))?;
    // The last close would otherwise delete a write-ahead log that an archiver has not shipped.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, role == Role::Reader)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_prepared_statement_cache_capacity(statements);
    connection.execute_batch(&format!(
        "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=0; PRAGMA trusted_schema=OFF;
         PRAGMA temp_store=MEMORY; PRAGMA cache_size=-{cache};"
    ))?;
    match role {
        Role::Reader => connection.execute_batch("PRAGMA query_only=ON")?,
        Role::Writer => connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA secure_delete=FAST")?,
    }
    Ok(connection)
}

/// An empty database that only this account can open, for `fill`; under its final name once it is whole and durable.
pub(crate) fn make(
    path: &Path,
    key: Option<&Secret>,
    fill: impl FnOnce(&mut Connection) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let broken = |e: rusqlite::Error| Fault::from(e).failure();
    let new = path.with_extension("new");
    // What an attempt before this one left.
    for suffix in ["new", "new-journal", "new-wal", "new-shm"] {
        let _mostly_absent = std::fs::remove_file(path.with_extension(suffix));
    }
    create(&new).map_err(|e| io(&e))?;
    let mut connection = Connection::open_with_flags(&new, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(broken)?;
    unlock(&connection, key).map_err(broken)?;
    // Nobody sees it before its one sync.
    connection.execute_batch("PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY").map_err(broken)?;
    fill(&mut connection)?;
    // Its close, unlike that of the connections above, leaves one whole file.
    connection.execute_batch("PRAGMA journal_mode=WAL").map_err(broken)?;
    connection.close().map_err(|(_, e)| broken(e))?;
    std::fs::File::open(&new).and_then(|f| f.sync_all()).map_err(|e| io(&e))?;
    std::fs::rename(&new, path).map_err(|e| io(&e))?;
    for folder in path.ancestors().skip(1).take(2) {
        std::fs::File::open(folder).and_then(|f| f.sync_all()).map_err(|e| io(&e))?;
    }
    Ok(())
}

fn io(error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Failure::DiskFull,
        _ if error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => Failure::Busy(1),
        _ => Failure::Internal(format!("store: a database cannot be made: {error}").into()),
    }
}

/// Makes an empty file that only this account can open.
pub(crate) fn create(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map(drop)
}
