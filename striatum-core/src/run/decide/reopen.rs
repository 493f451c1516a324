//! Doing jobs once more: for cycles, for grants of a principal, and for retries.

use crate::{
    id::JobId,
    run::{
        JobStatus, RunStatus,
        command::Actor,
        decide::{Draft, JOBS_PER_EVENT, cohort::Speaker, escalation},
        event::{
            CancelCause, EscalationTopic, JobsReopened, LeaseCause, LeaseEnd, ReopenCause, Reopened,
            RunReopened,
        },
        rejection::Rejection,
    },
};

/// Reopens a job with everything behind it that is not pending anyway. What was touched at its present attempt begins a new one;
/// what only was ready, or asked a person, waits again at its own.
///
/// `speaker` is the review whose verdict caused it, if it is still running.
pub(super) fn reopen(
    draft: &mut Draft,
    target: usize,
    cause: &ReopenCause,
    speaker: Option<&Speaker>,
) -> Result<(), Rejection> {
    let downstream = draft.snapshot.graph().all_downstream(target);
    let moved = downstream.iter().copied().filter(|job| draft.job(*job).status != JobStatus::Pending);
    let jobs = std::iter::once(target)
        .chain(moved)
        .map(|index| {
            let (job, spec) = (draft.job(index), draft.state.spec(index));
            let of_speaker = speaker.filter(|speaker| speaker.review == index);
            let fence = draft.state.fence(&spec.id);
            Reopened {
                job: spec.id.clone(),
                attempt: job.attempt + u32::from(job.is_touched()),
                submission: of_speaker.and_then(|speaker| speaker.submission.clone()),
                ended: of_speaker
                    .map(|speaker| speaker.ended.clone())
                    .or_else(|| fence.map(|fence| LeaseEnd::plain(&fence, LeaseCause::Reopened))),
            }
        })
        .collect::<Vec<_>>();
    let reset = downstream.iter().filter(|job| draft.state.iterations.contains_key(job));
    let reset: Vec<JobId> = reset.map(|job| draft.state.spec(*job).id.clone()).collect();
    let target = draft.state.spec(target).id.clone();
    let mut resets = reset.chunks(JOBS_PER_EVENT);
    // There are at least as many jobs as counters: what has one was begun.
    for jobs in jobs.chunks(JOBS_PER_EVENT) {
        let reset = resets.next().unwrap_or_default().to_vec();
        draft.emit(JobsReopened {
            cause: cause.clone(),
            target: target.clone(),
            jobs: jobs.to_vec(),
            reset,
        })?;
    }
    Ok(())
}

pub(super) fn retry(draft: &mut Draft, actor: &Actor, job: &JobId) -> Result<(), Rejection> {
    let index = draft.index(job)?;
    let status = draft.job(index).status;
    if !draft.job(index).is_lost() {
        return Err(Rejection::NotRetryable { job: job.clone(), status });
    }
    match draft.run_status()? {
        RunStatus::Running => reopen(draft, index, &ReopenCause::Retry, None),
        // A run that was cancelled before its branch was confirmed could never deliver.
        status @ (RunStatus::Failed | RunStatus::Canceled | RunStatus::NeedsOperator)
            if draft.state.branch.is_none() =>
        {
            Err(Rejection::RunStatus { status })
        }
        RunStatus::Failed | RunStatus::Canceled | RunStatus::NeedsOperator => {
            draft.emit(RunReopened {})?;
            escalation::resolve_all(draft, actor, EscalationTopic::NeedsOperator)?;
            let canceled_with_run = |job: &usize| draft.job(*job).canceled == Some(CancelCause::RunEnd);
            let mut others: Vec<usize> = (0..draft.state.jobs.len()).filter(canceled_with_run).collect();
            others.sort_by_key(|job| draft.state.snapshot.graph().rank(*job));
            reopen(draft, index, &ReopenCause::Retry, None)?;
            for other in others {
                // What was behind an earlier one is open again by now.
                if draft.job(other).status.is_terminal() {
                    reopen(draft, other, &ReopenCause::Retry, None)?;
                }
            }
            Ok(())
        }
        status @ (RunStatus::NeedsBranchConfirmation
        | RunStatus::Ready
        | RunStatus::Completed
        | RunStatus::Compromised) => Err(Rejection::RunStatus { status }),
    }
}
