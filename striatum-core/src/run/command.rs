//! What can be asked of a run.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    digest::BlobRef,
    id::{CommandId, CommitId, Fence, JobId, SessionId},
    run::event::{Ruling, Usage},
    transport::AgentIdentity,
};

mod part;

pub use part::*;

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
    /// End a job, whatever it is at.
    CancelJob {
        /// The job.
        job: JobId,
    },
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
            Self::CancelJob { .. } => "cancel_job",
            Self::Retry { .. } => "retry",
            Self::TreeClosed { .. } => "tree_closed",
            Self::Delivered { .. } => "delivered",
            Self::Withhold { .. } => "withhold",
            Self::Notified { .. } => "notified",
        }
    }
}
