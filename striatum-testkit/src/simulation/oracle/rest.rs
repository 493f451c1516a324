//! What holds between commands.

use striatum_core::{
    run::{JobStatus, RunStatus},
    workflow::OnReject,
};

use super::{Oracle, panel::Standing};
use crate::simulation::property::{Holds, Property};

impl Oracle {
    pub(super) fn expect_rest(&self) -> Holds {
        self.expect_end()?;
        for job in 0..self.plan.len() {
            self.expect_standing(job)?;
            self.expect_heard(job)?;
            if self.model.status == Some(RunStatus::Running) {
                self.expect_motion(job)?;
            }
        }
        self.expect_independence()
    }

    fn expect_end(&self) -> Holds {
        let all = self.model.jobs.iter().all(|job| job.status.is_terminal());
        Property::Ending.holds(self.model.status.is_none() || self.model.has_ended() == all, || {
            format!("the run is {:?}, and its jobs are: {}", self.model.status, self.show())
        })?;
        let escalates = self.block.run_ended == Some(RunStatus::NeedsOperator);
        Property::Ending.holds(self.block.escalated == usize::from(escalates), || {
            format!("{} escalations at the end of the run", self.block.escalated)
        })?;
        let beyond = self.block.quarantined.is_some() && self.is_beyond();
        Property::Ending.holds(!beyond || self.model.has_ended(), || {
            "a run goes on with more jobs in quarantine than it may lose".to_owned()
        })?;
        let ends =
            |job: &usize| self.plan.job(*job).on_reject == OnReject::FailRun && !self.plan.is_advisory(*job);
        let failed = self.block.failed.filter(ends);
        Property::Ending.holds(failed.is_none() || self.model.has_ended(), || {
            "a run goes on although a job failed whose failure ends it".to_owned()
        })?;
        Property::Rules
            .holds(!self.block.paused || self.is_principal() || self.block.asked_for_budget, || {
                "a session paused the run".to_owned()
            })
    }

    /// Whatever has begun stands on what is completed and accepted, at live attempts.
    fn expect_standing(&self, job: usize) -> Holds {
        let state = &self.model.jobs[job];
        let (property, stands) = match state.status {
            JobStatus::Completed => (Property::Reopening, true),
            JobStatus::Ready
            | JobStatus::Claimed
            | JobStatus::Running
            | JobStatus::AwaitingInput
            | JobStatus::WaitingHuman
            | JobStatus::Blocked
            | JobStatus::Parked => (Property::Rules, true),
            _ => (Property::Rules, false),
        };
        property.holds(!stands || self.model.may_begin(&self.plan, job), || {
            format!("{} is {}, and not all before it: {}", self.name(job), state.status, self.show())
        })?;
        let held = matches!(state.status, JobStatus::Claimed | JobStatus::Running);
        Property::Grants.holds(held == state.lease.is_some(), || {
            format!("{} is {}, and its lease says otherwise", self.name(job), state.status)
        })
    }

    /// A dissent that nobody has answered waits for others to be heard.
    fn expect_heard(&self, review: usize) -> Holds {
        let stands = self.model.status == Some(RunStatus::Running)
            && self.model.dissents(&self.plan, review)
            && self.model.standing(&self.plan, review) == Standing::Stands;
        let is_closed = stands && self.model.cohort(&self.plan, review).1;
        Property::Progress.holds(!is_closed, || {
            format!("the dissent of {} is not answered: {}", self.name(review), self.show())
        })
    }

    /// A pending job waits for something that is still open.
    fn expect_motion(&self, job: usize) -> Holds {
        if self.model.jobs[job].status != JobStatus::Pending {
            return Ok(());
        }
        let show = |what: &str| format!("{} is pending, and {what}: {}", self.name(job), self.show());
        let progress = Property::Progress;
        progress.holds(!self.model.may_begin(&self.plan, job), || show("may begin"))?;
        progress.holds(self.model.lost_to(&self.plan, job).is_none(), || show("never can begin"))?;
        let mut upstream = self.plan.upstream(job).iter();
        let open = upstream
            .any(|up| !self.model.jobs[*up].status.is_terminal() || self.model.is_undecided(&self.plan, *up));
        progress.holds(open, || show("waits for nobody"))
    }

    /// No verdict that counts was given by somebody who took part.
    fn expect_independence(&self) -> Holds {
        for review in 0..self.plan.len() {
            let Some(verdict) = self.model.live_verdict(review) else { continue };
            let took_part = |job: &usize| self.model.jobs[*job].hands.contains(&verdict.session);
            let part = self.plan.under_judgement(review).into_iter().find(took_part);
            let judged = &verdict.judged;
            let moved = judged.iter().find(|it| {
                self.plan.index(&it.job).is_some_and(|job| self.model.jobs[job].attempt != it.attempt)
            });
            Property::Independence.holds(part.is_none(), || {
                format!("{} was judged by a session that took part", self.name(review))
            })?;
            Property::Reopening.holds(moved.is_none(), || {
                format!("the verdict of {} is about another attempt", self.name(review))
            })?;
        }
        Ok(())
    }

    /// Where all jobs stand.
    pub(in crate::simulation) fn show(&self) -> String {
        let jobs = (0..self.plan.len()).map(|job| {
            let state = &self.model.jobs[job];
            format!("{} {} ({}.{})", self.name(job), state.status, state.attempt, state.epoch)
        });
        jobs.collect::<Vec<_>>().join(", ")
    }
}
