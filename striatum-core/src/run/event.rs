//! What has happened to a run.
//!
//! An event says everything that it changes, so that folding it needs no policy: a rule that changes later never changes what
//! an old log means. Bodies hold ids, enumerations, numbers, paths and digests; texts are blobs.

use serde::{Deserialize, Serialize};

use crate::{
    digest::{BlobRef, Digest},
    id::{ArtifactName, ChainId, CommitId, Fence, JobId, LaneId, RoleId, RunId, SessionId, WorkflowId},
    run::{
        RunStatus,
        command::{DeliveryMode, Owner},
    },
    sandbox::{Exit, Isolation},
    time::Timestamp,
    transport::AgentIdentity,
    workflow::Posture,
};

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
    RunResumed = "run.resumed" {}
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
    /// A session exists.
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
    /// A job was ended by a principal.
    JobCanceled = "job.canceled" {
        /// The job.
        job: JobId,
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
}

/// How a lease ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseEnd {
    /// The grant.
    pub epoch: u32,
    /// The holder.
    pub session: SessionId,
    /// Why it ended.
    pub cause: LeaseCause,
    /// How the process ended.
    pub exit: Option<Exit>,
    /// What was used.
    pub usage: Option<Usage>,
    /// The commit that holds what was left behind.
    pub set_aside: Option<CommitId>,
    /// Why in words, as a blob.
    pub reason: Option<BlobRef>,
}

impl LeaseEnd {
    /// The end of a grant of which nothing more is known.
    pub const fn plain(fence: &Fence, cause: LeaseCause) -> Self {
        Self {
            epoch: fence.epoch,
            session: fence.session,
            cause,
            exit: None,
            usage: None,
            set_aside: None,
            reason: None,
        }
    }
}

/// Why a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum LeaseCause {
    Submitted,
    Released,
    Expired,
    Crashed,
    Failed,
    Blocked,
    Reopened,
    RunEnded,
}

/// What an agent used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// How long it worked, in milliseconds.
    pub wall_ms: u64,
    /// Tokens read, if it says.
    pub input_tokens: Option<u64>,
    /// Tokens written, if it says.
    pub output_tokens: Option<u64>,
}

/// The commit that a writing job ends with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// What the work was based on.
    pub base: CommitId,
    /// The commit.
    pub commit: CommitId,
    /// The manifest of every path that differs from the merge of what is upstream, as a blob.
    pub manifest: BlobRef,
}

/// A judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Good.
    Accept,
    /// Good, with remarks that travel downstream.
    AcceptWithFindings,
    /// To be done again.
    NeedsRevision,
    /// Not to be done.
    Reject,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 4] = [Self::Accept, Self::AcceptWithFindings, Self::NeedsRevision, Self::Reject];

    /// The name that documents, events and reports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::AcceptWithFindings => "accept_with_findings",
            Self::NeedsRevision => "needs_revision",
            Self::Reject => "reject",
        }
    }

    /// Whether what was judged may go on.
    pub const fn is_accepting(self) -> bool {
        matches!(self, Self::Accept | Self::AcceptWithFindings)
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What exactly a verdict is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// The job.
    pub job: JobId,
    /// Its attempt.
    pub attempt: u32,
    /// The digest of its submission's manifest.
    pub manifest: Option<Digest>,
    /// Its artifacts.
    pub artifacts: Vec<(ArtifactName, Digest)>,
}

/// Who says what an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityBasis {
    /// The agent, over its protocol.
    Reported,
    /// The document, by the lane's label.
    Declared,
    /// The agent, in the file that it left.
    SelfReported,
    /// Nobody.
    Unknown,
}

/// On what ground a job counts as completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// Its work was done.
    Done,
    /// Its accepting verdict.
    Verdict,
    /// A principal passed the checkpoint.
    Continued,
    /// A principal's accepting decision, of this number.
    Decision(u32),
}

/// What a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Checkpoint {
    /// What the workflow asks at this point.
    Planned,
    /// Whether a revision beyond the limit is granted.
    RevisionsExhausted,
    /// What becomes of work that was sent back where the workflow has no way back.
    NoWayBack,
    /// What becomes of work that was rejected.
    Rejected,
    /// How to help an agent that says a person must.
    Blocked,
}

/// Why a job will never run, the graver cause being the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipCause {
    /// It, or what it waits for, was rejected, and the workflow lets such a branch end.
    Rejected,
    /// What it waits for failed, was cancelled or skipped.
    Lost,
    /// What it waits for was quarantined.
    Quarantined,
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// Its last job ended.
    Finished,
    /// A principal ended it.
    Canceled,
    /// This job was rejected.
    Rejected(JobId),
    /// This job failed.
    Failed(JobId),
    /// More jobs were quarantined than the workflow allows; this was the last.
    Quarantined(JobId),
}

/// A job that ended because its run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanceledJob {
    /// The job.
    pub job: JobId,
    /// The lease that ended with it.
    pub ended: Option<LeaseEnd>,
}

/// Why jobs are done once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReopenCause {
    /// A review sent the target back.
    Revision {
        /// The review.
        review: JobId,
        /// How often the way back was taken, this time included.
        iteration: u32,
    },
    /// A principal granted one more round.
    Granted {
        /// The review.
        review: JobId,
        /// How often the way back was taken, this time included.
        iteration: u32,
    },
    /// A principal wants it.
    Retry,
}

/// A job that is done once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reopened {
    /// The job.
    pub job: JobId,
    /// Its new attempt; the present one for a job that was never touched at it.
    pub attempt: u32,
    /// The commit that holds the work of the attempt that ends.
    pub submission: Option<Submission>,
    /// The lease that ended.
    pub ended: Option<LeaseEnd>,
}

/// How long a job waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backoff {
    /// In milliseconds, on the store's clock.
    pub wait_ms: u64,
    /// Until when, for people.
    pub until: Timestamp,
}

/// Whether a job goes on at its attempt or begins a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// It becomes ready for the first time at this attempt.
    First,
    /// It is handed out again at the same attempt.
    Again,
    /// It failed, and begins a new attempt.
    AfterFailure,
    /// A principal granted a new attempt.
    Granted,
}

/// What a principal rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// The work may go on as it is.
    Accept,
    /// It may not.
    Reject,
}

/// What an escalation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EscalationTopic {
    /// The run lost more than it may lose.
    NeedsOperator,
}

/// A judged file that was delivered with other bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviation {
    /// The job whose artifact it is.
    pub job: JobId,
    /// Where it lies.
    pub path: String,
    /// What was judged.
    pub judged: Digest,
    /// What was delivered; nothing if it is gone.
    pub delivered: Option<Digest>,
}
