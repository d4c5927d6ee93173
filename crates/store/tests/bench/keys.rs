//! Keys for tests: wrapping that anyone could undo, but bound to tenant, purpose and version as real wrapping is.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use aws_lc_rs::{digest, rand};
use kernel::{Failure, Secret, TenantId};
use rusqlite::Connection;
use store::{Bulk, Envelope, Keys, Sealing, Told};

pub struct Toy {
    /// The newest version.
    pub version: AtomicU32,
}

fn mask(tenant: TenantId, what: Bulk, version: u32) -> Vec<u8> {
    digest::digest(&digest::SHA256, format!("{tenant} {what:?} {version}").as_bytes()).as_ref().to_vec()
}

impl Toy {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { version: AtomicU32::new(1) })
    }
    fn wrap(&self, tenant: TenantId, what: Bulk, key: &[u8]) -> Envelope {
        let version = self.version.load(Ordering::SeqCst);
        let mut out = [0; 78];
        out[..4].copy_from_slice(&version.to_be_bytes());
        out[4..36].copy_from_slice(&mask(tenant, what, version));
        let pad = mask(tenant, what, version + 1_000_000);
        key.iter().zip(pad).zip(&mut out[36..]).for_each(|((k, p), to)| *to = k ^ p);
        out[68..].copy_from_slice(&digest::digest(&digest::SHA256, key).as_ref()[..10]);
        out
    }
}

impl Keys for Toy {
    fn fresh(&self, tenant: TenantId, what: Bulk) -> Told<'_, (Secret, Envelope)> {
        let mut key = [0; 32];
        rand::fill(&mut key).unwrap();
        Box::pin(async move { Ok((Secret::new(key), self.wrap(tenant, what, &key))) })
    }
    fn open(&self, tenant: TenantId, what: Bulk, envelope: Envelope) -> Told<'_, Secret> {
        Box::pin(async move { self.unwrap(tenant, what, &envelope) })
    }
    fn rewrap(&self, tenant: TenantId, what: Bulk, envelope: Envelope) -> Told<'_, Option<Envelope>> {
        Box::pin(async move {
            let key = self.unwrap(tenant, what, &envelope)?;
            let old = self.version(&envelope) != self.version.load(Ordering::SeqCst);
            Ok(old.then(|| self.wrap(tenant, what, key.expose())))
        })
    }
    fn version(&self, envelope: &Envelope) -> u32 {
        u32::from_be_bytes(envelope[..4].try_into().unwrap())
    }
}

impl Toy {
    pub fn unwrap(&self, tenant: TenantId, what: Bulk, envelope: &Envelope) -> Result<Secret, Failure> {
        let version = self.version(envelope);
        let key: Vec<_> =
            envelope[36..68].iter().zip(mask(tenant, what, version + 1_000_000)).map(|(e, p)| e ^ p).collect();
        let sound = envelope[4..36] == mask(tenant, what, version)
            && envelope[68..] == digest::digest(&digest::SHA256, &key).as_ref()[..10];
        if sound { Ok(Secret::new(key)) } else { Err(Failure::internal("toy: it does not open")) }
    }
}

pub fn sealing(pages: bool) -> Sealing {
    Sealing { keys: Toy::new(), pages }
}

/// Opens a database from outside, sealed or not.
pub fn peek(path: &Path, tenant: TenantId) -> Connection {
    let db = Connection::open(path).unwrap();
    if let Ok(bytes) = std::fs::read(path.with_extension("key")) {
        let key = Toy::new().unwrap(tenant, Bulk::Database, bytes[16..].try_into().unwrap()).unwrap();
        db.execute_batch(&format!("PRAGMA key = \"raw:{}\"", hex::encode(key.expose()))).unwrap();
    }
    db
}
