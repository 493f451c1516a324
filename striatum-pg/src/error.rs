//! One table from what Postgres says to what the port promises.

use std::{error::Error, fmt};

use deadpool_postgres::PoolError;
use striatum_core::store::{StoreError, StoreErrorKind};
use tokio_postgres::error::SqlState;

/// Why a store could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The address, or another part of the configuration, is not sound.
    #[error("the configuration is not sound: {0}")]
    Config(String),
    /// The server is older than Postgres 14.
    #[error("the server has version {0}; 14 is the oldest that is supported")]
    OldServer(String),
    /// The schema holds tables of something else.
    #[error("schema {0} belongs to another application")]
    Foreign(String),
    /// The schema was made by a newer version of this crate, which is to be used.
    #[error("the schema has version {found}, this program knows {known}")]
    Newer {
        /// The version of the schema.
        found: usize,
        /// The newest version that this crate knows.
        known: usize,
    },
    /// The schema has not been migrated to the version of this crate: [`PgStore::migrate`](crate::PgStore::migrate) does that.
    #[error("the schema has version {found} and is to be migrated to {known}")]
    Older {
        /// The version of the schema; 0 if there is none.
        found: usize,
        /// The version that this crate needs.
        known: usize,
    },
    /// A migration that made the schema is not the one that this crate has under its number.
    #[error("migration {version} of the schema is not the one of this program")]
    Changed {
        /// The number of the migration.
        version: usize,
    },
    /// The role could change events, and the configuration [requires](crate::Hardening::Require) that it cannot.
    #[error("role {role} may change events; connect as the runtime role")]
    TooMighty {
        /// The role of the connection.
        role: String,
    },
    /// A pooler in front of the server hands each transaction to whichever connection is free. Connect to the server itself, or
    /// let the pooler pool sessions.
    #[error(
        "a pooler of transactions is in front of the server; pool sessions, or connect to the server itself"
    )]
    Pooler,
    /// The server refused, or could not be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is to be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Nothing was written, and the same may pass at once: two transactions met.
    Again,
    /// Nothing was written, and the same may pass later.
    Later,
    /// The connection broke: what was sent may or may not have been done.
    Ask,
    /// Nothing was written, and it never will be.
    Never(StoreErrorKind),
}

/// Why something failed, before it is said what the caller was doing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The server refused, or the connection broke behind what was sent.
    #[error(transparent)]
    Sql(#[from] Sql),
    /// There was no connection to send anything on.
    #[error("there is no connection")]
    Connect(#[source] Box<dyn Error + Send + Sync>, Remedy),
    /// The server did not answer in time.
    #[error("the server did not answer in time")]
    Silent,
    /// A rule of this crate was broken.
    #[error("{1}")]
    Rule(StoreErrorKind, String),
}

/// A failure of the driver, which says little of the server's words in its own.
#[derive(Debug)]
pub(crate) struct Sql(tokio_postgres::Error);

impl fmt::Display for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_db_error() {
            Some(error) if is_pooler(error.code()) => {
                write!(f, "{}; a transaction pooler in front of the server is not supported", error.message())
            }
            Some(error) => write!(f, "{} ({})", error.message(), error.code().code()),
            None => self.0.fmt(f),
        }
    }
}

impl Error for Sql {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if self.0.as_db_error().is_some() { None } else { self.0.source() }
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(Sql(error))
    }
}

impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::connecting(error),
            PoolError::PostCreateHook(deadpool_postgres::HookError::Backend(error)) => {
                Self::connecting(error)
            }
            error => Self::Connect(Box::new(error), Remedy::Later),
        }
    }
}

impl Fault {
    pub(crate) fn rule(kind: StoreErrorKind, text: impl Into<String>) -> Self {
        Self::Rule(kind, text.into())
    }

    pub(crate) fn corrupt(text: impl Into<String>) -> Self {
        Self::rule(StoreErrorKind::Corrupt, text)
    }

    /// A failure before there was a connection: whatever it is, nothing was sent.
    pub(crate) fn connecting(error: tokio_postgres::Error) -> Self {
        let remedy = match error.code().map(remedy) {
            None | Some(Remedy::Ask | Remedy::Again) => Remedy::Later,
            Some(remedy) => remedy,
        };
        Self::Connect(Box::new(Sql(error)), remedy)
    }

    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            Self::Sql(Sql(error)) => match error.code() {
                Some(state) => remedy(state),
                None if is_undecodable(error) => Remedy::Never(StoreErrorKind::Corrupt),
                None => Remedy::Ask,
            },
            Self::Connect(_, remedy) => *remedy,
            Self::Silent => Remedy::Ask,
            Self::Rule(kind, _) => Remedy::Never(*kind),
        }
    }

    pub(crate) fn kind(&self) -> StoreErrorKind {
        match self.remedy() {
            // A key that two transactions write and that is still taken at the end of all patience is not their meeting.
            Remedy::Again if self.is_duplicate() => StoreErrorKind::Corrupt,
            Remedy::Again | Remedy::Later => StoreErrorKind::Unavailable,
            Remedy::Ask => StoreErrorKind::Unknown,
            Remedy::Never(kind) => kind,
        }
    }

    fn is_duplicate(&self) -> bool {
        matches!(self, Self::Sql(Sql(error)) if error.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }

    /// The error of the port: the same failure, met while `doing` something.
    pub(crate) fn during(self, doing: &'static str) -> StoreError {
        StoreError::new(self.kind(), doing).because(self)
    }

    /// The same for what only reads: a lost answer is no loss.
    pub(crate) fn reading(self, doing: &'static str) -> StoreError {
        let kind = match self.kind() {
            StoreErrorKind::Unknown => StoreErrorKind::Unavailable,
            kind => kind,
        };
        StoreError::new(kind, doing).because(self)
    }
}

/// A failure with its causes in one text, for those whose errors share it.
pub(crate) fn report(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// The driver has no code for this; a value that does not decode was not written by this crate.
fn is_undecodable(error: &tokio_postgres::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<std::io::Error>() {
            return false;
        }
        source = cause.source();
    }
    !error.is_closed() && error.source().is_some()
}

/// What a server says who does not know a statement that it prepared: it is another server process than before.
fn is_pooler(state: &SqlState) -> bool {
    matches!(*state, SqlState::INVALID_SQL_STATEMENT_NAME | SqlState::DUPLICATE_PSTATEMENT)
}

fn remedy(state: &SqlState) -> Remedy {
    use StoreErrorKind::{Corrupt, Other, Schema};
    match *state {
        SqlState::T_R_SERIALIZATION_FAILURE
        | SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::UNIQUE_VIOLATION => Remedy::Again,
        SqlState::LOCK_NOT_AVAILABLE
        | SqlState::QUERY_CANCELED
        | SqlState::CANNOT_CONNECT_NOW
        | SqlState::READ_ONLY_SQL_TRANSACTION
        | SqlState::IO_ERROR => Remedy::Later,
        SqlState::ADMIN_SHUTDOWN
        | SqlState::CRASH_SHUTDOWN
        | SqlState::IDLE_SESSION_TIMEOUT
        | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => Remedy::Ask,
        SqlState::UNDEFINED_TABLE
        | SqlState::UNDEFINED_COLUMN
        | SqlState::UNDEFINED_FUNCTION
        | SqlState::INVALID_SCHEMA_NAME => Remedy::Never(Schema),
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => Remedy::Never(Corrupt),
        _ => match state.code().get(..2) {
            // Out of connections, memory or disk.
            Some("53") => Remedy::Later,
            Some("08") => Remedy::Ask,
            _ => Remedy::Never(Other),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_of_the_server_has_its_remedy() {
        use StoreErrorKind::{Corrupt, Other, Schema};
        for (state, expected) in [
            ("40001", Remedy::Again),
            ("40P01", Remedy::Again),
            ("23505", Remedy::Again),
            ("55P03", Remedy::Later),
            ("57014", Remedy::Later),
            ("57P03", Remedy::Later),
            ("25006", Remedy::Later),
            ("53100", Remedy::Later),
            ("53300", Remedy::Later),
            ("58030", Remedy::Later),
            // Behind the commit the answer may be replaced by one of these.
            ("57P01", Remedy::Ask),
            ("57P02", Remedy::Ask),
            ("08006", Remedy::Ask),
            ("42P01", Remedy::Never(Schema)),
            ("42883", Remedy::Never(Schema)),
            ("3F000", Remedy::Never(Schema)),
            ("XX001", Remedy::Never(Corrupt)),
            ("42501", Remedy::Never(Other)),
            ("28P01", Remedy::Never(Other)),
            ("22021", Remedy::Never(Other)),
            ("26000", Remedy::Never(Other)),
            ("SR001", Remedy::Never(Other)),
        ] {
            assert_eq!(remedy(&SqlState::from_code(state)), expected, "{state}");
        }
    }
}
