//! SQLite: a file per tenant, so the wall between tenants is physical; the scope of a statement is its connection.

mod apply;
mod connection;
mod fault;
mod file;
mod files;
mod group;
mod schema;
mod seal;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use file::PATIENCE;
pub(crate) use files::Files;
pub(crate) use seal::{fits, wipe};
