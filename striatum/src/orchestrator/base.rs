//! What a job builds on: the merge of what is upstream, and its own earlier work.

use std::pin::Pin;

use striatum_core::{
    id::{CommitId, JobId},
    run::State,
};
use striatum_workspace::{BranchName, Merged, NewFile, Stamp};

use crate::orchestrator::{Error, ErrorKind, Shared};

/// The commits that a job starts from and is measured against.
#[derive(Debug, Clone)]
pub(super) struct Bases {
    /// Where its tree starts: what is upstream, with its own earlier work.
    pub(super) start: CommitId,
    /// What its manifest is measured against: what is upstream alone.
    pub(super) upstream: CommitId,
}

/// The future of a function that calls itself.
type Recursive<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

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
        let upstream =
            match self.merge(state, self.contributions(state, graph.upstream(index)).await?).await? {
                Merged::Commit(commit) => commit,
                Merged::Conflict { paths } => return Ok(Base::Conflict(paths)),
            };
        let own = job.submission.as_ref().filter(|_| job.attempt > 1);
        let Some(own) = own else { return Ok(Base::Commit(Bases { start: upstream.clone(), upstream })) };
        Ok(match self.merge(state, vec![own.commit.clone(), upstream.clone()]).await? {
            Merged::Commit(start) => Base::Commit(Bases { start, upstream }),
            Merged::Conflict { paths } => Base::Conflict(paths),
        })
    }

    /// What the run has come to: the merge of its exits.
    pub(super) async fn result(&self, state: &State) -> Result<Merged, Error> {
        let exits: Vec<usize> = state.snapshot().graph().exits().collect();
        self.merge(state, self.contributions(state, &exits).await?).await
    }

    /// The commits that these jobs contribute, in document order. A job that left none stands for what is before it.
    fn contributions<'a>(&'a self, state: &'a State, jobs: &'a [usize]) -> Recursive<'a, Vec<CommitId>> {
        Box::pin(async move {
            let mut commits = Vec::new();
            for index in jobs {
                let Some((spec, job)) = state.jobs().nth(*index) else { continue };
                if let Some(submission) = &job.submission {
                    commits.push(submission.commit.clone());
                    continue;
                }
                let mut before = self.contributions(state, state.snapshot().graph().upstream(*index)).await?;
                let artifacts: Vec<_> = job.live_artifacts().cloned().collect();
                if !artifacts.is_empty() {
                    // A checkpoint's artifacts have no grant that could have committed them.
                    before = vec![self.commit_artifacts(state, &spec.id, before, &artifacts).await?];
                }
                commits.extend(before);
            }
            Ok(commits)
        })
    }

    async fn commit_artifacts(
        &self,
        state: &State,
        job: &JobId,
        before: Vec<CommitId>,
        artifacts: &[striatum_core::run::ArtifactPublished],
    ) -> Result<CommitId, Error> {
        let base = match self.merge(state, before).await? {
            Merged::Commit(commit) => commit,
            Merged::Conflict { paths } => {
                return Err(Error::new(
                    ErrorKind::Undeliverable,
                    format!("join what checkpoint {job} builds on: {}", paths.join(", ")),
                ));
            }
        };
        let mut files = Vec::with_capacity(artifacts.len());
        for artifact in artifacts {
            let bytes = self.engine.blobs().get(&artifact.content.digest).await?.to_vec();
            files.push(NewFile { path: artifact.path.clone(), bytes });
        }
        let message =
            format!("{job}: what was decided\n\nStriatum-Run: {}\nStriatum-Job: {job}", state.run());
        let attempt = state.job(job).map_or(1, |job| job.attempt);
        let branch = BranchName::new(format!("striatum/{}/{job}/{attempt}", state.run()))?;
        Ok(self.repository.put_files(&base, &files, &branch, &stamp(state, message)).await?)
    }

    async fn merge(&self, state: &State, commits: Vec<CommitId>) -> Result<Merged, Error> {
        if commits.is_empty() {
            return Ok(Merged::Commit(state.snapshot().base().clone()));
        }
        let message = format!("Join what goes on together\n\nStriatum-Run: {}", state.run());
        Ok(self.repository.merge(&commits, &stamp(state, message)).await?)
    }
}

/// Commits of the engine's own bear the time of the run's first grant: the same state gives the same commits, whoever makes them
/// and whenever.
fn stamp(state: &State, message: String) -> Stamp {
    let at = state.begun_at().unwrap_or_default();
    Stamp { at, message }
}
