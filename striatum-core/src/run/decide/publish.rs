//! Publishing artifacts and ending a job with its outcome.

use crate::{
    id::Fence,
    run::{
        command::{Outcome, Publication, Submit},
        decide::{
            Draft, claim,
            identity::{self, Moment},
            judge,
        },
        event::{ArtifactPublished, Ground, IdentityDoubt, JobBlocked, JobCompleted, LeaseCause, LeaseEnd},
        rejection::{Names, Rejection},
    },
    workflow::ExpectedArtifact,
};

pub(super) fn publish(draft: &mut Draft, fence: &Fence, artifacts: &[Publication]) -> Result<(), Rejection> {
    let index = draft.at_work(fence)?;
    add_by(draft, index, artifacts, fence)
}

pub(super) fn submit(draft: &mut Draft, submit: &Submit) -> Result<(), Rejection> {
    let index = draft.at_work(&submit.fence)?;
    let spec = draft.state.spec(index);
    let wants_verdict = spec.kind.is_verdict_capable();
    if wants_verdict != matches!(submit.outcome, Outcome::Verdict { .. }) {
        let wants = if wants_verdict { "a verdict" } else { "its work done, without a verdict" };
        return Err(Rejection::WrongOutcome { job: spec.id.clone(), wants });
    }
    expect_in_scope(draft, index, &submit.changed_paths)?;
    if let Some(agent) = &submit.agent {
        claim::note(draft, &submit.fence, agent)?;
    }
    if wants_verdict && let Some(doubt) = doubt(draft, index, submit) {
        let set_aside = submit.submission.as_ref().map(|submission| submission.commit.clone());
        let ended = LeaseEnd { cause: LeaseCause::Blocked, set_aside, ..submitted(submit) };
        return draft.emit(JobBlocked { job: submit.fence.job.clone(), ended, doubt: Some(doubt) });
    }
    add_by(draft, index, &submit.artifacts, &submit.fence)?;
    expect_required(draft, index)?;
    match &submit.outcome {
        Outcome::Verdict { verdict, findings } => judge::judge(draft, index, submit, *verdict, *findings),
        Outcome::Done => {
            let (job, attempt) = (submit.fence.job.clone(), draft.job(index).attempt);
            let ended = Some(submitted(submit));
            draft.emit(JobCompleted {
                job,
                attempt,
                ground: Ground::Done,
                submission: submit.submission.clone(),
                ended,
            })
        }
    }
}

fn doubt(draft: &Draft, review: usize, submit: &Submit) -> Option<IdentityDoubt> {
    let in_report = submit.agent.as_ref().is_some_and(|agent| !agent.is_empty());
    let moment = Moment::AtVerdict { is_reported: !in_report };
    identity::doubt(draft.state, review, submit.fence.session, moment)
}

/// The end of the lease of a submission.
pub(super) fn submitted(submit: &Submit) -> LeaseEnd {
    LeaseEnd {
        exit: submit.exit,
        usage: submit.usage,
        ..LeaseEnd::plain(&submit.fence, LeaseCause::Submitted)
    }
}

/// Publishes what a session made.
fn add_by(
    draft: &mut Draft,
    index: usize,
    artifacts: &[Publication],
    fence: &Fence,
) -> Result<(), Rejection> {
    if artifacts.is_empty() {
        return Ok(());
    }
    let author = author(draft, fence);
    add(draft, index, artifacts, &author)
}

/// Publishes artifacts at the present attempt of a job. Publishing the same bytes again changes nothing.
pub(super) fn add(
    draft: &mut Draft,
    index: usize,
    artifacts: &[Publication],
    author: &str,
) -> Result<(), Rejection> {
    for artifact in artifacts {
        let expected = expected(draft, index, artifact)?;
        match draft.job(index).live_artifact(&artifact.name) {
            Some(published) if published.content == artifact.content => {}
            Some(published) => {
                return Err(Rejection::ArtifactExists {
                    name: artifact.name.clone(),
                    published: published.content.digest,
                });
            }
            None => {
                let event = ArtifactPublished {
                    job: draft.state.spec(index).id.clone(),
                    attempt: draft.job(index).attempt,
                    name: artifact.name.clone(),
                    kind: expected.kind.clone(),
                    path: artifact.path.clone(),
                    content: artifact.content,
                    author: author.to_owned(),
                };
                draft.emit(event)?;
            }
        }
    }
    Ok(())
}

fn expected<'a>(
    draft: &'a Draft,
    index: usize,
    artifact: &Publication,
) -> Result<&'a ExpectedArtifact, Rejection> {
    let (spec, attempt) = (draft.state.spec(index), draft.job(index).attempt);
    let named = |expected: &&ExpectedArtifact| expected.name_at(attempt).as_ref() == Some(&artifact.name);
    let expected = spec
        .expected_artifacts
        .iter()
        .find(named)
        .ok_or_else(|| Rejection::ArtifactUnknown { job: spec.id.clone(), name: artifact.name.clone() })?;
    let path = expected.path_at(attempt);
    if path == artifact.path {
        Ok(expected)
    } else {
        Err(Rejection::ArtifactMisplaced { name: artifact.name.clone(), path })
    }
}

/// Every required artifact is published at the present attempt.
pub(super) fn expect_required(draft: &Draft, index: usize) -> Result<(), Rejection> {
    let (spec, job) = (draft.state.spec(index), draft.job(index));
    let published = |artifact: &ExpectedArtifact| {
        artifact.name_at(job.attempt).is_some_and(|name| job.live_artifact(&name).is_some())
    };
    let missing: Vec<String> = spec
        .expected_artifacts
        .iter()
        .filter(|artifact| artifact.required && !published(artifact))
        .map(|artifact| format!("{} at {}", artifact.logical_name, artifact.path_at(job.attempt)))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Rejection::ArtifactsMissing { job: spec.id.clone(), missing: Names(missing) })
    }
}

fn expect_in_scope(draft: &Draft, index: usize, changed: &[String]) -> Result<(), Rejection> {
    let spec = draft.state.spec(index);
    let outside: Vec<String> =
        changed.iter().filter(|path| !spec.write_scope.allows(path)).cloned().collect();
    if outside.is_empty() {
        Ok(())
    } else {
        Err(Rejection::ScopeViolation { job: spec.id.clone(), paths: Names(outside) })
    }
}

/// The author line of what a session publishes: its role and ordinal, and what its agent is said to be.
fn author(draft: &Draft, fence: &Fence) -> String {
    let Some(session) = draft.state.sessions.get(&fence.session) else { return String::new() };
    let lane = draft.state.workflow().lanes.get(&session.lane);
    let declared = lane.and_then(|lane| lane.display_model.as_deref());
    let reported = session.agent.as_ref().and_then(|agent| agent.model.as_deref().or(agent.name.as_deref()));
    match reported.or(declared) {
        Some(agent) => format!("{} #{} ({agent}, lane {})", session.role, session.ordinal, session.lane),
        None => format!("{} #{} (lane {})", session.role, session.ordinal, session.lane),
    }
}
