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
        let heard = match (spoken.verdict, on_reject) {
            (Verdict::Accept | Verdict::AcceptWithFindings, _) => job.status == JobStatus::Completed,
            (Verdict::NeedsRevision, _) => match self.plan.way_back(review) {
                Some((target, _)) if self.block.reopened.contains_key(&target) => true,
                Some((target, most)) => waits(Checkpoint::RevisionsExhausted) && self.is_spent(target, most),
                None => waits(Checkpoint::NoWayBack),
            },
            (Verdict::Reject, OnReject::Checkpoint) => waits(Checkpoint::Rejected),
            (Verdict::Reject, OnReject::SkipBranch) => job.status == JobStatus::Skipped,
            (Verdict::Reject, OnReject::FailRun) => {
                job.status == JobStatus::Failed && self.block.run_ended == Some(RunStatus::Failed)
            }
        };
        Property::Rules
            .holds(heard, || format!("{} said {}, and is {}", self.name(review), spoken.verdict, job.status))
    }

    /// Whether a way back was taken as often as it may be.
    fn is_spent(&self, target: usize, most: u32) -> bool {
        let counter = self.model.counters.get(&target).copied().unwrap_or_default();
        counter.taken >= most.saturating_add(counter.granted)
    }
}
