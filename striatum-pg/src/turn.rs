//! Turns: who lost the head of a run to other processes several times in a row holds the run while it decides again.
//!
//! A conflict costs its process a read and a decision, and meanwhile the winner, who needs neither, can win again. So the third
//! conflict in a row is only answered once the run's row is locked, on a connection of its own and behind everybody who waits
//! for it already. What is read then cannot be outdated, and the append that follows goes over the same connection.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use deadpool_postgres::Object;
use striatum_core::id::RunId;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{self, Instant},
};

use crate::{error::Fault, link::Link};

/// This many conflicts in a row are bad luck, not a process that others starve.
const LUCK: u32 = 2;

/// Conflicts that lie further apart are not in a row.
const ROW: Duration = Duration::from_secs(2);

/// How long a run is held for a process that does not append after all. The server ends the turn of one that stands still.
const LONGEST: Duration = Duration::from_millis(200);

/// So many runs are remembered that were lost once or twice.
const REMEMBERED: usize = 1024;

/// The turns of one process.
#[derive(Clone)]
pub(crate) struct Turns {
    link: Link,
    runtime: Handle,
    runs: Arc<Mutex<HashMap<RunId, Standing>>>,
    /// Other work needs connections too.
    free: Arc<Semaphore>,
}

/// How a process stands with a run.
enum Standing {
    Lost { times: u32, last: Instant },
    Held(Box<Turn>),
}

/// A run that is held, until this is ended or its connection breaks.
pub(crate) struct Turn {
    pub(crate) connection: Object,
    begun: Instant,
    _place: OwnedSemaphorePermit,
}

impl Turns {
    /// With one connection there are no turns: whoever holds a run must be able to read it.
    pub(crate) fn new(link: Link, connections: usize, runtime: Handle) -> Self {
        let free = Arc::new(Semaphore::new(connections / 2));
        Self { link, runtime, runs: Arc::default(), free }
    }

    /// The turn that this process has on a run.
    pub(crate) fn take(&self, run: RunId) -> Option<Turn> {
        let mut runs = self.lock();
        match runs.get(&run) {
            Some(Standing::Held(_)) => match runs.remove(&run) {
                Some(Standing::Held(turn)) => Some(*turn),
                _ => None,
            },
            _ => None,
        }
    }

    /// An append to the run was not too late.
    pub(crate) fn won(&self, run: RunId) {
        let mut runs = self.lock();
        if let Some(Standing::Lost { .. }) = runs.get(&run) {
            runs.remove(&run);
        }
    }

    /// An append to the run was too late. Returns when it is time to look at the run again.
    pub(crate) async fn lost(&self, run: RunId) {
        if self.count(run) <= LUCK {
            return;
        }
        let Ok(place) = Arc::clone(&self.free).try_acquire_owned() else { return };
        let turns = self.clone();
        // Runs to its end even if the caller leaves: a connection with an open transaction must not get back to the others.
        let held = self.runtime.spawn(async move {
            match turns.hold(run).await {
                Ok(connection) => turns.keep(run, Turn { connection, begun: Instant::now(), _place: place }),
                // Then it is left to luck, as before.
                Err(fault) => {
                    tracing::debug!(error = &fault as &dyn std::error::Error, "a run could not be held");
                }
            }
        });
        drop(held.await);
    }

    /// Whoever looks at a run and finds nothing new is not going to append behind a conflict: others need not wait.
    pub(crate) fn idle(&self, run: RunId) {
        if let Some(turn) = self.take(run) {
            self.runtime.spawn(turn.give_up());
        }
    }

    fn count(&self, run: RunId) -> u32 {
        let mut runs = self.lock();
        let now = Instant::now();
        if runs.len() >= REMEMBERED {
            runs.retain(|_, standing| match standing {
                Standing::Lost { last, .. } => now.duration_since(*last) < ROW,
                Standing::Held(_) => true,
            });
        }
        let times = match runs.get(&run) {
            // Two engines of one process on one run: one of them has its turn.
            Some(Standing::Held(_)) => return 0,
            Some(Standing::Lost { times, last }) if now.duration_since(*last) < ROW => times + 1,
            _ => 1,
        };
        runs.insert(run, Standing::Lost { times, last: now });
        times
    }

    async fn hold(&self, run: RunId) -> Result<Object, Fault> {
        let connection = self.link.connection().await?;
        let begin = format!(
            "BEGIN; SET LOCAL idle_in_transaction_session_timeout = {}; SELECT hold_run('{run}')",
            5 * LONGEST.as_millis()
        );
        let begun = self.link.within(async { Ok(connection.batch_execute(&begin).await?) }).await;
        match begun {
            Ok(()) => Ok(connection),
            Err(fault) => {
                drop(Object::take(connection));
                Err(fault)
            }
        }
    }

    fn keep(&self, run: RunId, turn: Turn) {
        let begun = turn.begun;
        if let Some(Standing::Held(other)) = self.lock().insert(run, Standing::Held(Box::new(turn))) {
            self.runtime.spawn(other.give_up());
        }
        let turns = self.clone();
        self.runtime.spawn(async move {
            time::sleep_until(begun + LONGEST).await;
            let is_same =
                |standing: &Standing| matches!(standing, Standing::Held(turn) if turn.begun == begun);
            if turns.lock().get(&run).is_some_and(is_same) {
                turns.idle(run);
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Standing>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Ends the turn; what was appended in it stands.
    ///
    /// # Errors
    /// If it is not known whether it stands.
    pub(crate) async fn commit(self, link: &Link) -> Result<(), Fault> {
        let ended = link.within(async { Ok(self.connection.batch_execute("COMMIT").await?) }).await;
        if ended.is_err() {
            self.abandon();
        }
        ended
    }

    /// Ends the turn with its connection, in whatever state that is.
    pub(crate) fn abandon(self) {
        drop(Object::take(self.connection));
    }

    async fn give_up(self) {
        // A connection that breaks at it ends the turn as well.
        let rolled_back = time::timeout(LONGEST, self.connection.batch_execute("ROLLBACK")).await;
        if !matches!(rolled_back, Ok(Ok(()))) {
            self.abandon();
        }
    }
}
