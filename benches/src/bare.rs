//! What is left when the engine is taken away: the commits alone, and the store's appends alone.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use rusqlite::Connection;
use striatum_core::{
    id::RunId,
    store::{Batch, ChainMeta, MemoryStore, RunHead, Store},
};

use crate::{
    Outcome,
    measure::Stopwatch,
    recorder::Recorder,
    workload::{Shell, now},
};

/// What W appends.
#[derive(Debug)]
pub(crate) struct Recording {
    /// What comes before the count: preparations and branches.
    pub(crate) before: Vec<Batch>,
    /// The counted appends, run by run.
    pub(crate) counted: Vec<Vec<Batch>>,
}

impl Recording {
    /// Records this many runs.
    pub(crate) async fn of(runs: usize) -> Outcome<Self> {
        let recorder = Arc::new(Recorder::new(MemoryStore::new(Arc::new(now))));
        let mut shell = Shell::new(recorder.clone(), 0).await?;
        let (mut before, mut counted) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            let run = shell.prepare().await?;
            before.extend(recorder.take());
            shell.work(run).await?;
            counted.push(recorder.take());
        }
        Ok(Self { before, counted })
    }

    /// The bodies of each counted append, as one row.
    pub(crate) fn rows(&self) -> Vec<Vec<u8>> {
        self.counted.iter().flatten().map(|batch| batch.bodies().text().to_vec()).collect()
    }
}

/// A database with one table and nothing else, as durable as the store's.
#[derive(Debug)]
pub(crate) struct Rows(Connection);

impl Rows {
    pub(crate) fn open(path: &Path) -> Outcome<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute_batch("CREATE TABLE rows (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")?;
        Ok(Self(connection))
    }

    /// Commits the rows in groups of this size.
    pub(crate) fn commit(&self, rows: &[Vec<u8>], group: usize) -> rusqlite::Result<()> {
        for rows in rows.chunks(group) {
            self.0.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            for row in rows {
                self.0.prepare_cached("INSERT INTO rows (body) VALUES (?1)")?.execute([row])?;
            }
            self.0.prepare_cached("COMMIT")?.execute([])?;
        }
        Ok(())
    }
}

/// Appends recorded batches to a store, each behind the head that its run has there.
#[derive(Debug, Default)]
pub(crate) struct Appends(HashMap<RunId, RunHead>);

impl Appends {
    pub(crate) async fn append(&mut self, store: &dyn Store, batches: &[Batch]) -> Outcome {
        for batch in batches {
            let head = self.0.entry(batch.run()).or_insert(RunHead::START);
            let (bodies, delta) = (batch.bodies().clone(), batch.delta().clone());
            let batch = Batch::new(batch.chain().clone(), batch.run(), *head, bodies, delta)?;
            *head = store.append(&batch).await?;
        }
        Ok(())
    }
}

/// How many appends come before the count in each run: its preparation and its branch.
const BEFORE: usize = 2;

/// A store without an engine: recorded appends, in lines.
#[derive(Debug)]
pub(crate) struct Replay<'a> {
    store: Arc<dyn Store>,
    lines: Vec<Appends>,
    recording: &'a Recording,
    done: usize,
}

impl<'a> Replay<'a> {
    pub(crate) async fn open(store: Arc<dyn Store>, recording: &'a Recording, lines: usize) -> Outcome<Self> {
        let first = recording.before.first().ok_or("nothing was recorded")?;
        store.open_chain(first.chain(), &ChainMeta { label: "a repository".to_owned() }).await?;
        let lines = (0..lines).map(|_| Appends::default()).collect();
        Ok(Self { store, lines, recording, done: 0 })
    }

    /// Appends the next so many runs of each line; only what counts is in the time.
    pub(crate) async fn turn(&mut self, runs: usize) -> Outcome<Duration> {
        let mut watch = Stopwatch::default();
        let Self { store, lines, recording, done } = self;
        for _ in 0..runs {
            let begun = *done..*done + lines.len();
            *done = begun.end;
            let prepared = recording.before[begun.start * BEFORE..begun.end * BEFORE].chunks(BEFORE);
            let prepared = lines.iter_mut().zip(prepared).map(|(line, before)| line.append(&**store, before));
            try_join_all(prepared).await?;
            let counted = lines.iter_mut().zip(&recording.counted[begun]);
            watch.during(try_join_all(counted.map(|(line, work)| line.append(&**store, work)))).await?;
        }
        Ok(watch.read())
    }
}
