//! Verdicts, and where they lead.

use crate::{
    digest::BlobRef,
    run::{
        command::Submit,
        decide::{
            Draft,
            cohort::{self, Speaker},
            end, identity,
            publish::submitted,
        },
        event::{
            Checkpoint, EndCause, Ground, IdentityBasis, JobCompleted, JobFailed, JobSkipped, JobWaits,
            Judged, SkipCause, Verdict, VerdictRecorded,
        },
        rejection::Rejection,
        state::State,
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
    let judged = judged(draft.state, review);
    expect_new_words(draft, review, &judged)?;
    record(draft, review, submit, verdict, findings, judged)?;
    let (job, attempt) = (submit.fence.job.clone(), draft.job(review).attempt);
    let (submission, ended) = (submit.submission.clone(), submitted(submit));
    let completed =
        JobCompleted { job: job.clone(), attempt, ground: Ground::Verdict, submission, ended: Some(ended) };
    let graph = draft.state.snapshot.graph();
    match verdict {
        Verdict::Accept | Verdict::AcceptWithFindings => draft.emit(completed),
        // It binds nobody, or is left to whoever adjudicates.
        _ if !graph.is_binding(review) => draft.emit(completed),
        Verdict::Reject if graph.is_adjudicated(review) => draft.emit(completed),
        Verdict::NeedsRevision => {
            let (submission, ended) = (submit.submission.clone(), submitted(submit));
            cohort::hear(draft, &Speaker { review, submission, ended })
        }
        Verdict::Reject => reject(draft, review, completed),
    }
}

fn reject(draft: &mut Draft, review: usize, completed: JobCompleted) -> Result<(), Rejection> {
    let JobCompleted { job, attempt, submission, ended, .. } = completed;
    match draft.state.spec(review).on_reject {
        OnReject::Checkpoint => {
            let checkpoint = Checkpoint::Rejected;
            draft.emit(JobWaits { job, attempt, checkpoint, submission, ended })
        }
        OnReject::SkipBranch => draft.emit(JobSkipped { job, cause: SkipCause::Rejected, ended }),
        OnReject::FailRun => {
            if let Some(ended) = ended {
                draft.emit(JobFailed { job: job.clone(), submission, ended })?;
            }
            end::end_run(draft, EndCause::Rejected(job), None)
        }
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
    let (agent, basis) = said(draft.state, review, submit);
    let family = agent.model.as_deref().map(|model| draft.state.workflow().family_of(model).into_owned());
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
        family,
        same_model: identity::same_model(draft.state, review, submit.fence.session),
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
    state.snapshot.graph().inputs(review).iter().map(|job| of(*job)).collect()
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
fn said(state: &State, review: usize, submit: &Submit) -> (AgentIdentity, IdentityBasis) {
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
