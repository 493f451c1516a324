//! How strongly a lane's constraints can be held.

use std::{collections::BTreeMap, fmt};

use crate::{
    sandbox::{Isolation, Level},
    workflow::Constraint,
};

/// How strongly each constraint can be held where a workflow is to run.
///
/// ```
/// use striatum_core::{sandbox::Level, workflow::{Constraint, Offers}};
///
/// let plain = Offers::process();
/// assert_eq!(plain.level(Constraint::Network, Some("forbidden")), Level::AdvisoryStrict);
/// let walled = plain.raise(Constraint::Network, "forbidden", Level::Enforced);
/// assert_eq!(walled.level(Constraint::Network, Some("forbidden")), Level::Enforced);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offers(BTreeMap<(Constraint, String), Level>);

impl Offers {
    /// What a plain process gives, without any sandbox.
    pub fn process() -> Self {
        Self(BTreeMap::new())
            .raise(Constraint::Transcripts, "off", Level::Enforced)
            .raise(Constraint::Network, "forbidden", Level::AdvisoryStrict)
            .raise(Constraint::RepoScope, "local_only", Level::AdvisoryStrict)
    }

    /// The same where a sandbox adds what it measured.
    #[must_use]
    pub fn within(self, isolation: &Isolation) -> Self {
        self.raise(Constraint::Network, "forbidden", isolation.network).raise(
            Constraint::RepoScope,
            "local_only",
            isolation.file_system,
        )
    }

    /// The same with a constraint of this value held at least at this level.
    #[must_use]
    pub fn raise(mut self, constraint: Constraint, value: &str, level: Level) -> Self {
        let held = self.0.entry((constraint, value.to_owned())).or_insert(Level::Advisory);
        *held = level.max(*held);
        self
    }

    /// The level at which a constraint of this value is held; without a value there is nothing to hold an agent to.
    pub fn level(&self, constraint: Constraint, value: Option<&str>) -> Level {
        let held = value.and_then(|value| self.0.get(&(constraint, value.to_owned())));
        held.copied().unwrap_or(Level::Advisory)
    }
}

impl Default for Offers {
    fn default() -> Self {
        Self::process()
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Network => "network",
            Self::Transcripts => "transcripts",
            Self::RepoScope => "repo_scope",
        })
    }
}
