//! Putting something else in the place of what a job published.

use crate::run::{
    JobStatus, RunStatus,
    command::{Actor, Publication, Supersede},
    decide::{Draft, authority::expect_person, publish, reopen},
    event::{ArtifactPublished, Ground, JobCompleted, ReopenCause},
    rejection::Rejection,
};

/// The job is completed once more, at its next attempt, by what a person publishes for it; so every verdict on it stops counting
/// and everything behind it is done again. Artifacts that the person does not name are published again as they were.
pub(super) fn supersede(draft: &mut Draft, actor: &Actor, wanted: &Supersede) -> Result<(), Rejection> {
    let index = draft.index(&wanted.job)?;
    draft.expect_run(&[RunStatus::Running])?;
    expect_person(draft.state, actor, None)?;
    let job = draft.job(index);
    let judges = draft.state.spec(index).kind.is_verdict_capable();
    let changes = |artifact: &Publication| {
        job.live_artifact(&artifact.name).is_none_or(|published| published.content != artifact.content)
    };
    if judges
        || job.status != JobStatus::Completed
        || job.attempt != wanted.attempt
        || !wanted.artifacts.iter().any(changes)
    {
        return Err(Rejection::NotSupersedable { job: wanted.job.clone(), attempt: wanted.attempt });
    }
    let before: Vec<ArtifactPublished> = job.live_artifacts().cloned().collect();
    let cause = ReopenCause::Superseded { by: actor.to_string(), rationale: wanted.rationale };
    reopen::reopen(draft, index, &cause, None)?;
    publish::add(draft, index, &wanted.artifacts, &actor.to_string())?;
    for artifact in before {
        keep(draft, index, &artifact)?;
    }
    publish::expect_required(draft, index)?;
    draft.emit(JobCompleted {
        job: wanted.job.clone(),
        attempt: draft.job(index).attempt,
        ground: Ground::Superseded,
        submission: wanted.submission.clone(),
        ended: None,
    })
}

/// Publishes an artifact of the attempt before once more, in the name of its author, unless another has taken its place.
fn keep(draft: &mut Draft, index: usize, before: &ArtifactPublished) -> Result<(), Rejection> {
    let (spec, attempt) = (draft.state.spec(index), draft.job(index).attempt);
    let mut declared = spec.expected_artifacts.iter();
    let declared = declared.find(|expected| expected.name_at(before.attempt).as_ref() == Some(&before.name));
    let Some((name, path)) = declared.and_then(|it| Some((it.name_at(attempt)?, it.path_at(attempt)))) else {
        return Ok(());
    };
    if draft.job(index).live_artifact(&name).is_some() {
        return Ok(());
    }
    let artifact = Publication { name, path, content: before.content };
    publish::add(draft, index, &[artifact], &before.author)
}
