//! Small builders for what stores are given.
#![expect(
    clippy::unwrap_used,
    reason = "a fixture is written into a test: a wrong name is that test's mistake"
)]
#![expect(clippy::missing_panics_doc, reason = "every builder panics on a name or a batch that is not sound")]

use std::time::Duration;

use bytes::Bytes;
use striatum_core::{
    id::{ChainId, Fence, InstanceId, JobId, LaneId, RoleId, RunId, SessionId, WorkflowId},
    run::RunStatus,
    store::{
        Batch, Guard, Holder, IndexDelta, LeaseRow, ReadyRow, Resource, RunHead, RunRow, Taken, TimerId,
        TimerRow,
    },
};

/// The chain of this name.
pub fn chain(name: &str) -> ChainId {
    ChainId::new(name).unwrap()
}

/// The run with this number.
pub fn run(number: u8) -> RunId {
    RunId::from_bytes([number; 16])
}

/// The job of this name.
pub fn job(name: &str) -> JobId {
    JobId::new(name).unwrap()
}

/// The session with this number.
pub fn session(number: u8) -> SessionId {
    SessionId::from_bytes([number; 16])
}

/// The caller with this number.
pub fn caller(number: u8) -> InstanceId {
    InstanceId::from_bytes([number; 16])
}

/// A grant of a job to session 1.
pub fn fence(run: RunId, name: &str, epoch: u32) -> Fence {
    Fence { run, job: job(name), epoch, session: session(1) }
}

/// The wait of a job after a grant.
pub fn timer(run: RunId, name: &str, epoch: u32) -> TimerId {
    TimerId { run, job: job(name), epoch }
}

/// Slot 0 of this name.
pub fn resource(name: &str) -> Resource {
    Resource { scope: "repo".to_owned(), name: name.to_owned(), slot: 0 }
}

/// A job that holds something.
pub fn holder(run: RunId, name: &str) -> Holder {
    Holder { run, job: job(name) }
}

/// The row of a run that hands out jobs.
pub fn running() -> RunRow {
    RunRow {
        status: RunStatus::Running,
        paused: false,
        room: 8,
        workflow: WorkflowId::new("fixture").unwrap(),
        active: true,
    }
}

/// A ready job of role `worker` in lane `main` with adapter `script`, that waits for nothing and takes nothing.
pub fn ready(name: &str) -> ReadyRow {
    ReadyRow {
        job: job(name),
        role: RoleId::new("worker").unwrap(),
        lane: LaneId::new("main").unwrap(),
        adapter: "script".to_owned(),
        timer: None,
        resources: Vec::new(),
    }
}

/// The body of a run's event.
pub fn body(run: RunId, version: u64, text: &str) -> Bytes {
    Bytes::from(format!(r#"{{"v":1,"run":"{run}","n":{version},"kind":"test","data":"{text}"}}"#))
}

/// A batch in the making: one event that says nothing much, unless told otherwise.
///
/// ```
/// use striatum_core::store::RunHead;
/// use striatum_testkit::fixture::{Draft, chain, ready, run};
///
/// let batch = Draft::new(&chain("main"), run(1), RunHead::START).ready(ready("draft")).batch();
/// assert_eq!(batch.bodies().len(), 1);
/// assert_eq!(batch.delta().ready.len(), 1);
/// ```
#[derive(Debug, Clone)]
pub struct Draft {
    chain: ChainId,
    run: RunId,
    expected: RunHead,
    bodies: Vec<Bytes>,
    delta: IndexDelta,
    guard: Option<Guard>,
}

impl Draft {
    /// One event of a running run.
    pub fn new(chain: &ChainId, run: RunId, expected: RunHead) -> Self {
        let draft = Self {
            chain: chain.clone(),
            run,
            expected,
            bodies: Vec::new(),
            delta: IndexDelta::new(running()),
            guard: None,
        };
        draft.events(1)
    }

    /// This many events.
    #[must_use]
    pub fn events(mut self, count: u64) -> Self {
        let first = self.expected.version + 1;
        self.bodies = (first..first + count).map(|version| body(self.run, version, "")).collect();
        self
    }

    /// One event with this text in it.
    #[must_use]
    pub fn says(self, text: &str) -> Self {
        let body = body(self.run, self.expected.version + 1, text);
        self.bodies(vec![body])
    }

    /// Exactly these events.
    #[must_use]
    pub fn bodies(mut self, bodies: Vec<Bytes>) -> Self {
        self.bodies = bodies;
        self
    }

    /// The row of the run.
    #[must_use]
    pub fn row(mut self, row: RunRow) -> Self {
        self.delta.run = row;
        self
    }

    /// The run has this status from now on.
    #[must_use]
    pub fn status(mut self, status: RunStatus) -> Self {
        self.delta.run.status = status;
        self
    }

    /// There is nothing to do for the run, and nothing to wait for.
    #[must_use]
    pub fn inactive(mut self) -> Self {
        self.delta.run.active = false;
        self
    }

    /// A job becomes ready.
    #[must_use]
    pub fn ready(mut self, row: ReadyRow) -> Self {
        self.delta.ready.push(row);
        self
    }

    /// A job is not ready any longer.
    #[must_use]
    pub fn unready(mut self, name: &str) -> Self {
        self.delta.unready.push(job(name));
        self
    }

    /// A lease begins.
    #[must_use]
    pub fn grant(mut self, fence: Fence, term: Duration) -> Self {
        self.delta.granted.push(LeaseRow { fence, term });
        self
    }

    /// A lease ends.
    #[must_use]
    pub fn end(mut self, fence: Fence) -> Self {
        self.delta.ended.push(fence);
        self
    }

    /// A timer begins.
    #[must_use]
    pub fn start(mut self, id: TimerId, after: Duration) -> Self {
        self.delta.started.push(TimerRow { id, after });
        self
    }

    /// A timer is no longer needed.
    #[must_use]
    pub fn stop(mut self, id: TimerId) -> Self {
        self.delta.stopped.push(id);
        self
    }

    /// Only while this holds.
    #[must_use]
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guard = Some(guard);
        self
    }

    /// A job takes a resource.
    #[must_use]
    pub fn take(mut self, name: &str, resource: Resource) -> Self {
        self.delta.taken.push(Taken { resource, job: job(name) });
        self
    }

    /// Frees a resource.
    #[must_use]
    pub fn free(mut self, resource: Resource) -> Self {
        self.delta.freed.push(resource);
        self
    }

    /// The index delta alone.
    pub fn delta(self) -> IndexDelta {
        self.delta
    }

    /// The batch.
    pub fn batch(self) -> Batch {
        let batch = Batch::new(self.chain, self.run, self.expected, self.bodies, self.delta).unwrap();
        match self.guard {
            Some(guard) => batch.guarded(guard).unwrap(),
            None => batch,
        }
    }
}
