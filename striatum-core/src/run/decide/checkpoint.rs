//! What principals rule and resolve.

use crate::{
    digest::BlobRef,
    id::JobId,
    run::{
        JobStatus, RunStatus,
        command::{Actor, Publication, Resolution},
        decide::{Draft, authority::expect_person, cohort, publish, reopen},
        event::{
            CancelCause, Checkpoint, DecisionRecorded, Freshness, Ground, JobCanceled, JobCompleted,
            JobReadied, LeaseCause, LeaseEnd, ReopenCause, Ruling,
        },
        rejection::Rejection,
        state::State,
    },
};

pub(super) fn decide(
    draft: &mut Draft,
    actor: &Actor,
    job: &JobId,
    ruling: Ruling,
    rationale: BlobRef,
) -> Result<(), Rejection> {
    draft.run_status()?;
    let index = draft.index(job)?;
    expect_person(draft.state, actor, draft.job(index).checkpoint)?;
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
    let waiting = [JobStatus::WaitingHuman, JobStatus::Blocked, JobStatus::Parked, JobStatus::AwaitingInput];
    draft.expect_job(index, &waiting)?;
    let Some(checkpoint) = draft.job(index).checkpoint else {
        return unblock(draft, index, resolution);
    };
    // What answers several questions needs leave for each of them.
    for job in asking(draft.state, index, checkpoint) {
        expect_person(draft.state, actor, draft.job(job).checkpoint)?;
    }
    if checkpoint == Checkpoint::Identity {
        return admit(draft, index, resolution);
    }
    match resolution {
        Resolution::Cancel => together(draft, index, checkpoint, cancel),
        _ if checkpoint == Checkpoint::Question => Err(impossible(draft, index)),
        Resolution::Resume => Err(impossible(draft, index)),
        Resolution::Continue { artifacts } => proceed(draft, index, checkpoint, artifacts, actor),
        Resolution::Override { decision } => overrule(draft, index, checkpoint, *decision),
    }
}

/// Ends a job that is open. Of one about which somebody is asked that is an answer, so it is for whoever may answer.
pub(super) fn cancel_job(draft: &mut Draft, actor: &Actor, job: &JobId) -> Result<(), Rejection> {
    let index = draft.index(job)?;
    draft.expect_run(&[RunStatus::Running])?;
    let state = draft.job(index);
    if state.status == JobStatus::Canceled {
        return Ok(());
    }
    if state.status.is_terminal() {
        return Err(Rejection::JobStatus { job: job.clone(), status: state.status });
    }
    if state.checkpoint.is_some() {
        return resolve(draft, actor, job, &Resolution::Cancel);
    }
    cancel(draft, index)
}

/// Blocked and parked jobs: the operator lets them go on.
fn unblock(draft: &mut Draft, index: usize, resolution: &Resolution) -> Result<(), Rejection> {
    match resolution {
        Resolution::Resume => ready(draft, index, Freshness::Again),
        Resolution::Continue { artifacts } if artifacts.is_empty() => ready(draft, index, Freshness::Granted),
        Resolution::Cancel => cancel(draft, index),
        Resolution::Continue { .. } | Resolution::Override { .. } => Err(impossible(draft, index)),
    }
}

/// A review whose agent was doubted: another agent does it, or this one with a principal's leave.
fn admit(draft: &mut Draft, index: usize, resolution: &Resolution) -> Result<(), Rejection> {
    if let Resolution::Override { decision } = resolution {
        expect_accepting(draft, index, *decision)?;
        return ready(draft, index, Freshness::Again);
    }
    unblock(draft, index, resolution)
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
    let targets = targets(draft.state, index, checkpoint);
    if targets.is_empty() {
        return together(draft, index, checkpoint, |draft, index| ready(draft, index, Freshness::Granted));
    }
    for target in cohort::outermost(draft.snapshot.graph(), &targets) {
        let review = draft.state.spec(index).id.clone();
        let iteration = draft.state.iterations_of(target).taken + 1;
        reopen::reopen(draft, target, &ReopenCause::Granted { review, iteration }, None)?;
    }
    Ok(())
}

/// What one more round reopens: whatever those who ask together may send back, in topological order.
fn targets(state: &State, index: usize, checkpoint: Checkpoint) -> Vec<usize> {
    let graph = state.snapshot.graph();
    if !asks_about_a_verdict(checkpoint) {
        return Vec::new();
    }
    let reviews = asking(state, index, checkpoint);
    let mut targets: Vec<usize> =
        reviews.iter().flat_map(|review| graph.ways_back(*review)).map(|way| way.to).collect();
    targets.sort_unstable_by_key(|target| graph.rank(*target));
    targets.dedup();
    targets
}

fn overrule(draft: &mut Draft, index: usize, checkpoint: Checkpoint, decision: u32) -> Result<(), Rejection> {
    if checkpoint != Checkpoint::Planned && !asks_about_a_verdict(checkpoint) {
        return Err(impossible(draft, index));
    }
    expect_accepting(draft, index, decision)?;
    let ground = Ground::Decision(decision);
    together(draft, index, checkpoint, |draft, index| complete(draft, index, ground))
}

/// The last ruling on the job at its present attempt is this one, and it accepts.
fn expect_accepting(draft: &Draft, index: usize, decision: u32) -> Result<(), Rejection> {
    if draft.state.ruling(index) == Some((decision, Ruling::Accept)) {
        return Ok(());
    }
    Err(Rejection::DecisionRequired { job: draft.state.spec(index).id.clone(), decision })
}

/// Whether a person is asked about a verdict.
const fn asks_about_a_verdict(checkpoint: Checkpoint) -> bool {
    matches!(checkpoint, Checkpoint::RevisionsExhausted | Checkpoint::NoWayBack | Checkpoint::Rejected)
}

/// The jobs that the answer to this one's question is for.
fn asking(state: &State, index: usize, checkpoint: Checkpoint) -> Vec<usize> {
    match checkpoint {
        Checkpoint::RevisionsExhausted | Checkpoint::NoWayBack => {
            cohort::asking_together(state, index).into_iter().collect()
        }
        Checkpoint::Planned
        | Checkpoint::Rejected
        | Checkpoint::Blocked
        | Checkpoint::BudgetSpent
        | Checkpoint::Identity
        | Checkpoint::Question => vec![index],
    }
}

fn together(
    draft: &mut Draft,
    index: usize,
    checkpoint: Checkpoint,
    answer: impl Fn(&mut Draft, usize) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    asking(draft.state, index, checkpoint).into_iter().try_for_each(|job| answer(draft, job))
}

fn cancel(draft: &mut Draft, index: usize) -> Result<(), Rejection> {
    let job = draft.state.spec(index).id.clone();
    let ended = draft.state.fence(&job).map(|fence| LeaseEnd::plain(&fence, LeaseCause::Canceled));
    draft.emit(JobCanceled { job, by: CancelCause::Principal, ended })
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
        Some(Checkpoint::Identity) => "resume, continue, override under a decision, cancel",
        Some(Checkpoint::Planned) => {
            "continue with the required artifacts, override under a decision, cancel"
        }
        Some(Checkpoint::RevisionsExhausted | Checkpoint::NoWayBack | Checkpoint::Rejected) => {
            "continue, override under a decision, cancel"
        }
        Some(Checkpoint::Blocked | Checkpoint::BudgetSpent) => "continue, cancel",
        Some(Checkpoint::Question) => "answer, cancel",
    };
    Rejection::ResolutionImpossible { job: draft.state.spec(index).id.clone(), possible }
}
