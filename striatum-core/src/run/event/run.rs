//! What happens to a run as a whole.

use serde::{Deserialize, Serialize};

use super::{CanceledJob, Deviation, EndCause};
use crate::{
    digest::{BlobRef, Digest},
    id::{ChainId, CommitId, RunId, WorkflowId},
    run::RunStatus,
};

fn is_false(flag: &bool) -> bool {
    !*flag
}

data! {
    /// The run exists: its workflow is frozen.
    RunPrepared {
        /// The run.
        run: RunId,
        /// The chain that its events are in: the repository.
        chain: ChainId,
        /// What is executed, kept as a blob.
        snapshot: BlobRef,
        /// The workflow's name.
        workflow: WorkflowId,
        /// The commit that the run starts from.
        base: CommitId,
    }
    /// It is settled where the result goes.
    BranchConfirmed {
        /// The branch.
        branch: String,
        /// Where it pointed; nothing if it did not exist.
        at: Option<CommitId>,
    }
    /// Jobs are handed out from now on.
    RunStarted {}
    /// No job is handed out for now.
    RunPaused {}
    /// Jobs are handed out again.
    RunResumed {
        /// Whether the run may use up its budget once more.
        #[serde(default, skip_serializing_if = "is_false")]
        more_budget: bool,
    }
    /// The run has ended.
    RunEnded {
        /// How.
        status: RunStatus,
        /// Why.
        cause: EndCause,
        /// The digest of the completion record.
        record: Digest,
        /// Why in words, as a blob.
        reason: Option<BlobRef>,
        /// The jobs that ended with it, but for those that the events before it name.
        canceled: Vec<CanceledJob>,
    }
    /// A run that had ended goes on.
    RunReopened {}
    /// The run's branch holds its result.
    RunDelivered {
        /// The branch.
        branch: String,
        /// The commit it points to.
        commit: CommitId,
        /// Judged files that came out different.
        deviations: Vec<Deviation>,
    }
    /// The result was not delivered, because it differs from what was judged.
    DeliveryWithheld {
        /// The commit that would have been delivered.
        commit: CommitId,
        /// The files that differ.
        deviations: Vec<Deviation>,
    }
    /// A run that was completed is declared unsound.
    RunCompromised {
        /// Why, as a blob.
        rationale: BlobRef,
        /// Who ruled.
        by: String,
    }
}
