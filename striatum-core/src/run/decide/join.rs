//! When a job begins, and when it never can.

use crate::run::{
    JobStatus,
    decide::{cohort, quorum::Poll},
    event::{CancelCause, SkipCause},
    state::{JobState, State},
};

/// What the jobs before a job say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    /// It may begin.
    Opens,
    /// It waits.
    Waits,
    /// It never can begin.
    Lost(SkipCause),
}

/// What the jobs before a job say about it; `poll` is how the vote on it stands, if it has one.
pub(super) fn join(state: &State, job: usize, poll: Option<Poll>) -> Join {
    let graph = state.snapshot.graph();
    let (mut waits, mut lost) = (false, None);
    let mut missing = Vec::new();
    let is_seat = |up: &usize| poll.is_some() && graph.seats(job).contains(up);
    for up in graph.upstream(job).iter().copied().filter(|up| !is_seat(up)) {
        match edge(state, up, job) {
            Join::Opens => {}
            Join::Waits => waits = true,
            Join::Lost(cause) if state.spec(up).is_gating_review() && state.jobs[up].is_missing() => {
                missing.push(cause);
            }
            Join::Lost(cause) => lost = lost.max(Some(cause)),
        }
    }
    let may_be_missing = usize::try_from(state.spec(job).max_gating_abstentions).unwrap_or(usize::MAX);
    if missing.len() > may_be_missing {
        lost = lost.max(missing.into_iter().max());
    }
    match poll {
        Some(Poll::Open) => waits = true,
        Some(Poll::Failed) => {
            let causes = graph.seats(job).iter().filter_map(|seat| cause(&state.jobs[*seat]));
            lost = lost.max(causes.max().or(Some(SkipCause::Lost)));
        }
        Some(Poll::Met) | None => {}
    }
    match lost {
        Some(cause) => Join::Lost(cause),
        None if waits => Join::Waits,
        None => Join::Opens,
    }
}

fn edge(state: &State, from: usize, to: usize) -> Join {
    let job = &state.jobs[from];
    if let Some(cause) = cause(job) {
        Join::Lost(cause)
    } else if !job.is_completed() || cohort::is_undecided(state, from) {
        Join::Waits
    } else if job.is_accepted() || !state.snapshot.graph().needs_acceptance(from, to) {
        Join::Opens
    } else {
        Join::Lost(SkipCause::Rejected)
    }
}

/// Why what waits for a job never can go on, if the job has ended without success.
fn cause(job: &JobState) -> Option<SkipCause> {
    match job.status {
        JobStatus::Skipped => Some(job.skipped.unwrap_or(SkipCause::Lost)),
        JobStatus::Quarantined => Some(SkipCause::Quarantined),
        JobStatus::Failed | JobStatus::Canceled => Some(SkipCause::Lost),
        JobStatus::Pending
        | JobStatus::Ready
        | JobStatus::Claimed
        | JobStatus::Running
        | JobStatus::AwaitingInput
        | JobStatus::WaitingHuman
        | JobStatus::Blocked
        | JobStatus::Parked
        | JobStatus::Completed => None,
    }
}

impl JobState {
    /// Whether it has ended without a word, and not because nobody needed one.
    pub(super) fn is_missing(&self) -> bool {
        self.is_lost() && self.live_verdict().is_none() && self.canceled != Some(CancelCause::Quorum)
    }
}
