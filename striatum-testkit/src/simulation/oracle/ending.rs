//! The end of a run.

use striatum_core::run::{CanceledJob, EndCause, JobStatus, LeaseCause, RunEnded, RunStatus, SkipCause};
use striatum_core::workflow::OnReject;

use super::Oracle;
use crate::simulation::property::{Holds, Property};

const ENDING: Property = Property::Ending;

impl Oracle {
    pub(super) fn run_ended(&mut self, event: &RunEnded) -> Holds {
        let was = self.model.status;
        ENDING.holds(was.is_some_and(|was| !was.has_ended()), || format!("a run ended that was {was:?}"))?;
        let ends_run = |job: usize, oracle: &Self| oracle.plan.job(job).on_reject == OnReject::FailRun;
        let expected = match &event.cause {
            EndCause::Finished => {
                let open = self.model.jobs.iter().any(|job| !job.status.is_terminal());
                ENDING.holds(!open, || "a run was finished with open jobs".to_owned())?;
                self.outcome()
            }
            EndCause::Canceled => {
                self.expect_principal("cancelled the run")?;
                RunStatus::Canceled
            }
            EndCause::Rejected(job) | EndCause::Failed(job) => {
                let index = self.job(job)?;
                let is_rejection = matches!(event.cause, EndCause::Rejected(_));
                let fits = self.block.failed == Some(index)
                    && ends_run(index, self)
                    && is_rejection == (self.block.spoke == Some(index));
                ENDING.holds(fits, || format!("a run ended because of {job}"))?;
                RunStatus::Failed
            }
            EndCause::Quarantined(job) => {
                let index = self.job(job)?;
                let is_last = self.block.quarantined == Some(index);
                ENDING.holds(is_last && self.is_beyond(), || format!("a run ended because of {job}"))?;
                RunStatus::NeedsOperator
            }
        };
        ENDING.holds(event.status == expected, || {
            format!("a run ended {}, where it is {expected} by {:?}", event.status, event.cause)
        })?;
        self.model.status = Some(event.status);
        self.block.run_ended = Some(event.status);
        self.canceled_with_run(&event.canceled)
    }

    pub(super) fn canceled_with_run(&mut self, canceled: &[CanceledJob]) -> Holds {
        for CanceledJob { job, ended } in canceled {
            let index = self.job(job)?;
            let was = self.model.jobs[index].status;
            let cause = ended.as_ref().map(|end| end.cause);
            ENDING.holds(!was.is_terminal() && cause.is_none_or(|it| it == LeaseCause::RunEnded), || {
                format!("{job} was cancelled with its run, which was {was}")
            })?;
            self.end(job, ended.as_ref())?;
            self.model.jobs[index].moves(JobStatus::Canceled);
        }
        Ok(())
    }

    /// What the run has come to, now that its last job has ended.
    fn outcome(&self) -> RunStatus {
        let (mut reached, mut all, mut quarantined) = (0, true, false);
        for exit in self.plan.exits() {
            let job = &self.model.jobs[exit];
            match (job.status, job.skipped) {
                (JobStatus::Completed, _) if self.model.accepts(&self.plan, exit) => reached += 1,
                (JobStatus::Skipped, Some(SkipCause::Rejected)) => {}
                (JobStatus::Quarantined, _) | (JobStatus::Skipped, Some(SkipCause::Quarantined)) => {
                    (all, quarantined) = (false, true);
                }
                _ => all = false,
            }
        }
        if all && reached > 0 && self.postures_are_there() {
            RunStatus::Completed
        } else if quarantined {
            RunStatus::NeedsOperator
        } else {
            RunStatus::Failed
        }
    }

    /// Whether every job that is completed was accepted from every posture that it requires.
    fn postures_are_there(&self) -> bool {
        let accepted = |job: usize, posture| {
            let around = self.plan.upstream(job).union(self.plan.downstream(job));
            around.copied().any(|review| {
                self.plan.binds(review)
                    && self.plan.job(review).review_posture.as_ref() == Some(posture)
                    && self.model.accepts(&self.plan, review)
            })
        };
        let completed = |job: &usize| self.model.jobs[*job].status == JobStatus::Completed;
        (0..self.plan.len())
            .filter(completed)
            .all(|job| self.plan.job(job).required_review_postures.iter().all(|it| accepted(job, it)))
    }

    /// Whether more jobs were quarantined than the workflow allows. Advisory reviews are none of them.
    pub(super) fn is_beyond(&self) -> bool {
        let is_lost = |job: &usize| self.model.jobs[*job].status == JobStatus::Quarantined;
        let binds = |job: &usize| !self.plan.is_advisory(*job);
        let quarantined = (0..self.plan.len()).filter(is_lost).filter(binds).count();
        quarantined > self.plan.workflow.recovery_policy.max_quarantinable_jobs as usize
    }
}
