//! What every store can do by means of its port.

use crate::{
    chain::{ChainError, Position, Verifier},
    id::ChainId,
    store::{Store, StoreError},
};

const PAGE: usize = 1024;

/// Why a chain did not verify.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The history is not sound.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sugar over [`Store`], for every implementation.
#[expect(
    async_fn_in_trait,
    reason = "blanket-implemented sugar that is not meant to be implemented or boxed"
)]
pub trait StoreExt: Store {
    /// Streams a chain through a [`Verifier`] in constant memory and returns its last position.
    ///
    /// `expect` is a position that was noted earlier and must be part of the chain. `progress` is called after each page with
    /// the number of events that were verified.
    ///
    /// # Errors
    /// [`VerifyError`].
    async fn verify(
        &self,
        chain: &ChainId,
        expect: Option<Position>,
        mut progress: impl FnMut(u64) + Send,
    ) -> Result<Position, VerifyError> {
        let mut verifier = Verifier::new(chain);
        if let Some(position) = expect {
            verifier = verifier.expecting(position);
        }
        let head = self.head(chain).await?;
        let mut at = Position::genesis(chain);
        loop {
            let page = self.read(chain, at, PAGE).await?;
            for event in page.iter().take_while(|event| event.seq <= head.seq) {
                verifier.push(event)?;
            }
            match page.last() {
                Some(last) if last.seq < head.seq => at = last.position(),
                _ => break,
            }
            progress(at.seq);
        }
        Ok(verifier.finish(head)?)
    }
}

impl<S: Store + ?Sized> StoreExt for S {}
