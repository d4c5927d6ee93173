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
    let path = path(folder, tenant, version);
    let damaged = || Failure::Internal(format!("encryption: the key file {} is damaged", path.display()).into());
    match fs::read(&path) {
        Ok(text) => {
            let found: Wrapped = serde_json::from_slice(&text).map_err(|_| damaged())?;
            let right = found.v == 1 && found.tenant == tenant && found.version == version;
            if right { Ok(Some(found)) } else { Err(damaged()) }
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed(&e)),
    }
}

/// Whose key, and which version, each file is by its name.
fn names(folder: &Path) -> Result<Vec<(String, u32)>, Failure> {
    let files = match fs::read_dir(folder) {
        Ok(files) => files,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(&e)),
    };
    let mut names = Vec::new();
    for file in files {
        let name = file.map_err(|e| failed(&e))?.file_name();
        let parts = name.to_str().and_then(|n| n.strip_suffix(".json")?.rsplit_once('-'));
        names.extend(parts.and_then(|(id, version)| Some((id.to_owned(), version.parse().ok()?))));
    }
    Ok(names)
}

/// Every version of a tenant's key that has a file, in order. The oldest may be gone, destroyed.
pub(crate) fn read_all(folder: &Path, tenant: TenantId) -> Result<Vec<Wrapped>, Failure> {
    let id = tenant.to_string();
    let mut versions: Vec<u32> =
        names(folder)?.into_iter().filter(|(of, _)| *of == id).map(|(_, version)| version).collect();
    versions.sort_unstable();
    let found = versions.into_iter().map(|version| read(folder, tenant, version));
    found.filter_map(Result::transpose).collect()
}

/// Regions that have keys here: of houses, made at the beginning of time before any tenant, or of tenants.
pub(crate) fn regions(folder: &Path, of: Owner) -> Result<Vec<String>, Failure> {
    let mut regions = Vec::new();
    for (id, version) in names(folder)? {
        if id.starts_with("00000000-0000-7") == (of == Owner::House)
            && let Ok(id) = id.parse()
        {
            regions.extend(read(folder, id, version)?.map(|key| key.region));
        }
    }
    regions.sort();
    regions.dedup();
    Ok(regions)
}

/// Whose keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    House,
    Tenants,
}

/// Writes the file, readable by its owner alone; durable, name and content, when it returns.
pub(crate) fn write(folder: &Path, key: &Wrapped) -> Result<(), Failure> {
    let text = serde_json::to_vec(key).map_err(|_| Failure::internal("encryption: a wrapped key is not JSON"))?;
    let path = path(folder, key.tenant, key.version);
    // Named after the random part of its content: two writers never share a draft.
    let draft = path.with_extension(hex::encode(key.wrapped.get(..8).unwrap_or_default()));
    place(folder, &draft, &path, &text).map_err(|e| failed(&e))
}

/// Writes the file over an earlier wrapping of the same key.
pub(crate) fn replace(folder: &Path, key: &Wrapped) -> Result<(), Failure> {
    let text = serde_json::to_vec(key).map_err(|_| Failure::internal("encryption: a wrapped key is not JSON"))?;
    let path = path(folder, key.tenant, key.version);
    let draft = path.with_extension(hex::encode(key.wrapped.get(..8).unwrap_or_default()));
    let put = || {
        prepare(folder)?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(folder)?.sync_all()
    };
    put().map_err(|e| failed(&e))
}

/// Removes the file of a destroyed key.
pub(crate) fn remove(folder: &Path, tenant: TenantId, version: u32) -> Result<(), Failure> {
    match fs::remove_file(path(folder, tenant, version)) {
        Ok(()) => File::open(folder).and_then(|f| f.sync_all()).map_err(|e| failed(&e)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(failed(&e)),
    }
}

fn prepare(folder: &Path) -> std::io::Result<()> {
    if !folder.is_dir() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        folder.parent().map_or(Ok(()), |above| File::open(above)?.sync_all())?;
    }
    Ok(())
}

fn place(folder: &Path, draft: &Path, path: &Path, text: &[u8]) -> std::io::Result<()> {
    prepare(folder)?;
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

    use futures_util::FutureExt;
    use kernel::{Secret, Time};

    use super::*;
    use crate::{
        OsRng,
        kms::{Binding, Local},
        tenant_key::wrap_new,
    };

    fn key(version: u32) -> Wrapped {
        let holder = Local::new("eu", Secret::new([1; 32])).unwrap();
        let binding = Binding { region: "eu", tenant: TenantId::HOUSE, version };
        wrap_new(binding, &holder, Time(5), &OsRng).now_or_never().unwrap().unwrap().0
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
        remove(folder.path(), TenantId::HOUSE, 1).unwrap();
        remove(folder.path(), TenantId::HOUSE, 1).unwrap();
        let found: Vec<_> = read_all(folder.path(), TenantId::HOUSE).unwrap().iter().map(Wrapped::version).collect();
        assert_eq!(found, [2, 3]);
        let again = key(3);
        replace(folder.path(), &again).unwrap();
        assert_eq!(read(folder.path(), TenantId::HOUSE, 3), Ok(Some(again)));
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
