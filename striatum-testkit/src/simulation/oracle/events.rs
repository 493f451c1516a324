//! What each event means, and where it may stand.

use striatum_core::{
    id::JobId,
    run::{
        Actor, ArtifactPublished, CancelCause, Checkpoint, DecisionRecorded, Event, Ground, JobCanceled,
        JobCompleted, JobSkipped, JobStatus, JobWaits, LeaseCause, LeaseEnd, Ruling, RunStatus, SkipCause,
        Verdict,
    },
    workflow::{JobType, OnExpiry, OnReject},
};

use super::{Oracle, model::Decision, panel::Poll};
use crate::simulation::property::{Holds, Property};

const RULES: Property = Property::Rules;

impl Oracle {
    pub(super) fn fold(&mut self, event: &Event) -> Holds {
        match event {
            Event::RunPrepared(e) => {
                RULES.holds(self.model.status.is_none(), || "a run was prepared twice".to_owned())?;
                self.model.run = Some(e.run);
                self.model.status = Some(RunStatus::NeedsBranchConfirmation);
                Ok(())
            }
            Event::BranchConfirmed(_) => {
                self.run(&[RunStatus::NeedsBranchConfirmation], RunStatus::Ready, event)
            }
            Event::RunStarted(_) => self.run(&[RunStatus::Ready], RunStatus::Running, event),
            Event::RunPaused(_) => {
                // Who may is looked at when all is known: a budget that is used up pauses a run by itself.
                (self.block.paused, self.model.paused) = (true, true);
                let going = [Some(RunStatus::Ready), Some(RunStatus::Running)];
                RULES.holds(going.contains(&self.model.status), || {
                    "a run was paused that does not go".to_owned()
                })
            }
            Event::RunResumed(e) => {
                if e.more_budget {
                    self.expect_person(Some(Checkpoint::BudgetSpent))?;
                    self.leaves += 1;
                }
                self.model.paused = false;
                let status = self.model.status.unwrap_or(RunStatus::Ready);
                self.run(&[RunStatus::Ready, RunStatus::Running], status, event)
            }
            Event::DeliveryWithheld(_) => self.run(&[RunStatus::Completed], RunStatus::Completed, event),
            Event::RunCompromised(_) => {
                self.expect_person(None)?;
                self.run(&[RunStatus::Completed], RunStatus::Compromised, event)
            }
            Event::RunEnded(e) => self.run_ended(e),
            Event::RunReopened(_) => {
                self.block.run_reopened = true;
                let ended = [RunStatus::Failed, RunStatus::Canceled, RunStatus::NeedsOperator];
                self.run(&ended, RunStatus::Running, event)
            }
            Event::RunDelivered(e) => {
                self.expect_judged(e)?;
                RULES.holds(!self.model.delivered, || "a run was delivered twice".to_owned())?;
                self.model.delivered = true;
                self.run(&[RunStatus::Completed], RunStatus::Completed, event)
            }
            Event::SessionRegistered(_) => {
                RULES.holds(false, || "grants say when a session begins".to_owned())
            }
            Event::SessionIdentified(e) => {
                let index = self.job(&e.job)?;
                self.model.agents.insert(e.session, e.agent.clone());
                self.expect_at_work(index, e.epoch, e.session, event)
            }
            Event::JobReadied(e) => self.ready(e),
            Event::JobClaimed(e) => self.claim(e),
            Event::JobAcknowledged(e) => {
                let index = self.job(&e.job)?;
                let job = &mut self.model.jobs[index];
                let was = job.status;
                job.status = JobStatus::Running;
                Property::Grants.holds(was == JobStatus::Claimed && job.epoch == e.epoch, || {
                    format!("{} was acknowledged, which was {was}", e.job)
                })
            }
            Event::ArtifactPublished(e) => self.published(e),
            Event::VerdictRecorded(e) => self.judged(e, event),
            Event::JobCompleted(e) => self.completed(e),
            Event::JobWaits(e) => self.waits(e),
            Event::JobBlocked(e) => {
                let from = [JobStatus::Claimed, JobStatus::Running];
                self.lost(&e.job, &e.ended, &from, LeaseCause::Blocked, JobStatus::Blocked)?;
                let index = self.job(&e.job)?;
                self.model.jobs[index].checkpoint = e.doubt.as_ref().map(|_| Checkpoint::Identity);
                Ok(())
            }
            Event::JobParked(e) => {
                let index = self.job(&e.job)?;
                let parks = self.plan.job(index).on_expiry == OnExpiry::Park;
                RULES.holds(parks, || format!("{} was parked", e.job))?;
                let from = [JobStatus::Claimed, JobStatus::Running];
                self.lost(&e.job, &e.ended, &from, LeaseCause::Expired, JobStatus::Parked)
            }
            Event::JobQuarantined(e) => {
                let index = self.job(&e.job)?;
                let job = &self.model.jobs[index];
                let given = job.deliveries.saturating_sub(job.asked);
                let most = self.plan.workflow.recovery_policy.max_requeues;
                RULES.holds(given > most, || format!("{} was quarantined after {given} grants", e.job))?;
                self.block.quarantined = Some(index);
                let from = [JobStatus::Claimed, JobStatus::Running];
                self.lost(&e.job, &e.ended, &from, e.ended.cause, JobStatus::Quarantined)
            }
            Event::JobFailed(e) => {
                let index = self.job(&e.job)?;
                self.keep(index, e.submission.as_ref().map(|submission| submission.manifest.digest));
                self.block.failed = Some(index);
                let is_rejection = self.block.spoke == Some(index);
                let cause = if is_rejection { LeaseCause::Submitted } else { LeaseCause::Failed };
                self.lost(&e.job, &e.ended, &[JobStatus::Running], cause, JobStatus::Failed)?;
                let (job, spec) = (&mut self.model.jobs[index], self.plan.job(index));
                job.failures += 1;
                let spent = job.failures >= spec.max_attempts;
                RULES.holds(is_rejection || spent, || format!("{} failed with attempts left", e.job))
            }
            Event::JobCanceled(e) => self.canceled(e),
            Event::QuestionAsked(e) => self.asked(e),
            Event::QuestionAnswered(e) => self.answered(e),
            Event::QuestionReferred(e) => self.referred(e),
            Event::QuestionNotified(e) => self.told(e),
            Event::EscalationResolved(e) => self.settled(e),
            Event::JobsCanceled(e) => self.canceled_with_run(&e.jobs),
            Event::JobSkipped(e) => self.skipped(e),
            Event::JobsReopened(e) => self.reopened(e),
            Event::DecisionRecorded(e) => self.decided(e),
            Event::EscalationRaised(e) => self.raised(e),
            Event::EscalationNotified(e) => {
                let known = e.escalation <= self.model.escalations;
                let is_new = self.model.notified.insert(e.escalation);
                RULES.holds(known && is_new, || format!("escalation {} was notified again", e.escalation))
            }
            Event::TreeClosed(e) => {
                let index = self.job(&e.job)?;
                let job = &self.model.jobs[index];
                let was = (1..=job.epoch).contains(&e.epoch);
                let live = job.lease.is_some() && job.epoch == e.epoch;
                let is_new = self.model.closed.insert((index, e.epoch));
                Property::Grants.holds(was && !live && is_new, || {
                    format!("the tree of grant {} of {} was closed", e.epoch, e.job)
                })
            }
            // A rule that nobody wrote down here would be one that nobody checks.
            other => Err(RULES.broken(format!("the oracle has not learnt what {} means", other.kind()))),
        }
    }

    fn run(&mut self, from: &[RunStatus], to: RunStatus, event: &Event) -> Holds {
        self.expect_principal("steered the run")?;
        let was = self.model.status.replace(to);
        RULES.holds(was.is_some_and(|was| from.contains(&was)), || {
            format!("{} while the run was {was:?}", event.kind())
        })
    }

    /// A job loses its grant and goes elsewhere.
    pub(super) fn lost(
        &mut self,
        job: &JobId,
        end: &LeaseEnd,
        from: &[JobStatus],
        cause: LeaseCause,
        to: JobStatus,
    ) -> Holds {
        let index = self.job(job)?;
        self.end(job, Some(end))?;
        let was = self.model.jobs[index].status;
        self.model.jobs[index].moves(to);
        RULES.holds(from.contains(&was) && end.cause == cause, || {
            format!("{job} became {to} from {was} by {:?}", end.cause)
        })
    }

    fn published(&mut self, event: &ArtifactPublished) -> Holds {
        let index = self.job(&event.job)?;
        let superseded = self.is_superseded(index);
        let (spec, job) = (self.plan.job(index), &mut self.model.jobs[index]);
        let is_declared = spec.expected_artifacts.iter().any(|expected| {
            expected.name_at(job.attempt).as_ref() == Some(&event.name)
                && expected.path_at(job.attempt) == event.path
        });
        let by_person =
            job.checkpoint == Some(Checkpoint::Planned) || superseded && job.status == JobStatus::Pending;
        RULES.holds(is_declared && event.attempt == job.attempt, || {
            format!("{} does not declare {} at {}", event.job, event.name, event.path)
        })?;
        RULES.holds(job.status == JobStatus::Running || by_person, || {
            format!("{} published while it was {}", event.job, job.status)
        })?;
        let key = (event.attempt, event.name.clone());
        let before = job.published.insert(key, event.content.digest);
        Property::Reopening.holds(before.is_none(), || {
            format!("artifact {} of {} was published again at one attempt", event.name, event.job)
        })
    }

    /// What stands at a required name, for every name.
    pub(super) fn expect_artifacts(&self, index: usize) -> Holds {
        let (spec, job) = (self.plan.job(index), &self.model.jobs[index]);
        let live = job.live_artifacts();
        let mut required = spec.expected_artifacts.iter().filter(|artifact| artifact.required);
        let missing =
            required.find(|it| !it.name_at(job.attempt).is_some_and(|name| live.contains_key(&name)));
        RULES.holds(missing.is_none(), || {
            let name = missing.map(|it| it.logical_name.as_str()).unwrap_or_default();
            format!("{} ended without {name}", spec.id)
        })
    }

    fn completed(&mut self, event: &JobCompleted) -> Holds {
        let index = self.job(&event.job)?;
        let (was, checkpoint) = (self.model.jobs[index].status, self.model.jobs[index].checkpoint);
        let show = || format!("{} was completed ({:?}) from {was}", event.job, event.ground);
        let cause = event.ended.as_ref().map(|end| end.cause);
        let submitted = was == JobStatus::Running && cause == Some(LeaseCause::Submitted);
        let asked = was == JobStatus::WaitingHuman && cause.is_none();
        let may = match event.ground {
            Ground::Done => submitted && !self.plan.judges(index),
            Ground::Verdict => submitted && self.block.spoke == Some(index),
            Ground::Continued => asked && checkpoint == Some(Checkpoint::Planned),
            Ground::Superseded => was == JobStatus::Pending && self.is_superseded(index) && cause.is_none(),
            Ground::Decision(_) => {
                asked && !matches!(checkpoint, Some(Checkpoint::Blocked | Checkpoint::BudgetSpent))
            }
        };
        RULES.holds(may && event.attempt == self.model.jobs[index].attempt, show)?;
        match event.ground {
            Ground::Decision(number) => {
                self.expect_person(checkpoint)?;
                let decision = self.model.decisions.get((number as usize).wrapping_sub(1));
                let covers = decision.is_some_and(|it| {
                    // Dissents that ask together are answered together.
                    let together = checkpoint != Some(Checkpoint::Planned) && self.plan.binds(it.job);
                    let live = it.attempt == self.model.jobs[it.job].attempt;
                    (it.job == index || together) && live && it.ruling == Ruling::Accept
                });
                RULES.holds(covers, || format!("{} was overruled without a decision", event.job))?;
            }
            Ground::Continued => {
                self.expect_person(checkpoint)?;
                self.expect_artifacts(index)?;
            }
            Ground::Done | Ground::Verdict | Ground::Superseded => self.expect_artifacts(index)?,
        }
        self.end(&event.job, event.ended.as_ref())?;
        self.keep(index, event.submission.as_ref().map(|submission| submission.manifest.digest));
        let job = &mut self.model.jobs[index];
        job.moves(JobStatus::Completed);
        job.ground = Some(event.ground);
        job.author = event.ended.as_ref().map(|ended| ended.session);
        Ok(())
    }

    fn waits(&mut self, event: &JobWaits) -> Holds {
        let index = self.job(&event.job)?;
        let was = self.model.jobs[index].status;
        let planned = event.checkpoint == Checkpoint::Planned;
        if planned {
            let is_checkpoint = self.plan.job(index).kind == JobType::HumanCheckpoint;
            RULES.holds(is_checkpoint && self.model.may_begin(&self.plan, index), || {
                format!("{} asks a person before what it waits for", event.job)
            })?;
        }
        let from = match event.checkpoint {
            Checkpoint::Planned => was == JobStatus::Pending,
            Checkpoint::BudgetSpent => matches!(was, JobStatus::Claimed | JobStatus::Running),
            Checkpoint::RevisionsExhausted | Checkpoint::NoWayBack => {
                self.expect_asking(index)?;
                true
            }
            _ => was == JobStatus::Running,
        };
        RULES.holds(from && event.attempt == self.model.jobs[index].attempt, || {
            format!("{} asks a person ({:?}) from {was}", event.job, event.checkpoint)
        })?;
        self.end(&event.job, event.ended.as_ref())?;
        self.keep(index, event.submission.as_ref().map(|submission| submission.manifest.digest));
        let job = &mut self.model.jobs[index];
        job.moves(JobStatus::WaitingHuman);
        job.checkpoint = Some(event.checkpoint);
        Ok(())
    }

    fn skipped(&mut self, event: &JobSkipped) -> Holds {
        let index = self.job(&event.job)?;
        let was = self.model.jobs[index].status;
        let rejects = self.block.spoke == Some(index)
            && self.plan.job(index).on_reject == OnReject::SkipBranch
            && self.model.live_verdict(index).is_some_and(|it| it.verdict == Verdict::Reject);
        let lost = self.model.lost_to(&self.plan, index);
        let fits = match was {
            JobStatus::Running => rejects && event.cause == SkipCause::Rejected,
            JobStatus::Pending => lost == Some(event.cause),
            _ => false,
        };
        RULES.holds(fits, || {
            format!("{} was skipped ({:?}) from {was}, where {lost:?} is lost", event.job, event.cause)
        })?;
        self.end(&event.job, event.ended.as_ref())?;
        let job = &mut self.model.jobs[index];
        job.moves(JobStatus::Skipped);
        job.skipped = Some(event.cause);
        Ok(())
    }

    fn decided(&mut self, event: &DecisionRecorded) -> Holds {
        let index = self.job(&event.job)?;
        self.expect_person(self.model.jobs[index].checkpoint)?;
        let next = self.model.decisions.len() + 1;
        let attempt = self.model.jobs[index].attempt;
        RULES.holds(event.decision as usize == next && event.attempt == attempt, || {
            format!("decision {} is not number {next}, or of another attempt", event.decision)
        })?;
        self.model.decisions.push(Decision { job: index, attempt, ruling: event.ruling });
        Ok(())
    }

    /// What a person is asked only a person answers, or a program that the workflow lets.
    pub(super) fn expect_person(&self, asked: Option<Checkpoint>) -> Holds {
        let is_left = |asked| self.plan.workflow.ai_operator_may.contains(&asked);
        let may = match &self.block.actor {
            Some(Actor::Human(_)) => true,
            Some(Actor::AiOperator(_)) => asked.is_some_and(is_left),
            Some(Actor::Service(_) | Actor::Session(_)) | None => false,
        };
        RULES.holds(may, || format!("{:?} ruled on {asked:?}", self.block.actor))
    }

    fn canceled(&mut self, event: &JobCanceled) -> Holds {
        let index = self.job(&event.job)?;
        let (was, asked) = (self.model.jobs[index].status, self.model.jobs[index].checkpoint);
        let cause = match event.by {
            CancelCause::Principal => {
                self.expect_principal("cancelled a job")?;
                if asked.is_some() {
                    self.expect_person(asked)?;
                }
                // Dissents that ask together are answered together.
                let together = |job: usize| self.plan.binds(job) && self.plan.binds(index) && asked.is_some();
                let wanted = self.block.ends.is_some_and(|job| job == index || together(job));
                RULES.holds(wanted, || format!("{} was cancelled, which nobody wanted", event.job))?;
                LeaseCause::Canceled
            }
            CancelCause::Quorum => {
                let mut votes = self.plan.behind(index).filter_map(|job| self.model.poll(&self.plan, job));
                let met = votes.any(|poll| poll == Poll::Met);
                RULES.holds(met, || format!("{} was released from a vote that is not met", event.job))?;
                LeaseCause::Quorum
            }
            _ => return Err(RULES.broken(format!("{} was cancelled by {:?}", event.job, event.by))),
        };
        let named = event.ended.as_ref().is_none_or(|end| end.cause == cause);
        RULES.holds(named, || format!("{} was cancelled by {:?}", event.job, event.ended))?;
        self.end(&event.job, event.ended.as_ref())?;
        let job = &mut self.model.jobs[index];
        job.moves(JobStatus::Canceled);
        job.released = event.by == CancelCause::Quorum;
        RULES.holds(!was.is_terminal(), || format!("{} was cancelled, which was {was}", event.job))
    }

    /// What a principal wants ended has ended, if anything came of it.
    pub(super) fn expect_canceled(&self, events: &[Event]) -> Holds {
        let Some(job) = self.block.ends.map(|job| self.name(job)) else { return Ok(()) };
        let ended = events.iter().any(|event| matches!(event, Event::JobCanceled(e) if e.job == *job));
        RULES.holds(ended, || format!("{job} was to be cancelled, and was not"))
    }

    pub(super) fn keep(&mut self, index: usize, manifest: Option<striatum_core::digest::Digest>) {
        let kept = &mut self.model.jobs[index].manifest;
        *kept = manifest.or(*kept);
    }
}
