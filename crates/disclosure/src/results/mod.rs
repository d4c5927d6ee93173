//! Verdicts: kept, signed, shown.

mod answers;
pub(crate) mod attestation;
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
pub(crate) use http::{REMIND, jobs, routes};
pub(crate) use judged::Alarm;
pub(crate) use judged::State;
pub use manifest::Verdict;
pub use round::{Finding, Round, Seen};
pub use testing::Testing;
pub(crate) use testing::Tests;
pub(crate) use view::View;
