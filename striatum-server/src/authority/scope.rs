//! What a token opens.

use std::fmt;

use serde::{Deserialize, Serialize};
use striatum_core::{
    id::{ChainId, Fence, LaneId, RoleId},
    run::Actor,
};

/// What the bearer of a token may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The tools of one grant, as long as it is live.
    Session(Fence),
    /// To pull jobs of one role in one lane of one repository.
    Claim(ClaimScope),
    /// To operate.
    Operator(OperatorScope),
}

/// What an agent may pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimScope {
    /// The repository, by the chain of its events.
    pub repository: ChainId,
    /// The role that the agent takes.
    pub role: RoleId,
    /// The lane that the agent belongs to.
    pub lane: LaneId,
}

/// What an operator may do, and in whose name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorScope {
    /// In whose name the operator acts.
    pub actor: Actor,
    /// The only repository that may be seen; nothing for all of the store.
    pub repository: Option<ChainId>,
    /// What may be done.
    pub capabilities: Capabilities,
}

/// One thing that a token may allow. None includes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Look at runs, events and artifacts.
    Read,
    /// Take jobs for agents.
    Claim,
    /// Judge: decide, answer, resolve what waits for a judgement.
    Review,
    /// Begin, pause, resume, retry and cancel runs.
    Write,
    /// Issue and revoke tokens, and look at the audit chain.
    Admin,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Read, Self::Claim, Self::Review, Self::Write, Self::Admin];

    const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Claim => "claim",
            Self::Review => "review",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of capabilities.
///
/// ```
/// use striatum_server::authority::{Capabilities, Capability};
///
/// let some = Capabilities::of([Capability::Read, Capability::Write]);
/// assert!(some.allows(Capability::Write) && !some.allows(Capability::Review));
/// assert!(!Capabilities::of([Capability::Admin]).allows(Capability::Read));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Capability>", into = "Vec<Capability>")]
pub struct Capabilities(u8);

impl Capabilities {
    /// These.
    pub fn of(capabilities: impl IntoIterator<Item = Capability>) -> Self {
        Self(capabilities.into_iter().fold(0, |set, capability| set | capability.bit()))
    }

    /// Whether this one is among them.
    pub const fn allows(self, capability: Capability) -> bool {
        self.0 & capability.bit() != 0
    }

    /// Those that are in it.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.into_iter().filter(move |capability| self.allows(*capability))
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl From<Vec<Capability>> for Capabilities {
    fn from(capabilities: Vec<Capability>) -> Self {
        Self::of(capabilities)
    }
}

impl From<Capabilities> for Vec<Capability> {
    fn from(set: Capabilities) -> Self {
        set.iter().collect()
    }
}
