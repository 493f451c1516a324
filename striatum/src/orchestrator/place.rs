//! Where a grant is worked on.

use striatum_workspace::Tree;

use crate::{
    fault,
    orchestrator::{
        Error,
        base::{Base, Bases},
        grant::Work,
    },
};

/// A tree, and what it builds on.
pub(super) struct Place {
    pub(super) base: Bases,
    pub(super) tree: Tree,
}

impl Work<'_> {
    /// Opens the tree; nothing if there is no base to work on, and the job is blocked.
    pub(super) async fn place(&self) -> Result<Option<Place>, Error> {
        let base = match self.shared.base(self.state, &self.fence().job).await? {
            Base::Commit(base) => base,
            Base::Conflict(paths) => return self.block(&paths).await.map(|()| None),
        };
        fault::point("open_tree.before");
        let tree = self.shared.repository.open_tree(&self.grant, &base.start).await?;
        self.lay_out(&base.start).await?;
        fault::point("open_tree.after");
        Ok(Some(Place { base, tree }))
    }
}
