//! What can go wrong in a store, by what the caller should do about it.

use std::{error::Error, fmt};

use crate::store::{Holder, Resource};

/// What kind of failure a store met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store cannot be reached or is overloaded or out of space; nothing was written.
    Unavailable,
    /// The answer was lost: the write may or may not have landed. Sending the same batch again settles it.
    Unknown,
    /// The history at a cursor is not the one that the reader saw: the store was restored or diverged.
    HistoryChanged,
    /// Stored data is damaged.
    Corrupt,
    /// The store was written by a newer version, or is not a store of ours.
    Schema,
    /// Anything else; trying again will not help.
    Other,
}

impl StoreErrorKind {
    /// The stable code of this kind.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unavailable => "store_unavailable",
            Self::Unknown => "store_unknown",
            Self::HistoryChanged => "history_changed",
            Self::Corrupt => "store_corrupt",
            Self::Schema => "store_schema",
            Self::Other => "store_error",
        }
    }

    /// What the operator can do.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Unavailable => "try again once the store can be reached and has space",
            Self::Unknown => "repeat the command under the same id; it is applied at most once",
            Self::HistoryChanged => "read again from the beginning, and find out who restored the store",
            Self::Corrupt => "stop writing, verify the store, and restore it from a backup",
            Self::Schema => "use the version of striatum that wrote this store, or a newer one",
            Self::Other => "see the cause",
        }
    }
}

/// A failure of a store: what kind, while doing what, and why.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    doing: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// A failure without a deeper cause. `doing` is a phrase like `"open the database"`.
    pub const fn new(kind: StoreErrorKind, doing: &'static str) -> Self {
        Self { kind, doing, source: None }
    }

    /// The same with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of failure this is.
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Unavailable | StoreErrorKind::Unknown)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.kind {
            StoreErrorKind::Unavailable => "the store is unavailable",
            StoreErrorKind::Unknown => "the store's answer was lost",
            StoreErrorKind::HistoryChanged => "the stored history changed",
            StoreErrorKind::Corrupt => "the stored data is damaged",
            StoreErrorKind::Schema => "the store has another format",
            StoreErrorKind::Other => "the store failed",
        };
        write!(f, "cannot {}: {state}", self.doing)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Why a batch was not appended. Nothing of it was written, unless the kind of the store error is
/// [`Unknown`](StoreErrorKind::Unknown).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The run has moved on: load, decide and append again.
    #[error("the run has moved on")]
    Conflict,
    /// The guard does not hold, or no longer.
    #[error("the condition of the append does not hold")]
    GuardFailed,
    /// A resource is held.
    #[error("{resource} is held by {holder}")]
    Busy {
        /// The first resource, in key order, that is held.
        resource: Resource,
        /// Who holds it.
        holder: Holder,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What kind of failure a blob store met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlobErrorKind {
    /// There are no such bytes, or they were erased.
    NotFound,
    /// The stored bytes hash to something else.
    Corrupt,
    /// The blobs cannot be reached, or there is no space.
    Unavailable,
}

impl BlobErrorKind {
    /// The stable code of this kind.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "blob_not_found",
            Self::Corrupt => "blob_corrupt",
            Self::Unavailable => "blobs_unavailable",
        }
    }
}

/// A failure to keep or fetch bytes.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}: {}", match kind {
    BlobErrorKind::NotFound => "no such bytes are kept",
    BlobErrorKind::Corrupt => "the stored bytes do not give their digest",
    BlobErrorKind::Unavailable => "the blobs cannot be reached",
})]
pub struct BlobError {
    /// What kind of failure this is.
    pub kind: BlobErrorKind,
    /// What was being done, with the digest.
    pub doing: String,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl BlobError {
    /// A failure without a deeper cause.
    pub fn new(kind: BlobErrorKind, doing: impl Into<String>) -> Self {
        Self { kind, doing: doing.into(), source: None }
    }

    /// The same with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
