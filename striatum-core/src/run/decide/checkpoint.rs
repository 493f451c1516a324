//! What principals rule and resolve.

use crate::{
    digest::BlobRef,
    id::JobId,
    run::{
        JobStatus, RunStatus,
        command::{Actor, Publication, Resolution},
        decide::{Draft, authority::expect_person, judge::way_back, publish, reopen},
        event::{
            Checkpoint, DecisionRecorded, Freshness, Ground, JobCanceled, JobCompleted, JobReadied,
            ReopenCause, Ruling,
        },
        rejection::Rejection,
    },
};

pub(super) fn decide(
    draft: &mut Draft,
    actor: &Actor,
    job: &JobId,
    ruling: Ruling,
    rationale: BlobRef,
) -> Result<(), Rejection> {
    expect_person(actor)?;
    draft.run_status()?;
    let index = draft.index(job)?;
    let event = DecisionRecorded {
        decision: u32::try_from(draft.state.decisions.len()).unwrap_or(u32::MAX).saturating_add(1),
        job: job.clone(),
        attempt: draft.job(index).attempt,
        ruling,
        rationale,
        by: actor.to_string(),
    };
    draft.emit(event)
}

pub(super) fn resolve(
    draft: &mut Draft,
    actor: &Actor,
    job: &JobId,
    resolution: &Resolution,
) -> Result<(), Rejection> {
    let index = draft.index(job)?;
    draft.expect_run(&[RunStatus::Running])?;
    draft.expect_job(index, &[JobStatus::WaitingHuman, JobStatus::Blocked, JobStatus::Parked])?;
    let Some(checkpoint) = draft.job(index).checkpoint else {
        return unblock(draft, index, resolution);
    };
    expect_person(actor)?;
    match resolution {
        Resolution::Cancel => draft.emit(JobCanceled { job: job.clone() }),
        Resolution::Resume => Err(impossible(draft, index)),
        Resolution::Continue { artifacts } => proceed(draft, index, checkpoint, artifacts, actor),
        Resolution::Override { decision } => overrule(draft, index, *decision),
    }
}

/// Blocked and parked jobs: the operator lets them go on.
fn unblock(draft: &mut Draft, index: usize, resolution: &Resolution) -> Result<(), Rejection> {
    match resolution {
        Resolution::Resume => ready(draft, index, Freshness::Again),
        Resolution::Continue { artifacts } if artifacts.is_empty() => ready(draft, index, Freshness::Granted),
        Resolution::Cancel => draft.emit(JobCanceled { job: draft.state.spec(index).id.clone() }),
        Resolution::Continue { .. } | Resolution::Override { .. } => Err(impossible(draft, index)),
    }
}

fn proceed(
    draft: &mut Draft,
    index: usize,
    checkpoint: Checkpoint,
    artifacts: &[Publication],
    actor: &Actor,
) -> Result<(), Rejection> {
    if checkpoint == Checkpoint::Planned {
        publish::add(draft, index, artifacts, &actor.to_string())?;
        publish::expect_required(draft, index)?;
        return complete(draft, index, Ground::Continued);
    }
    if !artifacts.is_empty() {
        return Err(impossible(draft, index));
    }
    match way_back(&draft.state, index).filter(|_| draft.job(index).waits_as_review()) {
        Some(way) => {
            let review = draft.state.spec(index).id.clone();
            let cause = ReopenCause::Granted { review, iteration: way.taken + 1 };
            reopen::reopen(draft, way.target, cause, None)
        }
        None => ready(draft, index, Freshness::Granted),
    }
}

fn overrule(draft: &mut Draft, index: usize, decision: u32) -> Result<(), Rejection> {
    let (spec, job) = (draft.state.spec(index), draft.job(index));
    let is_review_or_planned = job.waits_as_review() || job.checkpoint == Some(Checkpoint::Planned);
    if !is_review_or_planned {
        return Err(impossible(draft, index));
    }
    let recorded = (decision as usize).checked_sub(1).and_then(|place| draft.state.decisions.get(place));
    let covers = recorded.is_some_and(|recorded| {
        recorded.job == spec.id && recorded.attempt == job.attempt && recorded.ruling == Ruling::Accept
    });
    if !covers {
        return Err(Rejection::DecisionRequired { job: spec.id.clone(), decision });
    }
    complete(draft, index, Ground::Decision(decision))
}

fn complete(draft: &mut Draft, index: usize, ground: Ground) -> Result<(), Rejection> {
    let (job, attempt) = (draft.state.spec(index).id.clone(), draft.job(index).attempt);
    draft.emit(JobCompleted { job, attempt, ground, submission: None, ended: None })
}

fn ready(draft: &mut Draft, index: usize, fresh: Freshness) -> Result<(), Rejection> {
    let attempt = draft.job(index).attempt + u32::from(fresh == Freshness::Granted);
    let job = draft.state.spec(index).id.clone();
    draft.emit(JobReadied { job, attempt, fresh, wait: None, ended: None })
}

fn impossible(draft: &Draft, index: usize) -> Rejection {
    let job = draft.job(index);
    let possible = match job.checkpoint {
        None => "resume, continue, cancel",
        Some(Checkpoint::Planned) => {
            "continue with the required artifacts, override under a decision, cancel"
        }
        Some(Checkpoint::RevisionsExhausted | Checkpoint::NoWayBack | Checkpoint::Rejected) => {
            "continue, override under a decision, cancel"
        }
        Some(Checkpoint::Blocked) => "continue, cancel",
    };
    Rejection::ResolutionImpossible { job: draft.state.spec(index).id.clone(), possible }
}
