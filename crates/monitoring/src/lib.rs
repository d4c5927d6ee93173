//! "Every log line is JSON with time, level, request id and workspace." "Logs carry no bodies, tokens, e-mail addresses or
//! card numbers." "Unhandled errors are reported with the request's id."
//!
//! Requests never wait for a log: lines go through a bounded channel to one writer thread, and what does not fit is
//! counted. What is logged is typed, so that a query string, a header or a body cannot be passed by accident; the few free
//! texts go through [`scrub`].

pub mod cards;
mod claims;
mod line;
mod metrics;
mod monitor;
mod scrub;
mod writer;

pub use claims::CLAIMS;
pub use line::{Field, Level, Line};
pub use monitor::{Monitor, Sink};
pub use scrub::scrub;
