//! What a job builds on: the merge of what is upstream, and its own earlier work.

use striatum_core::{
    id::{CommitId, JobId},
    run::State,
};
use striatum_workspace::MergeOutcome;

use crate::orchestrator::{Error, Shared};

/// The commits that a job starts from and is measured against.
#[derive(Debug, Clone)]
pub(super) struct Bases {
    /// Where its tree starts: what is upstream, with its own earlier work.
    pub(super) start: CommitId,
    /// What its manifest is measured against: what is upstream alone.
    pub(super) upstream: CommitId,
}

pub(super) enum Base {
    Commit(Bases),
    Conflict(Vec<String>),
}

impl Shared {
    /// What a job builds on. The same state always gives the same commits.
    pub(super) async fn base(&self, state: &State, job: &JobId) -> Result<Base, Error> {
        let graph = state.snapshot().graph();
        let (Some(index), Some(job)) = (graph.index(job), state.job(job)) else {
            let base = state.snapshot().base().clone();
            return Ok(Base::Commit(Bases { start: base.clone(), upstream: base }));
        };
        let upstream = match self.merge(state, self.contributions(state, graph.upstream(index)).await?).await? {
            MergeOutcome::Commit(commit) => commit,
            MergeOutcome::Conflict { paths } => return Ok(Base::Conflict(paths)),
        };
        let own = job.submission.as_ref().filter(|_| job.attempt > 1);
        let Some(own) = own else { return Ok(Base::Commit(Bases { start: upstream.clone(), upstream })) };
        Ok(match self.merge(state, vec![own.commit.clone(), upstream.clone()]).await? {
            MergeOutcome::Commit(start) => Base::Commit(Bases { start, upstream }),
            MergeOutcome::Conflict { paths } => Base::Conflict(paths),
        })
    }

    /// What the run has come to: the merge of its exits.
    pub(super) async fn result(&self, state: &State) -> Result<MergeOutcome, Error> {
        let exits: Vec<usize> = state.snapshot().graph().exits().collect();
        self.merge(state, self.contributions(state, &exits).await?).await
    }

    /// The commits that these jobs contribute, in document order. A job that left none stands for what is before it.
    async fn contributions(&self, state: &State, jobs: &[usize]) -> Result<Vec<CommitId>, Error> {
        let mut commits = Vec::new();
        for index in jobs {
            let Some((spec, job)) = state.jobs().nth(*index) else { continue };
            match &job.submission {
                Some(submission) => commits.push(submission.commit.clone()),
                None => {
                    let before = state.snapshot().graph().upstream(*index);
                    let mut before = Box::pin(self.contributions(state, before)).await?;
                    let artifacts: Vec<_> = job.live_artifacts().cloned().collect();
                    if !artifacts.is_empty() {
                        // A checkpoint's artifacts have no grant that could have committed them.
                        before = vec![self.commit_artifacts(state, &spec.id, before, &artifacts).await?];
                    }
                    commits.extend(before);
                }
            }
        }
        Ok(commits)
    }

    async fn commit_artifacts(
        &self,
        state: &State,
        job: &JobId,
        before: Vec<CommitId>,
        artifacts: &[striatum_core::run::ArtifactPublished],
    ) -> Result<CommitId, Error> {
        let base = match self.merge(state, before).await? {
            MergeOutcome::Commit(commit) => commit,
            MergeOutcome::Conflict { paths } => return Err(striatum_workspace::WorkspaceError::conflict(&paths).into()),
        };
        let mut files = Vec::with_capacity(artifacts.len());
        for artifact in artifacts {
            files.push((artifact.path.clone(), self.engine.blobs().get(&artifact.content.digest).await?));
        }
        let message = format!("{job}: what was decided\n\nStriatum-Run: {}\nStriatum-Job: {job}\n", state.run());
        Ok(self.repository.put_files(&base, &files, &message).await?)
    }

    async fn merge(&self, state: &State, commits: Vec<CommitId>) -> Result<MergeOutcome, Error> {
        if commits.is_empty() {
            return Ok(MergeOutcome::Commit(state.snapshot().base().clone()));
        }
        Ok(self.repository.merge(&commits).await?)
    }
}
