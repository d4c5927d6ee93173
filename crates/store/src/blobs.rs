//! Objects: files under `blobs/<tenant>/`, reached only through a permit, whose tenant is the prefix. They lie sealed
//! (`chunks.rs`), each under a data key of its own.

use std::{
    io::{Read as _, SeekFrom},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use aws_lc_rs::digest;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use kernel::{Failure, Id, Secret, TenantId};
use tokio::{
    fs,
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
};

use crate::{
    bulk::{self, Bulk, Envelope, Keys, Wrapped},
    chunks::{self, Cipher, HEAD, PIECE, Shape},
};

/// An object's bytes, piece by piece.
pub type BlobStream = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// Where objects lie.
pub(crate) struct Folder {
    root: Arc<PathBuf>,
    keys: Option<Arc<dyn Keys>>,
}

impl Folder {
    /// Without keys objects lie as they are.
    pub(crate) fn new(root: PathBuf, keys: Option<Arc<dyn Keys>>) -> Self {
        let keys = keys.filter(|_| !kernel::sabotage::off("vault.at_rest_objects"));
        Self { root: Arc::new(root), keys }
    }
    pub(crate) fn of(&self, tenant: TenantId) -> Blobs {
        let folder = if kernel::sabotage::off("tenant.storage_prefix") {
            self.root.as_ref().clone()
        } else {
            self.root.join(tenant.to_string())
        };
        Blobs { folder, tenant, keys: self.keys.clone() }
    }

    /// Seals what an earlier time left in the clear; once, which a file in the folder says.
    pub(crate) async fn settle(&self) -> Result<(), Failure> {
        let folder = Self { root: Arc::clone(&self.root), keys: self.keys.clone() };
        let settled = tokio::task::spawn_blocking(move || folder.seal_plain()).await;
        settled.unwrap_or_else(|_| Err(Failure::internal("store: sealing was cut off")))
    }

    fn seal_plain(&self) -> Result<(), Failure> {
        let said = self.root.join("sealed");
        if self.keys.is_none() || said.exists() {
            return Ok(());
        }
        crate::folder::private(&self.root).map_err(|e| io(&e))?;
        for folder in std::fs::read_dir(self.root.as_ref()).map_err(|e| io(&e))? {
            let folder = folder.map_err(|e| io(&e))?;
            let Some(tenant) = folder.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let blobs = self.of(tenant);
            for (id, path) in objects(&folder.path())? {
                blobs.seal_plain(id, &path)?;
            }
        }
        let done = std::fs::File::create(said).and_then(|file| file.sync_all());
        done.map_err(|e| io(&e))
    }
}

/// A folder's objects; nothing when there is no such folder.
fn objects(folder: &Path) -> Result<Vec<(Id, PathBuf)>, Failure> {
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io(&e)),
    };
    let paths = listed.flatten().map(|entry| entry.path());
    Ok(paths.filter_map(|path| Some((path.file_name()?.to_str()?.parse().ok()?, path))).collect())
}

/// One tenant's objects. Names are ids, so no name can leave the tenant's folder.
pub struct Blobs {
    folder: PathBuf,
    tenant: TenantId,
    keys: Option<Arc<dyn Keys>>,
}

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of them.
    pub sha256: [u8; 32],
}

fn io(error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::NotFound => Failure::NotFound,
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Failure::DiskFull,
        std::io::ErrorKind::UnexpectedEof => chunks::damaged(),
        _ => Failure::Internal(format!("store: blob: {error}").into()),
    }
}

/// What `put` writes with: a piece is sealed once it is known whether another follows.
struct Sealer<'f> {
    file: &'f mut fs::File,
    cipher: Option<Cipher>,
    piece: Vec<u8>,
    number: u32,
}

impl Sealer<'_> {
    async fn add(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        if self.cipher.is_none() {
            return self.file.write_all(bytes).await.map_err(|e| io(&e));
        }
        while !bytes.is_empty() {
            if self.piece.len() == PIECE {
                self.flush(false).await?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.piece.len()));
            self.piece.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }
    async fn flush(&mut self, last: bool) -> Result<(), Failure> {
        let Some(cipher) = &self.cipher else { return Ok(()) };
        cipher.seal(self.number, last, &mut self.piece)?;
        self.file.write_all(&self.piece).await.map_err(|e| io(&e))?;
        self.piece.clear();
        self.number = self.number.checked_add(1).ok_or(Failure::TooLarge(u64::MAX))?;
        Ok(())
    }
}

/// An object that is open for reading.
struct Open {
    file: fs::File,
    cipher: Option<Cipher>,
    shape: Shape,
}

impl Open {
    /// The plain bytes of a piece.
    async fn piece(&mut self, number: u32) -> Result<Vec<u8>, Failure> {
        let (at, length) = match &self.cipher {
            Some(_) => self.shape.place(number),
            None => {
                let at = u64::from(number) * PIECE as u64;
                (at, usize::try_from((self.shape.size - at).min(PIECE as u64)).unwrap_or(PIECE))
            }
        };
        self.file.seek(SeekFrom::Start(at)).await.map_err(|e| io(&e))?;
        let mut bytes = vec![0; length];
        self.file.read_exact(&mut bytes).await.map_err(|e| io(&e))?;
        if let Some(cipher) = &self.cipher {
            cipher.open(number, number == self.shape.last, &mut bytes)?;
        }
        Ok(bytes)
    }
}

impl Blobs {
    fn path(&self, id: Id) -> PathBuf {
        self.folder.join(id.to_string())
    }
    /// The new envelope of an object whose head is being rewritten.
    fn beside(&self, id: Id) -> PathBuf {
        self.folder.join(format!("{id}.rewrap"))
    }

    /// Stores an object of at most `cap` bytes, durable when it returns; an object of that name is replaced as a whole.
    ///
    /// # Errors
    /// `TooLarge`, `DiskFull`, whatever the stream fails with; internal ones. Nothing is stored then.
    pub async fn put(
        &self,
        id: Id,
        cap: u64,
        mut bytes: impl Stream<Item = Result<Bytes, Failure>> + Send + Unpin,
    ) -> Result<Stored, Failure> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).await.map_err(|e| io(&e))?;
        // Removed when dropped: also when the client goes away in the middle.
        let part = Part(self.folder.join(format!("{id}.part")));
        let mut options = fs::OpenOptions::new();
        let file = options.create(true).write(true).truncate(true).mode(0o600).open(&part.0).await;
        let mut file = file.map_err(|e| io(&e))?;
        let mut sealer = Sealer { file: &mut file, cipher: None, piece: Vec::new(), number: 0 };
        if let Some(keys) = &self.keys {
            let (key, envelope) = keys.fresh(self.tenant, Bulk::Object(id)).await?;
            sealer.file.write_all(&chunks::head(&envelope)).await.map_err(|e| io(&e))?;
            sealer.cipher = Some(Cipher::new(&key)?);
        }
        let mut sum = digest::Context::new(&digest::SHA256);
        let mut size: u64 = 0;
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk?;
            size = size.saturating_add(chunk.len() as u64);
            if size > cap {
                return Err(Failure::TooLarge(cap));
            }
            sum.update(&chunk);
            sealer.add(&chunk).await?;
        }
        sealer.flush(true).await?;
        file.flush().await.map_err(|e| io(&e))?;
        file.sync_all().await.map_err(|e| io(&e))?;
        fs::rename(&part.0, self.path(id)).await.map_err(|e| io(&e))?;
        let folder = fs::File::open(&self.folder).await.map_err(|e| io(&e))?;
        folder.sync_all().await.map_err(|e| io(&e))?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(sum.finish().as_ref());
        Ok(Stored { size, sha256 })
    }

    /// An object's size and its bytes.
    ///
    /// # Errors
    /// `NotFound`; internal ones: a byte was changed, pieces are missing. Each piece is checked before it is given.
    pub async fn get(&self, id: Id) -> Result<(u64, BlobStream), Failure> {
        self.range(id, 0, u64::MAX).await
    }

    /// An object's whole size and `length` of its bytes from `start` on, fewer where it ends. Only the pieces that hold them
    /// are read, and the last one, which proves the size.
    ///
    /// # Errors
    /// As [`Blobs::get`].
    pub async fn range(&self, id: Id, start: u64, length: u64) -> Result<(u64, BlobStream), Failure> {
        let mut open = self.open(id).await?;
        let size = open.shape.size;
        if open.cipher.is_some() {
            open.piece(open.shape.last).await?;
        }
        let (start, end) = (start.min(size), start.saturating_add(length).min(size));
        let pieces = futures_util::stream::unfold(Some((open, start)), move |state| async move {
            let (mut open, at) = state.filter(|(_, at)| *at < end)?;
            let number = u32::try_from(at / PIECE as u64).unwrap_or(u32::MAX);
            match open.piece(number).await {
                Ok(mut piece) => {
                    let first = u64::from(number) * PIECE as u64;
                    let within = |at: u64| usize::try_from(at - first).unwrap_or(PIECE);
                    piece.truncate(within(end));
                    let next = first + piece.len() as u64;
                    let bytes = Bytes::from(piece).slice(within(at)..);
                    Some((Ok(bytes), Some((open, next))))
                }
                Err(failure) => Some((Err(failure), None)),
            }
        });
        Ok((size, Box::pin(pieces)))
    }

    async fn open(&self, id: Id) -> Result<Open, Failure> {
        let mut file = fs::File::open(self.path(id)).await.map_err(|e| io(&e))?;
        let length = file.metadata().await.map_err(|e| io(&e))?.len();
        let Some(keys) = &self.keys else {
            return Ok(Open { file, cipher: None, shape: Shape { size: length, last: 0 } });
        };
        let shape = Shape::of(length).ok_or_else(chunks::damaged)?;
        let mut head = [0; HEAD];
        file.read_exact(&mut head).await.map_err(|e| io(&e))?;
        let key = self.key(keys.as_ref(), id, &head).await?;
        Ok(Open { file, cipher: Some(Cipher::new(&key)?), shape })
    }

    /// The data key; while a head is being rewritten it lies whole in the file beside it.
    async fn key(&self, keys: &dyn Keys, id: Id, head: &[u8; HEAD]) -> Result<Secret, Failure> {
        let open = |envelope: Envelope| keys.open(self.tenant, Bulk::Object(id), envelope);
        match (open(chunks::envelope(head).ok_or_else(chunks::damaged)?).await, bulk::read(&self.beside(id))?) {
            (Err(_), Some(other)) => open(other).await,
            (opened, _) => opened,
        }
    }

    /// Removes an object; whether there was one.
    ///
    /// # Errors
    /// Internal.
    pub async fn delete(&self, id: Id) -> Result<bool, Failure> {
        let gone = match fs::remove_file(self.path(id)).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(io(&error)),
        };
        let _mostly_absent = fs::remove_file(self.beside(id)).await;
        gone
    }

    /// Wraps the data keys of all objects anew where they lie under an older key: only heads are written.
    pub(crate) fn rewrap(&self, into: &mut Wrapped) -> Result<(), Failure> {
        let Some(keys) = &self.keys else { return Ok(()) };
        for (id, path) in objects(&self.folder)? {
            match self.rewrap_one(keys.as_ref(), id, &path, into) {
                // Deleted meanwhile.
                Ok(()) | Err(Failure::NotFound) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    fn rewrap_one(&self, keys: &dyn Keys, id: Id, path: &Path, into: &mut Wrapped) -> Result<(), Failure> {
        use std::os::unix::fs::FileExt;
        let file = std::fs::OpenOptions::new().read(true).write(true).open(path).map_err(|e| io(&e))?;
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, 0).map_err(|e| io(&e))?;
        let envelope = chunks::envelope(&head).ok_or_else(chunks::damaged)?;
        let beside = self.beside(id);
        let (now, write) =
            match (bulk::wait(keys.rewrap(self.tenant, Bulk::Object(id), envelope)), bulk::read(&beside)?) {
                (Ok(Some(new)), _) => (new, true),
                // A file beside it is older than the object, or its head is written already.
                (Ok(None), _) => (envelope, false),
                // The head was torn by a crash.
                (Err(_), Some(left)) => {
                    (bulk::wait(keys.rewrap(self.tenant, Bulk::Object(id), left))?.unwrap_or(left), true)
                }
                (Err(failure), None) => return Err(failure),
            };
        if write {
            // First whole in a place of its own: a head that a crash tore can be written again.
            bulk::write(&beside, &now)?;
            file.write_all_at(&chunks::head(&now), 0).and_then(|()| file.sync_all()).map_err(|e| io(&e))?;
            into.rewrapped += 1;
        }
        let _mostly_absent = std::fs::remove_file(&beside);
        into.saw(keys.version(&now));
        Ok(())
    }

    /// An object of an earlier time, which lies in the clear.
    fn seal_plain(&self, id: Id, path: &Path) -> Result<(), Failure> {
        use std::{io::Write, os::unix::fs::OpenOptionsExt};
        let Some(keys) = &self.keys else { return Ok(()) };
        let mut file = std::fs::OpenOptions::new().read(true).write(true).open(path).map_err(|e| io(&e))?;
        let mut left = file.metadata().map_err(|e| io(&e))?.len();
        let mut read = |most: usize| -> Result<Vec<u8>, Failure> {
            let mut bytes = Vec::new();
            (&mut file).take(most as u64).read_to_end(&mut bytes).map_err(|e| io(&e))?;
            Ok(bytes)
        };
        let mut piece = read(PIECE)?;
        if chunks::is_sealed(&piece) {
            return Ok(());
        }
        let (key, envelope) = bulk::wait(keys.fresh(self.tenant, Bulk::Object(id)))?;
        let (cipher, part) = (Cipher::new(&key)?, Part(self.folder.join(format!("{id}.part"))));
        let mut options = std::fs::OpenOptions::new();
        let new = options.create(true).write(true).truncate(true).mode(0o600).open(&part.0);
        let mut new = new.map_err(|e| io(&e))?;
        new.write_all(&chunks::head(&envelope)).map_err(|e| io(&e))?;
        for number in 0.. {
            left -= piece.len() as u64;
            cipher.seal(number, left == 0, &mut piece)?;
            new.write_all(&piece).map_err(|e| io(&e))?;
            if left == 0 {
                break;
            }
            piece = read(PIECE)?;
            if piece.is_empty() {
                return Err(chunks::damaged());
            }
        }
        new.sync_all().and_then(|()| std::fs::rename(&part.0, path)).map_err(|e| io(&e))?;
        // Before the old blocks go: a power cut must not leave the name on them.
        std::fs::File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(|e| io(&e))?;
        // Its name is the sealed object's now; as far as a program can, its blocks hold nothing any more.
        let _best_effort = crate::sqlite::wipe(&file);
        Ok(())
    }
}

struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        let _renamed_or_gone = std::fs::remove_file(&self.0);
    }
}

/// Bytes that are already here, as a stream for [`Blobs::put`].
pub struct Whole(Option<Bytes>);

impl Whole {
    /// One chunk.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(Some(bytes.into()))
    }
}

impl Stream for Whole {
    type Item = Result<Bytes, Failure>;
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}
