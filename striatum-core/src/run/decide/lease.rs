//! Ways a grant ends without an outcome.

use crate::{
    id::Fence,
    run::{
        command::{LeaseReport, Severity},
        decide::{Draft, end},
        event::{
            Backoff, Checkpoint, EndCause, Freshness, JobBlocked, JobFailed, JobParked, JobQuarantined,
            JobReadied, JobWaits, LeaseCause, LeaseEnd,
        },
        rejection::Rejection,
    },
    workflow::{OnExpiry, OnReject},
};

pub(super) fn release(draft: &mut Draft, report: &LeaseReport) -> Result<(), Rejection> {
    let index = draft.held(&report.fence)?;
    hand_out_again(draft, index, report.ended(LeaseCause::Released))
}

pub(super) fn crash(draft: &mut Draft, report: &LeaseReport) -> Result<(), Rejection> {
    let index = draft.held(&report.fence)?;
    hand_out_again(draft, index, report.ended(LeaseCause::Crashed))
}

/// The store's clock must agree: the shell guards the append with the lapse of this very lease.
pub(super) fn expire(draft: &mut Draft, fence: &Fence) -> Result<(), Rejection> {
    let index = draft.held(fence)?;
    let ended = LeaseEnd::plain(fence, LeaseCause::Expired);
    match draft.state.spec(index).on_expiry {
        OnExpiry::Requeue => hand_out_again(draft, index, ended),
        OnExpiry::Park => draft.emit(JobParked { job: fence.job.clone(), ended }),
    }
}

/// Hands the job out again, if it was not handed out too often at this attempt and has not used up its budget. A grant that
/// ended in a question does not count.
fn hand_out_again(draft: &mut Draft, index: usize, ended: LeaseEnd) -> Result<(), Rejection> {
    let (job, spec) = (draft.job(index), draft.state.spec(index));
    let policy = &draft.state.workflow().recovery_policy;
    let (requeues, quarantines) = (policy.max_requeues, policy.max_quarantinable_jobs);
    if job.deliveries.saturating_sub(job.asked) <= requeues {
        let mut used = job.used;
        used.add(&ended.usage.unwrap_or_default());
        if spec.budget.as_ref().is_some_and(|budget| used.spends(budget, 1)) {
            return draft.emit(JobWaits {
                job: spec.id.clone(),
                attempt: job.attempt,
                checkpoint: Checkpoint::BudgetSpent,
                submission: None,
                ended: Some(ended),
            });
        }
        let again = JobReadied {
            job: spec.id.clone(),
            attempt: job.attempt,
            fresh: Freshness::Again,
            wait: None,
            ended: Some(ended),
        };
        return draft.emit(again);
    }
    let id = spec.id.clone();
    draft.emit(JobQuarantined { job: id.clone(), ended })?;
    if end::quarantined(draft.state) > quarantines as usize {
        end::end_run(draft, EndCause::Quarantined(id), None)?;
    }
    Ok(())
}

pub(super) fn fail(draft: &mut Draft, report: &LeaseReport) -> Result<(), Rejection> {
    let index = draft.at_work(&report.fence)?;
    let (job, spec) = (draft.job(index), draft.state.spec(index));
    let failures = job.failures + 1;
    let ended = report.ended(LeaseCause::Failed);
    let id = spec.id.clone();
    if failures < spec.max_attempts {
        let wait_ms = backoff_ms(failures);
        let wait = Backoff { wait_ms, until: draft.now.after(std::time::Duration::from_millis(wait_ms)) };
        return draft.emit(JobReadied {
            job: id,
            attempt: job.attempt + 1,
            fresh: Freshness::AfterFailure,
            wait: Some(wait),
            ended: Some(ended),
        });
    }
    let ends_run = spec.on_reject == OnReject::FailRun && !spec.is_advisory();
    draft.emit(JobFailed { job: id.clone(), submission: None, ended })?;
    if ends_run { end::end_run(draft, EndCause::Failed(id), report.reason) } else { Ok(()) }
}

/// Ten seconds, doubled with each failure, at most five minutes.
fn backoff_ms(failures: u32) -> u64 {
    10_000_u64.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(300_000)
}

pub(super) fn block(draft: &mut Draft, report: &LeaseReport, severity: Severity) -> Result<(), Rejection> {
    let index = match severity {
        Severity::Operator => draft.held(&report.fence)?,
        Severity::HumanCheckpoint => draft.at_work(&report.fence)?,
    };
    let (job, ended) = (report.fence.job.clone(), report.ended(LeaseCause::Blocked));
    match severity {
        Severity::Operator => draft.emit(JobBlocked { job, ended, doubt: None }),
        Severity::HumanCheckpoint => {
            let attempt = draft.job(index).attempt;
            draft.emit(JobWaits {
                job,
                attempt,
                checkpoint: Checkpoint::Blocked,
                submission: None,
                ended: Some(ended),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::backoff_ms;

    #[test]
    fn a_failed_job_waits_ten_seconds_then_twice_as_long_up_to_five_minutes() {
        let waits: Vec<u64> = [1, 2, 3, 4, 5, 6, 60].into_iter().map(backoff_ms).collect();
        assert_eq!(waits, [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
    }
}
