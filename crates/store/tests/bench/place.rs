//! Where a test's data lies: a folder of its own, and on PostgreSQL a database of its own.

use std::path::Path;

use store::Engine;
use tempfile::TempDir;

use super::Bench;

pub struct Place {
    folder: TempDir,
    pub engine: Engine,
}

impl Place {
    pub async fn sqlite() -> Option<Self> {
        Some(Self { folder: tempfile::tempdir().unwrap(), engine: Engine::Sqlite })
    }
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
    pub async fn open(&self) -> Bench {
        Bench::open(self.folder.path(), self.engine.clone()).await
    }
}
