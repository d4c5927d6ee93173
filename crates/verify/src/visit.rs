//! What a visitor can test of somebody's service from their own machine.

use kernel::Time;

use crate::report::Report;

/// Tests a service from outside.
///
/// # Errors
/// Words for the terminal.
pub async fn visit(_url: &str, _only: Option<String>, _now: Time) -> Result<Report, String> {
    Err("not yet".to_owned())
}
