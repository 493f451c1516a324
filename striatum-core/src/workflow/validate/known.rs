//! The names that a document declares, so that every reference can be resolved while it is read.

use std::{cell::Cell, collections::HashSet};

use super::{
    json::{Node, Value},
    reader::{At, is_comment, one_of},
    report::{Detail, Report},
    text::nearest,
};
use crate::{
    id::IdError,
    workflow::{FindingCode, Rules, SchemaVersion, Severity},
};

/// What a document declares, and by what it is judged.
#[derive(Debug)]
pub(super) struct Context<'n> {
    pub(super) rules: &'n Rules,
    pub(super) report: &'n Report,
    pub(super) roles: Names<'n>,
    pub(super) lanes: Names<'n>,
    pub(super) jobs: Names<'n>,
    pub(super) phases: Names<'n>,
    pub(super) profiles: Names<'n>,
    /// The version that the document is written in; of one that is not known, the newest, which refuses least.
    pub(super) version: SchemaVersion,
}

impl<'n> Context<'n> {
    pub(super) fn of(root: &'n Node<'n>, report: &'n Report, rules: &'n Rules) -> Self {
        let roles = Names::new("role", FindingCode::UnknownRole, keys(root.get("roles")));
        let lanes = Names::new("lane", FindingCode::UnknownLane, keys(root.get("lanes")));
        let jobs = Names::new("job", FindingCode::UnknownJob, ids(root.get("jobs")));
        let phases = Names::new("phase", FindingCode::UnknownPhase, ids(root.get("phases")));
        let profiles =
            Names::new("harness profile", FindingCode::UnknownProfile, keys(root.get("harness_profiles")));
        let version = match root.get("schema_version").map(|node| &node.value) {
            Some(Value::Text(version)) => one_of(version).unwrap_or(SchemaVersion::V2),
            _ => SchemaVersion::V2,
        };
        Self { rules, report, roles, lanes, jobs, phases, profiles, version }
    }
}

/// The names of one kind, as they are written: one that is no name is reported where it is declared.
#[derive(Debug)]
pub(super) struct Names<'n> {
    noun: &'static str,
    code: FindingCode,
    order: Vec<&'n str>,
    set: HashSet<&'n str>,
    searches: Cell<usize>,
}

/// So often a document is searched for what its author may have meant.
const MAX_SEARCHES: usize = 100;

impl<'n> Names<'n> {
    fn new(noun: &'static str, code: FindingCode, order: Vec<&'n str>) -> Self {
        let set = order.iter().copied().collect();
        Self { noun, code, order, set, searches: Cell::new(0) }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.set.contains(name)
    }

    pub(super) fn nearest(&self, name: &str) -> Option<&'n str> {
        self.searches.set(self.searches.get() + 1);
        (self.searches.get() <= MAX_SEARCHES).then(|| nearest(name, self.order.iter().copied()))?
    }

    /// Reads a reference to one of them.
    pub(super) fn resolve<T: TryFrom<String, Error = IdError>>(&self, at: &At<'_>) -> Option<T> {
        let name = at.text()?;
        if self.contains(name) {
            // A declared name that is no name has been reported where it is declared.
            return T::try_from(name.to_owned()).ok();
        }
        at.add(Severity::Error, self.code, || {
            let message = format!("there is no {} {name:?}", self.noun);
            Detail::new(at.pointer(), message).suggest(self.nearest(name))
        });
        None
    }
}

fn keys<'n>(node: Option<&'n Node<'n>>) -> Vec<&'n str> {
    match node.map(|node| &node.value) {
        Some(Value::Object(members)) => {
            members.iter().map(|(key, _)| &**key).filter(|key| !is_comment(key)).collect()
        }
        _ => Vec::new(),
    }
}

fn ids<'n>(node: Option<&'n Node<'n>>) -> Vec<&'n str> {
    let Some(Value::List(jobs)) = node.map(|node| &node.value) else { return Vec::new() };
    jobs.iter()
        .filter_map(|job| match &job.get("id")?.value {
            Value::Text(id) => Some(&**id),
            _ => None,
        })
        .collect()
}
