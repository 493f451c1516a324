//! What every store can do by means of its port.

use crate::{
    chain::{ChainError, ChainFault, Position, Sealed, Verifier},
    id::ChainId,
    store::{RunQuery, RunSummary, Store, StoreError, StoreErrorKind},
};

const PAGE: usize = 1024;
const RUNS: usize = 64;

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
    /// Every run that a query asks for, page by page.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn all_runs(&self, query: RunQuery) -> Result<Vec<RunSummary>, StoreError> {
        let mut query = RunQuery { limit: RUNS, ..query };
        let mut runs = Vec::new();
        loop {
            let page = self.runs(&query).await?;
            runs.extend(page.items);
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(runs),
            }
        }
    }

    /// Streams a chain through a [`Verifier`] in constant memory and returns its last position.
    ///
    /// `expect` is a position that was noted earlier and must be part of the chain. `seen` is shown each event once it is known
    /// to follow from those before it. What is appended meanwhile is left for the next time.
    ///
    /// # Errors
    /// [`VerifyError`].
    async fn verify(
        &self,
        chain: &ChainId,
        expect: Option<Position>,
        mut seen: impl FnMut(&Sealed) + Send,
    ) -> Result<Position, VerifyError> {
        let chains = self.chains().await?;
        let Some(info) = chains.into_iter().find(|info| info.chain == *chain) else {
            let error = StoreError::new(StoreErrorKind::Other, "verify a chain");
            return Err(error.because(format!("there is no chain {chain}")).into());
        };
        let mut verifier = Verifier::new(chain);
        if let Some(position) = expect {
            verifier = verifier.expecting(position);
        }
        verifier.genesis(info.genesis)?;
        let mut at = Position::genesis(chain);
        loop {
            let page = self.read(chain, at, PAGE).await?;
            for event in page.iter().take_while(|event| event.seq <= info.head.seq) {
                verifier.push(event)?;
                seen(event);
            }
            match page.last() {
                Some(last) if last.seq < info.head.seq => at = last.position(),
                _ => break,
            }
        }
        let last = verifier.finish(info.head)?;
        // An event behind the head is either newer than the head that was read, or nobody's.
        if let Some(behind) = self.read(chain, last, 1).await?.first() {
            let head = self.head(chain).await?;
            if head.seq < behind.seq {
                let detail = format!("event {} stands behind the head, which names {}", behind.seq, head.seq);
                return Err(ChainError { fault: ChainFault::Head, seq: last.seq + 1, detail }.into());
            }
        }
        Ok(last)
    }
}

impl<S: Store + ?Sized> StoreExt for S {}
