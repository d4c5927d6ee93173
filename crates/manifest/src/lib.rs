//! `app.toml` and `security.md`, read into typed values. No IO beyond text in.

pub mod amount;
pub mod catalogue;
mod fault;
mod figures;
mod fill;
mod keys;
pub mod model;
mod near;
mod read;
mod scalar;
mod tree;
mod units;

pub use catalogue::{Check, CheckKind, check, checks};
pub use fault::{Fault, render, render_warnings};
pub use model::*;
pub use read::{BUILT_IN, RESERVED, read};

use read::title;
