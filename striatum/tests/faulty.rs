//! A store and blobs that fail for a while, and count what is asked of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use striatum::core::{
    chain::{Position, Sealed},
    digest::{BlobRef, Digest},
    id::{ChainId, Fence, RunId},
    store::{
        AppendError, Batch, BlobError, BlobErrorKind, Blobs, ChainInfo, ChainMeta, Due, IndexDelta, Mark,
        MemoryBlobs, MemoryStore, Page, ReadyJob, ReadyQuery, Renewal, RunHead, RunQuery, RunSummary, Store,
        StoreError, StoreErrorKind, Wait,
    },
    time::Timestamp,
};
use striatum_testkit::clock::ManualClock;
use tokio::sync::Mutex;

#[derive(Debug)]
pub(crate) struct Faulty {
    store: MemoryStore,
    blobs: MemoryBlobs,
    /// Whether nothing can be reached.
    pub(crate) store_is_down: AtomicBool,
    pub(crate) blobs_are_down: AtomicBool,
    /// How often something was asked while nothing could be reached.
    pub(crate) refused: AtomicU32,
    /// How often something was asked.
    pub(crate) calls: AtomicU32,
    /// How often it was asked what is due, which is once for each look of an orchestrator.
    pub(crate) looks: AtomicU32,
    /// This run cannot be read.
    pub(crate) damaged: Mutex<Option<RunId>>,
}

impl Faulty {
    pub(crate) fn new(clock: &ManualClock) -> Arc<Self> {
        Arc::new(Self {
            store: MemoryStore::new(Arc::new(clock.clone())),
            blobs: MemoryBlobs::default(),
            store_is_down: AtomicBool::new(false),
            blobs_are_down: AtomicBool::new(false),
            refused: AtomicU32::new(0),
            calls: AtomicU32::new(0),
            looks: AtomicU32::new(0),
            damaged: Mutex::default(),
        })
    }

    fn up(&self) -> Result<&MemoryStore, StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.store_is_down.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::new(StoreErrorKind::Unavailable, "reach the store"));
        }
        Ok(&self.store)
    }

    fn blobs(&self) -> Result<&MemoryBlobs, BlobError> {
        if self.blobs_are_down.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(BlobError::new(BlobErrorKind::Unavailable, "reach the blobs"));
        }
        Ok(&self.blobs)
    }
}

#[async_trait]
impl Blobs for Faulty {
    async fn put(&self, bytes: Bytes) -> Result<BlobRef, BlobError> {
        self.blobs()?.put(bytes).await
    }

    async fn get(&self, digest: &Digest) -> Result<Bytes, BlobError> {
        self.blobs()?.get(digest).await
    }
}

#[async_trait]
impl Store for Faulty {
    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.up()?.now().await
    }

    async fn open_chain(&self, chain: &ChainId, meta: &ChainMeta) -> Result<Position, StoreError> {
        self.up()?.open_chain(chain, meta).await
    }

    async fn chains(&self) -> Result<Vec<ChainInfo>, StoreError> {
        self.up()?.chains().await
    }

    async fn append(&self, batch: &Batch) -> Result<RunHead, AppendError> {
        self.up()?.append(batch).await
    }

    async fn read(&self, chain: &ChainId, after: Position, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        self.up()?.read(chain, after, limit).await
    }

    async fn read_run(&self, run: &RunId, after: RunHead, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        if *self.damaged.lock().await == Some(*run) {
            return Err(StoreError::new(StoreErrorKind::Corrupt, "read a run"));
        }
        self.up()?.read_run(run, after, limit).await
    }

    async fn head(&self, chain: &ChainId) -> Result<Position, StoreError> {
        self.up()?.head(chain).await
    }

    async fn runs(&self, query: &RunQuery) -> Result<Page<RunSummary>, StoreError> {
        self.up()?.runs(query).await
    }

    async fn ready(&self, query: &ReadyQuery) -> Result<Vec<ReadyJob>, StoreError> {
        self.up()?.ready(query).await
    }

    async fn renew(&self, leases: &[(Fence, Duration)]) -> Result<Vec<Renewal>, StoreError> {
        self.up()?.renew(leases).await
    }

    async fn due(&self, chain: Option<&ChainId>, limit: usize) -> Result<Due, StoreError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        self.up()?.due(chain, limit).await
    }

    async fn changed(&self, wait: &Wait) -> Result<Mark, StoreError> {
        self.up()?.changed(wait).await
    }

    async fn reindex(&self, run: &RunId, expected: RunHead, index: &IndexDelta) -> Result<(), AppendError> {
        self.up()?.reindex(run, expected, index).await
    }
}
