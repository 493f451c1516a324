//! What a sandbox holds an agent to, dimension by dimension.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How strongly something is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Not at all.
    Unsupported,
    /// The agent is asked.
    Advisory,
    /// The agent is asked, and what it did is checked afterwards.
    AdvisoryStrict,
    /// It cannot do otherwise.
    Enforced,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unsupported => "unsupported",
            Self::Advisory => "advisory",
            Self::AdvisoryStrict => "advisory_strict",
            Self::Enforced => "enforced",
        })
    }
}

/// What is enforced, or demanded, in each dimension. There is no overall rank: a sandbox may hold the network and not the
/// file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    /// Files outside the work tree and the session's own folders.
    pub file_system: Level,
    /// Connections to anything but the listeners that the session was given.
    pub network: Level,
    /// Seeing and signalling other processes.
    pub processes: Level,
    /// System calls that an agent has no use for.
    pub system_calls: Level,
    /// Memory, processor time, process count, disk.
    pub resources: Level,
    /// Secrets of the host.
    pub credentials: Level,
}

impl Isolation {
    /// The same level in every dimension.
    pub const fn uniform(level: Level) -> Self {
        Self {
            file_system: level,
            network: level,
            processes: level,
            system_calls: level,
            resources: level,
            credentials: level,
        }
    }

    /// The dimensions, by name.
    pub const fn dimensions(&self) -> [(&'static str, Level); 6] {
        [
            ("file_system", self.file_system),
            ("network", self.network),
            ("processes", self.processes),
            ("system_calls", self.system_calls),
            ("resources", self.resources),
            ("credentials", self.credentials),
        ]
    }

    /// The first dimension in which `demanded` is more than this, with what is offered and what is demanded.
    ///
    /// ```
    /// use striatum_core::sandbox::{Isolation, Level};
    ///
    /// let offered = Isolation { network: Level::Enforced, ..Isolation::uniform(Level::Advisory) };
    /// let demanded = Isolation { network: Level::Enforced, ..Isolation::uniform(Level::Unsupported) };
    /// assert_eq!(offered.shortfall(&demanded), None);
    /// assert_eq!(
    ///     Isolation::uniform(Level::Advisory).shortfall(&demanded),
    ///     Some(("network", Level::Advisory, Level::Enforced))
    /// );
    /// ```
    pub fn shortfall(&self, demanded: &Self) -> Option<(&'static str, Level, Level)> {
        self.dimensions()
            .into_iter()
            .zip(demanded.dimensions())
            .find_map(|((name, offer), (_, demand))| (offer < demand).then_some((name, offer, demand)))
    }
}
