//! What a job builds on: the merge of what is upstream, and its own earlier work.

use std::pin::Pin;

use striatum_core::{
    id::{CommitId, JobId},
    run::{ArtifactPublished, JobStatus, State},
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
type Recursive<'a, T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send + 'a>>;

/// The work of a job with something on top.
pub(super) struct Amended {
    pub(super) base: CommitId,
    pub(super) commit: CommitId,
    /// What its manifest is measured against.
    pub(super) upstream: CommitId,
}

pub(super) enum Base {
    Commit(Bases),
    Conflict(Vec<String>),
}

/// Why there is no base.
enum Trouble {
    Conflict(Vec<String>),
    Error(Error),
}

impl<E: Into<Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl Shared {
    /// What a job builds on. The same state always gives the same commits.
    pub(super) async fn base(&self, state: &State, job: &JobId) -> Result<Base, Error> {
        match self.bases(state, job).await {
            Ok(bases) => Ok(Base::Commit(bases)),
            Err(Trouble::Conflict(paths)) => Ok(Base::Conflict(paths)),
            Err(Trouble::Error(error)) => Err(error),
        }
    }

    /// What the run has come to: the merge of its completed exits. What was rejected and skipped is no part of it.
    pub(super) async fn result(&self, state: &State) -> Result<Merged, Error> {
        let graph = state.snapshot().graph();
        let is_completed =
            |exit: &usize| state.jobs().nth(*exit).is_some_and(|(_, job)| job.status == JobStatus::Completed);
        let exits: Vec<usize> = graph.exits().filter(is_completed).collect();
        let merged = match self.contributions(state, &exits).await {
            Ok(commits) => self.merge(state, commits).await,
            Err(trouble) => Err(trouble),
        };
        match merged {
            Ok(commit) => Ok(Merged::Commit(commit)),
            Err(Trouble::Conflict(paths)) => Ok(Merged::Conflict { paths }),
            Err(Trouble::Error(error)) => Err(error),
        }
    }

    async fn bases(&self, state: &State, job: &JobId) -> Result<Bases, Trouble> {
        let graph = state.snapshot().graph();
        let (Some(index), Some(job)) = (graph.index(job), state.job(job)) else {
            let base = state.snapshot().base().clone();
            return Ok(Bases { start: base.clone(), upstream: base });
        };
        let upstream = self.merge(state, self.contributions(state, graph.upstream(index)).await?).await?;
        let start = match job.submission.as_ref().filter(|_| job.attempt > 1) {
            Some(own) => self.merge(state, vec![own.commit.clone(), upstream.clone()]).await?,
            None => upstream.clone(),
        };
        Ok(Bases { start, upstream })
    }

    /// A commit that holds these artifacts on top of what a job stands for now.
    pub(super) async fn amend(
        &self,
        state: &State,
        job: &JobId,
        artifacts: &[ArtifactPublished],
        branch: &BranchName,
    ) -> Result<Amended, Error> {
        let index: Vec<usize> = state.snapshot().graph().index(job).into_iter().collect();
        let amended = async {
            let before = self.contributions(state, &index).await?;
            let message = format!("{job}: what a person put in its place");
            let (base, commit) = self.put_artifacts(state, job, before, artifacts, branch, message).await?;
            let upstream = self.bases(state, job).await?.upstream;
            Ok(Amended { base, commit, upstream })
        };
        amended.await.map_err(|trouble| match trouble {
            Trouble::Error(error) => error,
            Trouble::Conflict(paths) => {
                let doing = format!("join what {job} published with what is before it: {}", paths.join(", "));
                Error::new(ErrorKind::Undeliverable, doing)
            }
        })
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
                    let (run, id, attempt) = (state.run(), &spec.id, job.attempt);
                    let branch = BranchName::new(format!("striatum/{run}/{id}/{attempt}"))?;
                    let title = format!("{id}: what was decided");
                    let put = self.put_artifacts(state, id, before, &artifacts, &branch, title).await?;
                    before = vec![put.1];
                }
                commits.extend(before);
            }
            Ok(commits)
        })
    }

    async fn put_artifacts(
        &self,
        state: &State,
        job: &JobId,
        before: Vec<CommitId>,
        artifacts: &[ArtifactPublished],
        branch: &BranchName,
        title: String,
    ) -> Result<(CommitId, CommitId), Trouble> {
        let base = self.merge(state, before).await?;
        let mut files = Vec::with_capacity(artifacts.len());
        for artifact in artifacts {
            let bytes = self.engine.blobs().get(&artifact.content.digest).await?.to_vec();
            files.push(NewFile { path: artifact.path.clone(), bytes });
        }
        let message = format!("{title}\n\nStriatum-Run: {}\nStriatum-Job: {job}", state.run());
        let commit = self.repository.put_files(&base, &files, branch, &stamp(state, message)).await?;
        Ok((base, commit))
    }

    async fn merge(&self, state: &State, commits: Vec<CommitId>) -> Result<CommitId, Trouble> {
        if commits.is_empty() {
            return Ok(state.snapshot().base().clone());
        }
        let message = format!("Join what goes on together\n\nStriatum-Run: {}", state.run());
        match self.repository.merge(&commits, &stamp(state, message)).await? {
            Merged::Commit(commit) => Ok(commit),
            Merged::Conflict { paths } => Err(Trouble::Conflict(paths)),
        }
    }
}

/// Commits of the engine's own bear the time of the run's first grant: the same state gives the same commits, whoever makes them
/// and whenever.
fn stamp(state: &State, message: String) -> Stamp {
    let at = state.begun_at().unwrap_or_default();
    Stamp { at, message }
}
