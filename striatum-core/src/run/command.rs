//! What can be asked of a run.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    digest::BlobRef,
    id::{ArtifactName, CommandId, CommitId, Fence, InstanceId, JobId, SessionId},
    run::event::{LeaseCause, Ruling, Submission, Usage, Verdict},
    sandbox::{Exit, Isolation},
    transport::AgentIdentity,
};

/// An intent on one run: who wants what, under an id that makes repeating it harmless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Names this intent. The same id with the same content changes nothing and gets the first answer.
    pub id: CommandId,
    /// Who wants it.
    pub actor: Actor,
    /// What is wanted.
    pub intent: Intent,
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A person.
    Human(String),
    /// A program that stands in for a person where the workflow lets it.
    AiOperator(String),
    /// A program without a judgement of its own: an orchestrator, a bot.
    Service(String),
    /// A session of the run, on behalf of its fence.
    Session(SessionId),
}

impl Actor {
    /// Whether this actor acts from outside the run.
    pub const fn is_principal(&self) -> bool {
        !matches!(self, Self::Session(_))
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Human(name) => write!(f, "{name}"),
            Self::AiOperator(name) => write!(f, "{name} (AI operator)"),
            Self::Service(name) => write!(f, "{name} (service)"),
            Self::Session(session) => write!(f, "session {}", session.short()),
        }
    }
}

/// What is wanted of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Intent {
    /// Begin the run's history with its snapshot, which the state already knows.
    Prepare,
    /// Settle where the result goes.
    ConfirmBranch {
        /// The branch, without `refs/heads/`.
        branch: String,
        /// Where it points now; nothing if it does not exist. Delivery moves it from there and from nowhere else.
        at: Option<CommitId>,
    },
    /// Hand out jobs.
    Start,
    /// Hand out no more jobs for now.
    Pause,
    /// Hand out jobs again.
    Resume,
    /// End the run.
    Cancel {
        /// Why, as a blob.
        reason: Option<BlobRef>,
    },
    /// Take a job for a session.
    Claim(Claim),
    /// Acknowledge a job that was pulled.
    Acknowledge {
        /// The grant.
        fence: Fence,
        /// What the agent says of itself.
        agent: AgentIdentity,
    },
    /// Report what an agent that is at work says of itself.
    Identify {
        /// The grant.
        fence: Fence,
        /// What it says.
        agent: AgentIdentity,
    },
    /// Publish artifacts and stay at work.
    Publish {
        /// The grant.
        fence: Fence,
        /// The artifacts, whose bytes are kept already.
        artifacts: Vec<Publication>,
    },
    /// Publish artifacts and end the job with its outcome.
    Submit(Submit),
    /// Give the job back without an outcome.
    Release(LeaseReport),
    /// Declare that the lease ran out. Only the store's clock can allow it.
    Expire {
        /// The grant.
        fence: Fence,
    },
    /// Declare that the process that held the job is proven dead.
    Crash(LeaseReport),
    /// Report that the agent tried and failed.
    Fail(LeaseReport),
    /// Report something that stands in the way.
    Block {
        /// The grant and how it ended.
        report: LeaseReport,
        /// Who can help.
        severity: Severity,
    },
    /// Ask a person, or the session that completed an earlier job, and give the job up until there is an answer.
    Ask {
        /// The grant and how it ended.
        report: LeaseReport,
        /// The question, as a blob.
        question: BlobRef,
        /// By what the agent can find its conversation again.
        resume: Option<String>,
        /// The job whose session is asked; nothing for a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<JobId>,
    },
    /// Propose work that is out of scope of the job, and stay at work. It waits for a principal and never runs by itself.
    Propose {
        /// The grant.
        fence: Fence,
        /// What is proposed, as a blob.
        proposal: BlobRef,
    },
    /// Answer, for a session, what it was asked.
    Reply {
        /// The number of the question in the run.
        question: u32,
        /// The session that was asked.
        session: SessionId,
        /// The answer, as a blob.
        answer: BlobRef,
        /// What answering used.
        usage: Option<Usage>,
    },
    /// Ask a person what a session was asked and did not answer.
    Refer {
        /// The number of the question in the run.
        question: u32,
        /// Why it was not answered, as a blob.
        reason: Option<BlobRef>,
        /// What trying used.
        usage: Option<Usage>,
    },
    /// Confirm that somebody was told of a question.
    Told {
        /// The number of the question in the run.
        question: u32,
    },
    /// Ask a person for leave to do something, and stay at work.
    RequestLeave {
        /// The grant.
        fence: Fence,
        /// What is to be done, as a blob.
        request: BlobRef,
    },
    /// Give up waiting for leave.
    WithdrawLeave {
        /// The number of the escalation in the run.
        escalation: u32,
    },
    /// Answer a question.
    Answer {
        /// The number of the question in the run.
        question: u32,
        /// The answer, as a blob.
        answer: BlobRef,
    },
    /// Record something that only a principal can resolve.
    Escalate {
        /// The job, if it is about one.
        job: Option<JobId>,
        /// What it is, as a blob.
        reason: BlobRef,
    },
    /// Resolve an escalation.
    Settle {
        /// Its number in the run.
        escalation: u32,
        /// The ruling: whether what was held back may happen.
        ruling: Ruling,
        /// The reasons, as a blob.
        rationale: Option<BlobRef>,
    },
    /// Declare a run that is completed unsound.
    Compromise {
        /// Why, as a blob.
        rationale: BlobRef,
    },
    /// Record a ruling on a job that waits.
    Decide {
        /// The job.
        job: JobId,
        /// The ruling.
        ruling: Ruling,
        /// The reasons, as a blob.
        rationale: BlobRef,
    },
    /// Resolve a job that waits for a principal.
    Resolve {
        /// The job.
        job: JobId,
        /// How.
        resolution: Resolution,
    },
    /// Put something else in the place of what a completed job published, and have everything behind it done once more.
    Supersede(Supersede),
    /// Do a job that has ended without success once more, with everything behind it.
    Retry {
        /// The job.
        job: JobId,
    },
    /// Confirm that a work tree is gone and its work is kept.
    TreeClosed {
        /// The grant it was opened for.
        fence: Fence,
        /// The last commit of its branch.
        kept: Option<CommitId>,
    },
    /// Confirm that the run's branch holds its result.
    Delivered {
        /// The commit it points to.
        commit: CommitId,
        /// Judged files that came out different.
        deviations: Vec<crate::run::event::Deviation>,
    },
    /// Report that the result would differ from what was judged, so that a principal is asked before it is delivered.
    Withhold {
        /// The commit that would be delivered.
        commit: CommitId,
        /// Judged files that come out different.
        deviations: Vec<crate::run::event::Deviation>,
    },
    /// Confirm that somebody was told of an escalation.
    Notified {
        /// Which one.
        escalation: u32,
    },
}

impl Intent {
    /// A short name for logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::ConfirmBranch { .. } => "confirm_branch",
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel { .. } => "cancel",
            Self::Claim(_) => "claim",
            Self::Acknowledge { .. } => "acknowledge",
            Self::Identify { .. } => "identify",
            Self::Publish { .. } => "publish",
            Self::Submit(_) => "submit",
            Self::Release(_) => "release",
            Self::Expire { .. } => "expire",
            Self::Crash(_) => "crash",
            Self::Fail(_) => "fail",
            Self::Block { .. } => "block",
            Self::Ask { .. } => "ask",
            Self::Propose { .. } => "propose",
            Self::Reply { .. } => "reply",
            Self::Refer { .. } => "refer",
            Self::Told { .. } => "told",
            Self::RequestLeave { .. } => "request_leave",
            Self::WithdrawLeave { .. } => "withdraw_leave",
            Self::Answer { .. } => "answer",
            Self::Escalate { .. } => "escalate",
            Self::Settle { .. } => "settle",
            Self::Compromise { .. } => "compromise",
            Self::Decide { .. } => "decide",
            Self::Resolve { .. } => "resolve",
            Self::Supersede(_) => "supersede",
            Self::Retry { .. } => "retry",
            Self::TreeClosed { .. } => "tree_closed",
            Self::Delivered { .. } => "delivered",
            Self::Withhold { .. } => "withhold",
            Self::Notified { .. } => "notified",
        }
    }
}

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
