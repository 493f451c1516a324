//! Deciding what a command does to a run.
//!
//! One file per family of commands; what they share is the [`Draft`], on which every event is folded as it is emitted, so that
//! whatever `decide` returns is accepted by `evolve`.

use std::sync::Arc;

use crate::{
    id::{Fence, JobId},
    run::{
        JobStatus, RunStatus,
        command::{Command, Intent},
        event::Event,
        evolve::{Touched, evolve_into},
        rejection::Rejection,
        state::{JobState, State},
    },
    time::Timestamp,
    workflow::Snapshot,
};

mod authority;
mod checkpoint;
mod claim;
mod cohort;
mod confirm;
mod end;
mod escalation;
mod identity;
mod join;
mod judge;
mod lease;
mod leave;
mod publish;
mod question;
mod quorum;
mod reopen;
mod start;
mod supersede;

/// How many jobs one event lists at most, so that its body keeps within the bounds of a store.
const JOBS_PER_EVENT: usize = 100;

/// Turns a command into the events that it causes. An empty answer means that what is wanted is so already.
///
/// `now` is only written into events, for people to read; it decides nothing.
///
/// # Errors
/// [`Rejection`] if the command does not apply.
pub fn decide(state: &State, command: &Command, now: Timestamp) -> Result<Vec<Event>, Rejection> {
    Ok(plan(&Arc::new(state.clone()), command, now)?.events)
}

/// A decision with what it leads to.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) events: Vec<Event>,
    pub(crate) state: Arc<State>,
    pub(crate) touched: Touched,
}

/// What most commands cause.
const EVENTS: usize = 3;

/// Decides, and keeps the state that the events add up to.
pub(crate) fn plan(before: &Arc<State>, command: &Command, now: Timestamp) -> Result<Plan, Rejection> {
    authority::expect(command)?;
    let (mut state, events) = (before.clone(), Vec::with_capacity(EVENTS));
    let mut draft = Draft {
        state: Arc::make_mut(&mut state),
        snapshot: before.snapshot(),
        events,
        touched: Touched::default(),
        now,
    };
    match &command.intent {
        Intent::Prepare => start::prepare(&mut draft)?,
        Intent::ConfirmBranch { branch, at } => {
            start::confirm_branch(&mut draft, branch, at.as_ref())?;
        }
        Intent::Start => start::start(&mut draft)?,
        Intent::Pause => start::pause(&mut draft)?,
        Intent::Resume => start::resume(&mut draft, &command.actor)?,
        Intent::Cancel { reason } => end::cancel(&mut draft, *reason)?,
        Intent::Claim(claim) => claim::claim(&mut draft, claim)?,
        Intent::Acknowledge { fence, agent } => claim::acknowledge(&mut draft, fence, agent)?,
        Intent::Identify { fence, agent } => claim::identify(&mut draft, fence, agent)?,
        Intent::Publish { fence, artifacts } => publish::publish(&mut draft, fence, artifacts)?,
        Intent::Submit(submit) => publish::submit(&mut draft, submit)?,
        Intent::Release(report) => lease::release(&mut draft, report)?,
        Intent::Expire { fence } => lease::expire(&mut draft, fence)?,
        Intent::Crash(report) => lease::crash(&mut draft, report)?,
        Intent::Fail(report) => lease::fail(&mut draft, report)?,
        Intent::Block { report, severity } => lease::block(&mut draft, report, *severity)?,
        Intent::Decide { job, ruling, rationale } => {
            checkpoint::decide(&mut draft, &command.actor, job, *ruling, *rationale)?;
        }
        Intent::Resolve { job, resolution } => {
            checkpoint::resolve(&mut draft, &command.actor, job, resolution)?
        }
        Intent::Supersede(wanted) => supersede::supersede(&mut draft, &command.actor, wanted)?,
        Intent::CancelJob { job } => checkpoint::cancel_job(&mut draft, &command.actor, job)?,
        Intent::Retry { job } => reopen::retry(&mut draft, &command.actor, job)?,
        Intent::Ask { report, question, resume, of } => {
            question::ask(&mut draft, report, *question, resume.as_ref(), of.as_ref())?;
        }
        Intent::Reply { question, session, answer, usage } => {
            question::reply(&mut draft, &command.actor, *question, *session, *answer, *usage)?;
        }
        Intent::Refer { question, reason, usage } => question::refer(&mut draft, *question, *reason, *usage)?,
        Intent::Told { question } => question::told(&mut draft, *question)?,
        Intent::RequestLeave { fence, request } => leave::request(&mut draft, fence, *request)?,
        Intent::WithdrawLeave { escalation } => leave::withdraw(&mut draft, &command.actor, *escalation)?,
        Intent::Answer { question, answer } => {
            question::answer(&mut draft, &command.actor, *question, *answer)?;
        }
        Intent::Escalate { job, reason } => escalation::escalate(&mut draft, job.as_ref(), *reason)?,
        Intent::Propose { fence, proposal } => escalation::propose(&mut draft, fence, *proposal)?,
        Intent::Settle { escalation, ruling, rationale } => {
            escalation::settle(&mut draft, &command.actor, *escalation, *ruling, *rationale)?;
        }
        Intent::Compromise { rationale } => {
            escalation::compromise(&mut draft, &command.actor, *rationale)?;
        }
        Intent::Withhold { commit, deviations } => confirm::withhold(&mut draft, commit, deviations)?,
        Intent::TreeClosed { fence, kept } => confirm::tree_closed(&mut draft, fence, kept.as_ref())?,
        Intent::Delivered { commit, deviations } => confirm::delivered(&mut draft, commit, deviations)?,
        Intent::Notified { escalation } => confirm::notified(&mut draft, *escalation)?,
    }
    end::close(&mut draft)?;
    leave::withdraw_stale(&mut draft)?;
    let Draft { events, touched, .. } = draft;
    Ok(Plan { events, state, touched })
}

/// A decision in the making: the events so far, and the state that they add up to.
struct Draft<'s> {
    state: &'s mut State,
    /// That of the state, which no event changes.
    snapshot: &'s Snapshot,
    events: Vec<Event>,
    touched: Touched,
    now: Timestamp,
}

impl Draft<'_> {
    fn emit(&mut self, event: impl Into<Event>) -> Result<(), Rejection> {
        let place = self.events.len();
        self.events.push(event.into());
        evolve_into(self.state, &self.events[place], &mut self.touched)
            .map_err(|illegal| Rejection::Defect { detail: illegal.to_string() })
    }

    fn index(&self, job: &JobId) -> Result<usize, Rejection> {
        self.state.snapshot.graph().index(job).ok_or_else(|| Rejection::UnknownJob { job: job.clone() })
    }

    fn job(&self, index: usize) -> &JobState {
        &self.state.jobs[index]
    }

    /// The index of the job that the fence holds.
    fn held(&self, fence: &Fence) -> Result<usize, Rejection> {
        let index = self.index(&fence.job)?;
        if self.state.holds(index, fence) {
            Ok(index)
        } else {
            Err(Rejection::StaleFence { job: fence.job.clone(), epoch: fence.epoch })
        }
    }

    /// The index of the job that the fence holds, if its agent is at work.
    fn at_work(&self, fence: &Fence) -> Result<usize, Rejection> {
        let index = self.held(fence)?;
        self.expect_job(index, &[JobStatus::Running])?;
        Ok(index)
    }

    fn expect_job(&self, index: usize, allowed: &[JobStatus]) -> Result<(), Rejection> {
        let status = self.job(index).status;
        if allowed.contains(&status) {
            Ok(())
        } else {
            Err(Rejection::JobStatus { job: self.state.spec(index).id.clone(), status })
        }
    }

    fn run_status(&self) -> Result<RunStatus, Rejection> {
        self.state.status.ok_or(Rejection::NotPrepared)
    }

    fn expect_run(&self, allowed: &[RunStatus]) -> Result<(), Rejection> {
        let status = self.run_status()?;
        if allowed.contains(&status) { Ok(()) } else { Err(Rejection::RunStatus { status }) }
    }
}
