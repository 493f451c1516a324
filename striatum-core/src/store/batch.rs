//! What is appended in one transaction.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    id::{ChainId, Fence, RunId},
    store::{IndexDelta, Resource, TimerId},
};

/// The largest body of an event, in bytes. Texts are blobs that an event names.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The largest number of events in one batch.
pub const MAX_BODIES: usize = 65_536;

/// Where a run stands: how many events it has, and the digest of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RunHead {
    /// The number of the run's events.
    pub version: u64,
    /// The digest of its last event; [`Digest::ZERO`] if there is none.
    pub digest: Digest,
}

impl RunHead {
    /// The head of a run that has no event yet.
    pub const START: Self = Self { version: 0, digest: Digest::ZERO };
}

/// A condition on the store's clock, checked in the transaction of the append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// The lease exists and its deadline has passed.
    Lapsed(Fence),
    /// The timer exists and has run out.
    Due(TimerId),
}

/// Why a batch is not sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBatch {
    /// There is nothing to append.
    #[error("a batch needs at least one event")]
    Empty,
    /// There are more events than [`MAX_BODIES`].
    #[error("a batch has at most {MAX_BODIES} events, this one has {0}")]
    TooMany(usize),
    /// A body is larger than [`MAX_BODY_BYTES`].
    #[error("an event has at most {MAX_BODY_BYTES} bytes, event {index} of this batch has {size}")]
    TooLarge {
        /// Which event, from 0.
        index: usize,
        /// Its size in bytes.
        size: usize,
    },
    /// The delta or the guard speaks of another run.
    #[error("the batch is for run {batch}, but speaks of run {other}")]
    ForeignRun {
        /// The run of the batch.
        batch: RunId,
        /// The other one.
        other: RunId,
    },
}

/// Events of one run with all that must become true together with them.
///
/// A batch is a value: it is built once, checked, and sent again unchanged when an answer is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    chain: ChainId,
    run: RunId,
    expected: RunHead,
    bodies: Vec<Bytes>,
    delta: IndexDelta,
    guard: Option<Guard>,
    take: Vec<Resource>,
    free: Vec<Resource>,
    holder: String,
}

impl Batch {
    /// Builds a batch and checks that it is sound.
    ///
    /// # Errors
    /// [`InvalidBatch`].
    pub fn new(
        chain: ChainId,
        run: RunId,
        expected: RunHead,
        bodies: Vec<Bytes>,
        delta: IndexDelta,
    ) -> Result<Self, InvalidBatch> {
        if bodies.is_empty() {
            return Err(InvalidBatch::Empty);
        }
        if bodies.len() > MAX_BODIES {
            return Err(InvalidBatch::TooMany(bodies.len()));
        }
        if let Some((index, body)) = bodies.iter().enumerate().find(|(_, body)| body.len() > MAX_BODY_BYTES) {
            return Err(InvalidBatch::TooLarge { index, size: body.len() });
        }
        let leases = delta.granted.iter().map(|row| &row.fence).chain(&delta.ended).map(|fence| fence.run);
        let timers = delta.started.iter().map(|row| &row.id).chain(&delta.stopped).map(|timer| timer.run);
        same_run(run, leases.chain(timers))?;
        Ok(Self {
            chain,
            run,
            expected,
            bodies,
            delta,
            guard: None,
            take: Vec::new(),
            free: Vec::new(),
            holder: String::new(),
        })
    }

    /// Appends only if the guard holds.
    ///
    /// # Errors
    /// [`InvalidBatch::ForeignRun`] if the guard speaks of another run.
    pub fn guarded(mut self, guard: Guard) -> Result<Self, InvalidBatch> {
        let (Guard::Lapsed(Fence { run, .. }) | Guard::Due(TimerId { run, .. })) = &guard;
        same_run(self.run, [*run])?;
        self.guard = Some(guard);
        Ok(self)
    }

    /// Takes resources for `holder`, a text for people that names run and job, and frees others. What is freed is free before
    /// anything is taken; freeing what the run does not hold changes nothing.
    #[must_use]
    pub fn with_resources(
        mut self,
        holder: String,
        mut take: Vec<Resource>,
        mut free: Vec<Resource>,
    ) -> Self {
        // One order everywhere keeps two appends from waiting for each other.
        take.sort_unstable();
        take.dedup();
        free.sort_unstable();
        free.dedup();
        (self.holder, self.take, self.free) = (holder, take, free);
        self
    }

    /// The chain.
    pub fn chain(&self) -> &ChainId {
        &self.chain
    }

    /// The run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// The head that the run must have.
    pub fn expected(&self) -> RunHead {
        self.expected
    }

    /// The bodies of the events, in order.
    pub fn bodies(&self) -> &[Bytes] {
        &self.bodies
    }

    /// How the indexes change.
    pub fn delta(&self) -> &IndexDelta {
        &self.delta
    }

    /// The condition, if there is one.
    pub fn guard(&self) -> Option<&Guard> {
        self.guard.as_ref()
    }

    /// The resources to take, sorted, each once.
    pub fn take(&self) -> &[Resource] {
        &self.take
    }

    /// The resources to free, sorted, each once.
    pub fn free(&self) -> &[Resource] {
        &self.free
    }

    /// Who takes them, for people.
    pub fn holder(&self) -> &str {
        &self.holder
    }
}

fn same_run(batch: RunId, others: impl IntoIterator<Item = RunId>) -> Result<(), InvalidBatch> {
    match others.into_iter().find(|other| *other != batch) {
        Some(other) => Err(InvalidBatch::ForeignRun { batch, other }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{JobId, WorkflowId},
        run::RunStatus,
        store::RunRow,
    };

    fn row() -> RunRow {
        RunRow { status: RunStatus::Running, paused: false, room: 1, workflow: WorkflowId::new("w").unwrap() }
    }

    fn build(bodies: Vec<Bytes>, delta: IndexDelta) -> Result<Batch, InvalidBatch> {
        Batch::new(ChainId::new("c").unwrap(), RunId::from_bytes([1; 16]), RunHead::START, bodies, delta)
    }

    #[test]
    fn an_unsound_batch_is_refused() {
        let ok = Bytes::from_static(b"{}");
        let foreign = RunId::from_bytes([2; 16]);
        let timer = TimerId { run: foreign, job: JobId::new("j").unwrap(), epoch: 1 };
        let mut delta = IndexDelta::new(row());
        delta.stopped.push(timer.clone());
        assert_eq!(build(vec![], IndexDelta::new(row())), Err(InvalidBatch::Empty));
        assert!(matches!(build(vec![ok.clone()], delta), Err(InvalidBatch::ForeignRun { .. })));
        let large = Bytes::from(vec![b' '; MAX_BODY_BYTES + 1]);
        assert!(matches!(
            build(vec![ok.clone(), large], IndexDelta::new(row())),
            Err(InvalidBatch::TooLarge { index: 1, .. })
        ));
        let batch = build(vec![ok], IndexDelta::new(row())).unwrap();
        assert!(matches!(batch.guarded(Guard::Due(timer)), Err(InvalidBatch::ForeignRun { .. })));
    }
}
