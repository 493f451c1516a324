//! A store whose answers go astray.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use striatum_core::{
    chain::{Position, Sealed},
    id::{ChainId, Fence, RunId},
    run::RunStatus,
    store::{
        AppendError, Batch, ChainInfo, ChainMeta, Due, IndexDelta, Mark, MemoryStore, Page, ReadyJob,
        ReadyQuery, Renewal, RunHead, RunQuery, RunRow, RunSummary, Store, StoreError, StoreErrorKind, Wait,
    },
    time::Timestamp,
};

use crate::drive::{Drive, chain};

/// How often which fault is still to come.
#[derive(Debug)]
pub(crate) struct Faulty {
    memory: Arc<MemoryStore>,
    /// The batch lands and the answer is lost.
    pub(crate) deaf: AtomicU32,
    /// Neither lands nor answers.
    pub(crate) lost: AtomicU32,
    /// From the first fault on nobody is there any more.
    pub(crate) dies: AtomicBool,
    /// Somebody else was faster, it says.
    pub(crate) contended: AtomicU32,
    /// Somebody else is faster, once: this run is appended first.
    pub(crate) before: Mutex<Option<Drive>>,
    /// What reached the store.
    pub(crate) appends: AtomicU32,
}

impl Faulty {
    pub(crate) fn new(memory: Arc<MemoryStore>) -> Self {
        let zero = AtomicU32::default;
        Self {
            memory,
            deaf: zero(),
            lost: zero(),
            dies: AtomicBool::new(false),
            contended: zero(),
            before: Mutex::default(),
            appends: zero(),
        }
    }
}

/// Appends the log of a run as it is, without an engine.
pub(crate) async fn append_log(store: &dyn Store, run: RunId, log: &Drive) {
    let row = RunRow {
        status: RunStatus::Running,
        paused: false,
        room: 1,
        active: true,
        workflow: log.state.workflow().workflow_id.clone(),
    };
    let batch = Batch::new(chain(), run, RunHead::START, log.log.clone(), IndexDelta::new(row)).unwrap();
    store.append(&batch).await.unwrap();
}

fn take(fault: &AtomicU32) -> bool {
    fault.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

#[async_trait]
impl Store for Faulty {
    async fn append(&self, batch: &Batch) -> Result<RunHead, AppendError> {
        self.appends.fetch_add(1, Ordering::SeqCst);
        let unknown = || Err(StoreError::new(StoreErrorKind::Unknown, "append to a chain").into());
        let before = self.before.lock().unwrap().take();
        if let Some(run) = before {
            append_log(self.memory.as_ref(), batch.run(), &run).await;
        }
        if take(&self.contended) {
            return Err(AppendError::Conflict);
        }
        if take(&self.lost) {
            return unknown();
        }
        if self.dies.load(Ordering::SeqCst) && self.deaf.load(Ordering::SeqCst) == 0 {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "append to a chain").into());
        }
        let answer = self.memory.append(batch).await;
        if take(&self.deaf) { unknown() } else { answer }
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.memory.now().await
    }

    async fn open_chain(&self, chain: &ChainId, meta: &ChainMeta) -> Result<Position, StoreError> {
        self.memory.open_chain(chain, meta).await
    }

    async fn chains(&self) -> Result<Vec<ChainInfo>, StoreError> {
        self.memory.chains().await
    }

    async fn read(&self, chain: &ChainId, after: Position, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        self.memory.read(chain, after, limit).await
    }

    async fn read_run(&self, run: &RunId, after: RunHead, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        self.memory.read_run(run, after, limit).await
    }

    async fn head(&self, chain: &ChainId) -> Result<Position, StoreError> {
        self.memory.head(chain).await
    }

    async fn runs(&self, query: &RunQuery) -> Result<Page<RunSummary>, StoreError> {
        self.memory.runs(query).await
    }

    async fn ready(&self, query: &ReadyQuery) -> Result<Vec<ReadyJob>, StoreError> {
        self.memory.ready(query).await
    }

    async fn renew(&self, leases: &[(Fence, Duration)]) -> Result<Vec<Renewal>, StoreError> {
        self.memory.renew(leases).await
    }

    async fn due(&self, chain: Option<&ChainId>, limit: usize) -> Result<Due, StoreError> {
        self.memory.due(chain, limit).await
    }

    async fn changed(&self, wait: &Wait) -> Result<Mark, StoreError> {
        self.memory.changed(wait).await
    }

    async fn reindex(&self, run: &RunId, expected: RunHead, index: &IndexDelta) -> Result<(), AppendError> {
        self.memory.reindex(run, expected, index).await
    }
}
