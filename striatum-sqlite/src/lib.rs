//! Embedded durable store for Striatum, on SQLite: one file, no server, several processes.
//!
//! ```
//! use striatum_core::{chain::Position, id::ChainId, store::{ChainMeta, Store}};
//! use striatum_sqlite::SqliteStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let store = SqliteStore::open(folder.path().join("striatum.db")).await?;
//! let chain = ChainId::new("demo")?;
//! let head = store.open_chain(&chain, &ChainMeta { label: "a repository".to_owned() }).await?;
//! assert_eq!(head, Position::genesis(&chain));
//! store.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//! - **Durable.** An answer is given after the transaction was flushed to disk (write-ahead log, `synchronous=FULL`). Appends
//!   that arrive while a flush is out share the next one.
//! - **Several processes.** Every write transaction happens under `flock` on `<file>.lock`. Those who wait for it are woken
//!   when it is free and get about equal shares, and nobody is told that the database is locked. Whoever does not get it
//!   within the [patience](Builder::patience) of the store is told that the store is unavailable, and nothing was written.
//!   The file must be on a local disk; a network file system is refused.
//! - **Nothing runs when nothing happens.** An idle store executes no statement. While somebody waits in
//!   [`changed`](Store::changed), the file's version is looked at four times a second to notice other processes.
//! - **Any runtime.** The work is done by a writing and a reading thread; the futures only wait for their answers.
//!
//! # The file
//! Beside the database lie `-wal` and `-shm` while it is open, and `.lock`. Copy it after [`close`](SqliteStore::close), or
//! together with its `-wal`. A verifier in another language needs one statement, and one view that is kept for it:
//!
//! ```sql
//! SELECT seq, at, prev, digest, body FROM chain_events WHERE chain = 'demo' ORDER BY place, seq;
//! ```
//!
//! (`ORDER BY seq` is the same order, but SQLite does not know it and sorts everything.)
//!
//! Times are microseconds since the Unix epoch, digests are 32 bytes, bodies are the bytes that were hashed.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use striatum_core::{
    chain::{Position, Sealed},
    id::{ChainId, Fence, RunId},
    store::{
        AppendError, Batch, ChainInfo, ChainMeta, Due, IndexDelta, Mark, Page, ReadyJob, ReadyQuery, Renewal,
        RunHead, RunQuery, RunSummary, Store, StoreError, StoreErrorKind, Wait,
    },
    time::{Clock, Timestamp},
};
use tokio::sync::watch;

mod append;
mod arrivals;
mod crowd;
mod due;
mod error;
mod events;
mod files;
mod heads;
mod index;
mod lock;
mod opening;
mod options;
mod read;
mod reader;
mod ready;
mod resources;
mod row;
mod schema;
mod stretch;
mod tx;
mod writer;

pub use options::Builder;

use error::Fault;
use reader::Reader;
use tx::Tx;
use writer::{Growth, Writer};

/// A store in one SQLite file.
///
/// Share it as `Arc<SqliteStore>`. Opening the same file twice is sound, in one process or in several, and slower than sharing.
pub struct SqliteStore {
    clock: Arc<dyn Clock>,
    writer: Option<Writer>,
    reader: Reader,
    grown: watch::Sender<()>,
}

impl SqliteStore {
    /// Opens the store in this file, creating it if there is none.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::builder(path).open().await
    }

    /// Opens the store in an existing file to read it and nothing else, for verification say; what would write is refused.
    ///
    /// # Errors
    /// As [`Builder::open_read_only`].
    pub async fn open_read_only(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::builder(path).open_read_only().await
    }

    /// Options for opening this file.
    pub fn builder(path: impl AsRef<Path>) -> Builder {
        Builder::new(path.as_ref())
    }

    /// Finishes what was begun, folds the write-ahead log into the file, and closes it. Later calls fail.
    ///
    /// Dropping the store does the same without waiting for it.
    ///
    /// # Errors
    /// [`StoreError`] if the log could not be folded in. Nothing is lost then: whoever opens the file next reads the log.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.reader.stop().await;
        // Those who wait for changes find that the store is closed.
        self.grown.send_replace(());
        match &self.writer {
            Some(writer) => writer.stop().await,
            None => Ok(()),
        }
    }

    /// Lets SQLite check the structure of the whole file. What the events say is for
    /// [`verify`](striatum_core::store::StoreExt::verify). Other reads wait meanwhile.
    ///
    /// # Errors
    /// [`StoreErrorKind::Corrupt`] with SQLite's first finding as the source.
    pub async fn integrity_check(&self) -> Result<(), StoreError> {
        self.reader
            .submit("check the file", |tx| {
                let finding: String = tx.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
                if finding == "ok" { Ok(()) } else { Err(Fault::corrupt(finding)) }
            })
            .await
    }

    /// Deletes the ready jobs, leases, timers and resources of every run: the first half of a repair. [`Store::reindex`] of
    /// each active run brings them back. Until then no lease can be renewed and every resource seems free, so stop the
    /// engines first.
    ///
    /// The rows of the runs stay, as the list of what is to be indexed again.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub async fn drop_indexes(&self) -> Result<(), StoreError> {
        const DROP: &str = "drop the indexes";
        let body = |tx: &mut Tx<'_>| index::forget_all(tx).map_err(|error| Fault::from(error).during(DROP));
        self.writer(DROP)?.submit(DROP, Growth::Stays, body).await
    }

    fn writer(&self, doing: &'static str) -> Result<&Writer, StoreError> {
        self.writer.as_ref().ok_or_else(|| {
            StoreError::new(StoreErrorKind::Other, doing).because("the store was opened for reading only")
        })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn now(&self) -> Result<Timestamp, StoreError> {
        Ok(self.clock.now())
    }

    async fn open_chain(&self, chain: &ChainId, meta: &ChainMeta) -> Result<Position, StoreError> {
        const OPEN: &str = "open a chain";
        let name = chain.clone();
        if let Some(head) = self.reader.submit(OPEN, move |tx| append::opened(tx, &name)).await? {
            return Ok(head);
        }
        let (name, meta) = (chain.clone(), meta.clone());
        self.writer(OPEN)?
            .submit(OPEN, Growth::Grows, move |tx| {
                append::open_chain(tx, &name, &meta).map_err(|fault| fault.during(OPEN))
            })
            .await
    }

    async fn chains(&self) -> Result<Vec<ChainInfo>, StoreError> {
        self.reader.submit("list the chains", |tx| Ok(read::chains(tx)?)).await
    }

    async fn append(&self, batch: &Batch) -> Result<RunHead, AppendError> {
        const APPEND: &str = "append to a chain";
        let (batch, clock) = (batch.clone(), Arc::clone(&self.clock));
        self.writer(APPEND)?
            .submit(APPEND, Growth::Grows, move |tx| {
                append::append(tx, &*clock, &batch).map_err(|stop| stop.during(APPEND))
            })
            .await
    }

    async fn read(&self, chain: &ChainId, after: Position, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        let chain = chain.clone();
        self.reader.submit("read a chain", move |tx| read::chain(tx, &chain, after, limit)).await
    }

    async fn read_run(&self, run: &RunId, after: RunHead, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        let run = *run;
        self.reader.submit("read a run", move |tx| read::run(tx, run, after, limit)).await
    }

    async fn head(&self, chain: &ChainId) -> Result<Position, StoreError> {
        let chain = chain.clone();
        self.reader.submit("read the head of a chain", move |tx| read::head(tx, &chain)).await
    }

    async fn runs(&self, query: &RunQuery) -> Result<Page<RunSummary>, StoreError> {
        let query = query.clone();
        self.reader.submit("list runs", move |tx| read::runs(tx, &query)).await
    }

    async fn ready(&self, query: &ReadyQuery) -> Result<Vec<ReadyJob>, StoreError> {
        const READY: &str = "list ready jobs";
        let (seen, clock) = (query.clone(), Arc::clone(&self.clock));
        let jobs = self.reader.submit(READY, move |tx| Ok(ready::select(tx, &seen, clock.now())?)).await?;
        // Most questions find nothing or hold nothing, and need not wait for a flush.
        if jobs.is_empty() || query.hold == Duration::ZERO {
            return Ok(jobs);
        }
        let (query, clock) = (query.clone(), Arc::clone(&self.clock));
        self.writer(READY)?
            .submit(READY, Growth::Stays, move |tx| {
                ready::select_and_hold(tx, &query, clock.now())
                    .map_err(|error| Fault::from(error).during(READY))
            })
            .await
    }

    async fn renew(&self, leases: &[(Fence, Duration)]) -> Result<Vec<Renewal>, StoreError> {
        const RENEW: &str = "renew leases";
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let (leases, clock) = (leases.to_vec(), Arc::clone(&self.clock));
        self.writer(RENEW)?
            .submit(RENEW, Growth::Stays, move |tx| {
                index::renew(tx, &leases, clock.now()).map_err(|error| Fault::from(error).during(RENEW))
            })
            .await
    }

    async fn due(&self, chain: Option<&ChainId>, limit: usize) -> Result<Due, StoreError> {
        let (chain, clock) = (chain.cloned(), Arc::clone(&self.clock));
        let look = move |tx: &rusqlite::Connection| Ok(due::due(tx, chain.as_ref(), limit, clock.now())?);
        self.reader.submit("find what is due", look).await
    }

    async fn changed(&self, wait: &Wait) -> Result<Mark, StoreError> {
        const WAIT: &str = "wait for a chain to grow";
        let _waiting = self.reader.wait();
        let mut grown = self.grown.subscribe();
        loop {
            // Seen before the mark is read: what is appended in between wakes the wait below at once.
            grown.mark_unchanged();
            let chain = wait.chain.clone();
            let mark = self.reader.submit(WAIT, move |tx| read::mark(tx, chain.as_ref())).await?;
            if mark > wait.after {
                return Ok(mark);
            }
            grown.changed().await.map_err(|_| writer::closed(WAIT))?;
        }
    }

    async fn reindex(&self, run: &RunId, expected: RunHead, index: &IndexDelta) -> Result<(), AppendError> {
        const REINDEX: &str = "index a run";
        let unsound = |reason| StoreError::new(StoreErrorKind::Other, REINDEX).because(reason);
        let index = index.clone().checked(*run).map_err(unsound)?;
        let (run, clock) = (*run, Arc::clone(&self.clock));
        self.writer(REINDEX)?
            .submit(REINDEX, Growth::Stays, move |tx| {
                append::reindex(tx, &*clock, run, expected, &index).map_err(|stop| stop.during(REINDEX))
            })
            .await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}
