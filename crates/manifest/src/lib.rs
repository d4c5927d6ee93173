//! `app.toml` and `security.md`, read into typed values. No IO beyond text in.

pub mod amount;
pub mod model;

pub use model::*;
