//! Taking a job.

use crate::{
    id::{Fence, SessionId},
    run::{
        JobStatus, RunStatus,
        command::Claim,
        decide::{
            Draft,
            identity::{self, Moment},
        },
        event::{
            JobAcknowledged, JobBlocked, JobClaimed, LeaseCause, LeaseEnd, SessionIdentified, SessionStart,
        },
        packet::Packet,
        rejection::Rejection,
        state::{JobState, Session},
    },
    transport::AgentIdentity,
};

pub(super) fn claim(draft: &mut Draft, claim: &Claim) -> Result<(), Rejection> {
    let index = draft.index(&claim.job)?;
    draft.expect_run(&[RunStatus::Running])?;
    if draft.state.paused {
        return Err(Rejection::Paused);
    }
    draft.expect_job(index, &[JobStatus::Ready])?;
    if draft.state.room() == 0 {
        return Err(Rejection::NoRoom { limit: draft.state.workflow().parallelism.max_active_jobs });
    }
    expect_free_scope(draft, index)?;
    if draft.state.spec(index).kind.is_verdict_capable() {
        identity::expect_other_label(draft, index)?;
    }
    let known = draft.state.sessions.get(&claim.session);
    if let Some(session) = known {
        expect_admissible(draft, index, claim, session)?;
    }

    let (attempt, epoch) = (draft.job(index).attempt, draft.job(index).epoch + 1);
    let fence = Fence { run: draft.state.run, job: claim.job.clone(), epoch, session: claim.session };
    let packet = Packet::for_grant(draft.state, index, fence, claim.mode);
    let begins = known
        .is_none()
        .then(|| SessionStart { ordinal: draft.state.next_ordinal(), owner: claim.owner.clone() });
    draft.emit(JobClaimed {
        job: claim.job.clone(),
        attempt,
        epoch,
        session: claim.session,
        mode: claim.mode,
        lease_seconds: packet.lease_seconds,
        packet: packet.digest(),
        isolation: claim.isolation,
        granted_at: draft.now,
        begins,
    })
}

/// Jobs of a parallel group that may write to the same place are not held at the same time.
fn expect_free_scope(draft: &Draft, index: usize) -> Result<(), Rejection> {
    match draft.state.held_scope(index) {
        None => Ok(()),
        Some(held) => Err(Rejection::ScopeTaken {
            job: draft.state.spec(index).id.clone(),
            by: draft.state.spec(held).id.clone(),
        }),
    }
}

/// Whether this session, which has begun, may do this job.
fn expect_admissible(draft: &Draft, index: usize, claim: &Claim, session: &Session) -> Result<(), Rejection> {
    let spec = draft.state.spec(index);
    if session.role != spec.role_id || session.lane != spec.lane_id {
        return Err(Rejection::SessionMismatch { job: claim.job.clone(), session: claim.session });
    }
    let holds =
        |(_, job): &(_, &JobState)| job.lease.as_ref().is_some_and(|lease| lease.session == claim.session);
    if let Some((busy, _)) = draft.state.jobs().find(holds) {
        return Err(Rejection::SessionBusy { job: busy.id.clone() });
    }
    let took_part = |job: usize| draft.job(job).holders.contains(&claim.session);
    if spec.fresh_session_required && (0..draft.state.jobs.len()).any(took_part) {
        return Err(Rejection::SessionNotFresh { job: claim.job.clone() });
    }
    if spec.kind.is_verdict_capable() {
        expect_independent(draft, index, claim.session)?;
    }
    Ok(())
}

/// A session never judges work that it took part in, however far upstream.
fn expect_independent(draft: &Draft, review: usize, session: SessionId) -> Result<(), Rejection> {
    let judged = draft.state.judged_with_upstream(review);
    match judged.into_iter().find(|job| draft.job(*job).holders.contains(&session)) {
        Some(job) => Err(Rejection::NotIndependent {
            job: draft.state.spec(review).id.clone(),
            took_part_in: draft.state.spec(job).id.clone(),
        }),
        None => Ok(()),
    }
}

pub(super) fn acknowledge(draft: &mut Draft, fence: &Fence, agent: &AgentIdentity) -> Result<(), Rejection> {
    let index = draft.held(fence)?;
    if draft.job(index).status == JobStatus::Running {
        return identify(draft, fence, agent);
    }
    draft.emit(JobAcknowledged { job: fence.job.clone(), epoch: fence.epoch })?;
    identify(draft, fence, agent)
}

/// Takes down what an agent says of itself; one that may not judge what it holds loses it.
pub(super) fn identify(draft: &mut Draft, fence: &Fence, agent: &AgentIdentity) -> Result<(), Rejection> {
    let index = draft.at_work(fence)?;
    note(draft, fence, agent)?;
    match identity::doubt(draft.state, index, fence.session, Moment::AtWork) {
        None => Ok(()),
        Some(doubt) => draft.emit(JobBlocked {
            job: fence.job.clone(),
            ended: LeaseEnd::plain(fence, LeaseCause::Blocked),
            doubt: Some(doubt),
        }),
    }
}

/// Takes down what an agent says of itself, if that is anything new.
pub(super) fn note(draft: &mut Draft, fence: &Fence, agent: &AgentIdentity) -> Result<(), Rejection> {
    let known = draft.state.sessions.get(&fence.session).and_then(|session| session.agent.clone());
    // What is not said now was not taken back.
    let earlier = known.clone().unwrap_or_default();
    let agent = AgentIdentity {
        name: agent.name.clone().or(earlier.name),
        version: agent.version.clone().or(earlier.version),
        model: agent.model.clone().or(earlier.model),
    };
    if agent.is_empty() || known.as_ref() == Some(&agent) {
        return Ok(());
    }
    draft.emit(SessionIdentified {
        session: fence.session,
        job: fence.job.clone(),
        epoch: fence.epoch,
        agent,
    })
}
