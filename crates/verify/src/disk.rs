//! An instance's files as they lie there, opened by the prober's own hands: pages and objects are sealed in the formats that
//! `crates/sqlite` and `crates/store` publish at their heads, under data keys in envelopes that `encryption` describes.

use std::{
    io,
    path::{Path, PathBuf},
};

use kernel::{Id, TenantId, Time};
use rusqlite::Connection;
use serde_json::Value;

use crate::{
    instance::Instance,
    opener::{self, Key},
    random::sha256,
};

/// Bytes behind a page's ciphertext: tag, then nonce.
pub const RESERVED: usize = 40;
/// Bytes of an object before its first piece.
pub const HEAD: usize = 16 + ENVELOPE;
/// A piece of an object as it lies there.
pub const PIECE: usize = 64 * 1024 + 16;
const ENVELOPE: usize = 78;
const PAGES: &[u8; 16] = b"vouchsafe page 1";
const SQLITE: &[u8; 16] = b"SQLite format 3\0";

/// A data folder and the root keys that the prober gave to who writes it.
#[derive(Clone)]
pub struct Disk {
    data: PathBuf,
    roots: Vec<(String, Key)>,
}

/// What a data key is for.
#[derive(Clone, Copy, Debug)]
pub enum Of<'o> {
    /// A database.
    Database,
    /// The object of this id.
    Object(&'o str),
}

impl Disk {
    /// Of a running instance.
    #[must_use]
    pub fn of(instance: &Instance) -> Self {
        let regions = instance.setup().app.regions.iter();
        let roots = regions.filter_map(|r| Some((r.id.to_owned(), opener::root(instance, r.id)?))).collect();
        Self { data: instance.data().to_owned(), roots }
    }
    /// Without keys.
    #[cfg(test)]
    pub fn plain(data: &Path) -> Self {
        Self { data: data.to_owned(), roots: Vec::new() }
    }
    /// The same keys over a copy.
    #[must_use]
    pub fn at(&self, data: &Path) -> Self {
        Self { data: data.to_owned(), roots: self.roots.clone() }
    }
    /// Where it is.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A tenant's key of a version, from its file in the key folder; the house's is under an id of its region.
    fn kek(&self, tenant: &str, version: u32) -> Option<(String, Key)> {
        let read = |id: &str| -> Option<(String, Key)> {
            let text = std::fs::read(self.data.join("keys").join(format!("{id}-{version}.json"))).ok()?;
            let key: Value = serde_json::from_slice(&text).ok()?;
            let region = key.get("region")?.as_str()?.to_owned();
            let wrapped = hex::decode(key.get("wrapped")?.as_str()?).ok()?;
            let (_, root) = self.roots.iter().find(|(id, _)| *id == region)?;
            let wrapping = opener::derive(root, "wrap", &region, &[id.as_bytes(), &version.to_be_bytes()]);
            Some((region, opener::unwrap(&wrapping, &wrapped)?))
        };
        if tenant != TenantId::HOUSE.to_string() {
            return read(tenant);
        }
        self.roots.iter().find_map(|(region, _)| {
            let hash = sha256(region.as_bytes());
            read(&TenantId(Id::v7(Time(0), *hash.first_chunk()?)).to_string())
        })
    }

    /// The data key in an envelope.
    #[must_use]
    pub fn data_key(&self, tenant: &str, what: Of<'_>, envelope: &[u8]) -> Option<Key> {
        let (region, kek) = self.kek(tenant, opener::key_version(envelope))?;
        let (kind, name) = match what {
            Of::Database => ("database", ""),
            Of::Object(id) => ("object", id),
        };
        let key = opener::derive(&kek, "bulk", &region, &[tenant.as_bytes()]);
        let bound = [&region, tenant, kind, name].map(|piece| piece.as_bytes().to_vec());
        opener::open(&key, envelope, &bound)?.try_into().ok()
    }

    /// The key of a database's pages; none when the file is plain.
    ///
    /// # Errors
    /// The key is not there or does not open.
    pub fn key(&self, database: &Path) -> io::Result<Option<Key>> {
        use io::Read as _;
        let mut head = [0; 16];
        std::fs::File::open(database)?.read_exact(&mut head)?;
        if head == *SQLITE {
            return Ok(None);
        }
        let stem = database.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        let tenant = if stem == "control" { TenantId::HOUSE.to_string() } else { stem.chars().take(36).collect() };
        let file = std::fs::read(database.with_extension("key"))?;
        let envelope = file.strip_prefix(b"vouchsafe key 1\n").unwrap_or_default();
        let key = self.data_key(&tenant, Of::Database, envelope);
        key.map(Some).ok_or_else(|| io::Error::other("the key of a database does not open"))
    }

    /// A connection to a database file, under its key.
    ///
    /// # Errors
    /// As [`Disk::key`] and SQLite say.
    pub fn connect(&self, database: &Path) -> io::Result<Connection> {
        let connection = Connection::open(database).map_err(io::Error::other)?;
        unlock(&connection, self.key(database)?.as_ref()).map_err(io::Error::other)?;
        Ok(connection)
    }

    /// Everything a file says, sealed or not: its bytes, and what they are when they are opened.
    #[must_use]
    pub fn read(&self, file: &Path) -> Vec<Vec<u8>> {
        let Ok(bytes) = std::fs::read(file) else { return Vec::new() };
        let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let opened = if name.ends_with(".db") {
            self.key(file).ok().flatten().and_then(|key| pages(&bytes, &key))
        } else if let Some(database) = name.strip_suffix("-wal") {
            let key = self.key(&file.with_file_name(database)).ok().flatten();
            key.map(|key| frames(&bytes, &key).into_iter().flat_map(|(_, page)| page).collect())
        } else {
            let tenant = file.parent().and_then(|p| p.file_name()).and_then(|n| n.to_str()).unwrap_or_default();
            self.object(tenant, name, &bytes)
        };
        [Some(bytes), opened].into_iter().flatten().collect()
    }

    /// A stored object, byte for byte; none when anything about it was changed.
    #[must_use]
    pub fn object(&self, tenant: &str, id: &str, bytes: &[u8]) -> Option<Vec<u8>> {
        let (head, body) = bytes.split_at_checked(HEAD)?;
        let envelope = head.strip_prefix(b"vouchsafe blob 1")?;
        let key = self.data_key(tenant, Of::Object(id), envelope)?;
        let count = body.len().div_ceil(PIECE);
        let mut out = Vec::with_capacity(body.len());
        for (number, piece) in (0u32..).zip(body.chunks(PIECE)) {
            let last = usize::try_from(number).is_ok_and(|n| n + 1 == count);
            let mut nonce = [0; 12];
            let (_, counter) = nonce.split_at_mut(7);
            counter
                .iter_mut()
                .zip(number.to_be_bytes().into_iter().chain([u8::from(last)]))
                .for_each(|(to, b)| *to = b);
            out.extend(opener::gcm(&key, nonce, &[], piece)?);
        }
        (count > 0).then_some(out)
    }
}

/// Gives a connection its key.
///
/// # Errors
/// As SQLite says.
pub fn unlock(connection: &Connection, key: Option<&Key>) -> rusqlite::Result<()> {
    key.map_or(Ok(()), |key| connection.execute_batch(&format!("PRAGMA key = \"raw:{}\"", hex::encode(key))))
}

/// A page, opened; none when a bit of it, of the key or of its number is another.
#[must_use]
pub fn page(number: u32, sealed: &[u8], key: &Key) -> Option<Vec<u8>> {
    let (body, rest) = sealed.split_at_checked(sealed.len().checked_sub(RESERVED)?)?;
    let (tag, nonce) = rest.split_at_checked(16)?;
    let (clear, body) = body.split_at_checked(if number == 1 { 24 } else { 0 })?;
    if number == 1 && !clear.starts_with(PAGES) {
        return None;
    }
    let bound = [&number.to_be_bytes(), clear].concat();
    let opened = opener::xaes(key, nonce.try_into().ok()?, &bound, &[body, tag].concat())?;
    let magic = clear.get(16..).filter(|_| number == 1).map(|header| [SQLITE.as_slice(), header].concat());
    Some([magic.unwrap_or_default(), opened, vec![0; RESERVED]].concat())
}

fn page_size(first: &[u8]) -> Option<usize> {
    match u16::from_be_bytes(first.get(16..18)?.try_into().ok()?) {
        1 => Some(65_536),
        size => Some(usize::from(size)).filter(|s| *s >= 512),
    }
}

/// A whole database file in the clear: SQLite reads it. None when one page does not open.
#[must_use]
pub fn pages(bytes: &[u8], key: &Key) -> Option<Vec<u8>> {
    let size = page_size(bytes)?;
    let mut out = Vec::with_capacity(bytes.len());
    for (number, sealed) in (1u32..).zip(bytes.chunks(size)) {
        out.extend(page(number, sealed, key)?);
    }
    Some(out)
}

/// Pages in a write-ahead log that open, by number: of each frame, 24 bytes and a page (SQLite's file format, 4.1 and 4.2).
#[must_use]
pub fn frames(log: &[u8], key: &Key) -> Vec<(u32, Vec<u8>)> {
    let Some((header, body)) = log.split_at_checked(32) else { return Vec::new() };
    let size = header.get(8..12).and_then(|s| s.try_into().ok()).map_or(0, u32::from_be_bytes);
    let size = usize::try_from(size).unwrap_or(0);
    if !(512..=65_536).contains(&size) {
        return Vec::new();
    }
    let frame = |frame: &[u8]| {
        let number = u32::from_be_bytes(frame.get(..4)?.try_into().ok()?);
        Some((number, page(number, frame.get(24..)?, key)?))
    };
    body.chunks_exact(size + 24).filter_map(frame).collect()
}
