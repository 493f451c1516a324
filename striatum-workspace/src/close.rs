//! Closing a tree: proof first, then removal.

use crate::{
    error::{LISTED, WorkspaceError},
    repository::{Repository, names, shown},
    submission::kept_ref,
    tree::{Phase, Tree, forget, read_note},
};

impl Repository {
    /// Removes a tree, once it is proven that its branch keeps all that is in it: every file, tracked or untracked, is read
    /// and compared, and every commit that the agent made must be in a ref. Ignored files go. Repeating it changes nothing,
    /// and a removal that was cut off is finished. The branch stays.
    ///
    /// # Errors
    /// [`WorkspaceError::Unsaved`] if something would be lost: nothing is removed then, and [`commit`](Self::commit) is to be
    /// called first. What makes a commit fail makes this fail too.
    pub async fn close_tree(&self, tree: &Tree) -> Result<(), WorkspaceError> {
        match read_note(&tree.note())?.map(|note| note.state) {
            None => return forget(&tree.note()),
            Some(Phase::Open) => {
                self.prove(tree).await?;
                self.write_note(tree, Phase::Closing)?;
            }
            // No agent was in it, or it was proven before.
            Some(Phase::Opening | Phase::Closing) => {}
        }
        self.clear(tree).await?;
        forget(&tree.note())
    }

    async fn prove(&self, tree: &Tree) -> Result<(), WorkspaceError> {
        let unsaved = |paths| WorkspaceError::Unsaved { path: tree.path().to_owned(), paths };
        let left = self.left_commits(tree).await?;
        let Some(branch) = left.branch.clone() else {
            return Err(unsaved(vec![format!("branch {}", tree.branch())]));
        };
        for lost in self.beyond(&left, &[&branch, tree.base()]).await? {
            if self.room().reference(&kept_ref(tree, &lost)).await?.as_ref() != Some(&lost) {
                return Err(unsaved(vec![format!("commit {lost}")]));
            }
        }
        let snapshot = match self.snapshot(tree, &branch).await {
            // There is nothing that could be lost.
            Err(WorkspaceError::TreeLost { .. }) => return Ok(()),
            snapshot => snapshot?,
        };
        let changed = self.changed_names(&snapshot, &branch).await?;
        let paths: Vec<String> = names(&changed).take(LISTED).map(shown).collect();
        if paths.is_empty() { Ok(()) } else { Err(unsaved(paths)) }
    }
}
