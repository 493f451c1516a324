//! Quorums: reviews of which so many must accept.

use crate::run::{
    decide::Draft,
    event::{CancelCause, JobCanceled, LeaseCause, LeaseEnd},
    rejection::Rejection,
    state::State,
};

/// How the vote on a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Poll {
    /// Enough have accepted, and whoever has a veto was heard and did not use it.
    Met,
    /// It can still come to either end.
    Open,
    /// It can no longer be met as the seats have spoken.
    Failed,
}

/// How the vote on a job stands, if it has one.
pub(super) fn poll(state: &State, job: usize) -> Option<Poll> {
    let quorum = state.spec(job).quorum.as_ref()?;
    let (mut accepts, mut open, mut is_vetoed, mut may_be_vetoed) = (0_u32, 0_u32, false, false);
    for &seat in state.snapshot.graph().seats(job) {
        let has_veto = quorum.veto_roles.contains(&state.spec(seat).role_id);
        let review = &state.jobs[seat];
        if review.is_accepted() {
            accepts += 1;
        } else if review.wants_revision() || review.status.is_terminal() {
            is_vetoed |= has_veto && review.live_verdict().is_some();
        } else {
            open += 1;
            may_be_vetoed |= has_veto;
        }
    }
    Some(if is_vetoed || accepts + open < quorum.k {
        Poll::Failed
    } else if accepts >= quorum.k && !may_be_vetoed {
        Poll::Met
    } else {
        Poll::Open
    })
}

/// Ends the seats of a vote that is over, but for those that something else waits for.
pub(super) fn release(draft: &mut Draft, job: usize) -> Result<(), Rejection> {
    let (graph, jobs) = (draft.snapshot.graph(), &draft.snapshot.workflow().jobs);
    for &seat in graph.seats(job) {
        let posture = jobs[seat].review_posture.as_ref();
        let is_required = posture
            .is_some_and(|posture| jobs.iter().any(|job| job.required_review_postures.contains(posture)));
        let leads_on = graph.is_exit(seat) || graph.downstream(seat).iter().any(|next| *next != job);
        let is_wanted = is_required || leads_on;
        if is_wanted || draft.job(seat).status.is_terminal() {
            continue;
        }
        let id = jobs[seat].id.clone();
        let ended = draft.state.fence(&id).map(|fence| LeaseEnd::plain(&fence, LeaseCause::Quorum));
        draft.emit(JobCanceled { job: id, by: CancelCause::Quorum, ended })?;
    }
    Ok(())
}
