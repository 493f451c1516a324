//! Where agents that come for their work find something to work on.

use std::fmt;

use async_trait::async_trait;
use striatum_core::{id::Fence, run::State};

use crate::{Refusal, agents::Workbench};

#[cfg(doc)]
use striatum_core::run::Pending;

/// Opens a [`Workbench`] for each grant that was pulled.
#[async_trait]
pub trait Workshop: fmt::Debug + Send + Sync + 'static {
    /// Opens the workbench of a grant that is live in this state. If it cannot be opened, the grant is released.
    ///
    /// # Errors
    /// [`Refusal`], which becomes the reason of the release.
    async fn open(&self, state: &State, fence: &Fence) -> Result<std::sync::Arc<dyn Workbench>, Refusal>;

    /// Closes what was opened for a grant that is over, and confirms it with `TreeClosed`. It may be asked again, and is asked only
    /// while a [`Pending::CloseTree`] is owed.
    ///
    /// # Errors
    /// [`Refusal`], if it is to be tried again.
    async fn close(&self, fence: &Fence) -> Result<(), Refusal>;
}
