//! Trees: a folder and a branch for each grant.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use striatum_core::{
    id::{ChainId, CommitId, Fence},
    time::Timestamp,
    workflow::WriteScope,
};

use crate::{branch::BranchName, disk, error::WorkspaceError, repository::Repository, room::Swapped};

/// A grant of a job: whose tree it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Run, job, epoch and session.
    pub fence: Fence,
    /// The attempt that was granted.
    pub attempt: u32,
    /// When: the date of the commits made for it.
    pub granted_at: Timestamp,
    /// What the job may change: commits of an agent that change anything else are not built upon.
    pub scope: WriteScope,
}

/// The work tree of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    grant: Grant,
    base: CommitId,
    branch: BranchName,
    path: PathBuf,
}

impl Tree {
    /// Whose tree it is.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// The commit that the work started from.
    pub fn base(&self) -> &CommitId {
        &self.base
    }

    /// The branch that keeps the work.
    pub fn branch(&self) -> &BranchName {
        &self.branch
    }

    /// The folder, in which the agent works.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `<attempt>.<epoch>.<session>`: what the names of the tree's things end with.
    pub(crate) fn note(&self) -> PathBuf {
        self.path.with_file_name(note_name(&self.branch))
    }
}

fn note_name(branch: &BranchName) -> String {
    let text = branch.as_str();
    format!("{}.json", text.rsplit_once('/').map_or(text, |(_, name)| name))
}

/// Where a note is written before it replaces the one that is there.
fn draft_of(note: &Path) -> PathBuf {
    note.with_extension("draft")
}

/// Takes away a note, once there is nothing else left of its tree, and what a crash left of its writing.
pub(crate) fn forget(note: &Path) -> Result<(), WorkspaceError> {
    disk::remove_file(note)?;
    disk::remove_file(&draft_of(note))?;
    // Other trees of the job may still be there.
    let _ = note.parent().map(fs::remove_dir);
    Ok(())
}

/// What lies beside a tree: whose it is, and how far its making or its removal got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) v: u32,
    pub(crate) chain: ChainId,
    pub(crate) grant: Grant,
    pub(crate) base: CommitId,
    pub(crate) state: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Being made: no agent has been in it, so it may be made anew.
    Opening,
    /// An agent may have worked in it.
    Open,
    /// All that is in it was proven to be kept; what is left of it may go.
    Closing,
}

impl Repository {
    /// Opens the tree of a grant: the files of `base` byte for byte, with a git repository of the agent's own, which holds the
    /// last thousand commits of their history and has the branch of the grant checked out. It knows no remote and nothing else
    /// of the person's repository. Repeating it gives the same tree as it is: what an agent did there stays. After a crash in
    /// the middle it is made anew. If the tree was closed before, it opens where its branch is.
    ///
    /// The branch is `striatum/<run>/<job>/<attempt>.<epoch>.<first 8 digits of the session>`; the folder has the same name
    /// under `trees` in the data folder. Nobody may be working in the tree during the call.
    ///
    /// # Errors
    /// [`WorkspaceError::TreeLost`] if the tree was open and its folder is gone; [`WorkspaceError::TreeExists`] if it was
    /// opened from another base; failures of git and of the file system.
    pub async fn open_tree(&self, grant: &Grant, base: &CommitId) -> Result<Tree, WorkspaceError> {
        let tree = self.tree_for(grant, base);
        match read_note(&tree.note())? {
            Some(note) if note.grant != *grant || note.base != *base => {
                return Err(WorkspaceError::TreeExists { path: tree.path, base: note.base });
            }
            Some(Note { state: Phase::Open, .. }) => {
                if !fs::symlink_metadata(&tree.path).is_ok_and(|meta| meta.is_dir()) {
                    return Err(WorkspaceError::TreeLost { path: tree.path });
                }
                self.refurnish(&tree).await?;
                return Ok(tree);
            }
            Some(Note { state: Phase::Opening | Phase::Closing, .. }) | None => {}
        }
        self.write_note(&tree, Phase::Opening)?;
        self.clear(&tree).await?;
        let (tip, ()) = tokio::try_join!(self.branch_for(&tree), self.check_out(&tree, base))?;
        if tip != *base {
            self.clear(&tree).await?;
            self.check_out(&tree, &tip).await?;
        }
        self.write_note(&tree, Phase::Open)?;
        Ok(tree)
    }

    /// The tree of a grant, if it is open. What a crash left half made or half removed holds no work, and is cleared away.
    ///
    /// # Errors
    /// [`WorkspaceError::Io`] if the data folder cannot be read or cleared.
    pub async fn tree(&self, grant: &Grant) -> Result<Option<Tree>, WorkspaceError> {
        let branch = BranchName::of_grant(&grant.fence, grant.attempt);
        let path = self.path_for(&branch).with_file_name(note_name(&branch));
        let Some(note) = read_note(&path)? else {
            forget(&path)?;
            return Ok(None);
        };
        let tree = self.tree_for(&note.grant, &note.base);
        if note.state == Phase::Open {
            return Ok(Some(tree));
        }
        self.close_tree(&tree).await?;
        Ok(None)
    }

    /// The trees of this repository that are left in the data folder, in the order of their paths: after a crash, those that
    /// somebody has to commit or set aside, and to close.
    ///
    /// # Errors
    /// [`WorkspaceError::Io`] if the data folder cannot be read.
    pub async fn trees(&self) -> Result<Vec<Tree>, WorkspaceError> {
        let mut folders = vec![self.data().join("trees")];
        for _ in ["runs", "jobs", "notes"] {
            let inside = folders.iter().map(|folder| list(folder)).collect::<Result<Vec<_>, _>>()?;
            folders = inside.concat();
        }
        folders.sort();
        let mut trees = Vec::new();
        for path in folders.iter().filter(|path| path.extension().is_some_and(|it| it == "json")) {
            if let Some(note) = read_note(path)?.filter(|note| note.chain == *self.chain()) {
                trees.push(self.tree_for(&note.grant, &note.base));
            }
        }
        Ok(trees)
    }

    fn tree_for(&self, grant: &Grant, base: &CommitId) -> Tree {
        let branch = BranchName::of_grant(&grant.fence, grant.attempt);
        Tree { grant: grant.clone(), base: base.clone(), path: self.path_for(&branch), branch }
    }

    fn path_for(&self, branch: &BranchName) -> PathBuf {
        self.data().join("trees").join(branch.as_str().trim_start_matches("striatum/"))
    }

    pub(crate) fn write_note(&self, tree: &Tree, state: Phase) -> Result<(), WorkspaceError> {
        let path = tree.note();
        if let Some(parent) = path.parent() {
            disk::folder(parent)?;
        }
        let note = Note {
            v: 1,
            chain: self.chain().clone(),
            grant: tree.grant.clone(),
            base: tree.base.clone(),
            state,
        };
        let bytes = serde_json::to_vec(&note)
            .map_err(|error| WorkspaceError::io(disk::doing("write", &path), error.into()))?;
        disk::write_by(&draft_of(&path), &path, &bytes)
    }

    /// Takes away the folder.
    pub(crate) async fn clear(&self, tree: &Tree) -> Result<(), WorkspaceError> {
        let path = tree.path.clone();
        disk::blocking("clear a tree", move || disk::remove_folder(&path)).await
    }

    /// Makes the branch of a tree at its base, unless work is kept there already.
    async fn branch_for(&self, tree: &Tree) -> Result<CommitId, WorkspaceError> {
        let swapped = self.room().swap(&tree.branch.full(), None, &tree.base).await?;
        match swapped {
            Swapped::Yes => Ok(tree.base.clone()),
            Swapped::No { found: Some(found) } if self.room().contains(&found, &tree.base).await? => {
                Ok(found)
            }
            Swapped::No { found } => Err(WorkspaceError::BranchMoved {
                branch: tree.branch.to_string(),
                expected: Some(tree.base.clone()),
                found,
            }),
        }
    }

    async fn check_out(&self, tree: &Tree, tip: &CommitId) -> Result<(), WorkspaceError> {
        disk::folder(&tree.path)?;
        let index = self.room().index()?;
        let over = || self.room().over(format!("check out {tip}"), &tree.path, &index);
        let files = async {
            over().args(["read-tree", tip.as_str()]).bytes().await?;
            over().args(["checkout-index", "--all", "--index", "--quiet"]).bytes().await
        };
        let (_, cut) = tokio::try_join!(files, self.give_history(tip, &index))?;
        self.furnish(tree, tip, &index, &cut)
    }
}

/// Far more than the longest list of paths in a scope.
const NOTE_BYTES: u64 = 64 << 20;

pub(crate) fn read_note(path: &Path) -> Result<Option<Note>, WorkspaceError> {
    let Some(bytes) = disk::read(path, NOTE_BYTES)? else { return Ok(None) };
    let note = serde_json::from_slice(&bytes)
        .map_err(|error| WorkspaceError::io(disk::doing("read", path), error.into()))?;
    Ok(Some(note))
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, WorkspaceError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if disk::is_absent(&error) => return Ok(Vec::new()),
        entries => entries,
    };
    entries
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .map_err(|error| WorkspaceError::io(disk::doing("list", folder), error))
}
