//! What events are made of.

use serde::{Deserialize, Serialize};

use crate::{
    digest::{BlobRef, Digest},
    id::{ArtifactName, CommitId, Fence, JobId, SessionId},
    run::{command::Owner, event::Usage},
    sandbox::Exit,
    time::Timestamp,
};

/// How a session begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionStart {
    /// Its number in the run, from 1.
    pub ordinal: u32,
    /// The process that answers for it.
    pub owner: Owner,
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
    Asked,
    Quorum,
    Canceled,
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

impl std::str::FromStr for Verdict {
    type Err = UnknownVerdict;

    /// ```
    /// use striatum_core::run::Verdict;
    ///
    /// assert_eq!("needs_revision".parse(), Ok(Verdict::NeedsRevision));
    /// let refused = "maybe".parse::<Verdict>().unwrap_err();
    /// assert_eq!(
    ///     refused.to_string(),
    ///     r#""maybe" is not a verdict (accept, accept_with_findings, needs_revision, reject)"#
    /// );
    /// ```
    fn from_str(word: &str) -> Result<Self, UnknownVerdict> {
        let unknown = || UnknownVerdict { found: word.chars().take(64).collect() };
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == word).ok_or_else(unknown)
    }
}

/// A word that is none of those for a verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a verdict ({})", Verdict::ALL.map(Verdict::as_str).join(", "))]
pub struct UnknownVerdict {
    /// The beginning of what stands there.
    pub found: String,
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
    /// A principal put other artifacts in the place of its own.
    Superseded,
}

/// Why a job was ended before its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CancelCause {
    /// A principal ended it.
    #[default]
    Principal,
    /// The run ended.
    RunEnd,
    /// Enough others of its panel have accepted.
    Quorum,
}

impl CancelCause {
    pub(super) fn is_principal(&self) -> bool {
        *self == Self::Principal
    }
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
        /// The other reviews that wanted it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        with: Vec<JobId>,
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
    /// A principal put other artifacts in the place of what the target published.
    Superseded {
        /// Who.
        by: String,
        /// The reasons, as a blob.
        rationale: BlobRef,
    },
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
    /// The run has used up its budget, and is paused. Resuming it grants as much again.
    BudgetSpent,
    /// The result would differ from what was judged, and was not delivered.
    UnjudgedDelivery,
    /// Somebody asks for help.
    Raised,
    /// A session proposes work that is out of scope of its job.
    FollowUp,
    /// The agent of a grant asks for leave to do something, and waits for the answer. The end of the grant withdraws it.
    Leave,
}

/// Whom a question is for that is not for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addressee {
    /// The job.
    pub job: JobId,
    /// The session whose work completed it; nothing if that was a person's, who is then asked.
    pub session: Option<SessionId>,
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
