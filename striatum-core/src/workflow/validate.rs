//! The one validator: every document that is run has passed it, wherever it came from.
//!
//! A document is read once into a tree that remembers where everything stood, then into its types, field by field, and then
//! judged as a whole. Nothing stops at the first mistake: what cannot be read is reported and left out, and the rules go on
//! with the rest.

mod document;
mod enforcement;
mod groups;
mod independence;
mod job;
mod json;
mod known;
mod lane;
mod lints;
mod offers;
mod panel;
mod panels;
mod phases;
mod policy;
mod reader;
mod report;
mod scopes;
mod text;
mod ties;

use std::collections::BTreeMap;

pub use offers::{Offers, Shortfall};

use self::report::Report;
use crate::workflow::{Finding, Findings, Workflow};

/// By what a document is judged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Rules {
    /// What is done about keys that the format does not have.
    pub strictness: Strictness,
    /// What enforcement lanes get where the workflow will run, unless their adapter gives another.
    pub offers: Offers,
    /// What enforcement the lanes of an adapter get, by its name.
    pub adapters: BTreeMap<String, Offers>,
}

impl Rules {
    /// The default rules, but for keys that the format does not have: they are errors.
    pub fn strict() -> Self {
        Self { strictness: Strictness::Strict, ..Self::default() }
    }

    /// The same rules where this enforcement is given, whatever the adapter.
    #[must_use]
    pub fn with_offers(self, offers: Offers) -> Self {
        Self { offers, adapters: BTreeMap::new(), ..self }
    }

    /// The same rules where the lanes of this adapter are given this enforcement.
    #[must_use]
    pub fn with_offers_of(mut self, adapter: impl Into<String>, offers: Offers) -> Self {
        self.adapters.insert(adapter.into(), offers);
        self
    }

    /// What enforcement the lanes of an adapter get.
    pub fn offers_of(&self, adapter: &str) -> &Offers {
        self.adapters.get(adapter).unwrap_or(&self.offers)
    }
}

/// What is done about keys that the format does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Strictness {
    /// They are warnings: a newer version of the format may have brought them.
    #[default]
    Lenient,
    /// They are errors: for an author, a key that does nothing is a mistake.
    Strict,
}

/// A workflow that can be run, and what was found doubtful about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Validated {
    /// The workflow.
    pub workflow: Workflow,
    /// Warnings and lints, in document order: at most the first 200.
    pub warnings: Vec<Finding>,
}

impl Workflow {
    /// Reads a document in the public format and judges it by all rules.
    ///
    /// ```
    /// use striatum_core::workflow::{Rules, Workflow};
    ///
    /// let refused = Workflow::parse(br#"{"schema_version": "striatum.workflow.v1"}"#, &Rules::default()).unwrap_err();
    /// let missing: Vec<_> = refused.iter().map(|finding| finding.pointer.as_str()).collect();
    /// assert_eq!(missing, ["/workflow_id", "/lanes", "/roles", "/jobs"]);
    /// ```
    ///
    /// # Errors
    /// [`Findings`]: everything that is wrong with the document, and every warning besides.
    pub fn parse(json: &[u8], rules: &Rules) -> Result<Validated, Findings> {
        let report = Report::new(rules.strictness);
        let tree = json::parse(json, &report);
        let workflow = tree.as_ref().and_then(|tree| document::read(tree, &report, rules));
        let (findings, is_refused) = report.close(tree.as_ref());
        match workflow {
            Some(workflow) if !is_refused => {
                Ok(Validated { workflow, warnings: findings.into_iter().collect() })
            }
            _ => Err(findings),
        }
    }
}
