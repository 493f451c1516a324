//! The way to the server: a pool of connections, and how long to go on when it is not there.

use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use striatum_core::store::StoreError;
use tokio::time::{self, Instant};
use tokio_postgres::{Client, Row, types::ToSql};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    config::Config,
    error::{Fault, Remedy, SetupError},
};

/// How often a transaction that met another is begun again.
pub(crate) const MEETINGS: u32 = 16;

/// How much longer than the server's own bound the answer is waited for.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

pub(crate) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Whether a lost answer may hide a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Reads,
    Writes,
}

#[derive(Clone)]
pub(crate) struct Link {
    pool: Pool,
    patience: Duration,
    silence: Duration,
}

impl Link {
    pub(crate) fn new(config: &Config) -> Result<Self, SetupError> {
        let connector = config.tls.connector()?;
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let session = session(config);
        let prepare = Hook::async_fn(move |connection: &mut deadpool_postgres::ClientWrapper, _| {
            let session = session.clone();
            Box::pin(async move { connection.batch_execute(&session).await.map_err(HookError::Backend) })
        });
        let pool = Pool::builder(Manager::from_config(config.server.clone(), connector, manager))
            .max_size(config.connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(config.patience.max(GRACE)))
            .create_timeout(Some(config.patience.max(GRACE)))
            .post_create(prepare)
            .build()
            .map_err(|error| SetupError::Config(error.to_string()))?;
        let silence = config.statement_timeout + GRACE;
        Ok(Self { pool, patience: config.patience, silence })
    }

    /// A connection of the pool.
    pub(crate) async fn connection(&self) -> Result<Object, Fault> {
        Ok(self.pool.get().await?)
    }

    /// Begins to be patient.
    pub(crate) fn patience(&self) -> Patience {
        Patience { until: Instant::now() + self.patience, meetings: 0, pause: Duration::from_millis(5) }
    }

    /// Executes a statement that may be repeated, until it is answered or patience ends.
    pub(crate) async fn rows(
        &self,
        doing: &'static str,
        effect: Effect,
        statement: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let mut patience = self.patience();
        loop {
            let fault = match self.attempt(statement, parameters).await {
                Ok(rows) => return Ok(rows),
                Err(fault) => fault,
            };
            if !patience.bears(fault.remedy()).await {
                return Err(match effect {
                    Effect::Reads => fault.reading(doing),
                    Effect::Writes => fault.during(doing),
                });
            }
        }
    }

    /// Executes a statement that gives one row.
    pub(crate) async fn row(
        &self,
        doing: &'static str,
        effect: Effect,
        statement: &str,
        parameters: Parameters<'_>,
    ) -> Result<Row, StoreError> {
        let rows = self.rows(doing, effect, statement, parameters).await?;
        rows.into_iter().next().ok_or_else(|| Fault::corrupt("the server gave no row").during(doing))
    }

    /// Executes a statement once.
    pub(crate) async fn attempt(
        &self,
        statement: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, Fault> {
        let connection = self.connection().await?;
        let answer = self.ask(&connection, statement, parameters).await;
        if let Err(Fault::Silent) = answer {
            // Nobody knows what is still on its way there.
            drop(Object::take(connection));
        }
        answer
    }

    /// Executes a statement once, on a connection that the caller has; it is not to be used again if it was [silent](Fault::Silent).
    pub(crate) async fn ask(
        &self,
        connection: &Object,
        statement: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, Fault> {
        self.within(async {
            let prepared = connection.prepare_cached(statement).await?;
            Ok(connection.query(&prepared, parameters).await?)
        })
        .await
    }

    /// Waits for something on a connection, but not forever.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        time::timeout(self.silence, work).await.unwrap_or(Err(Fault::Silent))
    }
}

/// How often and for how long something is tried again.
pub(crate) struct Patience {
    until: Instant,
    meetings: u32,
    pause: Duration,
}

impl Patience {
    /// Whether to try again after a failure; waits a little before it says so.
    pub(crate) async fn bears(&mut self, remedy: Remedy) -> bool {
        match remedy {
            Remedy::Never(_) => false,
            Remedy::Again => {
                self.meetings += 1;
                self.meetings < MEETINGS
            }
            Remedy::Later | Remedy::Ask => {
                if Instant::now() + self.pause >= self.until {
                    return false;
                }
                time::sleep(self.pause).await;
                self.pause = (self.pause * 2).min(Duration::from_millis(200));
                true
            }
        }
    }
}

/// What a new connection is told. All statements name things of one schema.
pub(crate) fn session(config: &Config) -> String {
    let Config { schema, statement_timeout, lock_timeout, .. } = config;
    format!(
        "SET search_path = {schema}, pg_temp; SET statement_timeout = {}; SET lock_timeout = {};
         SET idle_in_transaction_session_timeout = '60s'; SET default_transaction_isolation = 'read committed'",
        statement_timeout.as_millis(),
        lock_timeout.as_millis(),
    )
}

/// A connection of its own, outside the pool; the task that drives it ends when it is dropped.
pub(crate) async fn connect(config: &Config) -> Result<Client, Fault> {
    let connector: MakeRustlsConnect = config
        .tls
        .connector()
        .map_err(|error| Fault::rule(striatum_core::store::StoreErrorKind::Other, error.to_string()))?;
    let connecting = config.server.connect(connector);
    let (client, connection) = match time::timeout(config.patience.max(GRACE), connecting).await {
        Ok(connected) => connected.map_err(Fault::connecting)?,
        Err(elapsed) => return Err(Fault::Connect(Box::new(elapsed), Remedy::Later)),
    };
    // Its failure is seen by whoever waits for an answer.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience(until: Duration) -> Patience {
        Patience { until: Instant::now() + until, meetings: 0, pause: Duration::from_millis(5) }
    }

    #[tokio::test(start_paused = true)]
    async fn transactions_that_meet_are_begun_again_at_once_and_not_for_ever() {
        let (mut patience, begun) = (patience(Duration::from_secs(10)), Instant::now());
        let mut again = 0;
        while patience.bears(Remedy::Again).await {
            again += 1;
        }
        assert_eq!((again, begun.elapsed()), (MEETINGS - 1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_be_reached_is_asked_less_and_less_often_until_patience_ends() {
        let begun = Instant::now();
        let mut patience = patience(Duration::from_secs(10));
        let mut asked = Vec::new();
        while patience.bears(Remedy::Later).await {
            asked.push(begun.elapsed());
        }
        assert!(asked.is_sorted_by_key(|at| *at), "{asked:?}");
        assert_eq!(asked[..3], [5, 15, 35].map(Duration::from_millis));
        let last = asked[asked.len() - 1];
        assert!(last < Duration::from_secs(10) && last > Duration::from_millis(9_790), "{last:?}");
        assert!(!patience.bears(Remedy::Never(striatum_core::store::StoreErrorKind::Other)).await);
    }
}
