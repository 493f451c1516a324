//! The types of a workflow document. Serialised, a [`Workflow`] is again a document in the public format, with every default
//! written out.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use crate::id::{JobId, LaneId, ProfileId, RoleId, WorkflowId};

mod job;
mod lane;
mod panel;
mod policy;
mod posture;
mod tie;

pub use job::{
    ExpectedArtifact, Job, JobType, OnExpiry, OnReject, ReviewAccess, ReviewContext, TaskPrompt, WriteMode,
};
pub use lane::{Constraint, HarnessProfile, Lane, WorktreeIsolation};
pub use panel::{InterrogationTarget, PanelRole, Quorum, ResourceMode, SharedResource};
pub use policy::{
    Budget, Checkpoint, Independence, IndependenceModel, ProvenanceMode, RecoveryPolicy, ReviewRevisionPolicy,
};
pub use posture::Posture;
pub use tie::{Cycle, Edge, EdgeOn, Phase};

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
    /// The phases, one after the other; without any, the jobs are not divided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
    /// What becomes of revisions, in the words of other engines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_revision_policy: Option<ReviewRevisionPolicy>,
    /// What is known about the coding tools that lanes run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub harness_profiles: BTreeMap<ProfileId, HarnessProfile>,
    /// The shape that the document was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<String>,
    /// What the run may use up as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// How reviewers must differ from authors. Always there in a document of the second format, and never in an older one,
    /// where it is off; [`Workflow::independence_model`] tells both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub independence: Option<Independence>,
    /// Whether what is delivered must be what was judged, byte for byte.
    #[serde(default, skip_serializing_if = "job::is_false")]
    pub require_judged_delivery: bool,
    /// What an AI operator may answer in place of a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ai_operator_may: Vec<Checkpoint>,
}

impl Workflow {
    /// The job with this id.
    pub fn job(&self, id: &JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == *id)
    }

    /// Whether the models of authors and reviewers are compared: never in documents older than the second format.
    pub fn independence_model(&self) -> IndependenceModel {
        self.independence.as_ref().map_or(IndependenceModel::Off, |independence| independence.model)
    }

    /// Whether the document gives leave that a review and what it judges are made by the same model.
    pub fn allows_same_model(&self, review: &JobId, author: &JobId) -> bool {
        let mut ways = self.cycles.iter().filter(|way| way.from == *review && way.to == *author);
        self.allow_same_model_review_pairing || ways.any(|way| way.allow_same_model == Some(true))
    }

    /// The family of a model: by the document's table, else by that of well-known models, else the model is its own family.
    ///
    /// ```
    /// use striatum_core::workflow::{JobBuilder, LaneBuilder, Workflow};
    ///
    /// let workflow = Workflow::builder("notes")
    ///     .lane("l", LaneBuilder::process(["agent"]))
    ///     .role("r", "Works.")
    ///     .job(JobBuilder::draft("draft").by("r", "l").objective("Write."))
    ///     .build()?
    ///     .workflow;
    /// assert_eq!(workflow.family_of("Claude Opus 5"), "anthropic");
    /// assert_eq!(workflow.family_of("home-grown"), "home-grown");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn family_of<'m>(&'m self, model: &'m str) -> Cow<'m, str> {
        let model = Independence::normal(model);
        let declared = self.independence.as_ref().and_then(|independence| independence.family(&model));
        declared.or_else(|| Independence::known_family(&model)).map_or(model, Cow::Borrowed)
    }

    /// The workflow as a document for people, with every default written out. Parsed, it is the same workflow again.
    ///
    /// # Errors
    /// None for a workflow that was parsed or built; the encoder's if it could not write a value.
    pub fn to_json_pretty(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

/// A version of the document format. Each has all that the one before has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SchemaVersion {
    /// The first public format.
    #[serde(rename = "striatum.workflow.v1")]
    V1,
    /// With phases.
    #[serde(rename = "striatum.workflow.v1.1")]
    V1_1,
    /// With quorums, budgets and independence of models.
    #[serde(rename = "striatum.workflow.v2")]
    V2,
}

impl SchemaVersion {
    /// The version as it stands in a document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "striatum.workflow.v1",
            Self::V1_1 => "striatum.workflow.v1.1",
            Self::V2 => "striatum.workflow.v2",
        }
    }
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
