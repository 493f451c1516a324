//! One node of the graph.

use serde::{Deserialize, Serialize};

use crate::{
    id::{ArtifactName, GroupId, JobId, LaneId, PhaseId, RoleId},
    workflow::{Budget, InterrogationTarget, PanelRole, Posture, Quorum, SharedResource, WriteScope},
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
    /// The phase that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase_id: Option<PhaseId>,
    /// The jobs that it may run beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel_group: Option<GroupId>,
    /// What it uses outside the repository.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared_resources: Vec<SharedResource>,
    /// Whether its session may be asked by those behind it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub interrogable: bool,
    /// Whom it may ask; if nobody is named, all before it that let themselves be asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interrogation_targets: Vec<InterrogationTarget>,
    /// For a review: whether its verdict binds.
    #[serde(default, skip_serializing_if = "PanelRole::is_gating")]
    pub panel_role: PanelRole,
    /// For a review: whether only a session whose agent is known to be that of the lane may do it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub require_attested_lane: bool,
    /// For a build: the postures from which it must have been accepted before the run ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_review_postures: Vec<Posture>,
    /// How many of the gating reviews that judge it, or that it waits for, may be missing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_gating_abstentions: u32,
    /// How many of the reviews that it waits for must accept; without it, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<Quorum>,
    /// What it may use up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

impl Job {
    /// Whether it is a review that says its opinion and binds nobody.
    pub fn is_advisory(&self) -> bool {
        self.kind == JobType::Review && self.panel_role == PanelRole::Advisory
    }

    /// Whether it is a review whose verdict binds.
    pub fn is_gating_review(&self) -> bool {
        self.kind == JobType::Review && self.panel_role == PanelRole::Gating
    }
}

pub(super) const fn is_false(flag: &bool) -> bool {
    !*flag
}

const fn is_zero(number: &u32) -> bool {
    *number == 0
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
    /// Adjudicates a phase; ends in a verdict.
    PhaseSynthesis,
}

impl JobType {
    /// The type as it stands in a document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Review => "review",
            Self::Ledger => "ledger",
            Self::Synthesis => "synthesis",
            Self::Build => "build",
            Self::Test => "test",
            Self::HumanCheckpoint => "human_checkpoint",
            Self::Generic => "generic",
            Self::PhaseSynthesis => "phase_synthesis",
        }
    }

    /// Whether a job of this kind ends in a verdict, and in nothing else.
    pub const fn is_verdict_capable(self) -> bool {
        matches!(self, Self::Review | Self::PhaseSynthesis)
    }

    /// Whether an agent makes something in a job of this kind, for others to judge.
    pub const fn has_author(self) -> bool {
        !self.is_verdict_capable() && !matches!(self, Self::HumanCheckpoint)
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
