//! "Secret fields are sealed with AES-256-GCM before they are written, each bound to its workspace, collection, field and
//! record." "Every context has a key of its own, and every region an independent root."
//!
//! Formats, all lengths and numbers big-endian. `lp(x)` is the length of `x` as 4 bytes, then `x`.
//!
//! - Root: one per region, held by a [`Kms`]: 32 bytes from the environment or a file ([`Local`]), or a key inside Vault or
//!   OpenBao ([`Transit`]). Tenant key (KEK): 32 random bytes per tenant and version, from 1. House key: the same, one per
//!   region, kept among the tenants' keys under the id `v7(0, first 10 bytes of SHA-256(region))`.
//! - Derived key: HKDF-SHA256 (RFC 5869) of a KEK, house key or local root, salt = SHA-256(lp(purpose) lp(region)),
//!   info = lp(purpose) lp(region) lp(context)..., 32 bytes. The context of a field is tenant, collection, field.
//! - Blob: version (1 byte, 1), algorithm (1 byte, 1 = XAES-256-GCM), key version (4), nonce (24), ciphertext, tag (16).
//! - Associated data: the blob's first 6 bytes, then lp of region, tenant, collection, field, row, and of the blind index
//!   if there is one.
//! - Blind index, in front of the blob: 0x80 + number of the normaliser (1 byte; 1 trims and folds case), key version (4),
//!   first 11 bytes of HMAC-SHA-256 of the normalised text under the key for purpose `blind-index`.
//! - KEK wrapped by a local root: AES-256-KWP (RFC 5649) under the root's key for purpose `wrap` and context tenant,
//!   version (4 bytes); by a key service: its ciphertext, with `["region","tenant",version]` as associated data.
//! - House blob (control's outbox): a blob under the house key's key for purpose `house` and context lp(purpose);
//!   associated data ends in lp of region and purpose.
//!
//! A root's life: it is judged by its age, from the first start that used it. One in a key service is turned there at that
//! age, and every key is wrapped by its new version; of any other root an operator brings the next.
//!
//! A key's life: made ([`Vault::next`]), followed by a newer one, retired when an index counts 0 values under it
//! ([`Vault::left`]), destroyed when no copy can need it ([`Vault::destroy`]); sections say as data where sealed values lie
//! ([`Column`]), and the sweeper seals them anew ([`Vault::renew`]).
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
mod kms;
mod openpgp;
mod post;
mod random;
mod ring;
mod root;
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
pub use kms::{Answer, Binding, Kms, Local};
pub use openpgp::TextKey;
pub use post::{Post, Posted};
pub use random::OsRng;
pub use ring::KEPT;
pub use root::Root;
pub use rotation::{Age, Aged, GRACE};
pub use sealed::{Column, Columns, Form, Part, oldest};
pub use signer::{Signer, verify_ed25519};
pub use sql::tables;
pub use tenant_key::Wrapped;
pub use transit::{Credentials, Transit};
pub use vault::{Region, Spot, Vault};
