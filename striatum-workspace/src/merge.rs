//! Fan-in: merging commits on objects alone.

use striatum_core::{id::CommitId, time::Timestamp};

use crate::{
    error::WorkspaceError,
    git::unexpected,
    repository::{Repository, names, shown},
    room::object,
};

/// What a commit of the engine says, apart from its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The date of author and committer, in whole seconds.
    pub at: Timestamp,
    /// The message.
    pub message: String,
}

/// What a merge gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// A commit that contains all that was merged.
    Commit(CommitId),
    /// Nothing: the work cannot be joined without a person.
    Conflict {
        /// The paths that could not be joined, in order.
        paths: Vec<String>,
    },
}

impl Repository {
    /// Merges commits in the given order, without a checkout. One commit is itself; a commit that another contains adds
    /// nothing. The same arguments give the same commit.
    ///
    /// # Errors
    /// [`WorkspaceError::GitAnswer`] if `commits` is empty; [`WorkspaceError::GitFailed`] if they have no common history.
    pub async fn merge(&self, commits: &[CommitId], stamp: &Stamp) -> Result<Merged, WorkspaceError> {
        let Some((first, rest)) = commits.split_first() else {
            return Err(unexpected("merge", b"nothing to merge"));
        };
        let mut joined = first.clone();
        for commit in rest {
            if self.room().contains(&joined, commit).await? {
                continue;
            }
            if self.room().contains(commit, &joined).await? {
                joined = commit.clone();
                continue;
            }
            match self.merge_two(&joined, commit, stamp).await? {
                Merged::Commit(commit) => joined = commit,
                conflict @ Merged::Conflict { .. } => return Ok(conflict),
            }
        }
        Ok(Merged::Commit(joined))
    }

    async fn merge_two(
        &self,
        ours: &CommitId,
        theirs: &CommitId,
        stamp: &Stamp,
    ) -> Result<Merged, WorkspaceError> {
        let doing = format!("merge {ours} and {theirs}");
        let ended = self
            .room()
            .call(&doing)
            .args(["merge-tree", "--write-tree", "--name-only", "--no-messages", "-z"])
            .args([ours.as_str(), theirs.as_str()])
            .ended()
            .await?;
        let mut parts = names(&ended.stdout);
        match (ended.status.code(), parts.next()) {
            (Some(0), Some(tree)) => {
                let tree = object(&doing, tree)?;
                let commit = self.room().commit(&tree, &[ours, theirs], stamp.at, &stamp.message).await?;
                Ok(Merged::Commit(commit))
            }
            (Some(1), Some(_)) => {
                let mut paths: Vec<String> = parts.map(shown).collect();
                paths.sort();
                paths.dedup();
                Ok(Merged::Conflict { paths })
            }
            _ => Err(ended.refused(doing)),
        }
    }
}
