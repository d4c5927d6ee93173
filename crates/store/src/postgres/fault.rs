//! What an error of PostgreSQL means. Its detail holds values and is never kept.

use std::collections::HashMap;

use kernel::Failure;
use tokio_postgres::{Error, error::SqlState};

/// Columns of each unique key, by its name.
pub(crate) type Keys = HashMap<String, String>;

/// Whether the same transaction can succeed when it is tried again.
pub(crate) fn again(error: &Error) -> bool {
    let code = error.code();
    code == Some(&SqlState::T_R_DEADLOCK_DETECTED) || code == Some(&SqlState::T_R_SERIALIZATION_FAILURE)
}

/// The failure that a section hears of; nothing of the transaction happened.
pub(crate) fn failure(error: &Error, keys: &Keys) -> Failure {
    let Some(db) = error.as_db_error() else {
        // The connection broke, or an argument could not be sent.
        return if error.is_closed() || std::error::Error::source(error).is_some_and(|s| s.is::<std::io::Error>()) {
            Failure::Busy(1)
        } else {
            Failure::Internal(format!("postgres: {error}").into())
        };
    };
    let code = db.code();
    if *code == SqlState::UNIQUE_VIOLATION {
        return Failure::Unique(db.constraint().and_then(|c| keys.get(c)).cloned().unwrap_or_default());
    }
    if *code == SqlState::FOREIGN_KEY_VIOLATION || *code == SqlState::RESTRICT_VIOLATION {
        return Failure::Reference;
    }
    match code.code().get(..2) {
        _ if *code == SqlState::DISK_FULL => Failure::DiskFull,
        // No resources, being shut down, cancelled by a time-out, cannot connect.
        Some("53" | "57" | "08") => Failure::Busy(1),
        _ => Failure::Internal(format!("postgres: {} {}", code.code(), db.message()).into()),
    }
}
