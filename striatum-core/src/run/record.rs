//! The completion record: what a run has come to, in one document.

use bytes::Bytes;
use serde::Serialize;

use crate::{
    canonical,
    digest::Digest,
    id::{ArtifactName, CommitId, JobId, RunId, WorkflowId},
    run::{
        JobStatus, RunStatus,
        event::{CanceledJob, Verdict},
        state::State,
    },
};

/// What a run has come to: written once, at its end, and named by digest in `run.ended`.
///
/// It is a function of the state, so whoever has the events can write it again and compare. Its fields are declared in the order in
/// which they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CompletionRecord {
    /// The commit that the run started from.
    pub base: CommitId,
    /// Its jobs, in document order.
    pub jobs: Vec<JobRecord>,
    /// The run.
    pub run: RunId,
    /// The version of this format.
    pub schema: &'static str,
    /// The digest of the snapshot.
    pub snapshot: Digest,
    /// How it ended.
    pub status: RunStatus,
    /// The workflow.
    pub workflow: WorkflowId,
}

/// What a job has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JobRecord {
    /// Its artifacts.
    pub artifacts: Vec<ArtifactRecord>,
    /// How many attempts it took.
    pub attempt: u32,
    /// The commit that holds its work.
    pub commit: Option<CommitId>,
    /// How often it was granted.
    pub grants: u32,
    /// The job.
    pub job: JobId,
    /// How it ended.
    pub status: JobStatus,
    /// Its verdict, if it is a review.
    pub verdict: Option<Verdict>,
}

/// An artifact of a live attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ArtifactRecord {
    /// What its bytes hash to.
    pub digest: Digest,
    /// Its name.
    pub name: ArtifactName,
    /// Where it lies.
    pub path: String,
}

impl CompletionRecord {
    /// The record of a run that has ended; `None` while it has not. What is said of a run after its end does not change it.
    pub fn new(state: &State) -> Option<Self> {
        let status = state.status.filter(|status| status.has_ended())?;
        let status = if status == RunStatus::Compromised { RunStatus::Completed } else { status };
        Some(Self::of(state, status, &[]))
    }

    /// The record of a run that ends with `status`, together with the jobs that are `canceled` by that.
    pub(super) fn of(state: &State, status: RunStatus, canceled: &[CanceledJob]) -> Self {
        let jobs = state.jobs().map(|(spec, job)| JobRecord {
            job: spec.id.clone(),
            status: if canceled.iter().any(|canceled| canceled.job == spec.id) {
                JobStatus::Canceled
            } else {
                job.status
            },
            attempt: job.attempt,
            grants: job.epoch,
            commit: job.submission.as_ref().map(|submission| submission.commit.clone()),
            verdict: job.live_verdict().map(|verdict| verdict.verdict),
            artifacts: job
                .live_artifacts()
                .map(|artifact| ArtifactRecord {
                    name: artifact.name.clone(),
                    path: artifact.path.clone(),
                    digest: artifact.content.digest,
                })
                .collect(),
        });
        Self {
            schema: "striatum.record.v1",
            run: state.run,
            workflow: state.workflow().workflow_id.clone(),
            snapshot: state.snapshot.blob().digest,
            base: state.snapshot.base().clone(),
            status,
            jobs: jobs.collect(),
        }
    }

    /// The record as canonical JSON (RFC 8785).
    pub fn bytes(&self) -> Bytes {
        // Structs of names, numbers and digests always serialise.
        canonical::to_vec(self).unwrap_or_default().into()
    }

    /// The digest of [`bytes`](Self::bytes).
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes())
    }
}
