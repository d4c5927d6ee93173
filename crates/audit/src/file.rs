//! The lines around an export's leaves. Both are JSON with their members in order, so each has one spelling.

use encryption::hash::sha256;
use kernel::Failure;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Name of the format.
pub(crate) const FORMAT: &str = "vouchsafe-audit-export/1";

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// The log's checkpoint at exactly `size` leaves.
    pub(crate) checkpoint: String,
    /// [`FORMAT`].
    pub(crate) format: String,
    /// Place of the first leaf here.
    pub(crate) from: u64,
    /// Roots of the perfect subtrees before it, largest first, Base64.
    pub(crate) frontier: Vec<String>,
    /// Name of the log.
    pub(crate) origin: String,
    /// One past the last leaf here.
    pub(crate) size: u64,
    /// The key that signed.
    pub(crate) vkey: String,
}

/// That a tree is the beginning of this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Consistency {
    /// Its size.
    pub(crate) from: u64,
    /// RFC 6962, 2.1.2; each Base64.
    pub(crate) proof: Vec<String>,
    /// Its root, Base64.
    pub(crate) root: String,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Footer {
    /// With an older checkpoint, when one was named.
    pub(crate) consistency: Option<Consistency>,
    /// Hash of the last leaf, hex; zeros when there is none.
    pub(crate) head: String,
    /// SHA-256 of the first line, hex.
    pub(crate) header: String,
    /// How many leaves stand between.
    pub(crate) leaves: u64,
}

fn line(of: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut bytes = serde_json::to_vec(of).map_err(|_| Failure::internal("audit: a line of an export"))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn read<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Option<T> {
    let found: T = serde_json::from_slice(bytes).ok()?;
    (serde_json::to_vec(&found).ok()? == bytes).then_some(found)
}

impl Header {
    pub(crate) fn line(&self) -> Result<Vec<u8>, Failure> {
        line(self)
    }
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        read(bytes)
    }
    /// What the footer says of it.
    pub(crate) fn hash(&self) -> Result<String, Failure> {
        let line = self.line()?;
        Ok(hex::encode(sha256(line.strip_suffix(b"\n").unwrap_or(&line))))
    }
}

impl Footer {
    pub(crate) fn line(&self) -> Result<Vec<u8>, Failure> {
        line(self)
    }
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        read(bytes)
    }
}
