//! A store that keeps what is appended to it, so that it can be appended elsewhere without an engine.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use striatum_core::{
    chain::{Position, Sealed},
    id::{ChainId, Fence, RunId},
    store::{
        AppendError, Batch, ChainInfo, ChainMeta, Due, IndexDelta, Mark, MemoryStore, Page, ReadyJob,
        ReadyQuery, Renewal, RunHead, RunQuery, RunSummary, Store, StoreError, Wait,
    },
    time::Timestamp,
};

/// A memory store with a list of the batches that it accepted.
#[derive(Debug)]
pub(crate) struct Recorder {
    inner: MemoryStore,
    batches: Mutex<Vec<Batch>>,
}

impl Recorder {
    pub(crate) fn new(inner: MemoryStore) -> Self {
        Self { inner, batches: Mutex::default() }
    }

    /// The batches since the last call.
    pub(crate) fn take(&self) -> Vec<Batch> {
        std::mem::take(&mut *self.batches.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Store for Recorder {
    async fn append(&self, batch: &Batch) -> Result<RunHead, AppendError> {
        let head = self.inner.append(batch).await?;
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(batch.clone());
        Ok(head)
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.inner.now().await
    }

    async fn open_chain(&self, chain: &ChainId, meta: &ChainMeta) -> Result<Position, StoreError> {
        self.inner.open_chain(chain, meta).await
    }

    async fn chains(&self) -> Result<Vec<ChainInfo>, StoreError> {
        self.inner.chains().await
    }

    async fn read(&self, chain: &ChainId, after: Position, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        self.inner.read(chain, after, limit).await
    }

    async fn read_run(&self, run: &RunId, after: RunHead, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        self.inner.read_run(run, after, limit).await
    }

    async fn head(&self, chain: &ChainId) -> Result<Position, StoreError> {
        self.inner.head(chain).await
    }

    async fn runs(&self, query: &RunQuery) -> Result<Page<RunSummary>, StoreError> {
        self.inner.runs(query).await
    }

    async fn ready(&self, query: &ReadyQuery) -> Result<Vec<ReadyJob>, StoreError> {
        self.inner.ready(query).await
    }

    async fn renew(&self, leases: &[(Fence, Duration)]) -> Result<Vec<Renewal>, StoreError> {
        self.inner.renew(leases).await
    }

    async fn due(&self, chain: Option<&ChainId>, limit: usize) -> Result<Due, StoreError> {
        self.inner.due(chain, limit).await
    }

    async fn changed(&self, wait: &Wait) -> Result<Mark, StoreError> {
        self.inner.changed(wait).await
    }

    async fn reindex(&self, run: &RunId, expected: RunHead, index: &IndexDelta) -> Result<(), AppendError> {
        self.inner.reindex(run, expected, index).await
    }
}
