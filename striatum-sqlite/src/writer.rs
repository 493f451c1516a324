//! The one thread that writes: it performs what has piled up in one transaction, and answers after the commit.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::Instant,
};

use rusqlite::Connection;
use striatum_core::store::{StoreError, StoreErrorKind};
use tokio::sync::{oneshot, watch};

use crate::{
    arrivals::Arrivals,
    crowd::Crowd,
    error::Fault,
    files::{FileId, checkpoint},
    lock::{FileLock, Held},
    tx::Tx,
};

/// How many pieces of work share one commit at most.
pub(crate) const MAX_GROUP: usize = 256;

/// The way to the writer's thread. When the last of them is dropped, the thread finishes its queue and ends.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Sender<Message>,
}

/// What the writer's thread works with.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) connection: Connection,
    pub(crate) lock: FileLock,
    pub(crate) path: PathBuf,
    pub(crate) file: FileId,
    pub(crate) grown: watch::Sender<()>,
}

/// Who works there.
struct Clerk<'a> {
    tx: Tx<'a>,
    crowd: Crowd,
    lock: &'a mut FileLock,
    path: &'a Path,
    file: FileId,
    grown: &'a watch::Sender<()>,
}

/// Whether work makes the log longer, so that those who wait for that are woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Growth {
    Grows,
    Stays,
}

/// What the thread is sent.
pub(crate) enum Message {
    Work(Box<dyn Work>),
    Stop(Stop),
}

/// Where the answer goes when everything is closed.
pub(crate) type Stop = oneshot::Sender<Result<(), StoreError>>;

/// Something to be done in a write transaction, which may have to be done again in another.
pub(crate) trait Work: Send {
    /// Does it and keeps the outcome; says whether what it wrote is to be kept.
    fn perform(&mut self, tx: &mut Tx<'_>) -> Keep;
    /// Sends the outcome: the commit succeeded, or the work failed alone.
    fn answer(self: Box<Self>);
    /// Sends a failure instead of the outcome.
    fn fail(self: Box<Self>, failure: Failure<'_>);
    fn growth(&self) -> Growth;
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Yes,
    No,
}

/// What befell a whole group.
#[derive(Clone, Copy)]
pub(crate) struct Failure<'a> {
    kind: StoreErrorKind,
    text: &'a str,
}

/// Work and its outcome. It goes back whole to whoever asked, who made it: memory is freed by the thread that allocated it,
/// so that the two do not meet in the allocator at every step.
struct Task<F, T, E> {
    doing: &'static str,
    growth: Growth,
    body: F,
    outcome: Option<Result<T, E>>,
    reply: Option<oneshot::Sender<Box<Self>>>,
}

impl<F, T, E> Work for Task<F, T, E>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn perform(&mut self, tx: &mut Tx<'_>) -> Keep {
        match self.outcome.insert((self.body)(tx)) {
            Ok(_) => Keep::Yes,
            Err(_) => Keep::No,
        }
    }

    fn answer(mut self: Box<Self>) {
        if let Some(reply) = self.reply.take() {
            // Whoever asked may have stopped waiting; the work is done all the same.
            drop(reply.send(self));
        }
    }

    fn fail(mut self: Box<Self>, failure: Failure<'_>) {
        let error = StoreError::new(failure.kind, self.doing).because(failure.text);
        self.outcome = Some(Err(error.into()));
        self.answer();
    }

    fn growth(&self) -> Growth {
        self.growth
    }
}

impl Writer {
    /// Starts the thread. It begins with `open`, so that slow disks are waited for there, and serves if that succeeds.
    pub(crate) fn spawn(open: impl FnOnce() -> Option<Desk> + Send + 'static) -> Result<Self, Fault> {
        let (queue, messages) = mpsc::channel();
        thread::Builder::new().name("striatum-sqlite-writer".to_owned()).spawn(move || {
            if let Some(desk) = open() {
                desk.serve(&messages);
            }
        })?;
        Ok(Self { queue })
    }

    /// Does `body` in a write transaction, durably. It may be called again if the transaction has to be repeated. Once
    /// submitted it runs to its end, whether anybody waits or not.
    pub(crate) async fn submit<T, E>(
        &self,
        doing: &'static str,
        growth: Growth,
        body: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task { doing, growth, body, outcome: None, reply: Some(reply) };
        if self.queue.send(Message::Work(Box::new(task))).is_err() {
            return Err(closed(doing).into());
        }
        let done = answer.await.ok().and_then(|task| task.outcome);
        done.unwrap_or_else(|| {
            let lost = StoreError::new(StoreErrorKind::Unknown, doing);
            Err(lost.because("the writer's thread ended before it answered").into())
        })
    }

    /// Ends the thread after all that was submitted so far.
    pub(crate) async fn stop(&self) -> Result<(), StoreError> {
        let (reply, stopped) = oneshot::channel();
        if self.queue.send(Message::Stop(reply)).is_err() {
            return Ok(());
        }
        // A thread that ended by another way has nothing left to close.
        stopped.await.unwrap_or(Ok(()))
    }
}

/// The error of everything that comes after `close`.
pub(crate) fn closed(doing: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Other, doing).because("the store was closed")
}

impl Desk {
    fn serve(mut self, messages: &Receiver<Message>) {
        let stop = self.work(messages);
        let closed = self.close();
        let Some(reply) = stop else {
            // Nobody is left who could be told.
            if let Err(error) = closed {
                tracing::warn!(error = &error as &dyn std::error::Error, "the store was not closed cleanly");
            }
            return;
        };
        drop(reply.send(closed));
        for message in messages.try_iter() {
            if let Message::Work(work) = message {
                work.fail(Failure { kind: StoreErrorKind::Other, text: "the store was closed" });
            }
        }
    }

    /// Works until it is asked to stop, or nobody is left who could ask.
    fn work(&mut self, messages: &Receiver<Message>) -> Option<Stop> {
        let Self { connection, lock, path, file, grown } = self;
        let mut clerk =
            Clerk { tx: Tx::new(connection), crowd: Crowd::default(), lock, path, file: *file, grown };
        let mut group = Vec::with_capacity(MAX_GROUP);
        let mut arrivals = Arrivals::new(messages);
        while arrivals.stop.is_none()
            && let Some(first) = arrivals.first(clerk.crowd.pause())
        {
            match first {
                Message::Stop(reply) => return Some(reply),
                Message::Work(work) => group.push(work),
            }
            clerk.serve_group(&mut group, &mut arrivals);
        }
        arrivals.stop
    }

    fn close(mut self) -> Result<(), StoreError> {
        const CLOSE: &str = "close the store";
        // The last connection to close removes the log, which must not meet another process that opens.
        let _held = self.lock.acquire().map_err(|fault| fault.during(CLOSE))?;
        checkpoint(&self.connection).map_err(|error| Fault::from(error).during(CLOSE))?;
        self.connection.close().map_err(|(_, error)| Fault::from(error).during(CLOSE))
    }
}

impl Clerk<'_> {
    /// Does a piece of work together with those that arrive until it is done.
    fn serve_group(&mut self, group: &mut Vec<Box<dyn Work>>, arrivals: &mut Arrivals<'_>) {
        // What arrives while other processes write joins this group.
        let held = self.enter();
        arrivals.join(group);
        match held {
            Ok(held) => {
                self.commit(group, Some(arrivals));
                drop(held);
            }
            Err(fault) => fail(group, fault.kind(), &fault),
        }
    }

    /// Takes the lock between processes and checks that the file is still the one that was opened.
    fn enter(&mut self) -> Result<Held, Fault> {
        let held = self.lock.acquire()?;
        self.file.check(self.path)?;
        Ok(held)
    }

    fn commit(&mut self, group: &mut Vec<Box<dyn Work>>, arrivals: Option<&mut Arrivals<'_>>) {
        match self.attempt(group, arrivals) {
            Ok(()) => self.answer(group),
            Err(Broken::Whole { fault, kind }) => fail(group, kind, &fault),
            Err(Broken::Within) if group.len() > 1 => {
                // The transaction was given up and with it the innocent: each gets one of its own.
                for work in group.drain(..) {
                    self.commit(&mut vec![work], None);
                }
            }
            Err(Broken::Within) => self.answer(group),
        }
    }

    fn attempt(
        &mut self,
        group: &mut Vec<Box<dyn Work>>,
        mut arrivals: Option<&mut Arrivals<'_>>,
    ) -> Result<(), Broken> {
        let whole = |error: rusqlite::Error| {
            let fault = Fault::from(error);
            Broken::Whole { kind: fault.kind(), fault }
        };
        self.run("BEGIN IMMEDIATE").map_err(whole)?;
        let mut gathering = self.crowd.gather();
        let tx = &mut self.tx;
        let done = tx.heads.begin(&mut tx.statements).map_err(whole).and_then(|()| {
            let mut done = 0;
            while done < group.len() {
                group[done..].iter_mut().try_for_each(|work| perform(tx, work.as_mut()))?;
                done = group.len();
                if let Some(arrivals) = &mut arrivals {
                    arrivals.join(group);
                    if done == group.len() {
                        arrivals.wait(group, &mut gathering);
                    }
                }
            }
            Ok(())
        });
        let done = done.and_then(|()| tx.heads.store(&mut tx.statements).map_err(whole)).and_then(|()| {
            let begun = Instant::now();
            let committed = self.run("COMMIT").map_err(|error| {
                let fault = Fault::from(error);
                Broken::Whole { kind: fault.commit_kind(), fault }
            });
            self.crowd.committed(group.len(), begun.elapsed());
            committed
        });
        if done.is_err() {
            self.tx.heads.forget();
        }
        if !self.tx.is_autocommit() {
            self.run("ROLLBACK").map_err(whole)?;
        }
        done
    }

    fn answer(&self, group: &mut Vec<Box<dyn Work>>) {
        let grows = group.iter().any(|work| work.growth() == Growth::Grows);
        for work in group.drain(..) {
            work.answer();
        }
        if grows {
            self.grown.send_replace(());
        }
    }

    fn run(&mut self, statement: &'static str) -> rusqlite::Result<()> {
        self.tx.statement(statement)?.execute([]).map(|_| ())
    }
}

/// Why a transaction did not come about.
enum Broken {
    /// It could not begin or not commit.
    Whole { fault: Fault, kind: StoreErrorKind },
    /// A piece of work ended it, or failed behind something that it wrote; its own outcome says why.
    Within,
}

// No savepoint: it would copy every page that a piece of work changes. What fails is to fail before it writes.
fn perform(tx: &mut Tx<'_>, work: &mut dyn Work) -> Result<(), Broken> {
    let before = tx.total_changes();
    let keep = work.perform(tx);
    let has_written = tx.total_changes() != before;
    if tx.is_autocommit() || (keep == Keep::No && has_written) {
        return Err(Broken::Within);
    }
    Ok(())
}

fn fail(group: &mut Vec<Box<dyn Work>>, kind: StoreErrorKind, fault: &Fault) {
    let text = fault.to_string();
    for work in group.drain(..) {
        work.fail(Failure { kind, text: &text });
    }
}
