//! Jobs written in Rust.

use serde_json::{Map, Value, json};

use crate::workflow::{JobType, OnExpiry, OnReject, Posture};

/// Writes a job of a [`WorkflowBuilder`](super::WorkflowBuilder).
///
/// Until [`writes`](JobBuilder::writes) is called a job only leaves artifacts, and may write nothing else.
#[derive(Debug, Clone)]
pub struct JobBuilder {
    id: String,
    members: Map<String, Value>,
    is_writing: bool,
    allowed: Vec<String>,
    forbidden: Vec<String>,
    artifacts: Vec<Value>,
    after: Vec<String>,
}

impl JobBuilder {
    /// A job of this type.
    pub fn new(id: impl Into<String>, kind: JobType) -> Self {
        let id = id.into();
        let members =
            Map::from_iter([("id".to_owned(), id.clone().into()), ("type".to_owned(), kind.as_str().into())]);
        Self {
            id,
            members,
            is_writing: false,
            allowed: Vec::new(),
            forbidden: Vec::new(),
            artifacts: Vec::new(),
            after: Vec::new(),
        }
    }

    /// A job that writes something new.
    pub fn draft(id: impl Into<String>) -> Self {
        Self::new(id, JobType::Draft)
    }

    /// A job that judges and ends in a verdict.
    pub fn review(id: impl Into<String>) -> Self {
        Self::new(id, JobType::Review)
    }

    /// A job that waits for a person.
    pub fn human_checkpoint(id: impl Into<String>) -> Self {
        Self::new(id, JobType::HumanCheckpoint)
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.members.insert(key.to_owned(), value.into());
        self
    }

    /// A title for people.
    #[must_use]
    pub fn title(self, title: impl Into<String>) -> Self {
        self.with("title", title.into())
    }

    /// Who does it, and how the agent is run.
    #[must_use]
    pub fn by(self, role: impl Into<String>, lane: impl Into<String>) -> Self {
        self.with("role_id", role.into()).with("lane_id", lane.into())
    }

    /// What is to be achieved.
    #[must_use]
    pub fn objective(self, objective: impl Into<String>) -> Self {
        self.with("objective", objective.into())
    }

    /// What the agent is told.
    #[must_use]
    pub fn prompt(self, text: impl Into<String>) -> Self {
        self.with("task_prompt", json!({ "inline": text.into() }))
    }

    /// The file with what the agent is told.
    #[must_use]
    pub fn prompt_in(self, path: impl Into<String>) -> Self {
        self.with("task_prompt", json!({ "path": path.into() }))
    }

    /// What it works on: ids of jobs, and paths.
    #[must_use]
    pub fn inputs<I: Into<String>>(self, inputs: impl IntoIterator<Item = I>) -> Self {
        let inputs: Vec<String> = inputs.into_iter().map(Into::into).collect();
        self.with("inputs", inputs)
    }

    /// A job that must be completed before.
    #[must_use]
    pub fn after(mut self, job: impl Into<String>) -> Self {
        self.after.push(job.into());
        self
    }

    /// How many failures are tolerated, the last one included.
    #[must_use]
    pub fn max_attempts(self, attempts: u32) -> Self {
        self.with("max_attempts", attempts)
    }

    /// The session that does it must be new.
    #[must_use]
    pub fn fresh_session(self) -> Self {
        self.with("fresh_session_required", true)
    }

    /// What a review leans on.
    #[must_use]
    pub fn posture(self, posture: Posture) -> Self {
        self.with("review_posture", String::from(posture))
    }

    /// What a rejecting verdict does.
    #[must_use]
    pub fn on_reject(self, effect: OnReject) -> Self {
        let effect = match effect {
            OnReject::FailRun => "fail_run",
            OnReject::Checkpoint => "checkpoint",
            OnReject::SkipBranch => "skip_branch",
        };
        self.with("on_reject", effect)
    }

    /// What an expiry does.
    #[must_use]
    pub fn on_expiry(self, effect: OnExpiry) -> Self {
        let effect = match effect {
            OnExpiry::Requeue => "requeue",
            OnExpiry::Park => "park",
        };
        self.with("on_expiry", effect)
    }

    /// It belongs to this phase.
    #[must_use]
    pub fn phase(self, id: impl Into<String>) -> Self {
        self.with("phase_id", id.into())
    }

    /// It may run beside the other jobs of this group.
    #[must_use]
    pub fn group(self, name: impl Into<String>) -> Self {
        self.with("parallel_group", name.into())
    }

    /// It says its opinion and binds nobody.
    #[must_use]
    pub fn advisory(self) -> Self {
        self.with("panel_role", "advisory")
    }

    /// So many of the reviews before it must accept, and none in one of these roles may dissent.
    #[must_use]
    pub fn quorum<R: Into<String>>(self, k: u32, veto_roles: impl IntoIterator<Item = R>) -> Self {
        let veto_roles: Vec<String> = veto_roles.into_iter().map(Into::into).collect();
        self.with("quorum", json!({ "k": k, "veto_roles": veto_roles }))
    }

    /// Any other key of the job.
    #[must_use]
    pub fn key(self, key: &str, value: impl Into<Value>) -> Self {
        self.with(key, value)
    }

    /// How long a lease lasts without renewal, in seconds.
    #[must_use]
    pub fn lease_seconds(self, seconds: u32) -> Self {
        self.with("lease_seconds", seconds)
    }

    /// It changes the repository, at these paths.
    #[must_use]
    pub fn writes<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.is_writing = true;
        self.allowed.extend(paths.into_iter().map(Into::into));
        self
    }

    /// It changes nothing at these paths, even inside those that it may write.
    #[must_use]
    pub fn but_not<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.forbidden.extend(paths.into_iter().map(Into::into));
        self
    }

    /// It leaves this file, inside what it [`writes`](JobBuilder::writes).
    #[must_use]
    pub fn artifact(mut self, name: impl Into<String>, path: impl Into<String>) -> Self {
        self.artifacts.push(json!({ "logical_name": name.into(), "path": path.into() }));
        self
    }

    /// It leaves this file, and may write it whatever else it may write. Where the path has `${cycle}` in it, which is another at
    /// each attempt, the job may write to the folder that all of them share.
    ///
    /// ```
    /// use striatum_core::workflow::{JobBuilder, LaneBuilder, Workflow};
    ///
    /// let review = JobBuilder::review("review").by("r", "l").objective("Judge.");
    /// let workflow = Workflow::builder("notes")
    ///     .lane("l", LaneBuilder::process(["agent"]))
    ///     .role("r", "Works.")
    ///     .job(review.leaves("review", "reviews/${cycle}/review.md"))
    ///     .build()?
    ///     .workflow;
    /// assert!(workflow.jobs[0].write_scope.allows("reviews/cycle_2/review.md"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn leaves(mut self, name: impl Into<String>, path: impl Into<String>) -> Self {
        let path = path.into();
        let fixed = path.find("${cycle}").map(|at| &path[..at]);
        let folder = fixed.map(|fixed| fixed.rsplit_once('/').map_or(".", |(folder, _)| folder));
        self.allowed.push(folder.unwrap_or(&path).to_owned());
        self.artifact(name, path)
    }

    /// The job, and its edges.
    pub(super) fn into_values(mut self) -> (Value, Vec<Value>) {
        let mode = if self.is_writing { "repo_write" } else { "review_only_artifact" };
        let scope = json!({ "mode": mode, "allowed_paths": self.allowed, "forbidden_paths": self.forbidden });
        self.members.insert("write_scope".into(), scope);
        self.members.insert("expected_artifacts".into(), self.artifacts.into());
        let to = &self.id;
        let edges = self.after.iter().map(|from| json!({ "from": from, "to": to, "on": "completed" }));
        let edges = edges.collect();
        (self.members.into(), edges)
    }
}
