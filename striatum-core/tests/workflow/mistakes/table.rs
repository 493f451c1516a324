//! The mistakes: what is changed in a sound document, and what must be found.

mod document;
mod jobs;
mod lanes;
mod scopes;
mod sound;
mod ties;
mod whole;

use striatum_core::workflow::FindingCode::{self, DuplicateKey, InvalidJson, WrongType};

use self::sound::Feature;
pub(crate) use self::whole::WHOLE;

/// Every mistake in what is made from [`BASE`].
pub(crate) fn mistakes() -> impl Iterator<Item = &'static Mistake> {
    [document::MISTAKES, lanes::MISTAKES, jobs::MISTAKES, scopes::MISTAKES, ties::MISTAKES]
        .into_iter()
        .flatten()
}

/// Every mistake in what is made from [`WHOLE`].
pub(crate) fn mistakes_of_whole() -> impl Iterator<Item = &'static Mistake> {
    whole::MISTAKES.iter()
}

/// Features of the format, each in what is made from [`BASE`].
pub(crate) fn features() -> impl Iterator<Item = &'static Feature> {
    sound::FEATURES.iter()
}

pub(crate) struct Mistake {
    pub(crate) what: &'static str,
    /// Pointers and what is put there; nothing removes what is there.
    pub(crate) changes: &'static [(&'static str, &'static str)],
    pub(crate) code: FindingCode,
    pub(crate) pointer: &'static str,
    /// The correction that must be offered, if one must.
    pub(crate) correct: Option<&'static str>,
}

const fn mistake(
    what: &'static str,
    changes: &'static [(&'static str, &'static str)],
    code: FindingCode,
    pointer: &'static str,
) -> Mistake {
    Mistake { what, changes, code, pointer, correct: None }
}

impl Mistake {
    const fn correct(mut self, correct: &'static str) -> Self {
        self.correct = Some(correct);
        self
    }
}

pub(crate) const BASE: &str = r#"{
  "schema_version": "striatum.workflow.v1",
  "workflow_id": "base",
  "workflow_version": "3",
  "name": "A sound document",
  "branch": { "mode": "auto", "suggested_name": "striatum/base", "allow_dirty": false },
  "coordinator": { "role_id": "author", "lane_id": "author" },
  "lanes": {
    "author": { "adapter": "process", "command": ["write"], "display_model": "one" },
    "reviewer": { "adapter": "process", "command": ["review"], "display_model": "two" }
  },
  "roles": { "author": { "definition_path": "roles/author.md" }, "reviewer": {} },
  "context_docs": [{ "path": "README.md", "required": false }],
  "parallelism": { "mode": "declared", "max_active_jobs": 1, "require_disjoint_write_scopes": true },
  "jobs": [
    {
      "id": "draft", "type": "draft", "title": "Draft", "role_id": "author", "lane_id": "author",
      "objective": "Write.", "task_prompt": { "path": "prompts/draft.md" },
      "write_scope": { "mode": "repo_write", "allowed_paths": ["src/", "docs/"], "forbidden_paths": [".git/"] },
      "expected_artifacts": [{ "logical_name": "draft", "kind": "handoff", "path": "docs/draft.md" }]
    },
    {
      "id": "review", "type": "review", "role_id": "reviewer", "lane_id": "reviewer",
      "objective": "Judge.", "inputs": ["draft"], "fresh_session_required": true,
      "write_scope": { "mode": "review_only_artifact", "repo_write": false, "allowed_paths": ["reviews/"] },
      "expected_artifacts": [{ "logical_name": "review", "path": "reviews/review.md" }]
    },
    {
      "id": "decide", "type": "human_checkpoint", "role_id": "author", "lane_id": "author",
      "objective": "Decide.", "needs": ["review"],
      "write_scope": { "mode": "review_only_artifact", "allowed_paths": ["decisions"] },
      "expected_artifacts": [{ "logical_name": "decision", "path": "decisions/decision.md" }]
    }
  ],
  "edges": [
    { "from": "draft", "to": "review", "on": "completed" },
    { "from": "review", "to": "decide" }
  ],
  "cycles": [{ "from": "review", "to": "draft", "on_verdict": "needs_revision", "max_iterations": 2 }]
}"#;

/// Documents that cannot be made by changing a sound one.
pub(crate) const TEXTS: &[(&str, &str, FindingCode, &str)] = &[
    ("nothing", "", InvalidJson, ""),
    ("half a document", r#"{"jobs": [{"id": "#, InvalidJson, "/jobs/0/id"),
    ("something behind the document", "{} {}", InvalidJson, ""),
    ("text that is not UTF-8 by escapes", r#"{"name": "\ud800"}"#, InvalidJson, "/name"),
    ("a list", "[]", WrongType, ""),
    ("a key twice", r#"{"name": "a", "name": "b"}"#, DuplicateKey, "/name"),
    ("a key twice under two spellings", r#"{"name": "a", "n\u0061me": "b"}"#, DuplicateKey, "/name"),
    (
        "a key twice, deep inside",
        r#"{"x_own": [{"a": {"b~/c": 1, "b~/c": 1}}]}"#,
        DuplicateKey,
        "/x_own/0/a/b~0~1c",
    ),
    (
        "a key twice among many",
        r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1,"c":2}"#,
        DuplicateKey,
        "/c",
    ),
];
