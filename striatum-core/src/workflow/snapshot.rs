//! A workflow frozen for a run.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    digest::{BlobRef, Digest},
    id::{CommitId, JobId},
    workflow::{
        Cycle, Graph, TaskPrompt, UnsoundGraph, Workflow,
        brief::{Brief, Briefs},
    },
};

/// What a run executes: a workflow, the commit that it starts from, and the files that the workflow refers to, by digest.
///
/// Its bytes are canonical JSON (RFC 8785); their digest names it. Editing the document or the files afterwards changes
/// nothing about a run.
#[derive(Debug, Clone)]
pub struct Snapshot {
    frozen: Frozen,
    graph: Arc<Graph>,
    briefs: Arc<Briefs>,
    bytes: Bytes,
    digest: Digest,
}

impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Snapshot {}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Frozen {
    schema: Schema,
    pub(super) workflow: Workflow,
    base: CommitId,
    files: Vec<FrozenFile>,
}

impl Frozen {
    pub(super) fn file(&self, path: &str) -> Option<&FrozenFile> {
        self.files.iter().find(|file| file.path == path)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Schema {
    #[serde(rename = "striatum.snapshot.v1")]
    V1,
}

/// A file that a workflow refers to, as it was when the run was prepared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenFile {
    /// The path that the document gives.
    pub path: String,
    /// Its bytes, kept as a blob.
    pub content: BlobRef,
}

/// Why something is not a snapshot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSnapshot {
    /// A file that the workflow needs was not given.
    #[error("the workflow refers to {0}, which was not found")]
    MissingFile(String),
    /// A way back leads to a job that its review does not depend on.
    #[error("the way back from {from} to {to} leads aside")]
    CycleAside {
        /// The review.
        from: JobId,
        /// The target.
        to: JobId,
    },
    /// The jobs are not a graph.
    #[error(transparent)]
    Graph(#[from] UnsoundGraph),
    /// The bytes are not those of a snapshot that this version knows.
    #[error("the bytes are not a snapshot")]
    Encoding(#[source] serde_json::Error),
}

impl Snapshot {
    /// Freezes a workflow with its files.
    ///
    /// # Errors
    /// [`InvalidSnapshot::MissingFile`] for the first file that [`Workflow::referenced_files`] requires and `files` lacks.
    pub fn new(
        workflow: Workflow,
        base: CommitId,
        mut files: Vec<FrozenFile>,
    ) -> Result<Self, InvalidSnapshot> {
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        for file in workflow.referenced_files().filter(|file| file.required) {
            if files.binary_search_by(|frozen| frozen.path.as_str().cmp(file.path)).is_err() {
                return Err(InvalidSnapshot::MissingFile(file.path.to_owned()));
            }
        }
        let frozen = Frozen { schema: Schema::V1, workflow, base, files };
        let bytes = serde_jcs::to_vec(&frozen).map_err(InvalidSnapshot::Encoding)?;
        Self::sealed(frozen, bytes.into())
    }

    /// Takes a snapshot from its bytes. Only what the machine needs in order to be safe is checked: a validator that has
    /// become stricter since must not make a running run unreadable.
    ///
    /// # Errors
    /// [`InvalidSnapshot`].
    pub fn from_bytes(bytes: Bytes) -> Result<Self, InvalidSnapshot> {
        let frozen = serde_json::from_slice(&bytes).map_err(InvalidSnapshot::Encoding)?;
        Self::sealed(frozen, bytes)
    }

    fn sealed(frozen: Frozen, bytes: Bytes) -> Result<Self, InvalidSnapshot> {
        let graph = Arc::new(Graph::new(&frozen.workflow)?);
        for Cycle { from, to, .. } in &frozen.workflow.cycles {
            let ends = graph.index(from).zip(graph.index(to));
            if !ends.is_some_and(|(review, target)| graph.all_upstream(review).contains(&target)) {
                return Err(InvalidSnapshot::CycleAside { from: from.clone(), to: to.clone() });
            }
        }
        let briefs = Arc::new(Briefs::new(frozen.workflow.jobs.len()));
        Ok(Self { graph, briefs, digest: Digest::of(&bytes), bytes, frozen })
    }

    /// The workflow.
    pub fn workflow(&self) -> &Workflow {
        &self.frozen.workflow
    }

    /// Its graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The commit that the run starts from.
    pub fn base(&self) -> &CommitId {
        &self.frozen.base
    }

    /// The frozen files, sorted by path.
    pub fn files(&self) -> &[FrozenFile] {
        &self.frozen.files
    }

    /// The frozen file at a path.
    pub fn file(&self, path: &str) -> Option<&FrozenFile> {
        self.frozen.file(path)
    }

    /// What the document says of a job, by its number in document order.
    pub(crate) fn brief(&self, job: usize) -> &Brief {
        self.briefs.of(&self.frozen, job)
    }

    /// The canonical bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The reference under which the bytes are kept.
    pub fn blob(&self) -> BlobRef {
        BlobRef { digest: self.digest, size: self.bytes.len() as u64 }
    }
}

/// A file that a document refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferencedFile<'a> {
    /// Where it lies: in the repository at the base commit, or beside the document.
    pub path: &'a str,
    /// Where the document refers to it: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// Whether a run cannot be prepared without it.
    pub required: bool,
}

impl Workflow {
    /// The files that the document refers to: role definitions, prompts, context documents.
    pub fn referenced_files(&self) -> impl Iterator<Item = ReferencedFile<'_>> {
        let required = |path, pointer| ReferencedFile { path, pointer, required: true };
        let roles = self.roles.iter().filter_map(move |(id, role)| {
            let path = role.definition_path.as_deref()?;
            Some(required(path, format!("/roles/{id}/definition_path")))
        });
        let prompts = self.jobs.iter().enumerate().filter_map(move |(place, job)| match &job.task_prompt {
            Some(TaskPrompt::Path(path)) => Some(required(path, format!("/jobs/{place}/task_prompt/path"))),
            Some(TaskPrompt::Inline(_)) | None => None,
        });
        let context = self.context_docs.iter().enumerate().map(|(place, doc)| ReferencedFile {
            path: &doc.path,
            pointer: format!("/context_docs/{place}/path"),
            required: doc.required,
        });
        roles.chain(prompts).chain(context)
    }
}
