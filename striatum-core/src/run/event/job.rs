//! How jobs move.

use serde::{Deserialize, Serialize};

use super::{
    Backoff, CancelCause, CanceledJob, Checkpoint, Freshness, Ground, IdentityDoubt, LeaseEnd, ReopenCause,
    Reopened, SessionStart, SkipCause, Submission,
};
use crate::{
    digest::Digest,
    id::{JobId, SessionId},
    run::command::DeliveryMode,
    sandbox::Isolation,
    time::Timestamp,
};

data! {
    /// A job may be claimed.
    JobReadied {
        /// The job.
        job: JobId,
        /// At which attempt.
        attempt: u32,
        /// Whether the attempt is a new one.
        fresh: Freshness,
        /// How long it waits first.
        wait: Option<Backoff>,
        /// The lease that ended, if one did.
        ended: Option<LeaseEnd>,
    }
    /// A job was granted to a session.
    JobClaimed {
        /// The job.
        job: JobId,
        /// At which attempt.
        attempt: u32,
        /// The number of the grant.
        epoch: u32,
        /// The holder.
        session: SessionId,
        /// How it was delivered. A pushed job is running at once.
        mode: DeliveryMode,
        /// How long the lease lasts without renewal.
        lease_seconds: u32,
        /// The digest of the work packet.
        packet: Digest,
        /// What the sandbox enforces.
        isolation: Isolation,
        /// When, by the clock of the process that granted it: the time of the commits that the engine makes for it.
        granted_at: Timestamp,
        /// With which number and process the session begins, if this is its first grant. Its role and lane are the job's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        begins: Option<SessionStart>,
    }
    /// A job that was pulled is being worked on.
    JobAcknowledged {
        /// The job.
        job: JobId,
        /// The grant.
        epoch: u32,
    }
    /// A job is done.
    JobCompleted {
        /// The job.
        job: JobId,
        /// At which attempt.
        attempt: u32,
        /// On what ground.
        ground: Ground,
        /// The commit that holds the work.
        submission: Option<Submission>,
        /// The lease that ended, if there was one.
        ended: Option<LeaseEnd>,
    }
    /// A job waits for a person.
    JobWaits {
        /// The job.
        job: JobId,
        /// At which attempt.
        attempt: u32,
        /// What the person is asked.
        checkpoint: Checkpoint,
        /// The commit that holds the work so far.
        submission: Option<Submission>,
        /// The lease that ended, if there was one.
        ended: Option<LeaseEnd>,
    }
    /// A job cannot go on.
    JobBlocked {
        /// The job.
        job: JobId,
        /// The lease that ended.
        ended: LeaseEnd,
        /// What is doubted of its agent, if that is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        doubt: Option<IdentityDoubt>,
    }
    /// A job was set aside after its lease expired.
    JobParked {
        /// The job.
        job: JobId,
        /// The lease that ended.
        ended: LeaseEnd,
    }
    /// A job ended in failure.
    JobFailed {
        /// The job.
        job: JobId,
        /// The commit that holds the work so far.
        submission: Option<Submission>,
        /// The lease that ended.
        ended: LeaseEnd,
    }
    /// A job was handed out too often without an outcome.
    JobQuarantined {
        /// The job.
        job: JobId,
        /// The lease that ended.
        ended: LeaseEnd,
    }
    /// A job was ended before its own end, by a principal or because it is no longer needed.
    JobCanceled {
        /// The job.
        job: JobId,
        /// Why.
        #[serde(default, skip_serializing_if = "CancelCause::is_principal")]
        by: CancelCause,
        /// The lease that ended, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended: Option<LeaseEnd>,
    }
    /// Jobs end because their run does: those of a long list that the end of the run itself has no place for.
    JobsCanceled {
        /// The jobs.
        jobs: Vec<CanceledJob>,
    }
    /// A job will never run.
    JobSkipped {
        /// The job.
        job: JobId,
        /// Why.
        cause: SkipCause,
        /// The lease that ended, if there was one.
        ended: Option<LeaseEnd>,
    }
    /// Jobs are to be done once more. A long list comes in several events of the same cause and target.
    JobsReopened {
        /// Why.
        cause: ReopenCause,
        /// What is to be done once more; the rest is behind it.
        target: JobId,
        /// The jobs, with their new attempts.
        jobs: Vec<Reopened>,
        /// Targets of cycles whose counters start anew.
        reset: Vec<JobId>,
    }
}
