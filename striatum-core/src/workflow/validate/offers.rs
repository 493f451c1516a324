//! How strongly a lane's constraints can be held.

use std::{collections::BTreeMap, fmt};

use crate::{
    sandbox::{Isolation, Level},
    workflow::{Constraint, Lane},
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
    /// What agents give that are asked and held to nothing.
    pub const fn advisory() -> Self {
        Self(BTreeMap::new())
    }

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

    /// What a lane demands and does not get here, in the order of the constraints.
    pub fn shortfalls<'a>(&'a self, lane: &'a Lane) -> impl Iterator<Item = Shortfall<'a>> {
        lane.required_enforcement.iter().filter_map(|(constraint, required)| {
            let value = lane.constraints.get(constraint).map(String::as_str);
            let offered = self.level(*constraint, value);
            let (constraint, required) = (*constraint, *required);
            (required > offered).then_some(Shortfall { constraint, value, required, offered })
        })
    }
}

/// A demand of a lane that is not met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall<'a> {
    /// What agents are to be held to.
    pub constraint: Constraint,
    /// To which of its values; nothing if the lane does not say.
    pub value: Option<&'a str>,
    /// How strongly at least.
    pub required: Level,
    /// How strongly they are held.
    pub offered: Level,
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
