//! What the shell owes a run.
//!
//! Effects are not remembered, they are derived: after a commit, and after a crash, the shell asks what is pending and does it.
//! Every item is confirmed by an event or is a compare-and-swap that may be repeated.

use crate::{
    digest::Digest,
    id::{CommandId, Fence, InstanceId, RunId},
    run::{RunStatus, event::Ruling, state::State},
    time::Timestamp,
};

/// Something that the shell owes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pending {
    /// A job is held: its agent is to be run, or, if its owner is dead, the grant is to be ended.
    Drive {
        /// The grant.
        fence: Fence,
        /// Its attempt.
        attempt: u32,
        /// When it was granted.
        granted_at: Timestamp,
        /// The instance that answers for it.
        owner: InstanceId,
    },
    /// A grant is over: its agent is to be ended, its work to be kept, its tree to be closed.
    CloseTree {
        /// The grant.
        fence: Fence,
        /// Its attempt.
        attempt: u32,
        /// When it was granted.
        granted_at: Timestamp,
        /// The instance that answers for it.
        owner: InstanceId,
    },
    /// The run is completed: its branch is to be moved to its result.
    Deliver {
        /// The run.
        run: RunId,
    },
    /// A principal is to be told.
    Notify {
        /// The run.
        run: RunId,
        /// The number of the escalation.
        escalation: u32,
    },
}

impl Pending {
    /// Who owes it; `None` for whoever comes first.
    pub fn owner(&self) -> Option<InstanceId> {
        match self {
            Self::Drive { owner, .. } | Self::CloseTree { owner, .. } => Some(*owner),
            Self::Deliver { .. } | Self::Notify { .. } => None,
        }
    }

    /// The id of the command that confirms it: always the same for the same item, so that confirming twice is once.
    pub fn command_id(&self) -> CommandId {
        let key = match self {
            Self::Drive { fence, .. } => {
                format!("drive/{}/{}/{}/{}", fence.run, fence.job, fence.epoch, fence.session)
            }
            Self::CloseTree { fence, .. } => {
                format!("close/{}/{}/{}/{}", fence.run, fence.job, fence.epoch, fence.session)
            }
            Self::Deliver { run } => format!("deliver/{run}"),
            Self::Notify { run, escalation } => format!("notify/{run}/{escalation}"),
        };
        let mut id = [0; 16];
        id.copy_from_slice(&Digest::of(key.as_bytes()).as_bytes()[..16]);
        CommandId::from_bytes(id)
    }
}

impl State {
    /// What the shell owes this run now.
    pub fn pending(&self) -> impl Iterator<Item = Pending> {
        let trees = self.trees().filter_map(|(fence, tree)| {
            let owner = self.session(&tree.session)?.owner.instance;
            let (attempt, granted_at) = (tree.attempt, tree.granted_at);
            Some(if self.is_live(&fence) {
                Pending::Drive { fence, attempt, granted_at, owner }
            } else {
                Pending::CloseTree { fence, attempt, granted_at, owner }
            })
        });
        let has_leave = self.withheld.as_ref().is_none_or(|it| it.ruling == Some(Ruling::Accept));
        let undelivered = self.status == Some(RunStatus::Completed) && self.delivered.is_none() && has_leave;
        let escalations = self.escalations.iter().filter(|escalation| !escalation.notified);
        trees
            .chain(undelivered.then_some(Pending::Deliver { run: self.run }))
            .chain(escalations.map(|e| Pending::Notify { run: self.run, escalation: e.raised.escalation }))
    }
}
