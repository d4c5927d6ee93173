//! The second durable place of wrapped keys: one file per tenant and version, written before first use. Losing a key loses
//! every backup sealed by it, so a file is never overwritten.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use kernel::{Failure, TenantId};

use crate::tenant_key::Wrapped;

fn path(folder: &Path, tenant: TenantId, version: u32) -> PathBuf {
    folder.join(format!("{tenant}-{version}.json"))
}

fn failed(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Failure::DiskFull,
        _ => Failure::Internal(format!("encryption: key file: {error}").into()),
    }
}

/// The file of a tenant's key, if there is one.
pub(crate) fn read(folder: &Path, tenant: TenantId, version: u32) -> Result<Option<Wrapped>, Failure> {
    let damaged = || Failure::internal("encryption: a key file is damaged");
    match fs::read(path(folder, tenant, version)) {
        Ok(text) => {
            let found: Wrapped = serde_json::from_slice(&text).map_err(|_| damaged())?;
            let right = found.v == 1 && found.tenant == tenant && found.version == version;
            if right { Ok(Some(found)) } else { Err(damaged()) }
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed(&e)),
    }
}

/// Every version of a tenant's key that has a file, in order. Versions are counted from 1 without a gap.
pub(crate) fn read_all(folder: &Path, tenant: TenantId) -> Result<Vec<Wrapped>, Failure> {
    let mut found = Vec::new();
    while let Some(next) = read(folder, tenant, u32::try_from(found.len()).unwrap_or(u32::MAX).saturating_add(1))? {
        found.push(next);
    }
    Ok(found)
}

/// Writes the file, readable by its owner alone; durable, name and content, when it returns.
pub(crate) fn write(folder: &Path, key: &Wrapped) -> Result<(), Failure> {
    let text = serde_json::to_vec(key).map_err(|_| Failure::internal("encryption: a wrapped key is not JSON"))?;
    let path = path(folder, key.tenant, key.version);
    // Named after the random part of its content: two writers never share a draft.
    let draft = path.with_extension(hex::encode(key.wrapped.get(6..14).unwrap_or_default()));
    place(folder, &draft, &path, &text).map_err(|e| failed(&e))
}

fn place(folder: &Path, draft: &Path, path: &Path, text: &[u8]) -> std::io::Result<()> {
    if !folder.is_dir() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        folder.parent().map_or(Ok(()), |above| File::open(above)?.sync_all())?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(text)?;
    file.sync_all()?;
    // A link, not a rename: it fails when the name is taken.
    let linked = fs::hard_link(draft, path);
    fs::remove_file(draft)?;
    linked?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use kernel::{Secret, Time};

    use super::*;
    use crate::{OsRng, tenant_key::wrap_new};

    fn key(version: u32) -> Wrapped {
        wrap_new(TenantId::HOUSE, version, ("eu", &Secret::new([1; 32])), Time(5), &OsRng).unwrap()
    }

    #[test]
    fn a_key_file_is_private_complete_and_never_overwritten() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("keys");
        assert_eq!(read(&folder, TenantId::HOUSE, 1), Ok(None));
        let first = key(1);
        write(&folder, &first).unwrap();
        assert_eq!(read(&folder, TenantId::HOUSE, 1), Ok(Some(first.clone())));
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&path(&folder, TenantId::HOUSE, 1)), 0o600);
        assert!(write(&folder, &key(1)).is_err());
        assert_eq!(read(&folder, TenantId::HOUSE, 1), Ok(Some(first)));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn versions_are_found_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for version in [1, 2, 3] {
            write(folder.path(), &key(version)).unwrap();
        }
        let found: Vec<_> = read_all(folder.path(), TenantId::HOUSE).unwrap().iter().map(Wrapped::version).collect();
        assert_eq!(found, [1, 2, 3]);
    }

    #[test]
    fn a_damaged_or_misplaced_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &key(1)).unwrap();
        fs::copy(path(folder.path(), TenantId::HOUSE, 1), path(folder.path(), TenantId::HOUSE, 2)).unwrap();
        assert!(read(folder.path(), TenantId::HOUSE, 2).is_err());
        fs::write(path(folder.path(), TenantId::HOUSE, 1), b"{").unwrap();
        assert!(read(folder.path(), TenantId::HOUSE, 1).is_err());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("keys"), b"a file").unwrap();
        assert!(write(&folder.path().join("keys"), &key(1)).is_err());
    }
}
