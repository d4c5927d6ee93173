//! Keys of bulk objects (a database file, a stored object): each has a random data key of its own, which lies beside it in an
//! envelope. The section that holds keys wraps and opens envelopes; a rotation wraps anew and rewrites nothing else.

use std::{
    collections::BTreeMap, fs, future::Future, io::Write, os::unix::fs::OpenOptionsExt, path::Path, pin::Pin, sync::Arc,
};

use kernel::{Failure, Id, Secret, TenantId};

/// Length of an envelope in bytes.
pub const ENVELOPE: usize = 78;
/// A data key, wrapped: opaque here.
pub type Envelope = [u8; ENVELOPE];

/// What a data key is for: an envelope opens for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bulk {
    /// The tenant's database file, or the house's.
    Database,
    /// A stored object.
    Object(Id),
}

/// An answer of who wraps data keys: it may have to come over a wire.
pub type Told<'k, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'k>>;

/// Who wraps data keys.
pub trait Keys: Send + Sync {
    /// A new data key of 32 bytes and its envelope.
    ///
    /// # Errors
    /// Internal: the tenant has no key.
    fn fresh(&self, tenant: TenantId, what: Bulk) -> Told<'_, (Secret, Envelope)>;
    /// The data key in an envelope.
    ///
    /// # Errors
    /// Internal: a bit was changed, it belongs elsewhere, its key is gone.
    fn open(&self, tenant: TenantId, what: Bulk, envelope: Envelope) -> Told<'_, Secret>;
    /// The same data key under the tenant's newest key; none when it lies under that already.
    ///
    /// # Errors
    /// As [`Keys::open`].
    fn rewrap(&self, tenant: TenantId, what: Bulk, envelope: Envelope) -> Told<'_, Option<Envelope>>;
    /// The version of the tenant's key that wrapped it.
    fn version(&self, envelope: &Envelope) -> u32;
}

/// Waits for an answer on a thread that may block.
pub(crate) fn wait<T>(told: Told<'_, T>) -> Result<T, Failure> {
    tokio::runtime::Handle::current().block_on(told)
}

/// How a store seals what it writes.
#[derive(Clone)]
pub struct Sealing {
    /// Who wraps data keys.
    pub keys: Arc<dyn Keys>,
    /// Whether SQLite's pages are sealed too (`at_rest = "program"`); stored objects always are.
    pub pages: bool,
}

/// What a tenant's bulk objects lie under.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wrapped {
    /// Objects by version of the tenant's key.
    pub versions: BTreeMap<u32, u64>,
    /// How many were wrapped anew.
    pub rewrapped: u64,
}

impl Wrapped {
    pub(crate) fn saw(&mut self, version: u32) {
        *self.versions.entry(version).or_default() += 1;
    }
}

const MAGIC: &[u8; 16] = b"vouchsafe key 1\n";

fn io(what: &str, error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Failure::DiskFull,
        _ => Failure::Internal(format!("store: a data key cannot be {what}: {error}").into()),
    }
}

/// The file of a database's envelope.
pub(crate) fn beside(database: &Path) -> std::path::PathBuf {
    database.with_extension("key")
}

/// The envelope of the house's database in this data folder; none when there is no such database, or its pages are plain.
///
/// # Errors
/// Internal: the file is damaged, or cannot be read.
pub fn house_envelope(folder: &Path) -> Result<Option<Envelope>, Failure> {
    read(&beside(&folder.join("control.db")))
}

/// A database's envelope; none when it has no such file.
pub(crate) fn read(file: &Path) -> Result<Option<Envelope>, Failure> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io("read", &e)),
    };
    let body = bytes.strip_prefix(MAGIC).and_then(|body| body.try_into().ok());
    body.map(Some).ok_or_else(|| Failure::internal("store: the file of a data key is damaged"))
}

/// Puts an envelope into its file, durable, whole or not at all.
pub(crate) fn write(file: &Path, envelope: &Envelope) -> Result<(), Failure> {
    let part = file.with_extension("key-part");
    let placed = || -> std::io::Result<()> {
        if let Some(folder) = file.parent() {
            crate::folder::private(folder)?;
        }
        let mut options = fs::OpenOptions::new();
        let mut open = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        open.write_all(MAGIC)?;
        open.write_all(envelope)?;
        open.sync_all()?;
        fs::rename(&part, file)?;
        file.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
    };
    placed().map_err(|e| io("written", &e))
}

/// Wraps the envelope of a database anew, if it must be; counts it.
pub(crate) fn rewrap(sealing: &Sealing, tenant: TenantId, file: &Path, into: &mut Wrapped) -> Result<(), Failure> {
    let Some(envelope) = read(file)? else { return Ok(()) };
    match wait(sealing.keys.rewrap(tenant, Bulk::Database, envelope))? {
        Some(new) => {
            write(file, &new)?;
            into.rewrapped += 1;
            into.saw(sealing.keys.version(&new));
        }
        None => into.saw(sealing.keys.version(&envelope)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_kept_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t").join("a.key");
        assert_eq!(read(&file), Ok(None));
        write(&file, &[7; ENVELOPE]).unwrap();
        write(&file, &[8; ENVELOPE]).unwrap();
        assert_eq!(read(&file), Ok(Some([8; ENVELOPE])));
        fs::write(&file, b"vouchsafe key 1\nshort").unwrap();
        assert!(read(&file).is_err());
    }
}
