//! What an error of SQLite means for an order, for its group, for the file.

use kernel::Failure;
use rusqlite::{Error, ErrorCode, ffi};

/// How far an error reaches.
#[derive(Debug)]
pub(crate) enum Fault {
    /// One statement failed; the transaction stands.
    Order(Failure),
    /// The whole transaction cannot go on; nothing of it happened.
    Group(Failure),
    /// The file can no longer be trusted; the words are for the log.
    Lost(String),
}

impl Fault {
    /// For a read, or where there is no group.
    pub(crate) fn failure(self) -> Failure {
        match self {
            Self::Order(failure) | Self::Group(failure) => failure,
            Self::Lost(words) => Failure::Internal(words.into()),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let words = || format!("sqlite: {error}");
        let Some(code) = error.sqlite_error_code() else {
            return Self::Order(Failure::Internal(words().into()));
        };
        match code {
            ErrorCode::ConstraintViolation => Self::Order(constraint(&error)),
            ErrorCode::DiskFull => Self::Group(Failure::DiskFull),
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory
            | ErrorCode::CannotOpen
            | ErrorCode::OperationInterrupted => Self::Group(Failure::Busy(1)),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Lost(words()),
            ErrorCode::SystemIoFailure => match error.sqlite_extended_error_code() {
                Some(ffi::SQLITE_IOERR_NOMEM) => Self::Group(Failure::Busy(1)),
                // The index of the log could not grow.
                Some(ffi::SQLITE_IOERR_SHMSIZE | ffi::SQLITE_IOERR_SHMMAP) => Self::Group(Failure::DiskFull),
                _ => Self::Lost(words()),
            },
            _ => Self::Order(Failure::Internal(words().into())),
        }
    }
}

/// Column names only: no table, no value.
fn constraint(error: &Error) -> Failure {
    let Error::SqliteFailure(code, words) = error else {
        return Failure::internal("sqlite: constraint");
    };
    match code.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            let columns = words.as_deref().and_then(|w| w.split_once(": ")).map_or("", |(_, columns)| columns);
            let bare: Vec<_> = columns.split(", ").map(|c| c.rsplit_once('.').map_or(c, |(_, name)| name)).collect();
            Failure::Unique(bare.join(","))
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Failure::Reference,
        _ => Failure::Internal(format!("sqlite: {error}").into()),
    }
}

/// Whether the engine ran out of file handles (it says only that it cannot open).
pub(crate) fn no_handles(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::CannotOpen)
}
