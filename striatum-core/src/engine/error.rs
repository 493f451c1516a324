//! Why a command was not executed.

use crate::{
    id::RunId,
    run::{CodecError, IllegalEvent, Rejection},
    store::{AppendError, BlobError, Holder, InvalidBatch, Resource, StoreError, StoreErrorKind},
    workflow::InvalidSnapshot,
};

/// Why a command was not executed, or a run not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The store has no event of this run.
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    /// The command does not apply. Final.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The lease has not lapsed, or the wait is not over, by the store's clock.
    #[error("the store's clock does not allow it yet")]
    GuardFailed,
    /// A resource that the command takes is held.
    #[error("{resource} is held by {holder}")]
    Busy {
        /// The resource.
        resource: Resource,
        /// Who holds it.
        holder: Holder,
    },
    /// The run kept moving while the command was decided.
    #[error("the run kept moving")]
    Contended,
    /// Two of the commands depend on the store's clock.
    #[error("only one command of an append may depend on the store's clock")]
    Uncombinable,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blobs failed.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The stored history is not sound. The run is left alone.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// A stored event cannot be read. The run is left alone.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The stored snapshot cannot be read. The run is left alone.
    #[error(transparent)]
    Snapshot(#[from] InvalidSnapshot),
    /// The events do not fit into a batch.
    #[error(transparent)]
    Batch(#[from] InvalidBatch),
}

impl EngineError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchRun(_) => "run_unknown",
            Self::Rejected(rejection) => rejection.code(),
            Self::GuardFailed => "guard_failed",
            Self::Busy { .. } => "resource_busy",
            Self::Contended => "contended",
            Self::Uncombinable => "uncombinable",
            Self::Store(error) => error.kind().code(),
            Self::Blob(error) => error.kind.code(),
            Self::Codec(CodecError::Newer { .. }) => StoreErrorKind::Schema.code(),
            Self::Illegal(_) | Self::Codec(_) => "history_unsound",
            Self::Snapshot(_) => "snapshot_invalid",
            Self::Batch(_) => "batch_invalid",
        }
    }

    /// What to do next.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NoSuchRun(_) => "check the run id; the store lists its runs",
            Self::Rejected(rejection) => rejection.remedy(),
            Self::GuardFailed => "wait until the store's clock allows it, then try again",
            Self::Busy { .. } => "try again when the resource is free",
            Self::Contended => "try again; others are writing to this run at the same time",
            Self::Uncombinable => "send the commands one by one",
            Self::Store(error) => error.kind().remedy(),
            Self::Blob(_) => "check the blob folder; what was erased shows as erased",
            Self::Codec(CodecError::Newer { .. }) => StoreErrorKind::Schema.remedy(),
            Self::Illegal(_) | Self::Codec(_) | Self::Snapshot(_) => {
                "verify the store; this run is left alone, others go on"
            }
            Self::Batch(_) => "shorten the names and paths, or split the command",
        }
    }
}

impl From<AppendError> for EngineError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict => Self::Contended,
            AppendError::GuardFailed => Self::GuardFailed,
            AppendError::Busy { resource, holder } => Self::Busy { resource, holder },
            AppendError::Store(error) => Self::Store(error),
        }
    }
}
