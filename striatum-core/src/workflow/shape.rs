//! Starter documents, with the prompts and roles that they refer to.

use std::fmt;

use crate::id::WorkflowId;

mod texts;

/// A form that many workflows have.
///
/// ```
/// use striatum_core::{id::WorkflowId, workflow::{Rules, Shape, Workflow}};
///
/// let scaffold = Shape::CodeChange.generate(&WorkflowId::new("parser")?, "flows/parser");
/// assert_eq!(scaffold.files[0].path, "flows/parser/workflow.json");
/// let validated = Workflow::parse(scaffold.document.as_bytes(), &Rules::strict())?;
/// assert!(validated.warnings.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shape {
    /// One job.
    Minimal,
    /// A text, and a review that may send it back.
    Review,
    /// A change of code, its review, and the finished change.
    CodeChange,
    /// An analysis, its review, a person's decision, and the record of it.
    HumanCheckpoint,
    /// A text, a ledger of what supports its claims, the audit of the ledger, and a review.
    EvidenceBacked,
    /// A draft, three reviews at the same time, and what comes of them.
    MultiReviewSynthesis,
}

impl Shape {
    /// Every shape.
    pub const ALL: &'static [Self] = &[
        Self::Minimal,
        Self::Review,
        Self::CodeChange,
        Self::HumanCheckpoint,
        Self::EvidenceBacked,
        Self::MultiReviewSynthesis,
    ];

    /// The name of the shape, as it stands in a document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Review => "review",
            Self::CodeChange => "code_change",
            Self::HumanCheckpoint => "human_checkpoint",
            Self::EvidenceBacked => "evidence_backed",
            Self::MultiReviewSynthesis => "multi_review_synthesis",
        }
    }

    /// The shape of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|shape| shape.as_str() == name)
    }

    /// A document of this shape and its files, to be written under a folder. What jobs leave lies under `docs/<workflow id>/`.
    pub fn generate(self, workflow_id: &WorkflowId, scaffold_root: &str) -> Scaffold {
        let root = scaffold_root.trim_end_matches('/');
        let place = |path: &str| match root {
            "" | "." => path.to_owned(),
            root => format!("{root}/{path}"),
        };
        let fill = |text: &str| text.replace("{{workflow_id}}", workflow_id.as_str());
        let files =
            self.texts().iter().map(|(path, text)| ScaffoldFile { path: place(path), text: fill(text) });
        let files: Vec<_> = files.collect();
        let document = files.first().map(|file| file.text.clone()).unwrap_or_default();
        Scaffold { document, files }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a shape gives: nothing is written yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scaffold {
    /// The workflow document.
    pub document: String,
    /// Every file: the document first, then what it refers to.
    pub files: Vec<ScaffoldFile>,
}

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScaffoldFile {
    /// Where it goes.
    pub path: String,
    /// What is in it.
    pub text: String,
}
