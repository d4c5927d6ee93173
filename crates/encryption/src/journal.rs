//! The journal of destroyed keys: a list beside the keys that is only ever added to. Whatever is restored later, a key on it
//! stays destroyed.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use kernel::{Failure, TenantId, Time};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Line {
    tenant: TenantId,
    version: u32,
    at: Time,
}

/// Destroyed keys.
pub(crate) struct Journal {
    path: PathBuf,
    gone: Mutex<BTreeSet<(TenantId, u32)>>,
}

fn failed(error: &std::io::Error) -> Failure {
    Failure::Internal(format!("encryption: journal of destroyed keys: {error}").into())
}

impl Journal {
    /// From the key folder. A last line that was cut off by a crash was never acted on.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("destroyed.jsonl");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => String::new(),
            Err(e) => return Err(failed(&e)),
        };
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        Ok(Self { path, gone: Mutex::new(lines.map(|line| (line.tenant, line.version)).collect()) })
    }
    /// Durable when it returns, before anything is deleted.
    pub(crate) fn add(&self, tenant: TenantId, version: u32, at: Time) -> Result<(), Failure> {
        let line = serde_json::to_string(&Line { tenant, version, at })
            .map_err(|_| Failure::internal("encryption: journal line"))?;
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        let write = || {
            let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
            // Behind a line that was cut off, this one stands alone.
            file.write_all(format!("\n{line}\n").as_bytes())?;
            file.sync_all()?;
            self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        write().map_err(|e| failed(&e))?;
        gone.insert((tenant, version));
        Ok(())
    }
    pub(crate) fn all(&self) -> Vec<(TenantId, u32)> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_destroyed_stays_on_it() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::read(folder.path()).unwrap();
        journal.add(TenantId::HOUSE, 1, Time(5)).unwrap();
        let mut file = OpenOptions::new().append(true).open(&journal.path).unwrap();
        file.write_all(b"{\"tenant\":\"0000").unwrap();
        journal.add(TenantId::HOUSE, 2, Time(6)).unwrap();
        assert_eq!(Journal::read(folder.path()).unwrap().all(), [(TenantId::HOUSE, 1), (TenantId::HOUSE, 2)]);
    }
}
