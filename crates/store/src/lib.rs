//! The only crate that names an engine. A [`Tx`] comes from a permit; a write is a [`Batch`]: data that a writer commits
//! together with its audit leaf and outbox rows in one transaction. Nothing here holds a transaction across an await.

// The library that `rusqlite` calls.
use ::sqlite as _;

mod apply;
mod blobs;
mod bulk;
mod chain;
mod chunks;
mod ddl;
mod engine;
mod folder;
mod once;
mod postgres;
mod row;
mod sqlite;
mod statement;
mod system;
mod table;
mod text;
mod tx;
mod value;

pub use blobs::{BlobStream, Blobs, Stored, Whole};
pub use bulk::{Bulk, ENVELOPE, Envelope, Keys, Sealing, Told, Wrapped, house_envelope};
pub use chain::{Chain, Head, Placed};
pub use engine::{Engine, Options, Stats, Store};
pub use once::{KeptReply, Replay};
pub use row::{Column, FromRow, Row};
pub use statement::{Args, Change, Control, Own, Query, Realm};
pub use table::{Foreign, Name, OnDelete, Slot, Table, Type};
pub use tx::{Apply, Batch, Lookup, Reader, Receipt, Revoke, Staging, Tx};
pub use value::Value;
