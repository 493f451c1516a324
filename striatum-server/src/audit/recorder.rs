//! Appends rows in groups.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use striatum_core::{
    chain::Position,
    id::{ChainId, RunId, WorkflowId},
    run::RunStatus,
    store::{AppendError, Batch, IndexDelta, RunHead, RunRow, Store, StoreError, StoreErrorKind},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};

use super::{
    Ledger, other,
    row::{self, What},
};

/// How many rows are appended together.
const GROUP: usize = 256;
/// How often what was counted is written down.
const COUNTING: Duration = Duration::from_secs(60);
/// How often a group is tried that others on the same chain got in the way of.
const ATTEMPTS: usize = 16;
/// The run that the rows are stored under.
const RUN: RunId = RunId::from_bytes(*b"striatum.audit.1");

/// A row to append.
#[derive(Debug)]
pub(super) struct Entry {
    /// The row; nothing to find out whether rows can be appended again.
    pub(super) what: Option<What>,
    /// Told whether it is durable.
    pub(super) answer: Option<oneshot::Sender<bool>>,
}

pub(super) struct Recorder {
    store: Arc<dyn Store>,
    chain: ChainId,
    ledger: Arc<Ledger>,
}

impl Recorder {
    pub(super) fn new(store: Arc<dyn Store>, chain: ChainId, ledger: Arc<Ledger>) -> Self {
        Self { store, chain, ledger }
    }

    /// Appends until nobody can give a row any more.
    pub(super) async fn run(self, mut waiting: mpsc::Receiver<Entry>) {
        let mut counting = interval(COUNTING);
        counting.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut group = Vec::with_capacity(GROUP);
        loop {
            tokio::select! {
                received = waiting.recv_many(&mut group, GROUP) => if received == 0 { break },
                _ = counting.tick() => self.counted(&mut group),
            }
            if !group.is_empty() {
                self.append(&mut group).await;
            }
        }
        self.counted(&mut group);
        if !group.is_empty() {
            self.append(&mut group).await;
        }
    }

    fn counted(&self, group: &mut Vec<Entry>) {
        group.extend(
            self.ledger.counts.take().into_iter().map(|what| Entry { what: Some(what), answer: None }),
        );
    }

    async fn append(&self, group: &mut Vec<Entry>) {
        let lost = self.ledger.lost.load(Ordering::Acquire);
        let rows: Vec<&What> = group.iter().filter_map(|entry| entry.what.as_ref()).collect();
        let resumed = What::Resumed { lost };
        let is_resumed = lost > 0 || rows.is_empty();
        let rows: Vec<&What> = is_resumed.then_some(&resumed).into_iter().chain(rows).collect();
        let appended = self.appended(&rows).await;
        if let Err(error) = &appended {
            tracing::warn!(rows = rows.len(), "the audit chain cannot be appended to: {error}");
        }
        self.ledger.is_broken.store(appended.is_err(), Ordering::Release);
        if appended.is_ok() {
            self.ledger.lost.fetch_sub(lost, Ordering::AcqRel);
        } else {
            let unanswered = group.iter().filter(|entry| entry.answer.is_none()).count();
            self.ledger.lost.fetch_add(unanswered as u64, Ordering::AcqRel);
        }
        for entry in group.drain(..) {
            if let Some(answer) = entry.answer {
                // Whoever gave it up has been answered by its own patience.
                let _ = answer.send(appended.is_ok());
            }
        }
    }

    /// Other processes append to the same chain, so the head is read anew for each group.
    async fn appended(&self, rows: &[&What]) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            let Position { seq, digest } = self.store.head(&self.chain).await?;
            let head = if seq == 0 { RunHead::START } else { RunHead { version: seq, digest } };
            let bodies = encoded(seq, rows)?;
            let batch = Batch::new(self.chain.clone(), RUN, head, bodies.clone(), IndexDelta::new(row()?));
            let batch = batch.map_err(|error| other("build rows").because(error))?;
            match self.store.append(&batch).await {
                Ok(_) => return Ok(()),
                Err(AppendError::Conflict) => {}
                Err(AppendError::Store(error)) if error.kind() == StoreErrorKind::Unknown => {
                    if self.store.append(&batch).await.is_ok() || self.stands(head, &bodies).await? {
                        return Ok(());
                    }
                }
                Err(AppendError::Store(error)) => return Err(error),
                Err(error) => return Err(other("append rows").because(error)),
            }
        }
        Err(StoreError::new(
            StoreErrorKind::Unavailable,
            "append rows that others keep getting in the way of",
        ))
    }

    /// Whether these rows stand behind this head.
    async fn stands(&self, head: RunHead, bodies: &[Bytes]) -> Result<bool, StoreError> {
        let rows = self.store.read_run(&RUN, head, bodies.len()).await?;
        Ok(rows.len() == bodies.len() && rows.iter().zip(bodies).all(|(row, body)| row.body == *body))
    }
}

fn encoded(seq: u64, rows: &[&What]) -> Result<Vec<Bytes>, StoreError> {
    let numbered = (seq + 1..).zip(rows);
    numbered
        .map(|(n, what)| row::encode(n, what).map_err(|error| other("encode a row").because(error)))
        .collect()
}

/// What the index says of the rows: nothing that anybody would act on.
fn row() -> Result<RunRow, StoreError> {
    let workflow = WorkflowId::new(super::CHAIN).map_err(|error| other("name the rows").because(error))?;
    Ok(RunRow { status: RunStatus::Running, paused: false, room: 0, workflow, active: false })
}
