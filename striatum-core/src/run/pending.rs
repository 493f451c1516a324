//! What the shell owes a run.
//!
//! Effects are not remembered, they are derived: after a commit, and after a crash, the shell asks what is pending and does it.
//! Every item is confirmed by an event or is a compare-and-swap that may be repeated.

use crate::{
    digest::Digest,
    id::{CommandId, Fence, InstanceId, RunId},
    run::{
        RunStatus,
        event::{EscalationTopic, Ruling},
        state::{Escalation, State},
    },
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
    /// The session that completed a job was asked something: it is to answer, or a person is to be asked.
    Interrogate {
        /// The run.
        run: RunId,
        /// The number of the question.
        question: u32,
        /// The instance that answers for that session.
        owner: InstanceId,
    },
    /// A person is to be told of a question.
    Tell {
        /// The run.
        run: RunId,
        /// The number of the question.
        question: u32,
    },
}

impl Pending {
    /// Who owes it; `None` for whoever comes first.
    pub fn owner(&self) -> Option<InstanceId> {
        match self {
            Self::Drive { owner, .. } | Self::CloseTree { owner, .. } | Self::Interrogate { owner, .. } => {
                Some(*owner)
            }
            Self::Deliver { .. } | Self::Notify { .. } | Self::Tell { .. } => None,
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
            Self::Interrogate { run, question, .. } => format!("interrogate/{run}/{question}"),
            Self::Tell { run, question } => format!("question/{run}/{question}"),
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
        // Leave that nobody waits for any more is nothing to call a person for.
        let is_moot = |it: &Escalation| it.raised.topic == EscalationTopic::Leave && it.ruling.is_some();
        let escalations = self.escalations.iter().filter(move |it| !it.notified && !is_moot(it));
        let is_running = self.status == Some(RunStatus::Running);
        let questions = self.open_questions().filter(move |_| is_running);
        let questions = questions.filter_map(|(_, question)| match question.awaited() {
            Some(session) => {
                let owner = self.session(&session).filter(|_| !self.paused)?.owner.instance;
                Some(Pending::Interrogate { run: self.run, question: question.number, owner })
            }
            None => (!question.told).then_some(Pending::Tell { run: self.run, question: question.number }),
        });
        trees
            .chain(undelivered.then_some(Pending::Deliver { run: self.run }))
            .chain(escalations.map(|e| Pending::Notify { run: self.run, escalation: e.raised.escalation }))
            .chain(questions)
    }
}
