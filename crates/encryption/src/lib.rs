//! "Secret fields are sealed with AES-256-GCM before they are written, each bound to its workspace, collection, field and
//! record." "Every context has a key of its own, and every region an independent root."
//!
//! Formats, all lengths and numbers big-endian. `lp(x)` is the length of `x` as 4 bytes, then `x`.
//!
//! - Root key: 32 bytes per region. Tenant key (KEK): 32 random bytes per tenant and version, from 1.
//! - Derived key: HKDF-SHA256 (RFC 5869) of root or KEK, salt = SHA-256(lp(purpose) lp(region)),
//!   info = lp(purpose) lp(region) lp(context)..., 32 bytes. The context of a field is tenant, collection, field.
//! - Blob: version (1 byte, 1), algorithm (1 byte, 1 = XAES-256-GCM), key version (4), nonce (24), ciphertext, tag (16).
//! - Associated data: the blob's first 6 bytes, then lp of region, tenant, collection, field, row.
//! - Wrapped KEK: a blob under the root's `wrap` key, key version 1; associated data ends in lp of region, tenant and the
//!   KEK's version as 4 bytes.
//! - House blob (control's outbox): a blob under the root's `house` key of context lp(purpose); associated data ends in
//!   lp of region and purpose.
//!
//! - Envelope of a bulk object's data key: a blob under the tenant's `bulk` key of context lp(tenant); associated data ends in
//!   lp of region, tenant, `database` or `object`, and the object's id (empty for a database). The house's lie under its
//!   region's house key, version 1, with the house's id.
//!
//! Ids are written as their 36 characters.

mod blind;
mod blob;
mod bulk;
mod claims;
mod derive;
pub mod hash;
mod journal;
mod keyfile;
mod openpgp;
mod kms;
mod random;
mod ring;
mod rotation;
mod sealed;
mod signer;
mod sql;
mod tenant_key;
mod transit;
mod vault;
mod xaes;

pub use blind::{TAG, key_version};
pub use bulk::BulkKeys;
pub use claims::CLAIMS;
pub use openpgp::TextKey;
pub use kms::{Answer, Binding, Kms, Local};
pub use random::OsRng;
pub use signer::{Signer, verify_ed25519};
pub use rotation::{Age, Aged, GRACE};
pub use sealed::{Column, Columns, Form, Part, oldest};
pub use sql::tables;
pub use tenant_key::Wrapped;
pub use transit::{Credentials, Transit};
pub use vault::{Region, Spot, Vault};
