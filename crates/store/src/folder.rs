//! The data folder belongs to one server at a time, whatever the engine.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use kernel::Failure;

/// One server per folder. The lock goes with the process, however it ends.
pub(crate) fn claim(folder: &Path) -> Result<File, Failure> {
    let io = |what: &str, e: &std::io::Error| {
        Failure::Internal(format!("the data folder {} cannot be {what}: {e}", folder.display()).into())
    };
    private(folder).map_err(|e| io("made", &e))?;
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).read(true).write(true).mode(0o600).open(folder.join("lock"));
    let file = file.map_err(|e| io("locked", &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::Internal(
            format!(
                "the data folder {} is in use by another server: stop it first, or choose another --data",
                folder.display()
            )
            .into(),
        )),
        Err(TryLockError::Error(e)) => Err(io("locked", &e)),
    }
}

/// A folder, and those above it, that only this account can enter.
pub(crate) fn private(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
