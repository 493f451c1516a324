//! What workers that only pretend leave behind.

use striatum_core::{
    digest::{BlobRef, Digest},
    id::{ArtifactName, CommitId, Fence, InstanceId, JobId},
    run::{Deviation, Outcome, Owner, Publication, State, Submission, Submit, Usage},
    sandbox::{Isolation, Level},
    workflow::{FrozenFile, InvalidSnapshot, Snapshot, Workflow},
};

/// A text, by its digest.
pub(crate) fn blob(text: &str) -> BlobRef {
    BlobRef::of(text.as_bytes())
}

/// The commit of a text.
pub(crate) fn commit(text: &str) -> Option<CommitId> {
    CommitId::new(Digest::of(text.as_bytes()).to_string().get(..40)?).ok()
}

/// The process that answers for every session.
pub(crate) fn owner() -> Owner {
    Owner::unproven(InstanceId::from_bytes([1; 16]))
}

pub(crate) fn isolation() -> Isolation {
    Isolation::uniform(Level::Advisory)
}

/// Words that no other grant would find.
pub(crate) fn of_grant(fence: &Fence) -> String {
    format!("{} {}", fence.job, fence.epoch)
}

/// The artifacts that a job declares for its present attempt.
pub(crate) fn all_artifacts(state: &State, job: &JobId, text: &str) -> Vec<Publication> {
    state.job(job).map(|it| artifacts_at(state, job, it.attempt, text)).unwrap_or_default()
}

/// The artifacts that a job declares for an attempt.
pub(crate) fn artifacts_at(state: &State, job: &JobId, attempt: u32, text: &str) -> Vec<Publication> {
    let Some(spec) = state.workflow().job(job) else { return Vec::new() };
    let declared = spec.expected_artifacts.iter().filter_map(|artifact| {
        let name = artifact.name_at(attempt)?;
        let path = artifact.path_at(attempt);
        let content = blob(&format!("{text} {name}"));
        Some(Publication { name, path, content })
    });
    declared.collect()
}

/// The first of some artifacts, under a name that no job declares.
pub(crate) fn another(artifacts: &[Publication]) -> Option<Publication> {
    let name = ArtifactName::new("undeclared").ok()?;
    artifacts.first().map(|artifact| Publication { name, ..artifact.clone() })
}

/// The same, but for those that are published.
pub(crate) fn artifacts(state: &State, job: &JobId, text: &str) -> Vec<Publication> {
    let mut missing = all_artifacts(state, job, text);
    let published =
        |it: &Publication| state.job(job).is_some_and(|job| job.live_artifact(&it.name).is_some());
    missing.retain(|it| !published(it));
    missing
}

/// A sound end of a grant.
pub(crate) fn submit(state: &State, fence: &Fence, outcome: Outcome) -> Submit {
    let words = of_grant(fence);
    let artifacts = artifacts(state, &fence.job, &words);
    let submission = commit("base").zip(commit(&words));
    Submit {
        changed_paths: artifacts.iter().map(|artifact| artifact.path.clone()).collect(),
        artifacts,
        submission: submission.map(|(base, commit)| Submission { base, commit, manifest: blob(&words) }),
        ..Submit::new(fence.clone(), outcome)
    }
}

/// What a grant may have cost: enough to use up a small budget.
pub(crate) fn usage() -> Usage {
    Usage { wall_ms: 60_000, input_tokens: Some(500), output_tokens: Some(500), turns: Some(1) }
}

/// A judged file that comes out otherwise, if there is an artifact at all.
pub(crate) fn deviations(state: &State) -> Option<Vec<Deviation>> {
    let mut artifacts = state.jobs().flat_map(|(_, job)| job.live_artifacts());
    let deviation = artifacts.next().map(|artifact| Deviation {
        job: artifact.job.clone(),
        path: artifact.path.clone(),
        judged: artifact.content.digest,
        delivered: None,
    });
    deviation.map(|deviation| vec![deviation])
}

/// A workflow frozen at a commit that is in no repository, with stand-ins for the files that it refers to.
pub(crate) fn snapshot(workflow: &Workflow) -> Result<Snapshot, InvalidSnapshot> {
    let stand_in = |path: &str| FrozenFile { path: path.to_owned(), content: blob(path) };
    let files = workflow.referenced_files().map(|file| stand_in(file.path)).collect();
    let base = commit("base").ok_or_else(|| InvalidSnapshot::MissingFile("the base commit".to_owned()))?;
    Snapshot::new(workflow.clone(), base, files)
}
