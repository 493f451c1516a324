//! The port to storage: an append-only log of sealed events with indexes that can be thrown away.
//!
//! A store keeps **chains** (one per repository) of [`Sealed`] events, each event belonging to one run. Everything else it
//! keeps — which jobs are ready, which leases run, what a run's status is — is an *index*: derived from events by the core,
//! handed over as an [`IndexDelta`] in the same transaction, droppable, and rebuilt with [`Store::reindex`].
//!
//! Implementations are certified by `striatum-testkit`'s `store_conformance!`.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    chain::{Position, Sealed},
    digest::{BlobRef, Digest},
    id::{ChainId, Fence, InstanceId, JobId, LaneId, RoleId, RunId},
    run::RunStatus,
    time::Timestamp,
};

mod batch;
mod delta;
mod error;
mod ext;
mod memory;

pub use batch::{Batch, Guard, InvalidBatch, MAX_BODIES, MAX_BODY_BYTES, RunHead};
pub use delta::{Holder, IndexDelta, LeaseRow, ReadyRow, Resource, RunRow, Taken, TimerId, TimerRow};
pub use error::{AppendError, BlobError, BlobErrorKind, StoreError, StoreErrorKind};
pub use ext::{StoreExt, VerifyError};
pub use memory::{MemoryBlobs, MemoryStore};

/// Where events live.
///
/// # Duties of an implementation
/// - Every method is one transaction, or reads from one.
/// - What a method acknowledged survives a crash of the process (and of the machine, where the disk does).
/// - An `append` that has begun runs to its end even if the caller stops waiting.
/// - Deadlines are computed and compared on the store's own clock, never on a caller's.
/// - No method waits for another process longer than a bound that the implementation documents.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The store's clock.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be reached.
    async fn now(&self) -> Result<Timestamp, StoreError>;

    /// Opens a chain, creating it with its genesis row if it is new; returns its head. Repeating it changes nothing, and
    /// `meta` counts only the first time.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be reached or its stored genesis is not the one that the name gives.
    async fn open_chain(&self, chain: &ChainId, meta: &ChainMeta) -> Result<Position, StoreError>;

    /// The chains of this store, by the bytes of their names.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be reached.
    async fn chains(&self) -> Result<Vec<ChainInfo>, StoreError>;

    /// Appends the events of a batch to its run and chain, if its guard holds and the resources that it takes are free, and
    /// applies its index delta: all or nothing. Returns the run's head after the batch.
    ///
    /// The answer is decided in this order, in one transaction:
    /// 1. the run's events after `expected` are exactly the bodies of this batch → `Ok`, with the head of the last of them;
    ///    guard and resources are not looked at.
    /// 2. the run's head is not `expected` → [`AppendError::Conflict`];
    /// 3. the guard does not hold → [`AppendError::GuardFailed`];
    /// 4. a resource that is taken is held by another run or job → [`AppendError::Busy`];
    /// 5. the batch is written.
    ///
    /// So sending a batch again answers "did my write land?" as long as the batch is the end of its run. Once others have
    /// appended behind it the answer is a conflict, and the caller finds its command in the log.
    ///
    /// A run that does not exist yet has the head [`RunHead::START`]. A run belongs to the chain of its first batch.
    ///
    /// # Errors
    /// As above, or [`AppendError::Store`].
    async fn append(&self, batch: &Batch) -> Result<RunHead, AppendError>;

    /// Reads up to `limit` events of a chain after a position, in order.
    ///
    /// # Errors
    /// [`StoreErrorKind::HistoryChanged`] if the event at `after` (the genesis at 0) has another digest or `after` is beyond
    /// the head; [`StoreErrorKind::Other`] if there is no such chain.
    async fn read(&self, chain: &ChainId, after: Position, limit: usize) -> Result<Vec<Sealed>, StoreError>;

    /// Reads up to `limit` events of a run after a version, in order. An unknown run has none.
    ///
    /// # Errors
    /// [`StoreErrorKind::HistoryChanged`] if the run's event at `after` has another digest or `after` is beyond its head;
    /// [`StoreErrorKind::Corrupt`] if an event that was read does not give its digest.
    async fn read_run(&self, run: &RunId, after: RunHead, limit: usize) -> Result<Vec<Sealed>, StoreError>;

    /// The head of a chain.
    ///
    /// # Errors
    /// [`StoreErrorKind::Other`] if there is no such chain.
    async fn head(&self, chain: &ChainId) -> Result<Position, StoreError>;

    /// Lists runs: the newest first, of those that began at the same moment the one with the greatest id.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be reached.
    async fn runs(&self, query: &RunQuery) -> Result<Page<RunSummary>, StoreError>;

    /// Yields jobs whose claim would pass but for the session: the run is running and not paused, has room, the job's wait is
    /// over and its resources are free. Calls are spread: jobs shown to one `caller` are withheld from others for `hold`.
    /// This is a hint and never safety.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be reached.
    async fn ready(&self, query: &ReadyQuery) -> Result<Vec<ReadyJob>, StoreError>;

    /// Moves the deadlines of leases to `now + term`, never backwards; answers in the order of the question. A lease whose
    /// deadline has passed but that no event ended is still renewed.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be reached.
    async fn renew(&self, leases: &[(Fence, Duration)]) -> Result<Vec<Renewal>, StoreError>;

    /// At most `limit` leases whose deadline has passed by the store's clock, the longest passed first, and how long until the
    /// next deadline or timer: of the runs of one chain, or of all. A lease is shown until an event ends it or its holder
    /// renews it; what a timer that has run out makes claimable is for [`ready`](Self::ready) to show.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be reached.
    async fn due(&self, chain: Option<&ChainId>, limit: usize) -> Result<Due, StoreError>;

    /// Waits until the log has grown past a mark. Cancel-safe: dropping the future loses nothing, because the next call is
    /// given the same mark. It has no timeout of its own; the caller's runtime has one.
    ///
    /// # Errors
    /// [`StoreErrorKind::Other`] if there is no such chain.
    async fn changed(&self, wait: &Wait) -> Result<Mark, StoreError>;

    /// Replaces all index rows of a run by these, if the run's head is still `expected`: the repair for dropped or doubted
    /// indexes. All or nothing.
    ///
    /// A lease of the same fence or a timer whose row still stands keeps its deadline, so that a repair that is run in a loop
    /// keeps no dead lease alive; one that is missing gets its full term. Resources that the run held and that are not taken
    /// here are free.
    ///
    /// # Errors
    /// [`AppendError::Conflict`] if the run has moved; [`AppendError::Busy`] if another run holds a resource that is taken
    /// here; [`AppendError::Store`], among others if the run has no events or the index is not [sound](IndexDelta::checked).
    async fn reindex(&self, run: &RunId, expected: RunHead, index: &IndexDelta) -> Result<(), AppendError>;
}

/// Where texts and artifacts live: bytes named by their digest.
#[async_trait]
pub trait Blobs: fmt::Debug + Send + Sync + 'static {
    /// Keeps the bytes; returns when they are durable. Putting the same bytes again changes nothing.
    ///
    /// # Errors
    /// [`BlobError`] if they could not be made durable.
    async fn put(&self, bytes: Bytes) -> Result<BlobRef, BlobError>;

    /// Fetches bytes and checks that they hash to `digest`.
    ///
    /// # Errors
    /// [`BlobErrorKind::NotFound`], or [`BlobErrorKind::Corrupt`] if the stored bytes hash to something else.
    async fn get(&self, digest: &Digest) -> Result<Bytes, BlobError>;
}

/// What is written down about a chain when it is opened; for people, not hashed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChainMeta {
    /// What the chain is about, a repository's path say.
    pub label: String,
}

/// A chain and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainInfo {
    /// Its name.
    pub chain: ChainId,
    /// What it is about.
    pub label: String,
    /// The stored digest at sequence 0.
    pub genesis: Digest,
    /// Its last event.
    pub head: Position,
}

/// Which runs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunQuery {
    /// Only runs of this chain.
    pub chain: Option<ChainId>,
    /// Only runs in one of these states; empty for all.
    pub statuses: Vec<RunStatus>,
    /// Only runs that are [active](RunRow::active). Finding them costs nothing for those that are not.
    pub active: bool,
    /// Only runs behind this one in the order of the list.
    pub after: Option<PageToken>,
    /// At most this many.
    pub limit: usize,
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageToken {
    /// When the last run of the page began.
    pub created_at: Timestamp,
    /// That run.
    pub run: RunId,
}

/// Part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where to go on, if there may be more.
    pub next: Option<PageToken>,
}

/// A run as the index knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// The run.
    pub run: RunId,
    /// The chain that its events are in.
    pub chain: ChainId,
    /// Its last event.
    pub head: RunHead,
    /// What the machine said of it at that event.
    pub row: RunRow,
    /// When its first event was sealed.
    pub created_at: Timestamp,
    /// When its last event was sealed.
    pub updated_at: Timestamp,
}

/// Which ready jobs are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyQuery {
    /// Who asks; soft holds are kept under this name.
    pub caller: InstanceId,
    /// Only jobs of this chain.
    pub chain: Option<ChainId>,
    /// Only jobs of this run.
    pub run: Option<RunId>,
    /// Only jobs of this role.
    pub role: Option<RoleId>,
    /// Only jobs of this lane.
    pub lane: Option<LaneId>,
    /// Only jobs whose lane uses one of these adapters; empty for all.
    pub adapters: Vec<String>,
    /// None of these jobs, which the caller was refused. They do not use up the limit.
    pub except: Vec<(RunId, JobId)>,
    /// At most this many.
    pub limit: usize,
    /// For how long the jobs shown are withheld from other callers.
    pub hold: Duration,
}

impl ReadyQuery {
    /// Everything that is ready, held back from nobody.
    pub fn all(caller: InstanceId, limit: usize) -> Self {
        Self {
            caller,
            chain: None,
            run: None,
            role: None,
            lane: None,
            adapters: Vec::new(),
            except: Vec::new(),
            limit,
            hold: Duration::ZERO,
        }
    }
}

/// A job that may be claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyJob {
    /// Its run.
    pub run: RunId,
    /// The chain of that run.
    pub chain: ChainId,
    /// The version of the run at which this was so. Who is refused the job does not ask for it again before the run moved.
    pub version: u64,
    /// The job.
    pub job: JobId,
    /// The role it wants.
    pub role: RoleId,
    /// The lane it runs in.
    pub lane: LaneId,
    /// The adapter of that lane.
    pub adapter: String,
}

/// Whether a lease could be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The lease lives, and nobody may propose its expiry before this moment of the store's clock.
    Held(Timestamp),
    /// An event ended the lease, or it never was.
    Lost,
}

/// What has come due.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// Leases whose deadline has passed.
    pub lapsed: Vec<Fence>,
    /// How long until the next deadline or timer, if there is one that has not passed.
    pub next: Option<Duration>,
}

/// What to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The chain, or the whole store.
    pub chain: Option<ChainId>,
    /// How far the caller has seen. The default is "nothing", which returns at once.
    pub after: Mark,
}

/// How far a log had grown: comparable only with other marks of the same chain, or of the same store.
///
/// What [`Store::changed`] returns is greater than the default even for an empty log, so that whoever waits with it does wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Mark(pub u64);
