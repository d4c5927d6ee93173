//! Objects: files under `blobs/<tenant>/`, reached only through a permit, whose tenant is the prefix.

use std::{
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use aws_lc_rs::digest;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use kernel::{Failure, Id, TenantId};
use tokio::{
    fs,
    io::{AsyncReadExt, AsyncWriteExt},
};

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// An object's bytes, piece by piece.
pub type BlobStream = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// Where objects lie.
pub(crate) struct Folder {
    root: Arc<PathBuf>,
}

impl Folder {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root: Arc::new(root) }
    }
    pub(crate) fn of(&self, tenant: TenantId) -> Blobs {
        let folder = if kernel::sabotage::off("tenant.storage_prefix") {
            self.root.as_ref().clone()
        } else {
            self.root.join(tenant.to_string())
        };
        Blobs { folder }
    }
}

/// One tenant's objects. Names are ids, so no name can leave the tenant's folder.
pub struct Blobs {
    folder: PathBuf,
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
        _ => Failure::Internal(format!("store: blob: {error}").into()),
    }
}

impl Blobs {
    fn path(&self, id: Id) -> PathBuf {
        self.folder.join(id.to_string())
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
        let mut sum = digest::Context::new(&digest::SHA256);
        let mut size: u64 = 0;
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk?;
            size = size.saturating_add(chunk.len() as u64);
            if size > cap {
                return Err(Failure::TooLarge(cap));
            }
            sum.update(&chunk);
            file.write_all(&chunk).await.map_err(|e| io(&e))?;
        }
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
    /// `NotFound`; internal ones.
    pub async fn get(&self, id: Id) -> Result<(u64, BlobStream), Failure> {
        let file = fs::File::open(self.path(id)).await.map_err(|e| io(&e))?;
        let size = file.metadata().await.map_err(|e| io(&e))?.len();
        let chunks = futures_util::stream::unfold(Some(file), |file| async move {
            let mut file = file?;
            let mut buffer = vec![0; CHUNK];
            match file.read(&mut buffer).await {
                Ok(0) => None,
                Ok(n) => {
                    buffer.truncate(n);
                    Some((Ok(Bytes::from(buffer)), Some(file)))
                }
                Err(error) => Some((Err(io(&error)), None)),
            }
        });
        Ok((size, Box::pin(chunks)))
    }

    /// Removes an object; whether there was one.
    ///
    /// # Errors
    /// Internal.
    pub async fn delete(&self, id: Id) -> Result<bool, Failure> {
        match fs::remove_file(self.path(id)).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(io(&error)),
        }
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
