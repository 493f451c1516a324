//! What is known, and what is doubted, of agents.

use serde::{Deserialize, Serialize};

use crate::id::JobId;

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

/// Why an agent is not taken to be independent, or to be that of its lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IdentityDoubt {
    /// Author and reviewer are of one family of models.
    SameFamily {
        /// What was made by the author.
        job: JobId,
        /// The author's model.
        author: String,
        /// The reviewer's model.
        reviewer: String,
        /// The family of both.
        family: String,
    },
    /// An agent has to say which model it is, and did not: the author's of this job, or the reviewer's own.
    Unreported {
        /// The job that it worked on.
        job: JobId,
    },
    /// The reviewer's agent did not show over its protocol that it is that of the lane.
    Unattested {
        /// What it reported.
        reported: Option<String>,
        /// What the lane declares.
        declared: Option<String>,
    },
}

/// A job whose author and reviewer are of one family of models, and who gave leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SameModel {
    /// What was made by the author.
    pub job: JobId,
    /// Who gave leave.
    pub leave: Leave,
}

/// Who gave leave that author and reviewer are of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Leave {
    /// The workflow: it does not compare models, or allows this pair.
    Workflow,
    /// A principal, by the accepting decision of this number.
    Decision(u32),
}
