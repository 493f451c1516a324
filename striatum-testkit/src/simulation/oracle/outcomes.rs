//! Where verdicts and failures lead.

use striatum_core::{
    run::{Checkpoint, JobStatus, RunStatus, Verdict},
    workflow::OnReject,
};

use super::Oracle;
use crate::simulation::property::{Holds, Property};

impl Oracle {
    /// Whoever spoke in this block was heard.
    pub(super) fn expect_outcome(&self) -> Holds {
        let Some(review) = self.block.spoke else { return Ok(()) };
        let Some(spoken) = self.model.jobs[review].verdict.as_ref() else { return Ok(()) };
        let (job, on_reject) = (&self.model.jobs[review], self.plan.job(review).on_reject);
        let waits = |checkpoint| job.status == JobStatus::WaitingHuman && job.checkpoint == Some(checkpoint);
        // What was said last may close a cohort, whoever said it.
        let reopened =
            self.block.reopened.keys().any(|target| self.plan.downstream(*target).contains(&review));
        let heard = match (spoken.verdict, on_reject) {
            (Verdict::Accept | Verdict::AcceptWithFindings, _) => job.status == JobStatus::Completed,
            _ if !self.plan.binds(review) => job.status == JobStatus::Completed,
            (Verdict::Reject, _) if self.plan.is_adjudicated(review) => job.status == JobStatus::Completed,
            // Whether it was time is looked at where it is answered, and where it is not.
            (Verdict::NeedsRevision, _) => {
                self.model.dissents(&self.plan, review)
                    || waits(Checkpoint::RevisionsExhausted)
                    || waits(Checkpoint::NoWayBack)
            }
            (Verdict::Reject, OnReject::Checkpoint) => waits(Checkpoint::Rejected),
            (Verdict::Reject, OnReject::SkipBranch) => job.status == JobStatus::Skipped,
            (Verdict::Reject, OnReject::FailRun) => {
                job.status == JobStatus::Failed && self.block.run_ended == Some(RunStatus::Failed)
            }
        };
        Property::Rules.holds(heard || reopened, || {
            format!("{} said {}, and is {}", self.name(review), spoken.verdict, job.status)
        })
    }

    /// A dissent is answered when its cohort has closed, and not before.
    pub(super) fn expect_closed(&self, review: usize) -> Holds {
        let (_, is_closed) = self.model.cohort(&self.plan, review);
        Property::Rules.holds(is_closed, || {
            format!(
                "the dissent of {} was answered before all were heard: {}",
                self.name(review),
                self.show()
            )
        })
    }
}
