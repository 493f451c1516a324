//! Which requests of an agent for leave are granted.

use std::collections::BTreeMap;

use striatum_core::sandbox::{Isolation, Level};

/// What an agent wants to do, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ToolKind {
    /// To read a file.
    Read,
    /// To change a file.
    Edit,
    /// To delete a file.
    Delete,
    /// To move a file.
    Move,
    /// To search.
    Search,
    /// To run a command.
    Execute,
    /// To think.
    Think,
    /// To fetch something from a network.
    Fetch,
    /// To work in another mode.
    SwitchMode,
    /// Anything else, and what it does not say.
    Other,
}

impl ToolKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Read,
        Self::Edit,
        Self::Delete,
        Self::Move,
        Self::Search,
        Self::Execute,
        Self::Think,
        Self::Fetch,
        Self::SwitchMode,
        Self::Other,
    ];
}

/// Where the files lie that an agent names in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All in the work tree, or it names none.
    Tree,
    /// At least one outside.
    Beyond,
}

/// What a policy says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Leave for this once.
    AllowOnce,
    /// Leave for this and all like it, where the agent offers that; else for this once.
    AllowAlways,
    /// No.
    Reject,
    /// A person decides.
    Ask,
}

/// Decides requests for leave by what the agent wants to do, and where.
///
/// A policy is no wall: what an agent does without asking, it does not see.
///
/// ```
/// use striatum_acp::{Decision, PermissionPolicy, Reach, ToolKind};
///
/// let policy = PermissionPolicy::uniform(Decision::AllowOnce)
///     .with(ToolKind::Fetch, Decision::Ask)
///     .beyond(Decision::Reject);
/// assert_eq!(policy.decide(ToolKind::Edit, Reach::Tree), Decision::AllowOnce);
/// assert_eq!(policy.decide(ToolKind::Fetch, Reach::Tree), Decision::Ask);
/// assert_eq!(policy.decide(ToolKind::Edit, Reach::Beyond), Decision::Reject);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionPolicy {
    otherwise: Decision,
    kinds: BTreeMap<ToolKind, Decision>,
    beyond: Option<Decision>,
}

impl PermissionPolicy {
    /// The same for everything.
    pub const fn uniform(decision: Decision) -> Self {
        Self { otherwise: decision, kinds: BTreeMap::new(), beyond: None }
    }

    /// What fits a sandbox: where it holds the file system, everything is allowed, each time once; where it does not, what
    /// leaves the work tree is rejected and a person is asked for the rest.
    pub fn within(sandbox: &Isolation) -> Self {
        if sandbox.file_system == Level::Enforced {
            Self::uniform(Decision::AllowOnce)
        } else {
            Self::uniform(Decision::Ask).beyond(Decision::Reject)
        }
    }

    /// Decides one kind otherwise.
    #[must_use]
    pub fn with(mut self, kind: ToolKind, decision: Decision) -> Self {
        self.kinds.insert(kind, decision);
        self
    }

    /// Decides whatever leaves the work tree, of every kind.
    #[must_use]
    pub const fn beyond(mut self, decision: Decision) -> Self {
        self.beyond = Some(decision);
        self
    }

    /// The decision.
    pub fn decide(&self, kind: ToolKind, reach: Reach) -> Decision {
        match (reach, self.beyond) {
            (Reach::Beyond, Some(decision)) => decision,
            (Reach::Beyond | Reach::Tree, _) => self.kinds.get(&kind).copied().unwrap_or(self.otherwise),
        }
    }
}

/// What an option that an agent offers would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    AllowOnce,
    AllowAlways,
    RejectOnce,
    RejectAlways,
}

/// What is answered to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    Once,
    Always,
    No,
}

/// The position of the option that says this, by its kind. `None` if none does: the request is then answered as cancelled.
///
/// Leave for once is never given as leave for always.
pub(crate) fn choose(leave: Leave, offers: &[Offer]) -> Option<usize> {
    let wanted: &[Offer] = match leave {
        Leave::Once => &[Offer::AllowOnce, Offer::RejectOnce, Offer::RejectAlways],
        Leave::Always => &[Offer::AllowAlways, Offer::AllowOnce, Offer::RejectOnce, Offer::RejectAlways],
        Leave::No => &[Offer::RejectOnce, Offer::RejectAlways],
    };
    wanted.iter().find_map(|kind| offers.iter().position(|offer| offer == kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_chosen_by_its_kind() {
        use Leave::{Always, No, Once};
        use Offer::{AllowAlways, AllowOnce, RejectAlways, RejectOnce};
        let table: &[(&[Offer], [Option<usize>; 3])] = &[
            (&[AllowOnce, AllowAlways, RejectOnce, RejectAlways], [Some(0), Some(1), Some(2)]),
            (&[RejectAlways, RejectOnce, AllowAlways, AllowOnce], [Some(3), Some(2), Some(1)]),
            (&[AllowAlways, RejectOnce], [Some(1), Some(0), Some(1)]),
            (&[AllowAlways, RejectAlways], [Some(1), Some(0), Some(1)]),
            (&[AllowAlways], [None, Some(0), None]),
            (&[AllowOnce], [Some(0), Some(0), None]),
            (&[RejectOnce], [Some(0), Some(0), Some(0)]),
            (&[AllowOnce, AllowOnce, RejectOnce], [Some(0), Some(0), Some(2)]),
            (&[], [None, None, None]),
        ];
        for (offers, expected) in table {
            let chosen = [Once, Always, No].map(|leave| choose(leave, offers));
            assert_eq!(chosen, *expected, "{offers:?}");
        }
    }

    #[test]
    fn the_default_fits_the_sandbox() {
        let walls = Isolation::uniform(Level::Enforced);
        let none = Isolation { file_system: Level::AdvisoryStrict, ..walls };
        for kind in ToolKind::ALL {
            for reach in [Reach::Tree, Reach::Beyond] {
                assert_eq!(PermissionPolicy::within(&walls).decide(kind, reach), Decision::AllowOnce);
            }
            let bare = PermissionPolicy::within(&none);
            assert_eq!(bare.decide(kind, Reach::Tree), Decision::Ask);
            assert_eq!(bare.decide(kind, Reach::Beyond), Decision::Reject);
        }
    }
}
