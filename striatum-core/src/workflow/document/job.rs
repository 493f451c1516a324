//! One node of the graph.

use serde::{Deserialize, Serialize};

use crate::{
    id::{ArtifactName, JobId, LaneId, RoleId},
    workflow::{Posture, WriteScope},
};

/// One node of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Job {
    /// Names it.
    pub id: JobId,
    /// What kind of work it is.
    #[serde(rename = "type")]
    pub kind: JobType,
    /// A title for people.
    pub title: String,
    /// Who does it.
    pub role_id: RoleId,
    /// How the agent is run.
    pub lane_id: LaneId,
    /// What is to be achieved.
    pub objective: String,
    /// What the agent is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_prompt: Option<TaskPrompt>,
    /// What it works on: ids of jobs, and paths for everything that is no job's id. A review judges what is named here; if
    /// nothing is, everything directly upstream.
    pub inputs: Vec<String>,
    /// How many failures of it are tolerated, the last one included.
    pub max_attempts: u32,
    /// Whether the session that does it must be new.
    pub fresh_session_required: bool,
    /// For a review: what its agent gets to see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reviewer_access_scope: Option<ReviewAccess>,
    /// For a review: whether it is shown earlier rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reviewer_context_policy: Option<ReviewContext>,
    /// For a review: what it leans on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review_posture: Option<Posture>,
    /// What it may change.
    pub write_scope: WriteScope,
    /// What it must or may leave.
    pub expected_artifacts: Vec<ExpectedArtifact>,
    /// What a rejecting verdict does.
    pub on_reject: OnReject,
    /// What an expiry does.
    pub on_expiry: OnExpiry,
    /// How long a lease lasts without renewal, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_seconds: Option<u32>,
}

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobType {
    /// Writes something new.
    Draft,
    /// Judges; ends in a verdict.
    Review,
    /// Keeps a record.
    Ledger,
    /// Brings several results together.
    Synthesis,
    /// Builds.
    Build,
    /// Tests.
    Test,
    /// Waits for a person.
    HumanCheckpoint,
    /// Anything else.
    Generic,
}

impl JobType {
    /// Whether a job of this kind ends in a verdict, and in nothing else.
    pub const fn is_verdict_capable(self) -> bool {
        matches!(self, Self::Review)
    }
}

/// What an agent is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskPrompt {
    /// The text of a file.
    Path(String),
    /// This text.
    Inline(String),
}

/// What a reviewing agent gets to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewAccess {
    /// The judged files only.
    DocumentOnly,
    /// The judged files and the artifacts beside them.
    ArtifactAugmented,
    /// The whole repository.
    RepoLevel,
}

/// Whether a reviewer is shown earlier rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewContext {
    /// It starts afresh.
    Fresh,
    /// It sees what was said before.
    CrossRound,
}

/// How a job may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteMode {
    /// It changes the repository.
    RepoWrite,
    /// It only leaves the artifacts of a review.
    ReviewOnlyArtifact,
}

/// What a job must or may leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedArtifact {
    /// Names it within the job. `${cycle}` stands for `cycle_<attempt>`.
    pub logical_name: String,
    /// What it is; any text.
    pub kind: String,
    /// Where it lies. `${cycle}` stands for `cycle_<attempt>`.
    pub path: String,
    /// Whether the job cannot be completed without it.
    pub required: bool,
}

impl ExpectedArtifact {
    /// The name at an attempt; `None` if it is not a name, which the validator excludes.
    pub fn name_at(&self, attempt: u32) -> Option<ArtifactName> {
        ArtifactName::new(at_attempt(&self.logical_name, attempt)).ok()
    }

    /// The path at an attempt.
    pub fn path_at(&self, attempt: u32) -> String {
        at_attempt(&self.path, attempt)
    }
}

fn at_attempt(text: &str, attempt: u32) -> String {
    text.replace("${cycle}", &format!("cycle_{attempt}"))
}

/// What a rejecting verdict does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnReject {
    /// Ends the run.
    #[default]
    FailRun,
    /// Asks a person.
    Checkpoint,
    /// Ends what is behind it.
    SkipBranch,
}

/// What an expiry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExpiry {
    /// The job is handed out again.
    #[default]
    Requeue,
    /// The job waits for a principal.
    Park,
}
