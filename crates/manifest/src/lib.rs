//! `app.toml` and `security.md`, read into typed values. No IO beyond text in.

pub mod amount;
pub mod catalogue;
mod controls;
mod explain;
mod fault;
mod figures;
mod fill;
mod keys;
pub mod model;
mod near;
mod new;
pub mod page;
mod read;
mod scalar;
mod schema;
mod tree;
mod units;
mod verdict;

pub use catalogue::{Check, CheckKind, check, checks};
pub use controls::{Control, control, controls};
pub use explain::{explain, summary};
pub use fault::{Fault, render, render_warnings};
pub use model::*;
pub use new::new_app;
pub use page::{Page, PageClaim, html, markdown, page, prose};
pub use read::{BUILT_IN, RESERVED, read};
pub use schema::schema;
pub use verdict::{Verdict, verdict_of};
