//! The types of a workflow document. Serialised, a [`Workflow`] is again a document in the public format, with every default
//! written out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    id::{ArtifactName, JobId, LaneId, RoleId, WorkflowId},
    sandbox::Level,
    workflow::WriteScope,
};

/// A workflow: lanes and roles, jobs and what ties them, and the bounds of it all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Workflow {
    /// The version of the format that the document was written in.
    pub schema_version: SchemaVersion,
    /// Names the workflow.
    pub workflow_id: WorkflowId,
    /// The author's version of it; any text.
    pub workflow_version: String,
    /// A title for people.
    pub name: String,
    /// Where the result goes.
    pub branch: Branch,
    /// Who answers for the run as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coordinator: Option<Coordinator>,
    /// How agents are run.
    pub lanes: BTreeMap<LaneId, Lane>,
    /// What they are responsible for.
    pub roles: BTreeMap<RoleId, Role>,
    /// Documents that every agent is given.
    pub context_docs: Vec<ContextDoc>,
    /// How much happens at the same time.
    pub parallelism: Parallelism,
    /// The jobs, in document order, which is also the order in which branches are merged.
    pub jobs: Vec<Job>,
    /// What must be completed before what.
    pub edges: Vec<Edge>,
    /// The bounded ways back.
    pub cycles: Vec<Cycle>,
    /// Whether an author and its reviewer may use the same model; a lint otherwise.
    pub allow_same_model_review_pairing: bool,
    /// How strongly authorship is attested.
    pub provenance_mode: ProvenanceMode,
    /// What a run may lose before a person is asked.
    pub recovery_policy: RecoveryPolicy,
}

impl Workflow {
    /// The job with this id.
    pub fn job(&self, id: &JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == *id)
    }

    /// The workflow as a document for people, with every default written out. Parsed, it is the same workflow again.
    ///
    /// # Errors
    /// None for a workflow that was parsed or built; the encoder's if it could not write a value.
    pub fn to_json_pretty(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

/// A version of the document format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SchemaVersion {
    /// The first public format.
    #[serde(rename = "striatum.workflow.v1")]
    V1,
}

/// Where the result of a run goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// Whether a principal confirms the name before the run may start.
    pub mode: BranchMode,
    /// The name that is proposed.
    pub suggested_name: String,
    /// Whether a run may begin while the person's checkout has uncommitted changes, which it will not contain.
    pub allow_dirty: bool,
}

/// Whether a branch name must be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BranchMode {
    /// The suggested name is taken.
    Auto,
    /// A principal confirms it or chooses another.
    Confirm,
}

/// Who answers for the run as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coordinator {
    /// Its role.
    pub role_id: RoleId,
    /// Its lane.
    pub lane_id: LaneId,
}

/// A named way to run an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lane {
    /// What speaks to the agent: `process` for any command, or a name that the embedder registered.
    pub adapter: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The model, as the author of the document declares it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_model: Option<String>,
    /// What the lane is good for; not interpreted.
    pub capabilities: Vec<String>,
    /// What agents of this lane are held to: the name of a constraint and its value.
    pub constraints: BTreeMap<Constraint, String>,
    /// How strongly each constraint must be held.
    pub required_enforcement: BTreeMap<Constraint, Level>,
    /// Whether each job has a tree of its own. Ours always has; the key is kept for those who read the document.
    pub worktree_isolation: WorktreeIsolation,
    /// Variables of the agent's environment: a value, or `null` to pass the host's variable of that name on.
    pub env: BTreeMap<String, Option<String>>,
    /// How long an agent may work on one grant, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter_timeout_seconds: Option<u32>,
}

/// Something that a lane can be held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// What may be connected to.
    Network,
    /// Whether transcripts of the agent are kept.
    Transcripts,
    /// What of the repository may be reached.
    RepoScope,
}

/// Whether a lane asks for a tree per job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorktreeIsolation {
    /// It does not ask.
    Off,
    /// It does.
    PerJob,
}

/// A named responsibility.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// The document that describes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition_path: Option<String>,
    /// One line about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A document that every agent is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextDoc {
    /// Where it lies.
    pub path: String,
    /// Whether a run cannot begin without it.
    pub required: bool,
}

/// How much happens at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parallelism {
    /// At most this many jobs are held at once.
    pub max_active_jobs: u32,
    /// Whether jobs that may run at once must write to different places.
    pub require_disjoint_write_scopes: bool,
}

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

/// What a review leans on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Posture {
    Neutral,
    DevilsAdvocate,
    Security,
    ThreatModel,
    LatencyPerformance,
    ErgonomicsDx,
    Accessibility,
    ComplianceLicense,
    SupplyChain,
    /// One that the author named.
    Custom(String),
}

impl Posture {
    pub(super) const NAMED: [(Self, &'static str); 9] = [
        (Self::Neutral, "neutral"),
        (Self::DevilsAdvocate, "devils_advocate"),
        (Self::Security, "security"),
        (Self::ThreatModel, "threat_model"),
        (Self::LatencyPerformance, "latency_performance"),
        (Self::ErgonomicsDx, "ergonomics_dx"),
        (Self::Accessibility, "accessibility"),
        (Self::ComplianceLicense, "compliance_license"),
        (Self::SupplyChain, "supply_chain"),
    ];
}

/// The text is not a posture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a posture; write custom:<name> for one of your own")]
pub struct UnknownPosture(String);

impl TryFrom<String> for Posture {
    type Error = UnknownPosture;
    fn try_from(text: String) -> Result<Self, UnknownPosture> {
        let named = Self::NAMED.into_iter().find_map(|(posture, name)| (name == text).then_some(posture));
        match (named, text.strip_prefix("custom:")) {
            (Some(posture), _) => Ok(posture),
            (None, Some(name)) if !name.is_empty() => Ok(Self::Custom(name.to_owned())),
            _ => Err(UnknownPosture(text)),
        }
    }
}

impl From<Posture> for String {
    fn from(posture: Posture) -> Self {
        let named = Posture::NAMED.into_iter().find_map(|(known, name)| (known == posture).then_some(name));
        match (named, posture) {
            (Some(name), _) => name.to_owned(),
            (None, Posture::Custom(name)) => format!("custom:{name}"),
            (None, _) => String::new(),
        }
    }
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

/// Something that must come before something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// What comes before.
    pub from: JobId,
    /// What waits for it.
    pub to: JobId,
    /// For what it waits.
    pub on: EdgeOn,
}

/// For what an edge waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeOn {
    /// The job before is completed; if it is a review, with an accepting verdict.
    Completed,
}

/// A bounded way back, taken when a review wants a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cycle {
    /// The review.
    pub from: JobId,
    /// What it sends back.
    pub to: JobId,
    /// The verdict that takes it: always `needs_revision`.
    pub on_verdict: String,
    /// How often it may be taken.
    pub max_iterations: u32,
    /// Leave for reviewer and author to share a lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_same_lane: Option<bool>,
    /// Leave for reviewer and author to share a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_same_model: Option<bool>,
}

/// How strongly authorship is attested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProvenanceMode {
    /// Recorded as reported.
    #[default]
    Advisory,
    /// By author lines that the engine writes.
    AttestedBylines,
    /// By the engine's own commits.
    SealedPatch,
}

/// What a run may lose before a person is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryPolicy {
    /// How often a job may be handed out again within one attempt.
    pub max_requeues: u32,
    /// How many jobs may be quarantined before the run ends.
    pub max_quarantinable_jobs: u32,
}

impl Default for RecoveryPolicy {
    fn default() -> Self {
        Self { max_requeues: 2, max_quarantinable_jobs: 1 }
    }
}
