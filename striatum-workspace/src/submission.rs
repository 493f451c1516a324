//! Committing what a job left.

use std::collections::{BTreeMap, BTreeSet};

use striatum_core::id::CommitId;

use crate::{
    error::WorkspaceError,
    git::unexpected,
    history::{FilesOnly, History},
    repository::{Repository, names, shown},
    room::{Swapped, object},
    snapshot::Snapshot,
    tree::{Grant, Tree},
};

/// What is kept of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The commit with everything, on the grant's branch. It is the tree's base if the job left nothing.
    pub commit: CommitId,
    /// Commits that the agent made and that `commit` does not contain; refs under `refs/striatum/kept` keep them.
    pub kept: Vec<CommitId>,
    /// What could not be committed.
    pub left_out: Vec<LeftOut>,
    /// Why `commit` holds the files that the agent left and not the commits that led to them, if so.
    pub files_only: Option<FilesOnly>,
}

/// Something in a tree that a commit cannot hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its path, escaped if it is not UTF-8.
    pub path: String,
    /// Why it was left out.
    pub why: WhyLeftOut,
}

/// Why something was left out of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhyLeftOut {
    /// It stands where a file was, and is a socket, a pipe or a device.
    Special,
    /// It is a git repository: its files were committed as ordinary files, its history was not. Said once, as its files are
    /// tracked from then on.
    NestedHistory,
}

impl Repository {
    /// Commits all that a job left in its tree, tracked or untracked and not ignored, to the branch of its grant.
    ///
    /// - The commits that the agent made in the tree's repository are taken over as they are, once every object of them is checked
    ///   (authors and messages are what the agent says). If there is something wrong with them, or if one of them changes what
    ///   the job may not change, only the files are taken, and `files_only` and a trailer `Striatum-History` say why.
    /// - The parent is the commit that the agent left checked out if it descends from where the grant's branch is, else that branch
    ///   if it descends from the base, else the base. Other commits of the agent, as far as branches and the log of its HEAD tell,
    ///   are kept under `refs/striatum/kept`.
    /// - If nothing differs from the parent, there is no new commit.
    /// - Files are taken as they are. Symbolic links are stored as links and never followed. Of a repository that the agent
    ///   made inside the tree, the files are committed as ordinary files. What the agent staged counts as tracked, even if it is
    ///   ignored.
    /// - The agent's index, `.git` file and locks do not matter, nor do its settings.
    /// - The date is that of the grant, and a trailer `Striatum-Fence` names it, so that repeating the call gives the same id.
    ///
    /// Nobody may be working in the tree during the call.
    ///
    /// # Errors
    /// - [`WorkspaceError::OddPath`] if a changed path is not UTF-8, or git cannot keep it (`.GIT` for example);
    /// - [`WorkspaceError::FileTooLarge`], [`WorkspaceError::Unreadable`], [`WorkspaceError::TreeLost`];
    /// - [`WorkspaceError::Unsupported`] if files lie in a submodule;
    /// - failures of git and of the file system. The tree is as it was, and the call may be repeated.
    pub async fn commit(&self, tree: &Tree, message: &str) -> Result<Saved, WorkspaceError> {
        let left = self.left_commits(tree).await?;
        let saved = self.written(tree, &left, message, &BTreeMap::new()).await?;
        for lost in &saved.kept {
            // Named by its own id, so whoever made it made the same.
            self.room().swap(&kept_ref(tree, lost), None, lost).await?;
        }
        if left.branch.as_ref() == Some(&saved.commit) {
            return Ok(saved);
        }
        let full = tree.branch().full();
        match self.room().swap(&full, left.branch.as_ref(), &saved.commit).await? {
            Swapped::Yes => Ok(saved),
            Swapped::No { found } => Err(WorkspaceError::BranchMoved {
                branch: tree.branch().to_string(),
                expected: left.branch,
                found,
            }),
        }
    }

    /// What [`commit`](Self::commit) would give now if these files lay in the tree, by their paths from its top with `/`; `None` for one
    /// that did not. No ref moves, so git forgets it by and by, and the tree is left as it is.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub async fn draft(
        &self,
        tree: &Tree,
        message: &str,
        instead: &BTreeMap<String, Option<Vec<u8>>>,
    ) -> Result<Saved, WorkspaceError> {
        let left = self.left_commits(tree).await?;
        self.written(tree, &left, message, instead).await
    }

    async fn written(
        &self,
        tree: &Tree,
        left: &Left,
        message: &str,
        instead: &BTreeMap<String, Option<Vec<u8>>>,
    ) -> Result<Saved, WorkspaceError> {
        let parent = self.parent(tree, left).await?;
        let snapshot = self.snapshot(tree, &parent).await?;
        if !instead.is_empty() {
            self.overlay(&snapshot, instead).await?;
        }
        let (commit, left_out) = self.commit_onto(tree, &parent, left, message, snapshot).await?;
        let kept = self.beyond(left, &[&commit, &parent, tree.base()]).await?;
        Ok(Saved { commit, kept, left_out, files_only: left.files_only.clone() })
    }

    async fn commit_onto(
        &self,
        tree: &Tree,
        parent: &CommitId,
        left: &Left,
        message: &str,
        snapshot: Snapshot,
    ) -> Result<(CommitId, Vec<LeftOut>), WorkspaceError> {
        let (changed, written) =
            tokio::try_join!(self.changed_names(&snapshot, tree.base()), self.write_tree(&snapshot))?;
        expect_plain(&changed)?;
        let is_empty = match parent == tree.base() {
            true => changed.is_empty(),
            false => written == self.room().tree_of(parent).await?,
        };
        if is_empty {
            return Ok((parent.clone(), snapshot.left_out));
        }
        let history = match &left.files_only {
            Some(reason) => format!("Striatum-History: files only: {}\n", reason.to_string().escape_debug()),
            None => String::new(),
        };
        let message = format!("{}\n\n{}\n{history}", message.trim_end(), trailer(tree.grant()));
        let date = tree.grant().granted_at;
        let commit = self.room().commit(&written, &[parent], date, &message).await?;
        Ok((commit, snapshot.left_out))
    }

    /// Commits what an unfinished job left, as [`commit`](Self::commit) does; nothing if it left nothing.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub async fn set_aside(&self, tree: &Tree) -> Result<Option<CommitId>, WorkspaceError> {
        let job = &tree.grant().fence.job;
        let saved = self.commit(tree, &format!("Set aside what {job} left unfinished")).await?;
        Ok(Some(saved.commit).filter(|commit| commit != tree.base()))
    }

    /// The commits that the agent left: those that could be taken over, and where its branch is.
    pub(crate) async fn left_commits(&self, tree: &Tree) -> Result<Left, WorkspaceError> {
        let branch = self.room().reference(&tree.branch().full()).await?;
        let History { head, mut all, files_only } = self.history(tree, branch.as_ref()).await?;
        if let Some(reason) = &files_only {
            tracing::warn!(branch = %tree.branch(), %reason, "an agent's commits are not built upon");
        }
        all.extend(branch.iter().cloned());
        Ok(Left { head, branch, all, files_only })
    }

    /// Of these commits, the tips that none of `refs` contains.
    pub(crate) async fn beyond(
        &self,
        left: &Left,
        holders: &[&CommitId],
    ) -> Result<Vec<CommitId>, WorkspaceError> {
        if left.all.iter().all(|commit| holders.contains(&commit)) {
            return Ok(Vec::new());
        }
        let doing = "look for commits that no branch contains";
        let mut input = String::new();
        for commit in &left.all {
            input.push_str(&format!("{commit}\n"));
        }
        for holder in holders {
            input.push_str(&format!("^{holder}\n"));
        }
        let answer =
            self.room().call(doing).args(["rev-list", "--parents", "--stdin"]).input(input).bytes().await?;
        let text = String::from_utf8(answer).map_err(|error| unexpected(doing, error.as_bytes()))?;
        let mut tips: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
        for parent in text.lines().flat_map(|line| line.split(' ').skip(1)) {
            tips.remove(parent);
        }
        tips.into_iter().map(|tip| object(doing, tip.as_bytes())).collect()
    }

    async fn parent(&self, tree: &Tree, left: &Left) -> Result<CommitId, WorkspaceError> {
        let begun = left.branch.as_ref().unwrap_or_else(|| tree.base());
        for (candidate, ancestor) in [(left.head.as_ref(), begun), (left.branch.as_ref(), tree.base())] {
            if let Some(candidate) = candidate
                && self.room().contains(candidate, ancestor).await?
                && self.room().contains(candidate, tree.base()).await?
            {
                return Ok(candidate.clone());
            }
        }
        Ok(tree.base().clone())
    }
}

/// Refuses changed paths that are not UTF-8.
fn expect_plain(changed: &[u8]) -> Result<(), WorkspaceError> {
    let odd: Vec<String> =
        names(changed).filter(|name| std::str::from_utf8(name).is_err()).map(shown).collect();
    if odd.is_empty() { Ok(()) } else { Err(WorkspaceError::OddPath { paths: odd }) }
}

/// The commits that an agent left behind.
#[derive(Debug)]
pub(crate) struct Left {
    /// What it had checked out.
    pub(crate) head: Option<CommitId>,
    /// Where the branch of the grant is.
    pub(crate) branch: Option<CommitId>,
    /// These and the tips of all else that it committed.
    pub(crate) all: BTreeSet<CommitId>,
    pub(crate) files_only: Option<FilesOnly>,
}

pub(crate) fn kept_ref(tree: &Tree, commit: &CommitId) -> String {
    let grant = tree.branch().as_str().trim_start_matches("striatum/");
    format!("refs/striatum/kept/{grant}/{commit}")
}

fn trailer(grant: &Grant) -> String {
    let fence = &grant.fence;
    format!(
        "Striatum-Fence: run={} job={} attempt={} epoch={} session={}",
        fence.run, fence.job, grant.attempt, fence.epoch, fence.session
    )
}
