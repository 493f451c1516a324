//! One table from what SQLite says to what the port promises.

use rusqlite::{ErrorCode, ffi};
use rustix::io::Errno;
use striatum_core::store::{AppendError, StoreError, StoreErrorKind};

/// Why something failed, before it is said what the caller was doing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// SQLite refused.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A rule of this crate was broken.
    #[error("{1}")]
    Rule(StoreErrorKind, String),
}

impl Fault {
    pub(crate) fn rule(kind: StoreErrorKind, text: impl Into<String>) -> Self {
        Self::Rule(kind, text.into())
    }

    pub(crate) fn corrupt(text: impl Into<String>) -> Self {
        Self::rule(StoreErrorKind::Corrupt, text)
    }

    pub(crate) fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Sql(error) => kind(error),
            Self::Io(error) => io_kind(error),
            Self::Rule(kind, _) => *kind,
        }
    }

    /// The error of the port: the same failure, met while `doing` something.
    pub(crate) fn during(self, doing: &'static str) -> StoreError {
        StoreError::new(self.kind(), doing).because(self)
    }

    /// The kind of a failed commit, after which SQLite sometimes cannot know what the disk holds.
    pub(crate) fn commit_kind(&self) -> StoreErrorKind {
        match self {
            Self::Sql(error) => commit_kind(error),
            Self::Io(_) | Self::Rule(..) => self.kind(),
        }
    }
}

/// Why an append or a reindexing stopped: an answer of the port, or a fault.
#[derive(Debug)]
pub(crate) enum Stop {
    Answer(AppendError),
    Fault(Fault),
}

impl Stop {
    pub(crate) fn during(self, doing: &'static str) -> AppendError {
        match self {
            Self::Answer(answer) => answer,
            Self::Fault(fault) => AppendError::Store(fault.during(doing)),
        }
    }
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

fn kind(error: &rusqlite::Error) -> StoreErrorKind {
    match error {
        rusqlite::Error::SqliteFailure(failure, _)
        | rusqlite::Error::SqlInputError { error: failure, .. } => failure_kind(failure),
        // The tables are strict and this crate wrote every row: a value that does not decode was put there by something else.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Other,
    }
}

/// What a full disk or a busy machine refuses now may pass later; a missing folder or permission will not.
fn io_kind(error: &std::io::Error) -> StoreErrorKind {
    match Errno::from_io_error(error) {
        Some(
            Errno::NOSPC
            | Errno::DQUOT
            | Errno::NOMEM
            | Errno::MFILE
            | Errno::NFILE
            | Errno::AGAIN
            | Errno::IO,
        ) => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Other,
    }
}

fn failure_kind(failure: &ffi::Error) -> StoreErrorKind {
    match failure.code {
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::DiskFull
        | ErrorCode::OutOfMemory => StoreErrorKind::Unavailable,
        ErrorCode::SystemIoFailure => match failure.extended_code {
            ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS | ffi::SQLITE_IOERR_DATA => {
                StoreErrorKind::Corrupt
            }
            _ => StoreErrorKind::Unavailable,
        },
        // A row stands where the head says that there is none, or the other way round.
        ErrorCode::ConstraintViolation => StoreErrorKind::Corrupt,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Other,
    }
}

/// A commit that could not write has written nothing: its last frame is what makes it valid. One that wrote but could not
/// flush is rolled back in memory, and yet a crash may bring it back.
fn commit_kind(error: &rusqlite::Error) -> StoreErrorKind {
    match (error.sqlite_error_code(), error.sqlite_extended_error_code()) {
        (Some(ErrorCode::SystemIoFailure), Some(ffi::SQLITE_IOERR_WRITE)) => StoreErrorKind::Unavailable,
        (Some(ErrorCode::SystemIoFailure), _) => StoreErrorKind::Unknown,
        _ => kind(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: std::os::raw::c_int) -> Fault {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into()
    }

    #[test]
    fn each_code_of_sqlite_has_its_kind() {
        use StoreErrorKind::{Corrupt, Other, Unavailable, Unknown};
        for (code, statement, commit) in [
            (ffi::SQLITE_BUSY, Unavailable, Unavailable),
            (ffi::SQLITE_BUSY_SNAPSHOT, Unavailable, Unavailable),
            (ffi::SQLITE_FULL, Unavailable, Unavailable),
            (ffi::SQLITE_IOERR_WRITE, Unavailable, Unavailable),
            (ffi::SQLITE_IOERR_FSYNC, Unavailable, Unknown),
            (ffi::SQLITE_IOERR_SHORT_READ, Corrupt, Unknown),
            (ffi::SQLITE_CORRUPT, Corrupt, Corrupt),
            (ffi::SQLITE_NOTADB, Corrupt, Corrupt),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, Corrupt, Corrupt),
            (ffi::SQLITE_READONLY, Other, Other),
        ] {
            assert_eq!(failure(code).kind(), statement, "{code}");
            assert_eq!(failure(code).commit_kind(), commit, "{code} at commit");
        }
    }

    #[test]
    fn a_full_disk_may_pass_and_a_missing_folder_will_not() {
        for (errno, expected) in
            [(Errno::NOSPC, StoreErrorKind::Unavailable), (Errno::NOENT, StoreErrorKind::Other)]
        {
            assert_eq!(Fault::from(std::io::Error::from(errno)).kind(), expected);
        }
    }
}
