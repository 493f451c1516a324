//! What is appended in one transaction.

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    id::{ChainId, Fence, RunId},
    run::Bodies,
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
    /// Two jobs take the same resource.
    #[error("two jobs take {resource} in one batch")]
    TakenTwice {
        /// The resource.
        resource: Resource,
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
    bodies: Bodies,
    delta: IndexDelta,
    guard: Option<Guard>,
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
        bodies: impl Into<Bodies>,
        mut delta: IndexDelta,
    ) -> Result<Self, InvalidBatch> {
        let bodies = bodies.into();
        if bodies.is_empty() {
            return Err(InvalidBatch::Empty);
        }
        if bodies.len() > MAX_BODIES {
            return Err(InvalidBatch::TooMany(bodies.len()));
        }
        if let Some((index, body)) = bodies.iter().enumerate().find(|(_, body)| body.len() > MAX_BODY_BYTES) {
            return Err(InvalidBatch::TooLarge { index, size: body.len() });
        }
        delta.check(run)?;
        Ok(Self { chain, run, expected, bodies, delta, guard: None })
    }

    /// Appends only if the guard holds.
    ///
    /// # Errors
    /// [`InvalidBatch::ForeignRun`] if the guard speaks of another run.
    pub fn guarded(mut self, guard: Guard) -> Result<Self, InvalidBatch> {
        let (Guard::Lapsed(Fence { run, .. }) | Guard::Due(TimerId { run, .. })) = &guard;
        if *run != self.run {
            return Err(InvalidBatch::ForeignRun { batch: self.run, other: *run });
        }
        self.guard = Some(guard);
        Ok(self)
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
    pub fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    /// The memory in which the bodies were, for others.
    pub(crate) fn into_room(self) -> Vec<u8> {
        self.bodies.into_room()
    }

    /// How the index changes; its resources are in key order, each once.
    pub fn delta(&self) -> &IndexDelta {
        &self.delta
    }

    /// The condition, if there is one.
    pub fn guard(&self) -> Option<&Guard> {
        self.guard.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        id::{JobId, WorkflowId},
        run::RunStatus,
        store::{RunRow, Taken},
    };

    fn row() -> RunRow {
        let workflow = WorkflowId::new("w").unwrap();
        RunRow { status: RunStatus::Running, paused: false, room: 1, workflow, active: true }
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

    #[test]
    fn resources_come_in_key_order_each_once_and_for_one_job() {
        let resource = |slot| Resource { scope: "s".to_owned(), name: "r".to_owned(), slot };
        let take = |slot, job| Taken { resource: resource(slot), job: JobId::new(job).unwrap() };
        let delta =
            |taken| IndexDelta { taken, freed: [2, 1, 2].map(resource).into(), ..IndexDelta::new(row()) };
        let sound = delta(vec![take(1, "a"), take(0, "b"), take(1, "a")]);
        let batch = build(vec![Bytes::from_static(b"{}")], sound).unwrap();
        assert_eq!(batch.delta().taken, [take(0, "b"), take(1, "a")]);
        assert_eq!(batch.delta().freed, [1, 2].map(resource));
        let twice = build(vec![Bytes::from_static(b"{}")], delta(vec![take(1, "a"), take(1, "b")]));
        assert_eq!(twice, Err(InvalidBatch::TakenTwice { resource: resource(1) }));
    }
}
