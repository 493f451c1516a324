//! A second opinion: what the log means and what it must obey, written from the rules and not from the machine.
//!
//! It reads events as they come back from a store, keeps a model of its own, and complains. It calls nothing of the machine but
//! its vocabulary.

mod ending;
mod events;
mod grants;
mod model;
mod outcomes;
mod panel;
mod plan;
mod questions;
mod reopening;
mod rest;
mod verdicts;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use striatum_core::{
    id::{CommandId, Fence, JobId},
    run::{Actor, Command, CommandRef, Event, Intent, Record, Resolution, RunStatus},
    time::Timestamp,
    workflow::Workflow,
};

pub(super) use self::model::Model;
use self::plan::Plan;
use super::property::{Broken, Holds, Property};

/// The events of one command, as they were read back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) command: &'a Command,
    pub(super) records: &'a [(Record, Timestamp)],
}

/// Watches one run.
#[derive(Debug)]
pub(super) struct Oracle {
    plan: Plan,
    model: Model,
    /// What each command has led to.
    applied: HashMap<CommandId, (CommandRef, Vec<Event>)>,
    /// Every grant that was ever made.
    grants: BTreeSet<Fence>,
    /// How often principals gave leave for more work.
    leaves: u64,
    /// What the block at hand has done so far.
    block: Done,
}

/// What a block has done so far.
#[derive(Debug, Default)]
struct Done {
    actor: Option<Actor>,
    at: Timestamp,
    /// The job that a principal wants ended.
    ends: Option<usize>,
    /// The review that spoke.
    spoke: Option<usize>,
    /// The cause and target of each reopening, with what was listed and reset.
    reopened: BTreeMap<usize, reopening::Reopening>,
    failed: Option<usize>,
    quarantined: Option<usize>,
    run_reopened: bool,
    run_ended: Option<RunStatus>,
    /// How often a principal is needed for the run to go on.
    escalated: usize,
    asked_for_budget: bool,
    paused: bool,
}

impl Oracle {
    pub(super) fn of(workflow: &Workflow) -> Self {
        let plan = Plan::of(workflow);
        let model = Model::of(&plan);
        Self {
            plan,
            model,
            applied: HashMap::new(),
            grants: BTreeSet::new(),
            leaves: 0,
            block: Done::default(),
        }
    }

    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    /// What a command has led to, if it is in the log.
    pub(super) fn applied(&self, command: CommandId) -> Option<&(CommandRef, Vec<Event>)> {
        self.applied.get(&command)
    }

    /// Every grant that was ever made.
    pub(super) fn grants(&self) -> &BTreeSet<Fence> {
        &self.grants
    }

    /// Takes in what a command has led to.
    pub(super) fn observe(&mut self, block: Block<'_>) -> Holds {
        let reference = CommandRef::of(block.command);
        let Some((first, at)) = block.records.first() else { return Ok(()) };
        Property::Agreement.holds(first.command == reference, || {
            format!("an event names command {} with another content", first.command.id)
        })?;
        Property::Repetition.holds(!self.applied.contains_key(&reference.id), || {
            format!("command {} ({}) was applied twice", reference.id, block.command.intent.name())
        })?;
        if let Some(fence) = fence(&block.command.intent) {
            Property::Grants.holds(self.model.is_live(&self.plan, fence), || {
                format!("{} under grant {fence}, which is over, appended", block.command.intent.name())
            })?;
        }
        self.expect_own(block.command)?;
        self.expect_scope(block.command)?;
        let ends = ended(&block.command.intent).map(|job| self.job(job)).transpose()?;
        self.block = Done { actor: Some(first.actor.clone()), at: *at, ends, ..Done::default() };
        for (record, _) in block.records {
            self.fold(&record.event)?;
        }
        let events: Vec<Event> = block.records.iter().map(|(record, _)| record.event.clone()).collect();
        self.expect_canceled(&events)?;
        self.applied.insert(reference.id, (reference, events));
        self.expect_reopened()?;
        self.expect_outcome()?;
        self.expect_no_moot_leave()?;
        self.expect_rest()
    }

    /// Whether a grant is the live one of its job.
    pub(super) fn is_live(&self, fence: &Fence) -> bool {
        self.model.is_live(&self.plan, fence)
    }

    /// Whether no job that is held uses what a job wants, or writes where it may write.
    pub(super) fn is_unhindered(&self, job: &JobId) -> bool {
        let Some(job) = self.plan.index(job) else { return false };
        let mut held = (0..self.plan.len()).filter(|other| self.model.jobs[*other].lease.is_some());
        !held.any(|other| self.plan.excludes(job, other))
    }

    fn job(&self, job: &JobId) -> Result<usize, Broken> {
        self.plan.index(job).ok_or_else(|| Property::Rules.broken(format!("there is no job {job}")))
    }

    fn name(&self, job: usize) -> &JobId {
        &self.plan.job(job).id
    }

    /// Whether whoever gave the command acts from outside the run.
    fn is_principal(&self) -> bool {
        self.block.actor.as_ref().is_some_and(Actor::is_principal)
    }

    fn expect_principal(&self, what: &str) -> Holds {
        Property::Rules.holds(self.is_principal(), || format!("a session {what}"))
    }

    /// A session speaks for its own grants and for nothing else.
    fn expect_own(&self, command: &Command) -> Holds {
        let Actor::Session(session) = &command.actor else { return Ok(()) };
        let own = match (&command.intent, fence(&command.intent)) {
            (Intent::Claim(claim), _) => claim.session == *session,
            (Intent::Reply { session: asked, .. }, _) => asked == session,
            (Intent::Expire { .. } | Intent::Crash(_), _) | (_, None) => false,
            (_, Some(fence)) => fence.session == *session,
        };
        Property::Rules.holds(own, || format!("a session may not {}", command.intent.name()))
    }
}

/// The job that a command is to end.
fn ended(intent: &Intent) -> Option<&JobId> {
    match intent {
        Intent::CancelJob { job } | Intent::Resolve { job, resolution: Resolution::Cancel } => Some(job),
        _ => None,
    }
}

/// The grant that a command acts under. An intent of an agent that is not named here may act under any.
fn fence(intent: &Intent) -> Option<&Fence> {
    match intent {
        Intent::Acknowledge { fence, .. }
        | Intent::Identify { fence, .. }
        | Intent::Publish { fence, .. }
        | Intent::Propose { fence, .. }
        | Intent::RequestLeave { fence, .. }
        | Intent::Expire { fence } => Some(fence),
        Intent::Submit(submit) => Some(&submit.fence),
        Intent::Release(report)
        | Intent::Crash(report)
        | Intent::Fail(report)
        | Intent::Ask { report, .. }
        | Intent::Block { report, .. } => Some(&report.fence),
        _ => None,
    }
}
