//! What has happened to a run.
//!
//! An event says everything that it changes, so that folding it needs no policy: a rule that changes later never changes what
//! an old log means. Bodies hold ids, enumerations, numbers, paths and digests; texts are blobs.

use serde::{Deserialize, Serialize};

use crate::{
    digest::{BlobRef, Digest},
    id::{ArtifactName, ChainId, CommitId, JobId, LaneId, RoleId, RunId, SessionId, WorkflowId},
    run::{
        RunStatus,
        command::{DeliveryMode, Owner},
    },
    sandbox::Isolation,
    time::Timestamp,
    transport::AgentIdentity,
    workflow::Posture,
};

mod identity;
mod part;
mod usage;

pub use identity::*;
pub use part::*;
pub use usage::Usage;

pub use crate::workflow::Checkpoint;

fn is_false(flag: &bool) -> bool {
    !*flag
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $kind:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $type,)*
            }

            impl From<$name> for Event {
                fn from(data: $name) -> Self {
                    Self::$name(data)
                }
            }
        )*

        /// One thing that happened to a run.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Event {
            $($(#[$doc])* $name($name),)*
        }

        impl Event {
            /// Every kind that this version knows.
            pub const KINDS: &'static [&'static str] = &[$($kind,)*];

            /// The kind, as it stands in the body.
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $kind,)*
                }
            }

            pub(in crate::run) fn decode(kind: &str, data: &str) -> Option<serde_json::Result<Self>> {
                match kind {
                    $($kind => Some(serde_json::from_str::<$name>(data).map(Self::$name)),)*
                    _ => None,
                }
            }

            pub(in crate::run) fn serialize_data<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$name(data) => data.serialize(to),)*
                }
            }
        }
    };
}

events! {
    /// The run exists: its workflow is frozen.
    RunPrepared = "run.prepared" {
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
    BranchConfirmed = "run.branch_confirmed" {
        /// The branch.
        branch: String,
        /// Where it pointed; nothing if it did not exist.
        at: Option<CommitId>,
    }
    /// Jobs are handed out from now on.
    RunStarted = "run.started" {}
    /// No job is handed out for now.
    RunPaused = "run.paused" {}
    /// Jobs are handed out again.
    RunResumed = "run.resumed" {
        /// Whether the run may use up its budget once more.
        #[serde(default, skip_serializing_if = "is_false")]
        more_budget: bool,
    }
    /// The run has ended.
    RunEnded = "run.ended" {
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
    RunReopened = "run.reopened" {}
    /// The run's branch holds its result.
    RunDelivered = "run.delivered" {
        /// The branch.
        branch: String,
        /// The commit it points to.
        commit: CommitId,
        /// Judged files that came out different.
        deviations: Vec<Deviation>,
    }
    /// A session exists. Logs from before grants said so have it before a session's first grant; nothing writes it any longer.
    SessionRegistered = "session.registered" {
        /// Its id.
        session: SessionId,
        /// Its number in the run, from 1.
        ordinal: u32,
        /// Its role.
        role: RoleId,
        /// Its lane.
        lane: LaneId,
        /// The process that answers for it.
        owner: Owner,
    }
    /// What a session's agent says of itself.
    SessionIdentified = "session.identified" {
        /// The session.
        session: SessionId,
        /// The job it was at.
        job: JobId,
        /// The grant.
        epoch: u32,
        /// What it says.
        agent: AgentIdentity,
    }
    /// A job may be claimed.
    JobReadied = "job.ready" {
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
    JobClaimed = "job.claimed" {
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
    JobAcknowledged = "job.running" {
        /// The job.
        job: JobId,
        /// The grant.
        epoch: u32,
    }
    /// An output was published.
    ArtifactPublished = "artifact.published" {
        /// The job.
        job: JobId,
        /// At which attempt.
        attempt: u32,
        /// Its name.
        name: ArtifactName,
        /// What it is.
        kind: String,
        /// Where it lies.
        path: String,
        /// Its bytes.
        content: BlobRef,
        /// Who made it.
        author: String,
    }
    /// Work was judged.
    VerdictRecorded = "verdict.recorded" {
        /// The review.
        job: JobId,
        /// At which attempt.
        attempt: u32,
        /// The grant.
        epoch: u32,
        /// Who judged.
        session: SessionId,
        /// The judgement.
        verdict: Verdict,
        /// What was found, as a blob.
        findings: Option<BlobRef>,
        /// What exactly was judged.
        judged: Vec<Judged>,
        /// What the review leaned on.
        posture: Option<Posture>,
        /// The lane of the reviewer.
        lane: LaneId,
        /// What the reviewer's agent is said to be.
        agent: AgentIdentity,
        /// Who says so.
        basis: IdentityBasis,
        /// The family of its model, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        family: Option<String>,
        /// What was made by an agent of the same family, with leave.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        same_model: Vec<SameModel>,
    }
    /// A job is done.
    JobCompleted = "job.completed" {
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
    JobWaits = "job.waiting_human" {
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
    JobBlocked = "job.blocked" {
        /// The job.
        job: JobId,
        /// The lease that ended.
        ended: LeaseEnd,
        /// What is doubted of its agent, if that is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        doubt: Option<IdentityDoubt>,
    }
    /// A job was set aside after its lease expired.
    JobParked = "job.parked" {
        /// The job.
        job: JobId,
        /// The lease that ended.
        ended: LeaseEnd,
    }
    /// A job ended in failure.
    JobFailed = "job.failed" {
        /// The job.
        job: JobId,
        /// The commit that holds the work so far.
        submission: Option<Submission>,
        /// The lease that ended.
        ended: LeaseEnd,
    }
    /// A job was handed out too often without an outcome.
    JobQuarantined = "job.quarantined" {
        /// The job.
        job: JobId,
        /// The lease that ended.
        ended: LeaseEnd,
    }
    /// A job was ended before its own end, by a principal or because it is no longer needed.
    JobCanceled = "job.canceled" {
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
    JobsCanceled = "jobs.canceled" {
        /// The jobs.
        jobs: Vec<CanceledJob>,
    }
    /// A job will never run.
    JobSkipped = "job.skipped" {
        /// The job.
        job: JobId,
        /// Why.
        cause: SkipCause,
        /// The lease that ended, if there was one.
        ended: Option<LeaseEnd>,
    }
    /// Jobs are to be done once more. A long list comes in several events of the same cause and target.
    JobsReopened = "jobs.reopened" {
        /// Why.
        cause: ReopenCause,
        /// What is to be done once more; the rest is behind it.
        target: JobId,
        /// The jobs, with their new attempts.
        jobs: Vec<Reopened>,
        /// Targets of cycles whose counters start anew.
        reset: Vec<JobId>,
    }
    /// A principal ruled on a job.
    DecisionRecorded = "decision.recorded" {
        /// The number of the decision in the run, from 1.
        decision: u32,
        /// The job.
        job: JobId,
        /// At which attempt.
        attempt: u32,
        /// The ruling.
        ruling: Ruling,
        /// The reasons, as a blob.
        rationale: BlobRef,
        /// Who ruled.
        by: String,
    }
    /// Something that only a principal can resolve.
    EscalationRaised = "escalation.raised" {
        /// Its number in the run, from 1.
        escalation: u32,
        /// What it is about.
        topic: EscalationTopic,
        /// The job, if it is about one.
        job: Option<JobId>,
        /// What it is in words, as a blob.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<BlobRef>,
        /// The grant whose agent waits for the answer, if one does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<u32>,
    }
    /// Somebody was told.
    EscalationNotified = "escalation.notified" {
        /// Its number.
        escalation: u32,
    }
    /// A work tree is gone, its work is kept.
    TreeClosed = "tree.closed" {
        /// The job.
        job: JobId,
        /// The grant it was opened for.
        epoch: u32,
        /// The last commit of its branch.
        kept: Option<CommitId>,
    }
    /// The result was not delivered, because it differs from what was judged.
    DeliveryWithheld = "run.delivery_withheld" {
        /// The commit that would have been delivered.
        commit: CommitId,
        /// The files that differ.
        deviations: Vec<Deviation>,
    }
    /// A run that was completed is declared unsound.
    RunCompromised = "run.compromised" {
        /// Why, as a blob.
        rationale: BlobRef,
        /// Who ruled.
        by: String,
    }
    /// The agent at work asked a person; the job waits for the answer and nobody holds it meanwhile.
    QuestionAsked = "question.asked" {
        /// The number of the question in the run, from 1.
        question: u32,
        /// The job.
        job: JobId,
        /// At which attempt.
        attempt: u32,
        /// The question, as a blob.
        text: BlobRef,
        /// By what the agent can find its conversation again.
        resume: Option<String>,
        /// The lease that ended.
        ended: LeaseEnd,
        /// The job whose session was asked; nothing if a person was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<Addressee>,
    }
    /// A question was answered; the job may be claimed again.
    QuestionAnswered = "question.answered" {
        /// Which one.
        question: u32,
        /// The job.
        job: JobId,
        /// The answer, as a blob.
        text: BlobRef,
        /// Who answered.
        by: String,
        /// The session that answered, if no person did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionId>,
        /// What answering used.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
    }
    /// A principal resolved an escalation.
    EscalationResolved = "escalation.resolved" {
        /// Its number.
        escalation: u32,
        /// The ruling.
        ruling: Ruling,
        /// The reasons, as a blob.
        rationale: Option<BlobRef>,
        /// Who ruled.
        by: String,
    }
    /// A question that a session was asked, and did not answer, is for a person from now on.
    QuestionReferred = "question.referred" {
        /// Which one.
        question: u32,
        /// The job that asked.
        job: JobId,
        /// Why it was not answered, as a blob.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<BlobRef>,
        /// What trying used.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
    }
    /// Somebody was told of a question that waits for a person.
    QuestionNotified = "question.notified" {
        /// Which one.
        question: u32,
        /// The job that asked.
        job: JobId,
    }
}
