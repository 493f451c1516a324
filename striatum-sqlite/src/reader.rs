//! The thread that reads, and that notices what other processes append while somebody waits for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use striatum_core::store::StoreError;
use tokio::sync::{oneshot, watch};

use crate::{error::Fault, writer::closed};

/// How often the file is looked at while somebody waits.
const LOOK: Duration = Duration::from_millis(250);

/// The way to the reader's thread. When the last of them is dropped, the thread ends.
#[derive(Debug)]
pub(crate) struct Reader {
    queue: Sender<Message>,
    waiters: Arc<AtomicUsize>,
}

/// Keeps the reader looking for the appends of other processes.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

enum Message {
    Read(Box<dyn FnOnce(&Connection) + Send>),
    Stop(oneshot::Sender<()>),
}

impl Reader {
    /// Starts the thread.
    pub(crate) fn spawn(connection: Connection, grown: watch::Sender<()>) -> Result<Self, Fault> {
        let (queue, messages) = mpsc::channel();
        let waiters = Arc::new(AtomicUsize::new(0));
        let lookout = Lookout { waiters: Arc::clone(&waiters), version: None, grown };
        thread::Builder::new()
            .name("striatum-sqlite-reader".to_owned())
            .spawn(move || serve(connection, &messages, lookout))?;
        Ok(Self { queue, waiters })
    }

    /// Reads from one state of the database.
    pub(crate) async fn submit<T: Send + 'static>(
        &self,
        doing: &'static str,
        body: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let read = move |connection: &Connection| {
            let outcome = snapshot(connection, body).map_err(|fault| fault.during(doing));
            drop(reply.send(outcome));
        };
        if self.queue.send(Message::Read(Box::new(read))).is_err() {
            return Err(closed(doing));
        }
        answer.await.unwrap_or_else(|_| Err(closed(doing)))
    }

    /// Announces somebody who waits, from before the state that it compares with is read.
    pub(crate) fn wait(&self) -> Waiting {
        self.waiters.fetch_add(1, Ordering::Relaxed);
        Waiting(Arc::clone(&self.waiters))
    }

    /// Ends the thread after all that was submitted so far.
    pub(crate) async fn stop(&self) {
        let (reply, stopped) = oneshot::channel();
        if self.queue.send(Message::Stop(reply)).is_ok() {
            // Without an answer the thread has ended all the same.
            drop(stopped.await);
        }
    }
}

fn snapshot<T>(
    connection: &Connection,
    body: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    connection.prepare_cached("BEGIN DEFERRED")?.execute([])?;
    let outcome = body(connection);
    if !connection.is_autocommit() {
        connection.prepare_cached("ROLLBACK")?.execute([])?;
    }
    outcome
}

fn serve(connection: Connection, messages: &Receiver<Message>, mut lookout: Lookout) {
    let mut next_look = Instant::now();
    loop {
        let message = if lookout.waiters.load(Ordering::Relaxed) == 0 {
            messages.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            messages.recv_timeout(next_look.saturating_duration_since(Instant::now()))
        };
        match message {
            Ok(Message::Read(read)) => read(&connection),
            Ok(Message::Stop(reply)) => {
                drop(connection);
                // Whoever asked may have stopped waiting.
                reply.send(()).unwrap_or_default();
                return;
            }
            Err(RecvTimeoutError::Timeout) => {
                lookout.look(&connection);
                next_look = Instant::now() + LOOK;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

struct Lookout {
    waiters: Arc<AtomicUsize>,
    version: Option<i64>,
    grown: watch::Sender<()>,
}

impl Lookout {
    /// Wakes those who wait if anybody committed since the last look. Too often is harmless: they compare for themselves.
    fn look(&mut self, connection: &Connection) {
        let version = connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut pragma| pragma.query_row([], |row| row.get(0)));
        match version {
            Ok(version) if self.version == Some(version) => {}
            Ok(version) => {
                self.version = Some(version);
                self.grown.send_replace(());
            }
            // They will meet the failure when they read.
            Err(_) => {
                self.grown.send_replace(());
            }
        }
    }
}
