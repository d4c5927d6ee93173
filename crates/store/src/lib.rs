//! The only crate that names an engine. A [`Tx`] comes from a permit; a write is a [`Batch`]: data that a writer commits
//! together with its audit leaf and outbox rows in one transaction. Nothing here holds a transaction across an await.

mod chain;
mod engine;
mod row;
mod statement;
mod table;
mod tx;
mod value;

pub use chain::{Chain, Head, Placed};
pub use engine::{Engine, Options, Store};
pub use row::{Column, FromRow, Row};
pub use statement::{Args, Change, Control, Own, Query, Realm};
pub use table::{Foreign, OnDelete, Slot, Table, Type};
pub use tx::{Apply, Batch, Lookup, Reader, Receipt, Revoke, Staging, Tx};
pub use value::Value;
