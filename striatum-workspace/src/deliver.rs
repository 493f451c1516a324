//! Delivery: the one move of a run's branch.

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use striatum_core::id::CommitId;

use crate::{
    branch::BranchName,
    disk,
    error::WorkspaceError,
    repository::{Head, Repository, head_of},
    room::Swapped,
};

/// A branch to move, from where it is thought to be to where it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The branch.
    pub branch: BranchName,
    /// Where it should be; nothing if it should not be there yet.
    pub expected: Option<CommitId>,
    /// Where it shall be.
    pub commit: CommitId,
}

/// What a delivery found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// The branch was moved, or made.
    Moved,
    /// The branch was there already.
    Already,
}

impl Repository {
    /// Moves a branch by compare-and-swap. Repeating it changes nothing.
    ///
    /// # Errors
    /// - [`WorkspaceError::BranchMoved`] if the branch is neither where it should be nor where it shall be;
    /// - [`WorkspaceError::NotADescendant`] if the move would lose commits of the branch;
    /// - [`WorkspaceError::BranchCheckedOut`] if some work tree has it checked out.
    pub async fn deliver(&self, delivery: &Delivery) -> Result<Delivered, WorkspaceError> {
        let Delivery { branch, expected, commit } = delivery;
        let found = self.branch(branch).await?;
        if found.as_ref() == Some(commit) {
            return Ok(Delivered::Already);
        }
        let moved = |found| WorkspaceError::BranchMoved {
            branch: branch.to_string(),
            expected: expected.clone(),
            found,
        };
        if found != *expected {
            return Err(moved(found));
        }
        if let Some(expected) = expected
            && !self.room().contains(commit, expected).await?
        {
            return Err(WorkspaceError::NotADescendant {
                branch: branch.to_string(),
                expected: expected.clone(),
                commit: commit.clone(),
            });
        }
        if let Some(at) = self.checked_out(branch).await? {
            return Err(WorkspaceError::BranchCheckedOut { branch: branch.to_string(), at });
        }
        match self.room().swap(&branch.full(), expected.as_ref(), commit).await? {
            Swapped::Yes => Ok(Delivered::Moved),
            Swapped::No { found } => Err(moved(found)),
        }
    }

    /// The work tree of the person's that has a branch checked out.
    ///
    /// # Errors
    /// [`WorkspaceError::Io`] if the git folder cannot be read.
    pub async fn checked_out(&self, branch: &BranchName) -> Result<Option<PathBuf>, WorkspaceError> {
        let on_branch = Some(Head::On(branch.full()));
        let common = self.git_dir();
        if head_of(common)? == on_branch
            && let Some(main) = self.main_checkout()
        {
            return Ok(Some(main));
        }
        let worktrees = common.join("worktrees");
        let entries = match fs::read_dir(&worktrees) {
            Err(error) if disk::is_absent(&error) => return Ok(None),
            entries => entries.map_err(|error| WorkspaceError::io(disk::doing("list", &worktrees), error))?,
        };
        for entry in entries.flatten() {
            if head_of(&entry.path())? == on_branch {
                return Ok(Some(checkout_of(&entry.path())?.unwrap_or_else(|| entry.path())));
            }
        }
        Ok(None)
    }
}

/// The work tree that an administration in `worktrees` says it is of.
fn checkout_of(dir: &Path) -> Result<Option<PathBuf>, WorkspaceError> {
    let Some(bytes) = disk::read(&dir.join("gitdir"), 1 << 16)? else { return Ok(None) };
    let link = PathBuf::from(OsString::from_vec(bytes.trim_ascii_end().to_vec()));
    Ok(link.parent().map(Path::to_owned))
}
