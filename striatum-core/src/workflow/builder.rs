//! Documents written in Rust.

use serde_json::{Map, Value, json};

use crate::workflow::{BranchMode, Findings, RecoveryPolicy, Rules, SchemaVersion, Validated, Workflow};

mod job;
mod lane;

pub use self::{job::JobBuilder, lane::LaneBuilder};

impl Workflow {
    /// Begins a workflow of this id.
    pub fn builder(id: impl Into<String>) -> WorkflowBuilder {
        WorkflowBuilder::new(id.into())
    }
}

/// Writes a workflow document, which [`build`](WorkflowBuilder::build) puts before the validator: what it refuses in a file
/// it refuses here, with pointers into the document that [`document`](WorkflowBuilder::document) shows.
///
/// ```
/// use striatum_core::workflow::{JobBuilder, LaneBuilder, Workflow};
///
/// let validated = Workflow::builder("greeting")
///     .lane("author", LaneBuilder::process(["claude", "-p"]).model("claude"))
///     .lane("reviewer", LaneBuilder::process(["codex", "exec", "-"]).model("codex"))
///     .role("author", "Writes what is asked for.")
///     .role("reviewer", "Judges it.")
///     .job(
///         JobBuilder::draft("draft")
///             .by("author", "author")
///             .objective("Write a greeting to docs/GREETING.md.")
///             .writes(["docs/"])
///             .artifact("greeting", "docs/GREETING.md"),
///     )
///     .job(
///         JobBuilder::review("review")
///             .by("reviewer", "reviewer")
///             .objective("Is the greeting friendly?")
///             .after("draft")
///             .fresh_session()
///             .leaves("review", "docs/review/REVIEW.md"),
///     )
///     .cycle("review", "draft", 2)
///     .build()?;
///
/// assert_eq!(validated.workflow.edges.len(), 1);
/// assert!(validated.warnings.is_empty());
/// # Ok::<(), striatum_core::workflow::Findings>(())
/// ```
#[derive(Debug, Clone)]
pub struct WorkflowBuilder {
    members: Map<String, Value>,
    lanes: Map<String, Value>,
    roles: Map<String, Value>,
    context_docs: Vec<Value>,
    jobs: Vec<Value>,
    edges: Vec<Value>,
    cycles: Vec<Value>,
}

impl WorkflowBuilder {
    fn new(id: String) -> Self {
        let mut members = Map::new();
        members.insert("schema_version".into(), "striatum.workflow.v1".into());
        members.insert("workflow_id".into(), id.into());
        Self {
            members,
            lanes: Map::new(),
            roles: Map::new(),
            context_docs: Vec::new(),
            jobs: Vec::new(),
            edges: Vec::new(),
            cycles: Vec::new(),
        }
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.members.insert(key.to_owned(), value.into());
        self
    }

    /// The version of the format; the first, unless it is called.
    #[must_use]
    pub fn schema(self, version: SchemaVersion) -> Self {
        self.with("schema_version", version.as_str())
    }

    /// A phase, behind those that were added before it. Jobs enter it by [`phase`](JobBuilder::phase).
    #[must_use]
    pub fn phase(mut self, id: impl Into<String>) -> Self {
        let phase = json!({ "id": id.into() });
        match self.members.get_mut("phases") {
            Some(Value::Array(phases)) => phases.push(phase),
            _ => drop(self.members.insert("phases".into(), json!([phase]))),
        }
        self
    }

    /// Any other key of the document.
    #[must_use]
    pub fn key(self, key: &str, value: impl Into<Value>) -> Self {
        self.with(key, value)
    }

    /// The author's version of the workflow; any text.
    #[must_use]
    pub fn version(self, version: impl Into<String>) -> Self {
        self.with("workflow_version", version.into())
    }

    /// A title for people.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        self.with("name", name.into())
    }

    /// The branch on which the result is delivered, and whether a principal confirms it.
    #[must_use]
    pub fn branch(self, mode: BranchMode, suggested_name: impl Into<String>) -> Self {
        let mode = match mode {
            BranchMode::Auto => "auto",
            BranchMode::Confirm => "confirm",
        };
        self.with("branch", json!({ "mode": mode, "suggested_name": suggested_name.into() }))
    }

    /// Who answers for the run as a whole.
    #[must_use]
    pub fn coordinator(self, role: &str, lane: &str) -> Self {
        self.with("coordinator", json!({ "role_id": role, "lane_id": lane }))
    }

    /// A lane.
    #[must_use]
    pub fn lane(mut self, name: impl Into<String>, lane: LaneBuilder) -> Self {
        self.lanes.insert(name.into(), lane.into_value());
        self
    }

    /// A role in one line.
    #[must_use]
    pub fn role(mut self, name: impl Into<String>, summary: impl Into<String>) -> Self {
        self.roles.insert(name.into(), json!({ "summary": summary.into() }));
        self
    }

    /// A role that a document describes.
    #[must_use]
    pub fn role_defined_in(mut self, name: impl Into<String>, path: impl Into<String>) -> Self {
        self.roles.insert(name.into(), json!({ "definition_path": path.into() }));
        self
    }

    /// A document that every agent is given, and without which a run cannot begin.
    #[must_use]
    pub fn context_doc(mut self, path: impl Into<String>) -> Self {
        self.context_docs.push(json!({ "path": path.into(), "required": true }));
        self
    }

    /// A document that every agent is given if it is there.
    #[must_use]
    pub fn optional_context_doc(mut self, path: impl Into<String>) -> Self {
        self.context_docs.push(json!({ "path": path.into(), "required": false }));
        self
    }

    /// At most this many jobs are held at once.
    #[must_use]
    pub fn max_active_jobs(self, jobs: u32) -> Self {
        self.with("parallelism", json!({ "max_active_jobs": jobs }))
    }

    /// What a run may lose before a person is asked.
    #[must_use]
    pub fn recovery_policy(self, policy: &RecoveryPolicy) -> Self {
        let RecoveryPolicy { max_requeues, max_quarantinable_jobs } = policy;
        let policy =
            json!({ "max_requeues": max_requeues, "max_quarantinable_jobs": max_quarantinable_jobs });
        self.with("recovery_policy", policy)
    }

    /// Authors and reviewers may use the same model.
    #[must_use]
    pub fn allow_same_model_review_pairing(self) -> Self {
        self.with("allow_same_model_review_pairing", true)
    }

    /// A job, with the edges that lead to it from the jobs that it comes [`after`](JobBuilder::after).
    #[must_use]
    pub fn job(mut self, job: JobBuilder) -> Self {
        let (job, edges) = job.into_values();
        self.jobs.push(job);
        self.edges.extend(edges);
        self
    }

    /// An edge: `to` waits until `from` is completed.
    #[must_use]
    pub fn edge(mut self, from: &str, to: &str) -> Self {
        self.edges.push(json!({ "from": from, "to": to, "on": "completed" }));
        self
    }

    /// A way back, which the review may take so many times.
    #[must_use]
    pub fn cycle(mut self, review: &str, back_to: &str, max_iterations: u32) -> Self {
        let cycle = json!({
            "from": review, "to": back_to, "on_verdict": "needs_revision", "max_iterations": max_iterations
        });
        self.cycles.push(cycle);
        self
    }

    /// The document as it stands, judged or not.
    pub fn document(&self) -> Value {
        let mut document = self.members.clone();
        document.insert("lanes".into(), self.lanes.clone().into());
        document.insert("roles".into(), self.roles.clone().into());
        document.insert("context_docs".into(), self.context_docs.clone().into());
        document.insert("jobs".into(), self.jobs.clone().into());
        document.insert("edges".into(), self.edges.clone().into());
        document.insert("cycles".into(), self.cycles.clone().into());
        document.into()
    }

    /// The workflow, judged by the default rules.
    ///
    /// # Errors
    /// [`Findings`], as [`Workflow::parse`] gives them.
    pub fn build(&self) -> Result<Validated, Findings> {
        self.build_by(&Rules::default())
    }

    /// The workflow, judged by these rules.
    ///
    /// # Errors
    /// [`Findings`], as [`Workflow::parse`] gives them.
    pub fn build_by(&self, rules: &Rules) -> Result<Validated, Findings> {
        Workflow::parse(self.document().to_string().as_bytes(), rules)
    }
}
