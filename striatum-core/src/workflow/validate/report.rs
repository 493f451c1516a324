//! Collects findings, a bounded number of them.

use std::{cell::RefCell, fmt::Write as _};

use super::{Strictness, json::Node};
use crate::{
    digest::Digest,
    workflow::{Finding, FindingCode, Findings, Severity},
};

/// So many errors, and so many warnings, are listed; the rest is counted.
const MAX_LISTED: usize = 200;

/// A JSON pointer in the making.
#[derive(Debug, Default)]
pub(super) struct Pointer(String);

impl Pointer {
    pub(super) fn key(mut self, key: &str) -> Self {
        self.0.push('/');
        self.0.push_str(&key.replace('~', "~0").replace('/', "~1"));
        self
    }

    pub(super) fn index(mut self, index: usize) -> Self {
        // Writing to a `String` cannot fail.
        let _ = write!(self.0, "/{index}");
        self
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

#[derive(Debug)]
pub(super) struct Report {
    strictness: Strictness,
    found: RefCell<Found>,
}

#[derive(Debug, Default)]
struct Found {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    omitted: usize,
    is_refused: bool,
}

impl Found {
    /// Takes note of a finding, and tells whether it is to be listed.
    fn count(&mut self, severity: Severity) -> bool {
        self.is_refused |= severity == Severity::Error;
        let is_listed = self.list(severity).len() < MAX_LISTED;
        self.omitted += usize::from(!is_listed);
        is_listed
    }

    fn list(&mut self, severity: Severity) -> &mut Vec<Finding> {
        match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        }
    }
}

impl Report {
    pub(super) fn new(strictness: Strictness) -> Self {
        Self { strictness, found: RefCell::default() }
    }

    pub(super) fn error(&self, code: FindingCode, pointer: String, message: impl Into<String>) {
        self.add(Severity::Error, code, || Detail::new(pointer, message));
    }

    pub(super) fn warning(&self, code: FindingCode, pointer: String, message: impl Into<String>) {
        self.add(Severity::Warning, code, || Detail::new(pointer, message));
    }

    pub(super) fn lint(&self, code: FindingCode, pointer: String, message: String, subject: &[&str]) {
        let parts = std::iter::once(code.as_str()).chain(subject.iter().copied());
        let fingerprint = Digest::of(parts.collect::<Vec<_>>().join("\n").as_bytes());
        self.add(Severity::Warning, code, || Detail {
            fingerprint: Some(fingerprint),
            ..Detail::new(pointer, message)
        });
    }

    /// A key that nothing asked for.
    pub(super) fn unknown_key(&self, detail: impl FnOnce() -> Detail) {
        let severity = match self.strictness {
            Strictness::Lenient => Severity::Warning,
            Strictness::Strict => Severity::Error,
        };
        self.add(severity, FindingCode::UnknownKey, detail);
    }

    /// Adds a finding. `detail` may be dear, such as a search for the nearest name, and is only asked for when the
    /// finding will be listed.
    pub(super) fn add(&self, severity: Severity, code: FindingCode, detail: impl FnOnce() -> Detail) {
        if !self.found.borrow_mut().count(severity) {
            return;
        }
        let Detail { pointer, message, suggestion, fingerprint } = detail();
        let finding = Finding { code, severity, pointer, message, suggestion, fingerprint };
        self.found.borrow_mut().list(severity).push(finding);
    }

    /// Everything in document order, and whether there is an error in it.
    pub(super) fn close(self, tree: Option<&Node<'_>>) -> (Findings, bool) {
        let Found { errors, mut warnings, omitted, is_refused } = self.found.into_inner();
        let mut list = errors;
        list.append(&mut warnings);
        if let Some(tree) = tree {
            list.sort_by_cached_key(|finding| tree.position_of(&finding.pointer));
        }
        (Findings::new(list, omitted), is_refused)
    }
}

/// What a finding says, apart from its code.
#[derive(Debug)]
pub(super) struct Detail {
    pub(super) pointer: String,
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
    pub(super) fingerprint: Option<Digest>,
}

impl Detail {
    pub(super) fn new(pointer: String, message: impl Into<String>) -> Self {
        Self { pointer, message: message.into(), suggestion: None, fingerprint: None }
    }

    pub(super) fn suggest(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }
}
