//! A store that fails on purpose.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use striatum_core::{
    chain::{Position, Sealed},
    id::{ChainId, Fence, RunId},
    store::{
        AppendError, Batch, ChainInfo, ChainMeta, Due, IndexDelta, Mark, Page, ReadyJob, ReadyQuery, Renewal,
        RunHead, RunQuery, RunSummary, Store, StoreError, StoreErrorKind, Wait,
    },
    time::Timestamp,
};

use crate::dice::Dice;

/// What becomes of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// The store does what it is asked, and its answer is lost: [`StoreErrorKind::Unknown`].
    LostAnswer,
    /// The store dies before the batch lands, and the caller cannot know: [`StoreErrorKind::Unknown`]. Nothing answers until
    /// the store [recovers](FaultyStore::recover).
    CrashBefore,
    /// The store dies after it did what it was asked, and the caller cannot know. Nothing answers until the store recovers.
    CrashAfter,
    /// The append waits until whoever else can go on was let pass this many times.
    Slow(u32),
    /// There is no space: nothing is written, by this append or a later one, until the store recovers. Reading goes on.
    FullDisk,
}

/// A sequence of faults that is the same for the same seed, for soak tests: about one append in so many meets one.
///
/// What lasts ends by itself, once so many calls were refused, as if somebody had noticed.
#[derive(Debug, Clone)]
pub struct Plan {
    dice: Dice,
    one_in: usize,
    faults: Vec<Fault>,
    outage: u32,
}

impl Plan {
    /// Every kind of fault, in one append of eight, with outages of three calls.
    pub fn seeded(seed: u64) -> Self {
        let faults =
            vec![Fault::LostAnswer, Fault::CrashBefore, Fault::CrashAfter, Fault::Slow(2), Fault::FullDisk];
        Self { dice: Dice::new(seed), one_in: 8, faults, outage: 3 }
    }

    /// In one append of this many.
    #[must_use]
    pub fn one_in(self, appends: usize) -> Self {
        Self { one_in: appends, ..self }
    }

    /// Only these faults.
    #[must_use]
    pub fn only(self, faults: impl Into<Vec<Fault>>) -> Self {
        Self { faults: faults.into(), ..self }
    }

    /// What lasts ends after so many refused calls.
    #[must_use]
    pub fn outage(self, calls: u32) -> Self {
        Self { outage: calls, ..self }
    }

    fn next(&mut self) -> Option<Fault> {
        if self.dice.once_in(self.one_in) { self.dice.one_of(&self.faults).copied() } else { None }
    }
}

/// A [`Store`] around another one, whose appends meet [faults](Fault): those that a test sets, or those of a [`Plan`].
///
/// What it lets through is the other store's doing, so whatever holds for that store holds for the history behind this one.
///
/// ```
/// use std::sync::Arc;
/// use striatum_core::store::{AppendError, ChainMeta, MemoryStore, RunHead, Store, StoreErrorKind};
/// use striatum_testkit::{clock::ManualClock, faulty::{Fault, FaultyStore}, fixture};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = FaultyStore::new(Arc::new(MemoryStore::new(Arc::new(ManualClock::default()))));
/// let chain = fixture::chain("main");
/// store.open_chain(&chain, &ChainMeta::default()).await?;
/// let batch = fixture::Draft::new(&chain, fixture::run(1), RunHead::START).batch();
///
/// store.meets(Fault::CrashAfter);
/// let Err(AppendError::Store(lost)) = store.append(&batch).await else { panic!("the answer was lost") };
/// assert_eq!(lost.kind(), StoreErrorKind::Unknown);
/// assert!(store.head(&chain).await.is_err(), "nobody is there");
///
/// store.recover();
/// assert_eq!(store.append(&batch).await?.version, 1, "it had landed, and the same batch again says so");
/// assert_eq!(store.head(&chain).await?.seq, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    script: Mutex<Script>,
}

#[derive(Debug, Default)]
struct Script {
    next: VecDeque<Fault>,
    plan: Option<Plan>,
    trouble: Option<Trouble>,
    refused: u32,
    met: Vec<Fault>,
}

/// What lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Down,
    Full,
}

impl Script {
    fn fault(&mut self) -> Option<Fault> {
        let fault = self.next.pop_front().or_else(|| self.plan.as_mut()?.next())?;
        self.met.push(fault);
        self.trouble = match fault {
            Fault::CrashBefore | Fault::CrashAfter => Some(Trouble::Down),
            Fault::FullDisk => Some(Trouble::Full),
            Fault::LostAnswer | Fault::Slow(_) => None,
        };
        Some(fault)
    }

    fn refuse(&mut self) {
        self.refused += 1;
        if self.plan.as_ref().is_some_and(|plan| self.refused >= plan.outage) {
            self.recover();
        }
    }

    const fn recover(&mut self) {
        self.trouble = None;
        self.refused = 0;
    }
}

impl FaultyStore {
    /// A store that lets everything through for now.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, script: Mutex::default() }
    }

    /// The same, with the faults of a plan.
    pub fn following(inner: Arc<dyn Store>, plan: Plan) -> Self {
        Self { inner, script: Mutex::new(Script { plan: Some(plan), ..Script::default() }) }
    }

    /// Lets the next append meet a fault. Several faults meet one append each, in order.
    pub fn meets(&self, fault: Fault) {
        self.script().next.push_back(fault);
    }

    /// Ends a crash or the lack of space, and forgets the faults that no append has met yet.
    pub fn recover(&self) {
        let mut script = self.script();
        script.next.clear();
        script.recover();
    }

    /// The faults that appends have met, in order.
    pub fn met(&self) -> Vec<Fault> {
        self.script().met.clone()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store, if it can be reached.
    fn up(&self) -> Result<&dyn Store, StoreError> {
        let mut script = self.script();
        if script.trouble != Some(Trouble::Down) {
            return Ok(&*self.inner);
        }
        script.refuse();
        Err(StoreError::new(StoreErrorKind::Unavailable, "reach the store"))
    }

    /// The store, if it can be reached and has space.
    fn writable(&self) -> Result<&dyn Store, StoreError> {
        let store = self.up()?;
        let mut script = self.script();
        if script.trouble != Some(Trouble::Full) {
            return Ok(store);
        }
        script.refuse();
        Err(full())
    }
}

fn full() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "write").because("there is no space left")
}

fn lost() -> AppendError {
    StoreError::new(StoreErrorKind::Unknown, "append to a chain").into()
}

#[async_trait]
impl Store for FaultyStore {
    async fn append(&self, batch: &Batch) -> Result<RunHead, AppendError> {
        let store = self.writable()?;
        let fault = self.script().fault();
        match fault {
            None => store.append(batch).await,
            Some(Fault::CrashBefore) => Err(lost()),
            // A refusal is an answer too, and just as lost.
            Some(Fault::LostAnswer | Fault::CrashAfter) => {
                let _answer = store.append(batch).await;
                Err(lost())
            }
            Some(Fault::Slow(turns)) => {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                store.append(batch).await
            }
            Some(Fault::FullDisk) => Err(full().into()),
        }
    }

    async fn reindex(&self, run: &RunId, expected: RunHead, index: &IndexDelta) -> Result<(), AppendError> {
        self.writable()?.reindex(run, expected, index).await
    }

    async fn open_chain(&self, chain: &ChainId, meta: &ChainMeta) -> Result<Position, StoreError> {
        self.writable()?.open_chain(chain, meta).await
    }

    async fn renew(&self, leases: &[(Fence, Duration)]) -> Result<Vec<Renewal>, StoreError> {
        self.writable()?.renew(leases).await
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.up()?.now().await
    }

    async fn chains(&self) -> Result<Vec<ChainInfo>, StoreError> {
        self.up()?.chains().await
    }

    async fn read(&self, chain: &ChainId, after: Position, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        self.up()?.read(chain, after, limit).await
    }

    async fn read_run(&self, run: &RunId, after: RunHead, limit: usize) -> Result<Vec<Sealed>, StoreError> {
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

    async fn due(&self, chain: Option<&ChainId>, limit: usize) -> Result<Due, StoreError> {
        self.up()?.due(chain, limit).await
    }

    async fn changed(&self, wait: &Wait) -> Result<Mark, StoreError> {
        self.up()?.changed(wait).await
    }
}
