//! A store and blobs in memory, for tests and for programs that keep nothing.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use event_listener::Event;

use crate::{
    chain::{Position, Sealed},
    id::{ChainId, Fence, RunId},
    store::{
        AppendError, Batch, ChainInfo, ChainMeta, Due, IndexDelta, Mark, Page, ReadyJob, ReadyQuery, Renewal,
        RunHead, RunQuery, RunSummary, Store, StoreError, StoreErrorKind, Wait,
    },
    time::{Clock, Timestamp},
};

mod blobs;
mod events;
mod index;
mod log;
mod schedule;

pub use blobs::MemoryBlobs;
use index::Index;
use log::{Log, Settled};

/// A [`Store`] that lives as long as its value does.
///
/// It keeps every promise of the port but durability, so it also serves as the model that other stores are compared with.
///
/// ```
/// use std::sync::Arc;
/// use striatum_core::{store::MemoryStore, time::Timestamp};
///
/// let store = MemoryStore::new(Arc::new(|| Timestamp::from_micros(42)));
/// # let _ = store;
/// ```
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    grown: Event,
}

#[derive(Default)]
struct State {
    log: Log,
    index: Index,
}

impl MemoryStore {
    /// An empty store that tells the time by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default(), grown: Event::new() }
    }

    // A panic elsewhere cannot leave half a batch behind: what may be refused is checked before the first change.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark(&self, chain: Option<&ChainId>) -> Result<(Mark, Option<Arc<Event>>), StoreError> {
        let state = self.state();
        // One more than the number of events: the default mark stands for less than an empty log.
        Ok(match chain {
            Some(chain) => {
                let chain = state.log.chain(chain, "wait for a chain to grow")?;
                (Mark(chain.head().seq + 1), Some(chain.grown()))
            }
            None => (Mark(state.log.events() + 1), None),
        })
    }
}

impl State {
    fn append(
        &mut self,
        batch: &Batch,
        now: Timestamp,
    ) -> Result<(RunHead, Option<Arc<Event>>), AppendError> {
        let place = match self.log.settle(batch)? {
            Settled::Stands(head) => return Ok((head, None)),
            Settled::Follows(place) => place,
        };
        if !batch.guard().is_none_or(|guard| self.index.holds(guard, now)) {
            return Err(AppendError::GuardFailed);
        }
        let (run, delta) = (batch.run(), batch.delta());
        self.index.may_take(run, delta)?;
        let (head, origin, grown) = place.seal(batch, now);
        self.index.apply(origin, run, delta, now);
        Ok((head, grown))
    }

    fn reindex(
        &mut self,
        run: RunId,
        expected: RunHead,
        delta: &IndexDelta,
        now: Timestamp,
    ) -> Result<(), AppendError> {
        if self.log.run_head(run) != expected {
            return Err(AppendError::Conflict);
        }
        let Some(origin) = self.log.origin(run) else {
            return Err(StoreError::new(StoreErrorKind::Other, "index a run that has no events").into());
        };
        self.index.replace(origin, run, delta, now)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn now(&self) -> Result<Timestamp, StoreError> {
        Ok(self.clock.now())
    }

    async fn open_chain(&self, chain: &ChainId, meta: &ChainMeta) -> Result<Position, StoreError> {
        Ok(self.state().log.open(chain, meta))
    }

    async fn chains(&self) -> Result<Vec<ChainInfo>, StoreError> {
        Ok(self.state().log.chains())
    }

    async fn append(&self, batch: &Batch) -> Result<RunHead, AppendError> {
        let (head, grown) = {
            let mut state = self.state();
            let now = self.clock.now();
            state.append(batch, now)?
        };
        // Whoever comes to listen behind the append looks at the log once more, and does not wait.
        if let Some(grown) = grown {
            grown.notify(usize::MAX);
        }
        if self.grown.total_listeners() > 0 {
            self.grown.notify(usize::MAX);
        }
        Ok(head)
    }

    async fn read(&self, chain: &ChainId, after: Position, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        self.state().log.read(chain, after, limit)
    }

    async fn read_run(&self, run: &RunId, after: RunHead, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        self.state().log.read_run(*run, after, limit)
    }

    async fn head(&self, chain: &ChainId) -> Result<Position, StoreError> {
        Ok(self.state().log.chain(chain, "read the head of a chain")?.head())
    }

    async fn runs(&self, query: &RunQuery) -> Result<Page<RunSummary>, StoreError> {
        let state = self.state();
        Ok(state.log.runs(query, state.index.active(), |run| state.index.row(run)))
    }

    async fn ready(&self, query: &ReadyQuery) -> Result<Vec<ReadyJob>, StoreError> {
        let mut state = self.state();
        let now = self.clock.now();
        let State { log, index } = &mut *state;
        Ok(index.ready(query, now, |run| log.run_head(run).version))
    }

    async fn renew(&self, leases: &[(Fence, Duration)]) -> Result<Vec<Renewal>, StoreError> {
        let mut state = self.state();
        let now = self.clock.now();
        Ok(leases.iter().map(|(fence, term)| state.index.renew(fence, now.after(*term))).collect())
    }

    async fn due(&self, chain: Option<&ChainId>, limit: usize) -> Result<Due, StoreError> {
        let state = self.state();
        Ok(state.index.due(chain, self.clock.now(), limit))
    }

    async fn changed(&self, wait: &Wait) -> Result<Mark, StoreError> {
        loop {
            let (mark, chain) = self.mark(wait.chain.as_ref())?;
            if mark > wait.after {
                return Ok(mark);
            }
            let growth = chain.as_deref().unwrap_or(&self.grown).listen();
            // What was appended before the listener stood would wake nobody.
            if self.mark(wait.chain.as_ref())?.0 > wait.after {
                continue;
            }
            growth.await;
        }
    }

    async fn reindex(&self, run: &RunId, expected: RunHead, index: &IndexDelta) -> Result<(), AppendError> {
        let unsound = |reason| StoreError::new(StoreErrorKind::Other, "index a run").because(reason);
        let index = index.clone().checked(*run).map_err(unsound)?;
        let mut state = self.state();
        let now = self.clock.now();
        state.reindex(*run, expected, &index, now)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("events", &self.state().log.events()).finish_non_exhaustive()
    }
}
