//! What most cases begin with: a fresh store with a chain, and short words for what is done to it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a case fails by panicking")]

use std::{sync::Arc, time::Duration};

use striatum_core::{
    chain::{Position, Sealed},
    id::{ChainId, RunId},
    store::{
        AppendError, ChainMeta, Due, ReadyQuery, RunHead, RunQuery, RunSummary, Store, StoreError,
        StoreErrorKind, StoreExt,
    },
    time::Timestamp,
};

use crate::{
    fixture::{self, Draft},
    store::{Ability, Place, StoreFactory},
};

/// Longer than any case takes, so that a clock that also runs by itself does not matter.
pub(super) const SLACK: Duration = Duration::from_secs(30);

/// A term that is much longer than the slack.
pub(super) const TERM: Duration = Duration::from_secs(600);

/// More events than any case writes.
pub(super) const ALL: usize = 1_000_000;

pub(super) struct Bench<'a> {
    factory: &'a dyn StoreFactory,
    place: Place,
    pub(super) store: Arc<dyn Store>,
    pub(super) chain: ChainId,
}

impl<'a> Bench<'a> {
    /// A fresh store with the chain `main`.
    pub(super) async fn new(factory: &'a dyn StoreFactory) -> Self {
        let bench = Self::empty(factory).await;
        bench.open_chain(&bench.chain).await;
        bench
    }

    /// A fresh store without any chain.
    pub(super) async fn empty(factory: &'a dyn StoreFactory) -> Self {
        let place = Place::unused();
        let store = factory.open(&place).await;
        Self { factory, place, store, chain: fixture::chain("main") }
    }

    /// Closes the store and opens it again.
    pub(super) async fn reopen(self) -> Self {
        let Self { factory, place, store, chain } = self;
        drop(store);
        let store = factory.open(&place).await;
        Self { factory, place, store, chain }
    }

    /// The store as a crash leaves it, if the factory can let it crash.
    pub(super) async fn crash(self) -> Option<Self> {
        let is_done = self.factory.crash(&self.place).await == Ability::Done;
        let reopened = self.reopen().await;
        is_done.then_some(reopened)
    }

    /// A second handle to the same store.
    pub(super) async fn again(&self) -> Arc<dyn Store> {
        self.factory.open(&self.place).await
    }

    pub(super) async fn advance(&self, by: Duration) {
        self.factory.advance(&self.place, by).await;
    }

    pub(super) async fn turn_back(&self, by: Duration) -> Ability {
        self.factory.turn_back(&self.place, by).await
    }

    pub(super) async fn drop_indexes(&self) -> Ability {
        self.factory.drop_indexes(&self.place).await
    }

    pub(super) async fn damage(&self, run: RunId, version: u64) -> Ability {
        self.factory.damage(&self.place, run, version).await
    }

    pub(super) async fn open_chain(&self, chain: &ChainId) -> Position {
        self.store.open_chain(chain, &ChainMeta::default()).await.unwrap()
    }

    /// A draft of the first batch of a run in the chain `main`.
    pub(super) fn first(&self, run: RunId) -> Draft {
        Draft::new(&self.chain, run, RunHead::START)
    }

    /// A draft of a later batch.
    pub(super) fn next(&self, run: RunId, expected: RunHead) -> Draft {
        Draft::new(&self.chain, run, expected)
    }

    pub(super) async fn append(&self, draft: Draft) -> RunHead {
        self.store.append(&draft.batch()).await.expect("the batch is appended")
    }

    pub(super) async fn refusal(&self, draft: Draft) -> AppendError {
        self.store.append(&draft.batch()).await.expect_err("the batch is refused")
    }

    pub(super) async fn head(&self) -> Position {
        self.store.head(&self.chain).await.unwrap()
    }

    pub(super) async fn events(&self, chain: &ChainId) -> Vec<Sealed> {
        self.store.read(chain, Position::genesis(chain), ALL).await.unwrap()
    }

    pub(super) async fn events_of(&self, run: RunId) -> Vec<Sealed> {
        self.store.read_run(&run, RunHead::START, ALL).await.unwrap()
    }

    pub(super) async fn verify(&self, chain: &ChainId) -> Position {
        self.store.verify(chain, None, |_| ()).await.expect("the chain verifies")
    }

    /// The names of the jobs that a caller is shown who holds back none, in order.
    pub(super) async fn ready(&self) -> Vec<String> {
        self.asked(ReadyQuery::all(fixture::caller(200), 100)).await
    }

    /// The names of the jobs that answer a query, in order.
    pub(super) async fn asked(&self, query: ReadyQuery) -> Vec<String> {
        let jobs = self.store.ready(&query).await.unwrap();
        let mut names: Vec<_> = jobs.iter().map(|job| job.job.to_string()).collect();
        names.sort_unstable();
        names
    }

    pub(super) async fn due(&self) -> Due {
        self.store.due(None, 100).await.unwrap()
    }

    pub(super) async fn runs(&self) -> Vec<RunSummary> {
        self.store.runs(&RunQuery { limit: 100, ..RunQuery::default() }).await.unwrap().items
    }

    pub(super) async fn now(&self) -> Timestamp {
        self.store.now().await.unwrap()
    }
}

/// What a call was refused for.
#[track_caller]
pub(super) fn kind<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> StoreErrorKind {
    answer.expect_err("the call is refused").kind()
}

/// The same for an append; other refusals are none of the store's failures.
#[track_caller]
pub(super) fn store_kind(refusal: &AppendError) -> StoreErrorKind {
    assert!(matches!(refusal, AppendError::Store(_)), "expected a failure of the store, not {refusal:?}");
    match refusal {
        AppendError::Store(error) => error.kind(),
        _ => StoreErrorKind::Other,
    }
}

macro_rules! assert_refused {
    ($answer:expr, $pattern:pat $(if $guard:expr)?) => {
        let answer = $answer;
        let expected = stringify!($pattern $(if $guard)?);
        assert!(matches!(answer, $pattern $(if $guard)?), "expected {expected}, got {answer:?}");
    };
}
pub(super) use assert_refused;

/// Waits, but not forever: the bound only keeps a broken store from hanging the suite.
pub(super) async fn within<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("the wait ends")
}
