//! What the tools of a session act on.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use striatum_core::{
    digest::Digest,
    id::{ArtifactName, JobId},
    run::{Severity, Verdict},
};

use crate::Refusal;

/// What the tools of one grant act on. Whoever drives the grant implements it.
///
/// # Duties of an implementation
/// - What is asked is done before the answer: when [`act`](Self::act) returns a [`Receipt`], the machine has accepted it, and it is
///   in the log. So a job is done because the tools recorded it, never because an agent stopped.
/// - What the machine refuses is returned as it said it, so that the agent can mend it and call again.
/// - The grant's fence is checked anew by each call, by the machine.
/// - A call may be repeated: who publishes the same bytes twice has published them once.
///
/// # Promises of the caller
/// - Calls of `act` on one workbench never overlap.
/// - A call that has begun is driven to its end, whatever becomes of the agent that waits for it.
/// - After a receipt that says [`Conclusion::Over`] nothing more is asked.
#[async_trait]
pub trait Workbench: fmt::Debug + Send + Sync + 'static {
    /// The task of this grant.
    ///
    /// # Errors
    /// [`Refusal`] if it cannot be told now.
    async fn task(&self) -> Result<Task, Refusal>;

    /// What somebody wrote that the task names by its digest: an artifact to judge, a finding, an answer. Nothing else is given out.
    ///
    /// # Errors
    /// [`Refusal`] if the task does not name it, or it is gone.
    async fn read(&self, document: &Digest) -> Result<Bytes, Refusal>;

    /// Does what the agent asks for, or says what would come of it.
    ///
    /// # Errors
    /// [`Refusal`] if it is refused, or would be.
    async fn act(&self, act: Act, mode: Mode) -> Result<Receipt, Refusal>;
}

/// A task, for an agent to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// In words: what the agent was or would be prompted with.
    pub prompt: String,
    /// The packet as JSON.
    pub packet: Bytes,
}

/// What an agent can do with its grant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// Publish an artifact and stay at work.
    Publish {
        /// Its name, as the packet gives it.
        name: ArtifactName,
        /// Where it is taken from.
        source: Source,
    },
    /// Hand in a judgement, with all that was left in the tree.
    Judge {
        /// The judgement.
        verdict: Verdict,
        /// What was found, one text for each.
        findings: Vec<String>,
    },
    /// Hand in the work, with all that was left in the tree.
    Complete,
    /// Say that the work was tried and failed.
    Fail {
        /// Why.
        reason: String,
    },
    /// Give the work back for somebody else.
    Release {
        /// Why.
        reason: String,
    },
    /// Say that something stands in the way.
    Block {
        /// What it is.
        reason: String,
        /// Who can help.
        severity: Severity,
    },
    /// Ask a person, or the session that did an earlier job, and give the work up until there is an answer.
    Ask {
        /// The question.
        question: String,
        /// By what the agent can find its conversation again.
        resume: Option<String>,
        /// The earlier job whose session is asked; nothing for a person.
        of: Option<JobId>,
    },
    /// Answer what a job behind this one asked.
    Answer {
        /// The answer.
        answer: String,
    },
    /// Propose work that is out of scope here. It waits for a principal and never runs by itself.
    Propose(FollowUp),
}

/// Where the bytes of an artifact are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the tree, at this path, or where the packet says that the artifact belongs.
    Tree(Option<String>),
    /// Here. They are written into the tree, where the packet says that the artifact belongs.
    Text(String),
}

/// Work that somebody might do later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    /// One line.
    pub title: String,
    /// What is to be done, and why.
    pub description: String,
}

/// Whether something is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Do it.
    Perform,
    /// Say what would come of it, and leave everything as it is: no event, no commit, no file. A blob may be kept.
    DryRun,
}

/// What was done, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What happened, as a sentence to the agent.
    pub sentence: String,
    /// What became of the grant.
    pub conclusion: Conclusion,
}

/// Whether a grant goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// The agent is still at work.
    GoesOn,
    /// The grant has ended, and the agent is to stop. A dry run concludes nothing.
    Over,
}

impl Receipt {
    /// Something happened, and the agent is still at work.
    pub fn goes_on(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), conclusion: Conclusion::GoesOn }
    }

    /// The grant has ended.
    pub fn over(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), conclusion: Conclusion::Over }
    }
}

impl Act {
    /// The tool by which an agent asks for it.
    pub const fn tool(&self) -> &'static str {
        match self {
            Self::Publish { .. } => "publish_artifact",
            Self::Judge { .. } => "submit_review",
            Self::Complete => "complete_work",
            Self::Fail { .. } => "report_failure",
            Self::Release { .. } => "release_work",
            Self::Block { .. } => "block_work",
            Self::Ask { of: None, .. } => "ask_human",
            Self::Ask { of: Some(_), .. } => "ask_upstream",
            Self::Answer { .. } => "answer",
            Self::Propose(_) => "propose_follow_up",
        }
    }
}
