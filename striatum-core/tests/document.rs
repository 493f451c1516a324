//! Workflow documents for tests, in the fewest words.

use serde_json::{Value, json};
use striatum_core::{
    id::CommitId,
    workflow::{Rules, Snapshot, Workflow},
};

/// A document in the making. Each job requires one artifact, named after it and its attempt.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    jobs: Vec<Value>,
    edges: Vec<Value>,
    cycles: Vec<Value>,
    policy: Value,
    at_once: u32,
    top: Vec<(&'static str, Value)>,
}

impl Document {
    pub(crate) fn new() -> Self {
        Self {
            jobs: Vec::new(),
            edges: Vec::new(),
            cycles: Vec::new(),
            policy: json!({}),
            at_once: 16,
            top: Vec::new(),
        }
    }

    /// A document of the second version, which does not compare models.
    pub(crate) fn v2() -> Self {
        let off = json!({"model": "off"});
        Self::new().top("schema_version", "striatum.workflow.v2").top("independence", off)
    }

    /// Sets a key of the document itself.
    pub(crate) fn top(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.top.push((key, value.into()));
        self
    }

    /// Adds a job of its own role.
    pub(crate) fn job(mut self, id: &str, kind: &str) -> Self {
        let is_review = ["review", "phase_synthesis"].contains(&kind);
        let mode = if is_review { "review_only_artifact" } else { "repo_write" };
        self.jobs.push(json!({
            "id": id, "type": kind, "role_id": kind, "lane_id": "local", "objective": id,
            "write_scope": {"mode": mode, "allowed_paths": [format!("out/{id}")]},
            "expected_artifacts": [{"logical_name": format!("{id}_${{cycle}}"), "kind": "text", "path": path(id)}],
        }));
        self
    }

    /// Sets a key of the last job.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.jobs.last_mut().unwrap()[key] = value.into();
        self
    }

    pub(crate) fn edge(mut self, from: &str, to: &str) -> Self {
        self.edges.push(json!({"from": from, "to": to, "on": "completed"}));
        self
    }

    /// Sets a key of the last way back.
    pub(crate) fn and(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.cycles.last_mut().unwrap()[key] = value.into();
        self
    }

    pub(crate) fn cycle(mut self, from: &str, to: &str, max: u32) -> Self {
        self.cycles
            .push(json!({"from": from, "to": to, "on_verdict": "needs_revision", "max_iterations": max}));
        self
    }

    /// How often a job may be handed out again, and how many may be lost.
    pub(crate) fn tolerate(mut self, requeues: u32, quarantines: u32) -> Self {
        self.policy = json!({"max_requeues": requeues, "max_quarantinable_jobs": quarantines});
        self
    }

    pub(crate) fn at_once(mut self, limit: u32) -> Self {
        self.at_once = limit;
        self
    }

    pub(crate) fn workflow(&self) -> Workflow {
        let roles: serde_json::Map<String, Value> = self
            .jobs
            .iter()
            .map(|job| (job["role_id"].as_str().unwrap().to_owned(), json!({"summary": "somebody"})))
            .collect();
        let mut document = json!({
            "schema_version": "striatum.workflow.v1", "workflow_id": "w", "workflow_version": "1", "name": "W",
            "branch": {"mode": "confirm", "suggested_name": "striatum/w"},
            "lanes": {"local": {"adapter": "process", "command": ["true"], "display_model": "model-1"}},
            "roles": roles,
            "parallelism": {"max_active_jobs": self.at_once, "require_disjoint_write_scopes": true},
            "jobs": self.jobs, "edges": self.edges, "cycles": self.cycles, "recovery_policy": self.policy,
        });
        for (key, value) in &self.top {
            document[*key] = value.clone();
        }
        match Workflow::parse(document.to_string().as_bytes(), &Rules::default()) {
            Ok(validated) => validated.workflow,
            Err(findings) => panic!("{findings}\n{document:#}"),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.workflow(), commit(0), Vec::new()).unwrap()
    }
}

/// Where the artifact of a job lies, with the attempt left open.
pub(crate) fn path(job: &str) -> String {
    format!("out/{job}/${{cycle}}.md")
}

pub(crate) fn commit(n: u64) -> CommitId {
    CommitId::new(format!("{n:040x}")).unwrap()
}

/// `a`, alone.
pub(crate) fn single() -> Document {
    Document::new().job("a", "draft")
}

/// `a` before `b`.
pub(crate) fn pair() -> Document {
    Document::new().job("a", "draft").job("b", "build").edge("a", "b")
}

/// `a`, which `r` judges, before `z`.
pub(crate) fn judged() -> Document {
    let jobs = Document::new().job("z", "build").job("a", "draft").job("r", "review");
    jobs.edge("a", "r").edge("r", "z")
}

/// The same, and `r` may send back twice.
pub(crate) fn revised() -> Document {
    judged().cycle("r", "a", 2)
}

/// `a`, which may fail twice, before `r`, which may send it back.
pub(crate) fn tried_again() -> Document {
    let jobs = Document::new().job("a", "draft").with("max_attempts", 3).job("r", "review");
    jobs.edge("a", "r").cycle("r", "a", 2)
}

/// `a` before the checkpoint `h` before `z`.
pub(crate) fn checkpoint() -> Document {
    let jobs = Document::new().job("a", "draft").job("h", "human_checkpoint").job("z", "build");
    jobs.edge("a", "h").edge("h", "z")
}

/// `a` before `b` and `c`, both before `d`.
pub(crate) fn diamond() -> Document {
    let jobs = Document::new().job("a", "draft").job("b", "build").job("c", "test").job("d", "synthesis");
    jobs.edge("a", "b").edge("a", "c").edge("b", "d").edge("c", "d")
}

/// `a` before `b`, which `inner` sends back, before `outer`, which sends `a` back.
pub(crate) fn nested() -> Document {
    let jobs = Document::new()
        .job("a", "draft")
        .with("interrogable", true)
        .job("b", "build")
        .job("inner", "review")
        .job("outer", "review");
    let chain = jobs.edge("a", "b").edge("b", "inner").edge("inner", "outer");
    chain.cycle("inner", "b", 1).cycle("outer", "a", 1)
}
