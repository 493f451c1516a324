//! Folding events into a state.

use std::{ops::Deref, sync::Arc, time::Duration};

use smallvec::SmallVec;

use crate::{
    id::{Fence, JobId},
    run::{
        JobStatus, RunStatus,
        event::{
            CancelCause, CanceledJob, Checkpoint, EscalationTopic, Event, Ground, LeaseEnd, RunEnded,
            SessionStart,
        },
        state::{Escalation, State, Withheld},
    },
};

mod job;

/// An event does not follow from the state that it is folded into: the history is not sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {version} of the run, {kind}, does not follow: {detail}")]
pub struct IllegalEvent {
    /// The number that the event would have in its run.
    pub version: u64,
    /// Its kind.
    pub kind: &'static str,
    /// What is wrong.
    pub detail: String,
}

/// The ids that an event touched, from which indexes are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Touched {
    /// Jobs, by index: few, whatever the run has.
    pub jobs: SmallVec<[usize; 4]>,
    /// Leases that began, with their term.
    pub granted: Vec<(Fence, Duration)>,
    /// Leases that ended.
    pub ended: Vec<Fence>,
    /// Waits that began: the job, the last grant before it, its length.
    pub waits: Vec<(JobId, u32, Duration)>,
    /// Waits that are over or no longer needed.
    pub waited: Vec<(JobId, u32)>,
}

impl Touched {
    /// Adds what another event touched.
    pub fn merge(&mut self, other: Self) {
        let Self { jobs, granted, ended, waits, waited } = self;
        add(jobs, other.jobs);
        add(granted, other.granted);
        add(ended, other.ended);
        add(waits, other.waits);
        add(waited, other.waited);
    }
}

fn add<T, L>(to: &mut L, more: L)
where
    L: Deref<Target = [T]> + Extend<T> + IntoIterator<Item = T>,
{
    if to.is_empty() {
        *to = more;
    } else {
        to.extend(more);
    }
}

/// Folds an event into a state and tells what it touched.
///
/// It trusts nothing: the events come from storage. On an error the state must be thrown away, since part of the event may
/// have been applied.
///
/// # Errors
/// [`IllegalEvent`] if the event does not follow from the state.
pub fn evolve(state: &mut State, event: &Event) -> Result<Touched, IllegalEvent> {
    let mut touched = Touched::default();
    evolve_into(state, event, &mut touched)?;
    Ok(touched)
}

/// The same, where what is touched is added to what other events touched.
pub(super) fn evolve_into(
    state: &mut State,
    event: &Event,
    touched: &mut Touched,
) -> Result<(), IllegalEvent> {
    let mut fold = Fold { state, touched };
    match fold.apply(event) {
        Ok(()) => {
            fold.state.version += 1;
            Ok(())
        }
        Err(detail) => Err(IllegalEvent { version: fold.state.version + 1, kind: event.kind(), detail }),
    }
}

struct Fold<'a> {
    state: &'a mut State,
    touched: &'a mut Touched,
}

type Step = Result<(), String>;

fn ensure(holds: bool, detail: impl FnOnce() -> String) -> Step {
    if holds { Ok(()) } else { Err(detail()) }
}

impl Fold<'_> {
    fn apply(&mut self, event: &Event) -> Step {
        match event {
            Event::RunPrepared(e) => {
                ensure(self.state.status.is_none(), || "the run is prepared already".to_owned())?;
                let same = (e.run, &e.chain, e.snapshot)
                    == (self.state.run, &self.state.chain, self.state.snapshot.blob());
                ensure(same, || "it names another run, chain or snapshot".to_owned())?;
                self.state.status = Some(RunStatus::NeedsBranchConfirmation);
            }
            Event::BranchConfirmed(e) => {
                self.expect_run(&[RunStatus::NeedsBranchConfirmation])?;
                self.state.branch = Some(Arc::new(e.clone()));
                self.state.status = Some(RunStatus::Ready);
            }
            Event::RunStarted(_) => {
                self.expect_run(&[RunStatus::Ready])?;
                self.state.status = Some(RunStatus::Running);
            }
            Event::RunPaused(_) => self.pause(true)?,
            Event::RunResumed(e) => {
                self.pause(false)?;
                self.state.allotments += u32::from(e.more_budget);
            }
            Event::RunEnded(e) => self.end_run(e)?,
            Event::RunReopened(_) => {
                self.expect_run(&[RunStatus::Failed, RunStatus::Canceled, RunStatus::NeedsOperator])?;
                ensure(self.state.branch.is_some(), || "it never had a branch".to_owned())?;
                self.state.status = Some(RunStatus::Running);
                self.state.record = None;
            }
            Event::RunDelivered(e) => {
                self.expect_run(&[RunStatus::Completed])?;
                ensure(self.state.delivered.is_none(), || "the run is delivered already".to_owned())?;
                self.state.delivered = Some(e.commit.clone());
            }
            Event::DeliveryWithheld(e) => {
                self.expect_run(&[RunStatus::Completed])?;
                let is_settled = self.state.delivered.is_some() || self.state.withheld.is_some();
                ensure(!is_settled, || "the run is delivered, or its delivery withheld, already".to_owned())?;
                self.state.withheld = Some(Withheld { commit: e.commit.clone(), ruling: None });
            }
            Event::RunCompromised(_) => {
                self.expect_run(&[RunStatus::Completed])?;
                self.state.status = Some(RunStatus::Compromised);
            }
            Event::SessionRegistered(e) => {
                let start = SessionStart { ordinal: e.ordinal, owner: e.owner.clone() };
                self.begin(e.session, &start, e.role.clone(), e.lane.clone())?;
            }
            Event::SessionIdentified(e) => {
                let session = self.state.sessions.get_mut(&e.session);
                let session = session.ok_or("there is no such session")?;
                session.agent = Some(e.agent.clone());
            }
            Event::JobReadied(e) => self.ready(e)?,
            Event::JobClaimed(e) => self.claim(e)?,
            Event::JobAcknowledged(e) => {
                let index = self.index(&e.job)?;
                self.expect_job(index, &[JobStatus::Claimed])?;
                let epoch = self.state.jobs[index].epoch;
                ensure(e.epoch == epoch, || format!("the job is at grant {epoch}"))?;
                self.set(index, JobStatus::Running);
            }
            Event::ArtifactPublished(e) => {
                let index = self.index(&e.job)?;
                self.expect_attempt(index, e.attempt)?;
                let job = &self.state.jobs[index];
                ensure(job.live_artifact(&e.name).is_none(), || "the artifact exists".to_owned())?;
                self.job(index).artifacts.push(Arc::new(e.clone()));
            }
            Event::VerdictRecorded(e) => {
                let index = self.index(&e.job)?;
                self.expect_job(index, &[JobStatus::Running])?;
                self.expect_attempt(index, e.attempt)?;
                let job = &self.state.jobs[index];
                let holds = job.lease.as_ref().is_some_and(|lease| lease.session == e.session);
                ensure(holds && job.epoch == e.epoch, || "its session does not hold the job".to_owned())?;
                ensure(job.live_verdict().is_none(), || "there is a verdict".to_owned())?;
                self.job(index).verdicts.push(Arc::new(e.clone()));
            }
            Event::JobCompleted(e) => {
                let index = self.index(&e.job)?;
                match e.ground {
                    Ground::Superseded => self.expect_job(index, &[JobStatus::Pending])?,
                    Ground::Done | Ground::Verdict | Ground::Continued | Ground::Decision(_) => {
                        self.expect_job(index, &[JobStatus::Running, JobStatus::WaitingHuman])?;
                    }
                }
                self.expect_attempt(index, e.attempt)?;
                self.end_lease(index, e.ended.as_ref())?;
                self.keep(index, e.submission.as_ref());
                let job = self.job(index);
                job.ground = Some(e.ground);
                job.author = e.ended.as_ref().map(|ended| ended.session);
                self.set(index, JobStatus::Completed);
            }
            Event::JobWaits(e) => {
                let index = self.index(&e.job)?;
                // A review that was completed by its dissent may come to wait when nobody answers the dissent.
                let moving =
                    [JobStatus::Pending, JobStatus::Claimed, JobStatus::Running, JobStatus::Completed];
                self.expect_job(index, &moving)?;
                self.expect_attempt(index, e.attempt)?;
                self.end_lease(index, e.ended.as_ref())?;
                self.keep(index, e.submission.as_ref());
                self.set(index, JobStatus::WaitingHuman).checkpoint = Some(e.checkpoint);
            }
            Event::JobBlocked(e) => {
                self.end(&e.job, &e.ended, JobStatus::Blocked)?;
                let index = self.index(&e.job)?;
                let job = self.job(index);
                job.checkpoint = e.doubt.is_some().then_some(Checkpoint::Identity);
                job.doubt.clone_from(&e.doubt);
            }
            Event::JobParked(e) => self.end(&e.job, &e.ended, JobStatus::Parked)?,
            Event::JobQuarantined(e) => self.end(&e.job, &e.ended, JobStatus::Quarantined)?,
            Event::JobFailed(e) => {
                self.end(&e.job, &e.ended, JobStatus::Failed)?;
                let index = self.index(&e.job)?;
                self.keep(index, e.submission.as_ref());
                self.job(index).failures += 1;
            }
            Event::JobCanceled(e) => {
                let index = self.index(&e.job)?;
                self.expect_open(index)?;
                self.end_lease(index, e.ended.as_ref())?;
                self.set(index, JobStatus::Canceled).canceled = Some(e.by);
            }
            Event::JobsCanceled(e) => self.cancel(&e.jobs)?,
            Event::JobSkipped(e) => {
                let index = self.index(&e.job)?;
                self.expect_job(index, &[JobStatus::Pending, JobStatus::Running])?;
                self.end_lease(index, e.ended.as_ref())?;
                self.job(index).skipped = Some(e.cause);
                self.set(index, JobStatus::Skipped);
            }
            Event::JobsReopened(e) => self.reopen(e)?,
            Event::DecisionRecorded(e) => {
                ensure(e.decision as usize == self.state.decisions.len() + 1, || {
                    "decisions are out of order".to_owned()
                })?;
                self.state.decisions.push(Arc::new(e.clone()));
            }
            Event::EscalationRaised(e) => {
                ensure(e.escalation as usize == self.state.escalations.len() + 1, || {
                    "escalations are out of order".to_owned()
                })?;
                let raised = Escalation { raised: Arc::new(e.clone()), notified: false, ruling: None };
                self.state.escalations.push(raised);
            }
            Event::EscalationNotified(e) => {
                let escalation = self.escalation(e.escalation)?;
                ensure(!escalation.notified, || "it was notified already".to_owned())?;
                escalation.notified = true;
            }
            Event::EscalationResolved(e) => {
                let escalation = self.escalation(e.escalation)?;
                ensure(escalation.ruling.is_none(), || "it was resolved already".to_owned())?;
                escalation.ruling = Some(e.ruling);
                let is_delivery = escalation.raised.topic == EscalationTopic::UnjudgedDelivery;
                if let Some(withheld) = self.state.withheld.as_mut().filter(|_| is_delivery) {
                    withheld.ruling = Some(e.ruling);
                }
            }
            Event::QuestionAsked(e) => self.ask(e)?,
            Event::QuestionAnswered(e) => self.answer(e)?,
            Event::QuestionReferred(e) => self.refer(e)?,
            Event::QuestionNotified(e) => {
                let question = self.question(&e.job, e.question)?;
                ensure(!question.told && question.awaited().is_none(), || "nobody is told of it".to_owned())?;
                question.told = true;
            }
            Event::TreeClosed(e) => {
                let index = self.index(&e.job)?;
                let job = &self.state.jobs[index];
                let is_held = job.lease.is_some() && job.epoch == e.epoch;
                let place = self.state.tree(index, e.epoch);
                ensure(place.is_ok() && !is_held, || "no such tree is to be closed".to_owned())?;
                let others = self.state.trees.iter().filter(|(grant, _)| *grant != (index, e.epoch));
                self.state.trees = others.cloned().collect();
            }
        }
        Ok(())
    }

    fn end_run(&mut self, e: &RunEnded) -> Step {
        let ended = self.state.status.is_some_and(RunStatus::has_ended);
        ensure(!ended && e.status.has_ended(), || "the run has ended, or does not end".to_owned())?;
        self.cancel(&e.canceled)?;
        ensure(self.state.open_jobs == 0, || "it leaves jobs open".to_owned())?;
        self.state.status = Some(e.status);
        self.state.record = Some(e.record);
        Ok(())
    }

    fn escalation(&mut self, number: u32) -> Result<&mut Escalation, String> {
        let index = (number as usize).wrapping_sub(1);
        self.state.escalations.get_mut(index).ok_or_else(|| "there is no such escalation".to_owned())
    }

    fn cancel(&mut self, jobs: &[CanceledJob]) -> Step {
        for CanceledJob { job, ended } in jobs {
            let index = self.index(job)?;
            self.expect_open(index)?;
            self.end_lease(index, ended.as_ref())?;
            self.set(index, JobStatus::Canceled).canceled = Some(CancelCause::RunEnd);
        }
        Ok(())
    }

    fn end(&mut self, job: &JobId, ended: &LeaseEnd, status: JobStatus) -> Step {
        let index = self.index(job)?;
        self.end_lease(index, Some(ended))?;
        self.set(index, status);
        Ok(())
    }

    fn pause(&mut self, paused: bool) -> Step {
        self.expect_run(&[RunStatus::Ready, RunStatus::Running])?;
        ensure(self.state.paused != paused, || "it changes nothing".to_owned())?;
        self.state.paused = paused;
        Ok(())
    }

    fn expect_run(&self, allowed: &[RunStatus]) -> Step {
        let status = self.state.status;
        ensure(status.is_some_and(|status| allowed.contains(&status)), || match status {
            Some(status) => format!("the run is {status}"),
            None => "the run is not prepared".to_owned(),
        })
    }
}
