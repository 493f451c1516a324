//! The rows of the index, and how they change.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    id::{Fence, JobId, LaneId, RoleId, RunId, WorkflowId},
    run::RunStatus,
    store::InvalidBatch,
};

/// Something of which there is a limited number, held by a job across runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Resource {
    /// Within what the name is unique: a repository, say.
    pub scope: String,
    /// What it is.
    pub name: String,
    /// Which one of several, from 0.
    pub slot: u32,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}[{}]", self.scope, self.name, self.slot)
    }
}

/// Who holds a resource.
///
/// ```
/// use striatum_core::{id::{JobId, RunId}, store::Holder};
///
/// let holder = Holder { run: RunId::from_bytes([0xab; 16]), job: JobId::new("draft")? };
/// assert_eq!(holder.to_string(), "abababab/draft");
/// # Ok::<(), striatum_core::id::IdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// The run.
    pub run: RunId,
    /// The job of that run.
    pub job: JobId,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run.short(), self.job)
    }
}

/// Names the wait of a job after one of its grants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimerId {
    /// The run.
    pub run: RunId,
    /// The job that waits.
    pub job: JobId,
    /// The last epoch granted before the wait.
    pub epoch: u32,
}

/// What the index knows of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Where the run stands.
    pub status: RunStatus,
    /// Whether claims are suspended.
    pub paused: bool,
    /// How many more jobs may be held at the same time.
    pub room: u32,
    /// The workflow that it executes.
    pub workflow: WorkflowId,
    /// Whether there is something to do for the shell or to wait for: the run is running, or something is owed to it.
    pub active: bool,
}

/// A job that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyRow {
    /// The job.
    pub job: JobId,
    /// The role it wants.
    pub role: RoleId,
    /// The lane it runs in.
    pub lane: LaneId,
    /// The adapter of that lane.
    pub adapter: String,
    /// The timer that must have run out before it may be claimed.
    pub timer: Option<TimerId>,
    /// What it takes when it is claimed.
    pub resources: Vec<Resource>,
}

/// A lease that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// The holder.
    pub fence: Fence,
    /// How long until its expiry may be proposed, counted from the transaction.
    pub term: Duration,
}

/// A timer that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerRow {
    /// The timer.
    pub id: TimerId,
    /// How long until it runs out, counted from the transaction.
    pub after: Duration,
}

/// A resource that a job takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// The resource.
    pub resource: Resource,
    /// The job of the run that holds it from now on.
    pub job: JobId,
}

/// How the index of one run changes. Applying it twice is the same as once.
///
/// Within one delta, removals come before insertions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexDelta {
    /// The run's row, always in full.
    pub run: RunRow,
    /// Jobs that are not, or no longer, ready.
    pub unready: Vec<JobId>,
    /// Jobs that are ready; each replaces the row that stands there.
    pub ready: Vec<ReadyRow>,
    /// Leases that ended.
    pub ended: Vec<Fence>,
    /// Leases that began. The row is never updated but by a renewal.
    pub granted: Vec<LeaseRow>,
    /// Timers that are no longer needed.
    pub stopped: Vec<TimerId>,
    /// Timers that began.
    pub started: Vec<TimerRow>,
    /// Resources that are free again, whichever job of the run held them. One that another run holds stays as it is.
    pub freed: Vec<Resource>,
    /// Resources that are taken. What the same job holds already it may take again.
    pub taken: Vec<Taken>,
}

impl IndexDelta {
    /// A delta that only writes the run's row.
    pub const fn new(run: RunRow) -> Self {
        Self {
            run,
            unready: Vec::new(),
            ready: Vec::new(),
            ended: Vec::new(),
            granted: Vec::new(),
            stopped: Vec::new(),
            started: Vec::new(),
            freed: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// Checks that this speaks of one run only, and brings the resources into key order, each once: one order everywhere
    /// keeps two transactions from waiting for each other, and lets every store name the same busy resource first.
    ///
    /// [`Batch::new`](crate::store::Batch::new) does this. In [`Store::reindex`](crate::store::Store::reindex) the store does.
    ///
    /// # Errors
    /// [`InvalidBatch::ForeignRun`], or [`InvalidBatch::TakenTwice`] if two jobs take the same resource.
    pub fn checked(mut self, run: RunId) -> Result<Self, InvalidBatch> {
        self.check(run)?;
        Ok(self)
    }

    /// The same in place.
    pub(super) fn check(&mut self, run: RunId) -> Result<(), InvalidBatch> {
        let leases = self.granted.iter().map(|row| &row.fence).chain(&self.ended).map(|fence| fence.run);
        let waits = self.ready.iter().filter_map(|row| row.timer.as_ref());
        let timers = self.started.iter().map(|row| &row.id).chain(&self.stopped).chain(waits);
        if let Some(other) = leases.chain(timers.map(|timer| timer.run)).find(|other| *other != run) {
            return Err(InvalidBatch::ForeignRun { batch: run, other });
        }
        self.freed.sort_unstable();
        self.freed.dedup();
        self.taken.sort_unstable();
        self.taken.dedup();
        match self.taken.windows(2).find(|pair| pair[0].resource == pair[1].resource) {
            Some(pair) => Err(InvalidBatch::TakenTwice { resource: pair[0].resource.clone() }),
            None => Ok(()),
        }
    }
}
