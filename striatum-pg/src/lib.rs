//! Postgres store for Striatum: many processes on many hosts share one log, and the database enforces what must not be bent.
//!
//! ```no_run
//! use striatum_core::{chain::Position, id::ChainId, store::{ChainMeta, Store}};
//! use striatum_pg::{Config, Hardening, PgStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Once, by whoever may create a schema. The owner is nobody's login at work.
//! PgStore::migrate(&Config::new("postgres://owner@db.example/team?sslmode=verify-full")?).await?;
//!
//! // Every worker, as a member of the runtime role.
//! let config = Config::new("postgres://worker@db.example/team?sslmode=verify-full")?;
//! let store = PgStore::connect(&config.hardening(Hardening::Require)).await?;
//! let chain = ChainId::new("demo")?;
//! let head = store.open_chain(&chain, &ChainMeta { label: "a repository".to_owned() }).await?;
//! assert_eq!(head, Position::genesis(&chain));
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//! - **Durable.** An answer is given after the commit, which `synchronous_commit` makes durable: where it is `off` the store
//!   turns it on. With a synchronous standby what was acknowledged survives the loss of the primary.
//! - **Two roles.** The runtime role reads, and executes the store's functions. It can neither insert, change nor delete an
//!   event, nor move the head of a chain: sealing is done by the database, in the format that every verifier knows.
//! - **One round trip.** Appends that arrive while one is out travel together, up to 256, and each has its own answer. One that
//!   is alone waits for nobody. So do renewals.
//! - **Lost answers.** The store asks again by itself, within its [patience](Config::patience). What it cannot find out it
//!   calls `Unknown`, and never a conflict. After a restart of the server it goes on.
//! - **Nobody starves.** Whoever loses the head of a run to other processes again and again is given a turn: the others wait for
//!   its next append. That takes a second [connection](Config::connections).
//! - **One clock.** Deadlines are counted and compared on the database's clock; a worker whose clock is wrong neither steals a
//!   lease nor loses one.
//! - **Nothing runs when nothing happens.** Whoever waits in [`changed`](Store::changed) is woken by a notification. One
//!   connection listens for the whole store, and looks every 30 seconds in case it missed something.
//! - **Bounded waits.** Connections, locks, statements and silence each have a bound, and [patience](Config::patience) ends what
//!   is tried again.
//!
//! # What it needs
//! Postgres 14 or later, reached directly or through a pooler in session mode, with room for one connection more than
//! [`Config::connections`] says. A transaction pooler is [refused](SetupError::Pooler): it loses prepared statements and
//! notifications, and mixes up settings. Any isolation level may be the database's default; the store's
//! own transactions are `READ COMMITTED`, and its functions refuse others.
//!
//! # The schema
//! Several stores share a database, each in a [schema](Config::schema) of its own. A verifier in another language needs one
//! statement, and one view that is kept for it:
//!
//! ```sql
//! SELECT seq, at, prev, digest, body FROM striatum.chain_events WHERE chain = 'demo' ORDER BY seq;
//! ```
//!
//! Times are microseconds since the Unix epoch, digests are 32 bytes, bodies are the bytes that were hashed.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use striatum_core::{
    chain::{Position, Sealed},
    id::{ChainId, Fence, RunId},
    store::{
        AppendError, Batch, ChainInfo, ChainMeta, Due, IndexDelta, Mark, Page, ReadyJob, ReadyQuery, Renewal,
        RunHead, RunQuery, RunSummary, Store, StoreError, Wait,
    },
    time::Timestamp,
};
use tokio::runtime::Handle;
use tokio_postgres::Transaction;

mod append;
mod batch;
mod batching;
mod config;
mod delta;
mod error;
mod group;
mod link;
mod notify;
mod pooler;
mod read;
mod ready;
mod reindex;
mod request;
mod row;
mod schema;
mod tls;
mod turn;

pub use config::{Config, Hardening};
pub use error::SetupError;
pub use request::{Requests, RunRequest};

use append::Appender;
use error::Fault;
use link::{Effect, Link};
use notify::Growth;
use ready::Renewer;
use turn::Turns;

/// A store in a schema of a Postgres database.
///
/// Share it as `Arc<PgStore>`: appends of one value travel in groups. It works on the tokio runtime in which it was made.
pub struct PgStore {
    config: Arc<Config>,
    link: Link,
    appender: Appender,
    turns: Turns,
    renewer: Renewer,
    growth: Arc<Growth>,
    runtime: Handle,
}

impl PgStore {
    /// Makes the schema, or brings it to the version of this crate, and grants the runtime role what it needs. Whoever does
    /// this owns the store, and needs the right to create schemas in the database and, if there is no runtime role, roles.
    ///
    /// Repeating it, also at the same time, changes nothing.
    ///
    /// # Errors
    /// [`SetupError`]; nothing of a migration that failed remains.
    pub async fn migrate(config: &Config) -> Result<(), SetupError> {
        schema::migrate(config).await
    }

    /// Opens the store, which [`migrate`](Self::migrate) has made.
    ///
    /// # Errors
    /// [`SetupError`].
    pub async fn connect(config: &Config) -> Result<Self, SetupError> {
        let link = Link::new(config)?;
        schema::check_current(&link, config).await?;
        let (growth, runtime) = (Arc::new(Growth::default()), Handle::current());
        let turns = Turns::new(link.clone(), config.connections, runtime.clone());
        let appender = Appender::new(link.clone(), turns.clone(), Arc::clone(&growth), runtime.clone());
        let renewer = Renewer::new(link.clone(), runtime.clone());
        Ok(Self { config: Arc::new(config.clone()), link, appender, turns, renewer, growth, runtime })
    }

    /// Asks for a run in a transaction of the caller's own: if that commits, there will be a run, and if it does not, there
    /// will not. An engine [begins](Requests::begin) it after the commit, once.
    ///
    /// The transaction may be on any connection to the same database, of a role that is a member of the runtime role. It holds
    /// no lock of the store.
    ///
    /// # Errors
    /// [`StoreError`], after which the transaction can only be rolled back: among others if the run is asked for already.
    pub async fn request_run(
        &self,
        transaction: &Transaction<'_>,
        request: &RunRequest,
    ) -> Result<(), StoreError> {
        request::request_run(&self.config.schema, transaction, request).await
    }

    /// The inbox of runs that were asked for.
    pub fn requests(&self) -> Requests {
        Requests::new(self.link.clone(), self.growth.requests(&self.config, &self.runtime))
    }
}

#[async_trait]
impl Store for PgStore {
    async fn now(&self) -> Result<Timestamp, StoreError> {
        const NOW: &str = "read the clock";
        let row = self.link.row(NOW, Effect::Reads, "SELECT clock()", &[]).await?;
        row::time(&row, 0).map_err(|fault| fault.reading(NOW))
    }

    async fn open_chain(&self, chain: &ChainId, meta: &ChainMeta) -> Result<Position, StoreError> {
        const OPEN: &str = "open a chain";
        let select = "SELECT seq, digest, beginning FROM open_chain($1, $2)";
        let row = self.link.row(OPEN, Effect::Writes, select, &[&chain.as_str(), &meta.label]).await?;
        let read = || {
            if row::digest(&row, 2)? != Position::genesis(chain).digest {
                let text =
                    format!("the stored beginning of chain {chain} is not the one that its name gives");
                return Err(Fault::corrupt(text));
            }
            Ok(Position { seq: row::uint(&row, 0)?, digest: row::digest(&row, 1)? })
        };
        read().map_err(|fault| fault.during(OPEN))
    }

    async fn chains(&self) -> Result<Vec<ChainInfo>, StoreError> {
        read::chains(&self.link).await
    }

    async fn append(&self, batch: &Batch) -> Result<RunHead, AppendError> {
        self.appender.append(batch).await
    }

    async fn read(&self, chain: &ChainId, after: Position, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        read::chain(&self.link, chain, after, limit).await
    }

    async fn read_run(&self, run: &RunId, after: RunHead, limit: usize) -> Result<Vec<Sealed>, StoreError> {
        let found = read::run(&self.link, *run, after, limit).await?;
        if found.is_empty() {
            self.turns.idle(*run);
        }
        Ok(found)
    }

    async fn head(&self, chain: &ChainId) -> Result<Position, StoreError> {
        read::head(&self.link, chain).await
    }

    async fn runs(&self, query: &RunQuery) -> Result<Page<RunSummary>, StoreError> {
        read::runs(&self.link, query).await
    }

    async fn ready(&self, query: &ReadyQuery) -> Result<Vec<ReadyJob>, StoreError> {
        ready::ready(&self.link, query).await
    }

    async fn renew(&self, leases: &[(Fence, Duration)]) -> Result<Vec<Renewal>, StoreError> {
        self.renewer.renew(leases).await
    }

    async fn due(&self, chain: Option<&ChainId>, limit: usize) -> Result<Due, StoreError> {
        ready::due(&self.link, chain, limit).await
    }

    async fn changed(&self, wait: &Wait) -> Result<Mark, StoreError> {
        self.growth.changed(&self.link, &self.config, &self.runtime, wait).await
    }

    async fn reindex(&self, run: &RunId, expected: RunHead, index: &IndexDelta) -> Result<(), AppendError> {
        reindex::reindex(&self.link, *run, expected, index).await
    }
}

impl fmt::Debug for PgStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgStore").field("config", &self.config).finish_non_exhaustive()
    }
}
