//! What a document says of a job, as its packets hold it.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use serde::{Serialize, Serializer};

use super::snapshot::Frozen;
use crate::{
    canonical,
    digest::BlobRef,
    id::RoleId,
    json,
    workflow::{Job, TaskPrompt, WriteScope},
};

/// Who is to do the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PacketRole {
    /// The document that describes it.
    pub definition: Option<PacketText>,
    /// The role.
    pub id: RoleId,
    /// One line about it.
    pub summary: Option<String>,
}

/// A text: in the packet itself, or frozen with the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PacketText {
    /// The text.
    Inline(String),
    /// A file that was frozen with the run.
    File {
        /// Its bytes.
        content: BlobRef,
        /// Where it lay.
        path: String,
    },
}

/// A value that never changes, with its canonical JSON, which is written once and copied from then on. A clone shares both.
#[derive(Debug)]
pub struct Written<T>(Arc<(T, Box<str>)>);

impl<T: Serialize> Written<T> {
    pub(crate) fn new(value: T) -> Self {
        // Names, texts, paths and digests always serialise.
        let text = canonical::to_vec(&value).ok().and_then(|text| String::from_utf8(text).ok());
        Self(Arc::new((value, text.unwrap_or_default().into())))
    }
}

impl<T> Clone for Written<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Written<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.0
    }
}

impl<T: fmt::Display> fmt::Display for Written<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Written<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Written<T> {}

impl<T: Serialize> Serialize for Written<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (value, text) = &*self.0;
        json::written(value, text, to)
    }
}

/// What a document says of a job.
#[derive(Debug)]
pub(crate) struct Brief {
    pub(crate) context: Written<Vec<PacketText>>,
    pub(crate) objective: Written<String>,
    pub(crate) prompt: Written<Option<PacketText>>,
    pub(crate) role: Written<PacketRole>,
    pub(crate) title: Written<String>,
    pub(crate) write_scope: Written<WriteScope>,
}

/// The briefs of the jobs of a snapshot, each made when it is first asked for.
#[derive(Debug)]
pub(super) struct Briefs(Box<[OnceLock<Brief>]>);

impl Briefs {
    pub(super) fn new(jobs: usize) -> Self {
        Self((0..jobs).map(|_| OnceLock::new()).collect())
    }

    pub(super) fn of(&self, frozen: &Frozen, job: usize) -> &Brief {
        self.0[job].get_or_init(|| Brief::new(frozen, &frozen.workflow.jobs[job]))
    }
}

impl Brief {
    fn new(frozen: &Frozen, job: &Job) -> Self {
        let file = |path: &str| {
            let file = frozen.file(path)?;
            Some(PacketText::File { path: file.path.clone(), content: file.content })
        };
        let prompt = job.task_prompt.as_ref().and_then(|prompt| match prompt {
            TaskPrompt::Inline(text) => Some(PacketText::Inline(text.clone())),
            TaskPrompt::Path(path) => file(path),
        });
        let role = frozen.workflow.roles.get(&job.role_id);
        let role = PacketRole {
            definition: role.and_then(|role| role.definition_path.as_deref()).and_then(file),
            id: job.role_id.clone(),
            summary: role.and_then(|role| role.summary.clone()),
        };
        let context = frozen.workflow.context_docs.iter().filter_map(|doc| file(&doc.path));
        Self {
            context: Written::new(context.collect()),
            objective: Written::new(job.objective.clone()),
            prompt: Written::new(prompt),
            role: Written::new(role),
            title: Written::new(job.title.clone()),
            write_scope: Written::new(job.write_scope.clone()),
        }
    }
}
