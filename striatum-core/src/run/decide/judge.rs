//! Verdicts, and where they lead.

use crate::{
    digest::BlobRef,
    run::{
        command::Submit,
        decide::{Draft, end, publish::submitted, reopen},
        event::{
            Checkpoint, EndCause, Ground, IdentityBasis, JobCompleted, JobFailed, JobSkipped, JobWaits,
            Judged, ReopenCause, SkipCause, Verdict, VerdictRecorded,
        },
        rejection::Rejection,
        state::{JobState, State},
    },
    transport::AgentIdentity,
    workflow::OnReject,
};

pub(super) fn judge(
    draft: &mut Draft,
    review: usize,
    submit: &Submit,
    verdict: Verdict,
    findings: Option<BlobRef>,
) -> Result<(), Rejection> {
    let judged = judged(&draft.state, review);
    expect_new_words(draft, review, &judged)?;
    record(draft, review, submit, verdict, findings, judged)?;
    let (job, attempt) = (submit.fence.job.clone(), draft.job(review).attempt);
    let (submission, ended) = (submit.submission.clone(), submitted(submit));
    let waits = |checkpoint| JobWaits {
        job: job.clone(),
        attempt,
        checkpoint,
        submission: submission.clone(),
        ended: Some(ended.clone()),
    };
    match verdict {
        Verdict::Accept | Verdict::AcceptWithFindings => {
            draft.emit(JobCompleted { job, attempt, ground: Ground::Verdict, submission, ended: Some(ended) })
        }
        Verdict::NeedsRevision => match way_back(&draft.state, review) {
            Some(WayBack { target, taken, limit }) if taken < limit => {
                let cause = ReopenCause::Revision { review: job, iteration: taken + 1 };
                reopen::reopen(draft, target, cause, Some((review, submission, ended)))
            }
            Some(_) => draft.emit(waits(Checkpoint::RevisionsExhausted)),
            None => draft.emit(waits(Checkpoint::NoWayBack)),
        },
        Verdict::Reject => match draft.state.spec(review).on_reject {
            OnReject::Checkpoint => draft.emit(waits(Checkpoint::Rejected)),
            OnReject::SkipBranch => {
                draft.emit(JobSkipped { job, cause: SkipCause::Rejected, ended: Some(ended) })
            }
            OnReject::FailRun => {
                draft.emit(JobFailed { job: job.clone(), submission, ended })?;
                end::end_run(draft, EndCause::Rejected(job), None)
            }
        },
    }
}

fn record(
    draft: &mut Draft,
    review: usize,
    submit: &Submit,
    verdict: Verdict,
    findings: Option<BlobRef>,
    judged: Vec<Judged>,
) -> Result<(), Rejection> {
    let spec = draft.state.spec(review);
    let (agent, basis) = identity(&draft.state, review, submit);
    let event = VerdictRecorded {
        job: spec.id.clone(),
        attempt: draft.job(review).attempt,
        epoch: submit.fence.epoch,
        session: submit.fence.session,
        verdict,
        findings,
        judged,
        posture: spec.review_posture.clone(),
        lane: spec.lane_id.clone(),
        agent,
        basis,
    };
    draft.emit(event)
}

/// What a review judges, bound to the very bytes.
fn judged(state: &State, review: usize) -> Vec<Judged> {
    let of = |job: usize| {
        let job_state = &state.jobs[job];
        Judged {
            job: state.spec(job).id.clone(),
            attempt: job_state.attempt,
            manifest: job_state.submission.as_ref().map(|submission| submission.manifest.digest),
            artifacts: job_state
                .live_artifacts()
                .map(|artifact| (artifact.name.clone(), artifact.content.digest))
                .collect(),
        }
    };
    state.judged_by(review).into_iter().map(of).collect()
}

/// A review that says the same as last time about something else was not made.
fn expect_new_words(draft: &Draft, review: usize, judged: &[Judged]) -> Result<(), Rejection> {
    let job = draft.job(review);
    let Some(last) = job.verdicts.last() else { return Ok(()) };
    let words = |attempt: u32| {
        let of_attempt = job.artifacts.iter().filter(move |artifact| artifact.attempt == attempt);
        of_attempt.map(|artifact| artifact.content).collect::<Vec<_>>()
    };
    let (before, now) = (words(last.attempt), words(job.attempt));
    if !now.is_empty() && now == before && last.judged != judged {
        return Err(Rejection::ReviewByteIdentical { job: draft.state.spec(review).id.clone() });
    }
    Ok(())
}

/// What the judging agent is said to be, and by whom: itself over its protocol, itself in its report, or the document.
fn identity(state: &State, review: usize, submit: &Submit) -> (AgentIdentity, IdentityBasis) {
    let session = state.sessions.get(&submit.fence.session);
    let said = session.and_then(|session| session.agent.clone());
    let in_report = submit.agent.as_ref().is_some_and(|agent| !agent.is_empty());
    match (said, in_report) {
        (Some(agent), true) => (agent, IdentityBasis::SelfReported),
        (Some(agent), false) => (agent, IdentityBasis::Reported),
        (None, _) => {
            let lane = state.workflow().lanes.get(&state.spec(review).lane_id);
            match lane.and_then(|lane| lane.display_model.clone()) {
                Some(model) => (
                    AgentIdentity { model: Some(model), ..AgentIdentity::default() },
                    IdentityBasis::Declared,
                ),
                None => (AgentIdentity::default(), IdentityBasis::Unknown),
            }
        }
    }
}

/// Where a review sends work back to.
pub(super) struct WayBack {
    pub(super) target: usize,
    pub(super) taken: u32,
    pub(super) limit: u32,
}

pub(super) fn way_back(state: &State, review: usize) -> Option<WayBack> {
    let id = &state.spec(review).id;
    let cycle = state.workflow().cycles.iter().find(|cycle| cycle.from == *id)?;
    let target = state.snapshot.graph().index(&cycle.to)?;
    let iterations = state.iterations.get(&target).copied().unwrap_or_default();
    Some(WayBack {
        target,
        taken: iterations.taken,
        limit: cycle.max_iterations.saturating_add(iterations.granted),
    })
}

impl JobState {
    /// Whether a person is asked about a verdict of this job.
    pub(super) fn waits_as_review(&self) -> bool {
        matches!(
            self.checkpoint,
            Some(Checkpoint::RevisionsExhausted | Checkpoint::NoWayBack | Checkpoint::Rejected)
        )
    }
}
