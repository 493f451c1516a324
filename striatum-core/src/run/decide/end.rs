//! Closure, and the end of a run.
//!
//! After every command the machine looks at what the command touched: jobs that may begin become ready, jobs that never can are
//! skipped, and a run whose last job has ended ends itself.

use std::collections::BTreeSet;

use crate::{
    digest::BlobRef,
    run::{
        JobStatus, RunStatus,
        decide::{Draft, JOBS_PER_EVENT},
        event::{
            CanceledJob, Checkpoint, EndCause, EscalationRaised, EscalationTopic, Freshness, JobReadied,
            JobSkipped, JobWaits, JobsCanceled, LeaseCause, LeaseEnd, RunEnded, SkipCause,
        },
        record::CompletionRecord,
        rejection::Rejection,
        state::State,
    },
    workflow::JobType,
};

pub(super) fn cancel(draft: &mut Draft, reason: Option<BlobRef>) -> Result<(), Rejection> {
    match draft.run_status()? {
        RunStatus::NeedsBranchConfirmation | RunStatus::Ready | RunStatus::Running => {
            end_run(draft, EndCause::Canceled, reason)
        }
        RunStatus::Canceled => Ok(()),
        status @ (RunStatus::Completed
        | RunStatus::Failed
        | RunStatus::NeedsOperator
        | RunStatus::Compromised) => Err(Rejection::RunStatus { status }),
    }
}

/// Ends the run now, with every job that is still open.
pub(super) fn end_run(draft: &mut Draft, cause: EndCause, reason: Option<BlobRef>) -> Result<(), Rejection> {
    let status = match &cause {
        EndCause::Finished => outcome(&draft.state),
        EndCause::Canceled => RunStatus::Canceled,
        EndCause::Rejected(_) | EndCause::Failed(_) => RunStatus::Failed,
        EndCause::Quarantined(_) => RunStatus::NeedsOperator,
    };
    let open = draft.state.jobs().filter(|(_, job)| !job.status.is_terminal());
    let canceled: Vec<CanceledJob> = open
        .map(|(spec, _)| CanceledJob {
            job: spec.id.clone(),
            ended: draft.state.fence(&spec.id).map(|fence| LeaseEnd::plain(&fence, LeaseCause::RunEnded)),
        })
        .collect();
    let (early, last) = canceled.split_at(canceled.len().saturating_sub(JOBS_PER_EVENT));
    for jobs in early.chunks(JOBS_PER_EVENT) {
        draft.emit(JobsCanceled { jobs: jobs.to_vec() })?;
    }
    let canceled = last.to_vec();
    let about = match &cause {
        EndCause::Quarantined(job) | EndCause::Failed(job) | EndCause::Rejected(job) => Some(job.clone()),
        EndCause::Finished | EndCause::Canceled => None,
    };
    let record = CompletionRecord::of(&draft.state, status, &canceled).digest();
    draft.emit(RunEnded { status, cause, record, reason, canceled })?;
    if status == RunStatus::NeedsOperator {
        let escalation = u32::try_from(draft.state.escalations.len()).unwrap_or(u32::MAX).saturating_add(1);
        draft.emit(EscalationRaised { escalation, topic: EscalationTopic::NeedsOperator, job: about })?;
    }
    Ok(())
}

/// What a run has come to whose jobs have all ended.
fn outcome(state: &State) -> RunStatus {
    let graph = state.snapshot.graph();
    let exits: Vec<usize> = graph.exits().collect();
    let lost_to = |cause: SkipCause| exits.iter().any(|exit| state.jobs[*exit].skipped == Some(cause));
    let quarantined = exits.iter().any(|exit| state.jobs[*exit].status == JobStatus::Quarantined);
    let completed = exits.iter().filter(|exit| state.satisfies(**exit)).count();
    let skipped_by_leave =
        exits.iter().filter(|exit| state.jobs[**exit].skipped == Some(SkipCause::Rejected)).count();
    if completed > 0 && completed + skipped_by_leave == exits.len() {
        RunStatus::Completed
    } else if quarantined || lost_to(SkipCause::Quarantined) {
        RunStatus::NeedsOperator
    } else {
        RunStatus::Failed
    }
}

pub(super) fn quarantined(state: &State) -> usize {
    state.jobs.iter().filter(|job| job.status == JobStatus::Quarantined).count()
}

/// Brings the run to rest: nothing pending that could begin or never can, nothing running that is over.
pub(super) fn close(draft: &mut Draft) -> Result<(), Rejection> {
    if draft.state.status != Some(RunStatus::Running) {
        return Ok(());
    }
    // By rank, so that a job is looked at after everything before it.
    let snapshot = draft.state.snapshot.clone();
    let graph = snapshot.graph();
    let concerned = |job: usize| std::iter::once(job).chain(graph.downstream(job).iter().copied());
    let mut open: BTreeSet<(usize, usize)> =
        draft.touched.jobs.iter().flat_map(|job| concerned(*job)).map(|job| (graph.rank(job), job)).collect();
    while let Some((_, job)) = open.pop_first() {
        if draft.job(job).status == JobStatus::Pending && settle(draft, job)? {
            open.extend(graph.downstream(job).iter().map(|next| (graph.rank(*next), *next)));
        }
    }
    if draft.state.open_jobs == 0 {
        end_run(draft, EndCause::Finished, None)?;
    }
    Ok(())
}

/// Moves a pending job if what is before it lets it, or never will; tells whether it did.
fn settle(draft: &mut Draft, job: usize) -> Result<bool, Rejection> {
    let snapshot = draft.state.snapshot.clone();
    let before = snapshot.graph().upstream(job);
    let (spec, attempt) = (&snapshot.workflow().jobs[job], draft.job(job).attempt);
    if let Some(cause) = before.iter().filter_map(|job| lost(&draft.state, *job)).max() {
        draft.emit(JobSkipped { job: spec.id.clone(), cause, ended: None })?;
        return Ok(true);
    }
    if !before.iter().all(|job| draft.state.satisfies(*job)) {
        return Ok(false);
    }
    if spec.kind == JobType::HumanCheckpoint {
        draft.emit(JobWaits {
            job: spec.id.clone(),
            attempt,
            checkpoint: Checkpoint::Planned,
            submission: None,
            ended: None,
        })?;
    } else {
        let fresh = Freshness::First;
        draft.emit(JobReadied { job: spec.id.clone(), attempt, fresh, wait: None, ended: None })?;
    }
    Ok(true)
}

/// Why what waits for this job never can go on, if that is so.
fn lost(state: &State, job: usize) -> Option<SkipCause> {
    if !state.is_lost(job) {
        return None;
    }
    let job = &state.jobs[job];
    Some(match job.status {
        JobStatus::Skipped => job.skipped.unwrap_or(SkipCause::Lost),
        JobStatus::Quarantined => SkipCause::Quarantined,
        JobStatus::Pending
        | JobStatus::Ready
        | JobStatus::Claimed
        | JobStatus::Running
        | JobStatus::AwaitingInput
        | JobStatus::WaitingHuman
        | JobStatus::Blocked
        | JobStatus::Parked
        | JobStatus::Completed
        | JobStatus::Failed
        | JobStatus::Canceled => SkipCause::Lost,
    })
}
