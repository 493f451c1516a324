//! What was asked of this store's servers, and by whom: the chain `audit`.
//!
//! Every request that changes something has a row, and so has every refusal; reads, and requests without a valid token, are counted by
//! the minute. A row has the digest of what was asked and never the text of it. Rows are appended in groups, off the path of the
//! request, with one exception: a request that changes something is answered when its row is durable, and one that cannot be written
//! down is not begun.
//!
//! Revoked tokens are rows too, so that a revocation outlives every process and reaches the others on the same store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use striatum_core::{
    chain::Position,
    id::ChainId,
    store::{ChainMeta, Store, StoreError, StoreErrorKind},
    time::Timestamp,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    authority::{Authority, TokenId},
    operators::{Fault, Problem},
};

mod counts;
mod recorder;
mod revocations;
mod row;

pub(crate) use row::{Asker, Outcome, Row, is_of};

use counts::Counts;
use recorder::{Entry, Recorder};
use row::What;

/// The name of the chain.
const CHAIN: &str = "audit";
/// How many rows wait to be appended at most. Refusals beyond are counted and not written down one by one.
const WAITING: usize = 1024;
/// How long a request waits for its row.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes down what is asked. Cloning gives another handle; when the last one is dropped, what waits is still written.
#[derive(Debug, Clone)]
pub struct Audit {
    chain: ChainId,
    rows: mpsc::Sender<Entry>,
    ledger: Arc<Ledger>,
    authority: Arc<Authority>,
    _following: Arc<DropGuard>,
}

/// What is known beside the rows.
#[derive(Debug, Default)]
struct Ledger {
    counts: Counts,
    /// Whether the last rows could not be appended.
    is_broken: AtomicBool,
    /// Refusals that were not written down.
    lost: AtomicU64,
}

impl Audit {
    /// Opens the chain, takes up what was revoked before, and begins to write down. `authority` is told of every token that is
    /// revoked, by whichever process.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(store: Arc<dyn Store>, authority: Arc<Authority>) -> Result<Self, StoreError> {
        let chain = ChainId::new(CHAIN).map_err(|error| other("name the audit chain").because(error))?;
        let meta = ChainMeta { label: "requests of operators".to_owned() };
        store.open_chain(&chain, &meta).await?;
        let seen =
            revocations::take_up(store.as_ref(), &chain, Position::genesis(&chain), &authority).await?;
        let (rows, waiting) = mpsc::channel(WAITING);
        let ledger = Arc::new(Ledger::default());
        tokio::spawn(Recorder::new(store.clone(), chain.clone(), ledger.clone()).run(waiting));
        let ending = CancellationToken::new();
        let following = revocations::follow(store, chain.clone(), seen, authority.clone());
        tokio::spawn(ending.clone().run_until_cancelled_owned(following));
        Ok(Self { chain, rows, ledger, authority, _following: Arc::new(ending.drop_guard()) })
    }

    /// The chain.
    pub(crate) fn chain(&self) -> &ChainId {
        &self.chain
    }

    /// Counts a request without a valid token, by where it came from.
    pub(crate) fn count_stranger(&self, source: &str) {
        self.ledger.counts.stranger(source);
    }

    /// Counts a request that only read.
    pub(crate) fn count_read(&self, token: TokenId) {
        self.ledger.counts.read(token);
    }

    /// Fails if rows cannot be appended now.
    pub(crate) async fn expect_writable(&self) -> Result<(), Problem> {
        if !self.ledger.is_broken.load(Ordering::Acquire) {
            return Ok(());
        }
        self.durably(None).await
    }

    /// Writes down a request that was done, and returns when that is durable.
    pub(crate) async fn accepted(&self, row: Row) -> Result<(), Problem> {
        self.durably(Some(What::Request(row))).await
    }

    /// Writes down a request that was refused, when there is time.
    pub(crate) fn refused(&self, row: Row) {
        if self.rows.try_send(Entry { what: Some(What::Request(row)), answer: None }).is_err() {
            self.ledger.lost.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Revokes a token, here and in every process on this store.
    pub(crate) async fn revoke(&self, asker: Asker, token: TokenId) -> Result<(), Problem> {
        self.durably(Some(What::Revoked { token, by: asker })).await?;
        self.authority.revoke(token, FOREVER);
        Ok(())
    }

    async fn durably(&self, what: Option<What>) -> Result<(), Problem> {
        let unavailable = |why: &str| Problem::new(Fault::AuditUnavailable, format!("the audit chain {why}"));
        let (answer, answered) = oneshot::channel();
        let written = async {
            let entry = Entry { what, answer: Some(answer) };
            self.rows.send(entry).await.map_err(|_| unavailable("is closed"))?;
            match answered.await {
                Ok(true) => Ok(()),
                Ok(false) | Err(_) => Err(unavailable("cannot be appended to")),
            }
        };
        match tokio::time::timeout(PATIENCE, written).await {
            Ok(written) => written,
            Err(_) => Err(unavailable("did not take the request in time")),
        }
    }
}

/// When a token was to expire is not known of one that is revoked by its name.
const FOREVER: Timestamp = Timestamp::from_micros(u64::MAX);

const fn other(doing: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Other, doing)
}
