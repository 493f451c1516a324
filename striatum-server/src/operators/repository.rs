//! What only the embedder can do: whatever touches a repository.

use std::fmt;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use striatum_core::{
    id::{CommitId, RunId},
    run::{Actor, Supersede},
};

use super::problem::Problem;

/// A repository on which runs are prepared.
///
/// The engine knows no files: reading a document's prompts at the present commit, and looking where a branch points, is for whoever has
/// the repository. `striatum::Orchestrator` is one.
#[async_trait]
pub trait Repository: fmt::Debug + Send + Sync + 'static {
    /// Prepares a run in the actor's name: validates the document, freezes it with the files that it refers to, and begins the run's
    /// history. It is neither confirmed nor started.
    ///
    /// # Errors
    /// [`Problem`], with the code, the sentence and the remedy of what stands in the way.
    async fn prepare(&self, document: Document, actor: &Actor) -> Result<Prepared, Problem>;

    /// Settles where a run's result goes: to this branch, or, if none is named, to the one that the workflow suggests or the first
    /// free one after it.
    ///
    /// # Errors
    /// [`Problem`].
    async fn branch(&self, run: RunId, wanted: Option<&str>) -> Result<Branch, Problem>;

    /// Puts what a principal publishes in the place of what a completed job published: the same with the commit that holds it, on top of
    /// the job's work. What the machine would refuse is refused before anything is committed.
    ///
    /// # Errors
    /// [`Problem`].
    async fn amend(&self, run: RunId, actor: &Actor, wanted: Supersede) -> Result<Supersede, Problem>;
}

/// A workflow document, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Document {
    /// A file of the repository, by its path from the root.
    Path(String),
    /// The document itself. The files that it refers to are looked for in a folder of the repository.
    Inline {
        /// The document.
        document: Value,
        /// The folder, from the root of the repository; the root unless given.
        #[serde(default)]
        folder: String,
    },
}

/// A run that was prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prepared {
    /// The run.
    pub run: RunId,
    /// What is doubtful about the document.
    pub warnings: Vec<Warning>,
}

impl Prepared {
    /// A run, and what is doubtful about its document.
    pub const fn new(run: RunId, warnings: Vec<Warning>) -> Self {
        Self { run, warnings }
    }
}

/// Something doubtful about a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Warning {
    /// Its stable code.
    pub code: String,
    /// The place in the document, as a JSON pointer.
    pub pointer: String,
    /// What it is.
    pub message: String,
}

/// A branch for a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// Its name, without `refs/heads/`.
    pub name: String,
    /// Where it points now; nothing if it does not exist.
    pub at: Option<CommitId>,
}
