//! What the validator has to say about a document.

use std::{error::Error, fmt};

use serde::Serialize;

use crate::digest::Digest;

pub use code::FindingCode;
pub(crate) use code::codes;

mod code;

/// One thing that is wrong, or doubtful, about a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of finding it is.
    pub code: FindingCode,
    /// Whether it refuses the document.
    pub severity: Severity,
    /// Where it is: a JSON pointer (RFC 6901). The pointer of something that is missing is where it would stand.
    pub pointer: String,
    /// What was found, for a person.
    pub message: String,
    /// What would be correct there, if that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// For a lint: names what it is about whatever its place in the document, so that it can be recorded as accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Digest>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "(document)" } else { &self.pointer };
        write!(f, "{}: {place}: {} [{}]", self.severity, self.message, self.code)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; correct would be {suggestion:?}"),
            None => Ok(()),
        }
    }
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// The document can be run; somebody should look at it.
    Warning,
    /// The document is refused.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Why a document is refused: every error in it, and the warnings, in document order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    list: Vec<Finding>,
    omitted: usize,
}

impl Findings {
    pub(super) fn new(list: Vec<Finding>, omitted: usize) -> Self {
        Self { list, omitted }
    }

    /// The findings, in document order.
    pub fn as_slice(&self) -> &[Finding] {
        &self.list
    }

    /// How many there were beyond those that are listed: a document can be wrong in any number of places.
    pub const fn omitted(&self) -> usize {
        self.omitted
    }

    /// The findings, one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.list.iter()
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;
    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the workflow document cannot be run as it is")?;
        for finding in &self.list {
            write!(f, "\n  {finding}")?;
        }
        match self.omitted {
            0 => Ok(()),
            omitted => write!(f, "\n  and {omitted} more"),
        }
    }
}

impl Error for Findings {}
