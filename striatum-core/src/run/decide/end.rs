//! Closure, and the end of a run.
//!
//! After every command the machine looks at what the command touched: jobs that may begin become ready, jobs that never can are
//! skipped, and a run whose last job has ended ends itself.

use std::{cmp::Reverse, collections::BinaryHeap, iter};

use crate::{
    digest::BlobRef,
    run::{
        JobStatus, RunStatus,
        decide::{
            Draft, JOBS_PER_EVENT, cohort, escalation,
            join::{Join, join},
            quorum::{self, Poll},
        },
        event::{
            CanceledJob, Checkpoint, EndCause, EscalationTopic, Freshness, JobReadied, JobSkipped, JobWaits,
            JobsCanceled, LeaseCause, LeaseEnd, RunEnded, SkipCause,
        },
        record::CompletionRecord,
        rejection::Rejection,
        state::{JobState, State},
    },
    workflow::{Job, JobType},
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
        EndCause::Finished => outcome(draft.state),
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
    let record = CompletionRecord::of(draft.state, status, &canceled).digest();
    draft.emit(RunEnded { status, cause, record, reason, canceled })?;
    if status == RunStatus::NeedsOperator {
        escalation::raise(draft, EscalationTopic::NeedsOperator, about, reason)?;
    }
    Ok(())
}

/// What a run has come to whose jobs have all ended.
fn outcome(state: &State) -> RunStatus {
    let graph = state.snapshot.graph();
    let exits: Vec<usize> = graph.exits().collect();
    let lost_to = |cause: SkipCause| exits.iter().any(|exit| state.jobs[*exit].skipped == Some(cause));
    let quarantined = exits.iter().any(|exit| state.jobs[*exit].status == JobStatus::Quarantined);
    let completed = exits.iter().filter(|exit| state.is_accepted(**exit)).count();
    let skipped_by_leave =
        exits.iter().filter(|exit| state.jobs[**exit].skipped == Some(SkipCause::Rejected)).count();
    let is_reached = completed > 0 && completed + skipped_by_leave == exits.len();
    if is_reached && has_required_postures(state) {
        RunStatus::Completed
    } else if quarantined || lost_to(SkipCause::Quarantined) {
        RunStatus::NeedsOperator
    } else {
        RunStatus::Failed
    }
}

/// Whether every completed job was accepted from each posture that it requires, by a review before or behind it.
fn has_required_postures(state: &State) -> bool {
    let graph = state.snapshot.graph();
    state.jobs().enumerate().filter(|(_, (_, job))| job.is_completed()).all(|(index, (spec, _))| {
        spec.required_review_postures.iter().all(|posture| {
            let around = graph.all_upstream(index).into_iter().chain(graph.all_downstream(index));
            around.into_iter().any(|review| {
                let is_such = state.spec(review).review_posture.as_ref() == Some(posture);
                is_such && graph.is_binding(review) && state.is_accepted(review)
            })
        })
    })
}

/// How many jobs are in quarantine whose loss concerns the run. That of an advisory review concerns what waits for it.
pub(super) fn quarantined(state: &State) -> usize {
    let is_lost =
        |(spec, job): &(&Job, &JobState)| job.status == JobStatus::Quarantined && !spec.is_advisory();
    state.jobs().filter(is_lost).count()
}

/// Brings the run to rest: nothing pending that could begin or never can, nothing running that is over.
pub(super) fn close(draft: &mut Draft) -> Result<(), Rejection> {
    if draft.state.status != Some(RunStatus::Running) {
        return Ok(());
    }
    loop {
        cohort::route(draft)?;
        let before = draft.events.len();
        settle_all(draft)?;
        // What ended just now may have closed the cohort of a dissent.
        if draft.events.len() == before || draft.state.dissents.is_empty() {
            break;
        }
    }
    if draft.state.open_jobs == 0 {
        return end_run(draft, EndCause::Finished, None);
    }
    escalation::watch_budget(draft)
}

fn settle_all(draft: &mut Draft) -> Result<(), Rejection> {
    let graph = draft.snapshot.graph();
    // By rank, so that a job is looked at after everything before it.
    let place = |job: &usize| Reverse((graph.rank(*job), *job));
    let is_pending = |job: &&usize| draft.job(**job).status == JobStatus::Pending;
    let touched = draft.touched.jobs.iter().flat_map(|job| iter::once(job).chain(graph.downstream(*job)));
    let mut open: BinaryHeap<_> = touched.filter(is_pending).map(place).collect();
    let mut last = None;
    while let Some(first) = open.pop() {
        // The same job comes at once again, if it does.
        let Reverse((_, job)) = first;
        let is_new = last.replace(first) != Some(first);
        if is_new && draft.job(job).status == JobStatus::Pending && settle(draft, job)? {
            open.extend(graph.downstream(job).iter().map(place));
        }
    }
    Ok(())
}

/// Moves a pending job if what is before it lets it, or never will; tells whether it did.
fn settle(draft: &mut Draft, job: usize) -> Result<bool, Rejection> {
    let (spec, attempt) = (&draft.snapshot.workflow().jobs[job], draft.job(job).attempt);
    let poll = quorum::poll(draft.state, job);
    if poll == Some(Poll::Met) {
        quorum::release(draft, job)?;
    }
    match join(draft.state, job, poll) {
        Join::Waits => return Ok(false),
        Join::Lost(cause) => draft.emit(JobSkipped { job: spec.id.clone(), cause, ended: None })?,
        Join::Opens if spec.kind == JobType::HumanCheckpoint => draft.emit(JobWaits {
            job: spec.id.clone(),
            attempt,
            checkpoint: Checkpoint::Planned,
            submission: None,
            ended: None,
        })?,
        Join::Opens => {
            let fresh = Freshness::First;
            draft.emit(JobReadied { job: spec.id.clone(), attempt, fresh, wait: None, ended: None })?;
        }
    }
    Ok(true)
}
