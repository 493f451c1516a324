//! Runs that an application asks for together with what it writes itself.

use std::{fmt, future};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use striatum_core::{
    engine::{Engine, EngineError},
    id::{ChainId, CommandId, RunId},
    run::Actor,
    store::{ChainMeta, StoreError},
    workflow::{InvalidSnapshot, Snapshot},
};
use tokio::sync::watch;
use tokio_postgres::Transaction;

use crate::{
    error::Fault,
    link::{Effect, Link},
    row::{self, Id},
};

/// How many requests are looked at together.
const PAGE: i64 = 64;

/// What a run is to be: the arguments of [`Engine::prepare`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRequest {
    /// The chain of its events, which is opened if it is new.
    pub chain: ChainId,
    /// The run.
    pub run: RunId,
    /// What it executes.
    pub snapshot: Snapshot,
    /// The intent, under which the run begins at most once.
    pub command: CommandId,
    /// Who wants it.
    pub actor: Actor,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    chain: ChainId,
    command: CommandId,
    actor: Actor,
    /// The canonical text, which must not change.
    snapshot: String,
}

impl Stored {
    fn request(self, run: RunId) -> Result<RunRequest, InvalidSnapshot> {
        let Self { chain, command, actor, snapshot } = self;
        Ok(RunRequest { chain, run, snapshot: Snapshot::from_bytes(Bytes::from(snapshot))?, command, actor })
    }
}

pub(crate) async fn request_run(
    schema: &str,
    transaction: &Transaction<'_>,
    request: &RunRequest,
) -> Result<(), StoreError> {
    const REQUEST: &str = "request a run";
    let RunRequest { chain, run, snapshot, command, actor } = request;
    let snapshot = String::from_utf8_lossy(snapshot.bytes()).into_owned();
    let stored = Stored { chain: chain.clone(), command: *command, actor: actor.clone(), snapshot };
    let write = || serde_json::to_vec(&stored).map_err(|error| Fault::corrupt(error.to_string()));
    let body = write().map_err(|fault| fault.during(REQUEST))?;
    // The search path is the caller's.
    let ask = format!("SELECT {schema}.request_run($1, $2)");
    let asked = transaction.execute(&ask, &[&Id::from(*run), &body]).await;
    asked.map(drop).map_err(|error| Fault::from(error).during(REQUEST))
}

/// The inbox of runs that were asked for, as [`PgStore::requests`](crate::PgStore::requests) gives it.
///
/// Any number of processes may serve it at the same time: a run begins once. The orchestrator of the crate `striatum` does it, and starts
/// what nobody has to confirm; with an engine alone:
///
/// ```no_run
/// # use striatum_core::engine::Engine;
/// # use striatum_pg::PgStore;
/// # async fn serve(store: &PgStore, engine: &Engine) -> Result<(), striatum_core::engine::EngineError> {
/// let mut requests = store.requests();
/// loop {
///     requests.begin(engine).await?;
///     requests.wait().await;
/// }
/// # }
/// ```
pub struct Requests {
    link: Link,
    news: watch::Receiver<()>,
    chain: Option<ChainId>,
}

impl Requests {
    pub(crate) fn new(link: Link, news: watch::Receiver<()>) -> Self {
        Self { link, news, chain: None }
    }

    /// Serves the requests of one chain alone, and leaves the others where they are.
    #[must_use]
    pub fn of(self, chain: ChainId) -> Self {
        Self { chain: Some(chain), ..self }
    }

    /// Begins the runs that are asked for, in the order of asking, and returns them. A request that the machine refuses is kept
    /// with the reason, and [listed](Self::refused).
    ///
    /// # Errors
    /// [`EngineError`] if a request could neither become a run nor be refused; it is tried again at the next call.
    pub async fn begin(&mut self, engine: &Engine) -> Result<Vec<RunId>, EngineError> {
        self.begin_each(engine, |_| future::ready(Ok(()))).await
    }

    /// The same, and does something about each run before its request is settled: if the process dies in between, or this
    /// fails, the request is met with again, and so is this.
    ///
    /// # Errors
    /// What `then` fails with, or [`EngineError`] as with [`begin`](Self::begin).
    pub async fn begin_each<E: From<EngineError>, F: Future<Output = Result<(), E>>>(
        &mut self,
        engine: &Engine,
        mut then: impl FnMut(RunId) -> F,
    ) -> Result<Vec<RunId>, E> {
        let mut begun = Vec::new();
        // Seen before it is read: what is asked for in between ends the next wait.
        self.news.mark_unchanged();
        let mut last = 0;
        loop {
            let page = self.page(last).await.map_err(EngineError::from)?;
            let Some(end) = page.last().map(|asked| asked.id) else { return Ok(begun) };
            last = end;
            for Asked { id, run, body } in page {
                let stored = serde_json::from_slice::<Stored>(&body);
                if let (Ok(stored), Some(chain)) = (&stored, &self.chain)
                    && stored.chain != *chain
                {
                    continue;
                }
                let request = stored.map_err(|error| error.to_string());
                let request = request.and_then(|it| it.request(run).map_err(|error| error.to_string()));
                let refusal = match request {
                    Ok(request) => begin(engine, request).await?,
                    Err(refusal) => Some(refusal),
                };
                if refusal.is_none() {
                    then(run).await?;
                    begun.push(run);
                }
                const SETTLE: &str = "settle a requested run";
                let settle = "SELECT settle_request($1, $2)";
                let settled = self.link.rows(SETTLE, Effect::Writes, settle, &[&id, &refusal]).await;
                settled.map_err(EngineError::from)?;
            }
        }
    }

    /// The next requests behind one.
    async fn page(&self, last: i64) -> Result<Vec<Asked>, StoreError> {
        const LIST: &str = "list requested runs";
        let select =
            "SELECT id, run, body FROM requests WHERE refusal IS NULL AND id > $1 ORDER BY id LIMIT $2";
        let rows = self.link.rows(LIST, Effect::Reads, select, &[&last, &PAGE]).await?;
        let read = |row| {
            let body: &[u8] = tokio_postgres::Row::try_get(row, 2)?;
            Ok(Asked { id: row.try_get(0)?, run: row::run(row, 1)?, body: body.to_vec() })
        };
        rows.iter().map(read).collect::<Result<_, Fault>>().map_err(|fault| fault.reading(LIST))
    }

    /// Waits until there may be more to begin. Cancel-safe.
    pub async fn wait(&mut self) {
        if self.news.changed().await.is_err() {
            // The store is gone, so nothing will come.
            std::future::pending::<()>().await;
        }
    }

    /// The requests that were refused, and why.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be reached.
    pub async fn refused(&self) -> Result<Vec<(RunId, String)>, StoreError> {
        const LIST: &str = "list refused requests";
        let select = "SELECT run, refusal FROM requests WHERE refusal IS NOT NULL ORDER BY id";
        let rows = self.link.rows(LIST, Effect::Reads, select, &[]).await?;
        let refused = rows.iter().map(|row| Ok((row::run(row, 0)?, row.try_get(1)?)));
        refused.collect::<Result<_, Fault>>().map_err(|fault| fault.reading(LIST))
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").finish_non_exhaustive()
    }
}

/// A request as it lies in the inbox.
struct Asked {
    id: i64,
    run: RunId,
    body: Vec<u8>,
}

/// Begins a run; the reason if it never will.
async fn begin(engine: &Engine, request: RunRequest) -> Result<Option<String>, EngineError> {
    let RunRequest { chain, run, snapshot, command, actor } = request;
    engine.store().open_chain(&chain, &ChainMeta::default()).await?;
    match engine.prepare(&chain, run, snapshot, command, actor).await {
        Ok(_) => Ok(None),
        Err(EngineError::Rejected(rejection)) => Ok(Some(rejection.to_string())),
        Err(error) => Err(error),
    }
}
