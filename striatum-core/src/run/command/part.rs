//! What commands are made of.

use serde::{Deserialize, Serialize};

use crate::{
    digest::BlobRef,
    id::{ArtifactName, CommitId, Fence, InstanceId, JobId, SessionId},
    run::event::{LeaseCause, Submission, Usage, Verdict},
    sandbox::{Exit, Isolation},
    transport::AgentIdentity,
};

/// Takes a job for a session, registering the session if it is new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// The session: 128 bits drawn at random by the shell.
    pub session: SessionId,
    /// The process that answers for the session.
    pub owner: Owner,
    /// Who renews the lease.
    pub mode: DeliveryMode,
    /// What the sandbox that the agent will run in enforces on this host.
    pub isolation: Isolation,
}

/// Who carries a job to its agent, and renews its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryMode {
    /// The orchestrator starts the agent and renews for it; the claim acknowledges.
    Push,
    /// The agent fetched the job, acknowledges it and renews by itself.
    Pull,
}

impl DeliveryMode {
    /// How long a lease lasts without renewal if the document does not say, in seconds.
    pub const fn lease_seconds(self) -> u32 {
        match self {
            Self::Push => 60,
            Self::Pull => 30 * 60,
        }
    }
}

/// The process that answers for a session, so that another can prove that it is dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// The instance, which holds an operating system lock for life.
    pub instance: InstanceId,
    /// The host.
    pub host: String,
    /// Which boot of the host.
    pub boot: String,
    /// The process on that host.
    pub pid: u32,
    /// When the process started, as the host counts.
    pub started: String,
}

impl Owner {
    /// A process of which only the instance is known. Nobody can prove that it is dead, so what it holds is freed by expiry
    /// alone.
    pub const fn unproven(instance: InstanceId) -> Self {
        Self { instance, host: String::new(), boot: String::new(), pid: 0, started: String::new() }
    }
}

/// An artifact to publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// Its name, as the document declares it for this attempt.
    pub name: ArtifactName,
    /// Where it lies in the repository.
    pub path: String,
    /// Its bytes, kept as a blob.
    pub content: BlobRef,
}

/// Ends a job with its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submit {
    /// The grant.
    pub fence: Fence,
    /// What is published with it.
    pub artifacts: Vec<Publication>,
    /// The commit that holds the work.
    pub submission: Option<Submission>,
    /// Every path that the commit changes. The shell measures; the machine judges it by the write scope.
    pub changed_paths: Vec<String>,
    /// The outcome.
    pub outcome: Outcome,
    /// What the agent said of itself in its report.
    pub agent: Option<AgentIdentity>,
    /// How its process ended.
    pub exit: Option<Exit>,
    /// What was used.
    pub usage: Option<Usage>,
}

impl Submit {
    /// The end of a grant with this outcome and nothing else: no artifacts, no commit, nothing measured.
    pub const fn new(fence: Fence, outcome: Outcome) -> Self {
        Self {
            fence,
            artifacts: Vec::new(),
            submission: None,
            changed_paths: Vec::new(),
            outcome,
            agent: None,
            exit: None,
            usage: None,
        }
    }
}

/// How a job ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The work is done.
    Done,
    /// The work was judged.
    Verdict {
        /// The judgement.
        verdict: Verdict,
        /// What was found, as a blob.
        findings: Option<BlobRef>,
    },
}

/// How a grant ended without an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseReport {
    /// The grant.
    pub fence: Fence,
    /// Why, as a blob.
    pub reason: Option<BlobRef>,
    /// The commit that holds what was left behind.
    pub set_aside: Option<CommitId>,
    /// How the process ended.
    pub exit: Option<Exit>,
    /// What was used.
    pub usage: Option<Usage>,
}

impl LeaseReport {
    /// A report that says nothing but which grant ended.
    pub const fn new(fence: Fence) -> Self {
        Self { fence, reason: None, set_aside: None, exit: None, usage: None }
    }

    pub(crate) fn ended(&self, cause: LeaseCause) -> crate::run::event::LeaseEnd {
        crate::run::event::LeaseEnd {
            epoch: self.fence.epoch,
            session: self.fence.session,
            cause,
            exit: self.exit,
            usage: self.usage,
            set_aside: self.set_aside.clone(),
            reason: self.reason,
        }
    }
}

/// Who can help with a blocker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Whoever operates the run.
    Operator,
    /// A person, by judgement.
    HumanCheckpoint,
}

/// Puts a person's artifacts in the place of a completed job's, as its next attempt. What is not named stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supersede {
    /// The job.
    pub job: JobId,
    /// The attempt whose artifacts are superseded.
    pub attempt: u32,
    /// What the person publishes, as the document declares it for the attempt after that.
    pub artifacts: Vec<Publication>,
    /// The commit that holds it, on top of the job's work.
    pub submission: Option<Submission>,
    /// The reasons, as a blob.
    pub rationale: BlobRef,
}

/// How a job that waits for a principal goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Go on at the same attempt: for jobs that were blocked or parked.
    Resume,
    /// Go on: a checkpoint is passed with its artifacts, a review gets one more round, anything else another attempt.
    Continue {
        /// What the principal publishes.
        artifacts: Vec<Publication>,
    },
    /// Count the job as completed, under an accepting decision.
    Override {
        /// The number of the decision.
        decision: u32,
    },
    /// End the job.
    Cancel,
}
