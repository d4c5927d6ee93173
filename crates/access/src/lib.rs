//! "People see what their role allows, and nothing else": every request asks here first, and only here are permits made.
//! "Nobody can hand out rights they do not have": invitations, assignment and every other handler that confers rights.

#[cfg(test)]
mod bench;
mod compile;
mod gate;
pub mod mask;
mod matrix;
mod refusals;
mod rights;
pub mod rows;
mod sql;
mod table;

pub use gate::{Access, Counts, Policy, REFUSED};
pub use matrix::{Column, Denied, Matrix, TENANT};
pub use rights::Right;
pub use table::{Line, golden};

/// Tables of this section.
#[must_use]
pub fn tables() -> Vec<store::Table> {
    sql::tables()
}
