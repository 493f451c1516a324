//! A store with engines on it, and a clock that tests move.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use striatum_core::{
    engine::{Applied, Engine, EngineError},
    id::{Fence, RunId},
    run::{Command, DeliveryMode, Event, Intent, Outcome, State},
    store::{ChainMeta, MemoryBlobs, MemoryStore, Store},
    time::Timestamp,
};

use crate::{
    document::Document,
    drive::{Drive, NOW, RUN, ada, chain, claim, command_id, job, session},
};

/// Waits for a future that never waits itself: nothing in memory is slow.
#[track_caller]
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..1000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    panic!("the future waits for something that does not come");
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Hand(Arc<AtomicU64>);

impl Hand {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    fn clock(&self) -> Arc<dyn striatum_core::time::Clock> {
        let hand = self.clone();
        Arc::new(move || Timestamp::from_micros(NOW.as_micros() + hand.0.load(Ordering::SeqCst)))
    }
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) hand: Hand,
    pub(crate) memory: Arc<MemoryStore>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Arc<MemoryBlobs>,
    pub(crate) engine: Engine,
    commands: AtomicU64,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self::with(|memory| memory)
    }

    /// Engines reach the store through what `wrap` makes of it.
    pub(crate) fn with<S: Store>(wrap: impl FnOnce(Arc<MemoryStore>) -> Arc<S>) -> Self {
        let hand = Hand::default();
        let memory = Arc::new(MemoryStore::new(hand.clock()));
        now(memory.open_chain(&chain(), &ChainMeta::default())).unwrap();
        let store: Arc<dyn Store> = wrap(memory.clone());
        let blobs = Arc::new(MemoryBlobs::default());
        let engine = Engine::new(store.clone(), blobs.clone(), hand.clock());
        Self { hand, memory, store, blobs, engine, commands: AtomicU64::new(0) }
    }

    /// Another engine, as in another process.
    pub(crate) fn another(&self) -> Engine {
        Engine::new(self.store.clone(), self.blobs.clone(), self.hand.clock())
    }

    pub(crate) fn command(&self, intent: Intent) -> Command {
        let id = command_id(1000 + self.commands.fetch_add(1, Ordering::SeqCst));
        Command { id, actor: ada(), intent }
    }

    pub(crate) fn prepare(&self, run: RunId, document: &Document) -> Applied {
        let id = self.command(Intent::Prepare).id;
        now(self.engine.prepare(&chain(), run, document.snapshot(), id, ada())).unwrap()
    }

    /// Prepares and starts the run.
    pub(crate) fn started(&self, document: &Document) {
        self.prepare(RUN, document);
        self.must(Intent::ConfirmBranch { branch: "b".to_owned(), at: None });
        self.must(Intent::Start);
    }

    pub(crate) fn try_to(&self, intent: Intent) -> Result<Applied, EngineError> {
        now(self.engine.execute(RUN, self.command(intent)))
    }

    #[track_caller]
    pub(crate) fn must(&self, intent: Intent) -> Vec<Event> {
        let name = intent.name();
        self.try_to(intent).unwrap_or_else(|error| panic!("{name}: {error}")).events
    }

    /// Claims a job by push; returns the fence.
    #[track_caller]
    pub(crate) fn claim(&self, id: &str) -> Fence {
        let by = session(self.commands.load(Ordering::SeqCst));
        self.must(Intent::Claim(claim(id, by, DeliveryMode::Push)));
        self.state().fence(&job(id)).unwrap()
    }

    pub(crate) fn submission(&self, fence: &Fence) -> Intent {
        Intent::Submit(Drive::over(self.state()).submit(fence, Outcome::Done))
    }

    #[track_caller]
    pub(crate) fn complete(&self, id: &str) {
        let fence = self.claim(id);
        self.must(self.submission(&fence));
    }

    pub(crate) fn state(&self) -> State {
        now(self.engine.load(RUN)).unwrap().state
    }

    /// How many events the chain has.
    pub(crate) fn events(&self) -> u64 {
        now(self.memory.head(&chain())).unwrap().seq
    }
}
