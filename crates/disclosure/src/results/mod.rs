//! Verdicts: kept, signed, shown.

mod answers;
mod attestation;
mod badge;
mod exported;
mod http;
mod judged;
mod known;
mod pages;
mod publish;
mod repeat;
mod round;
pub(crate) mod signed;
mod speech;
pub(crate) mod sql;
mod testing;
#[cfg(test)]
mod tests;
mod view;
mod wording;

pub use attestation::{Attestation, Wish};
pub use exported::{Exported, Standing};
pub(crate) use http::{jobs, routes};
pub use round::{Finding, Round, Seen};
pub use testing::Testing;
pub(crate) use testing::Tests;
pub use manifest::Verdict;
pub(crate) use view::View;
