//! What events imply, kept ready for queries: rows of runs, ready jobs, leases, timers, resources.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::schedule::Schedule;
use crate::{
    id::{ChainId, Fence, InstanceId, JobId, RunId},
    run::RunStatus,
    store::{
        AppendError, Batch, Due, Guard, IndexDelta, ReadyJob, ReadyQuery, ReadyRow, Renewal, Resource,
        RunRow, TimerId,
    },
    time::Timestamp,
};

#[derive(Default)]
pub(super) struct Index {
    runs: HashMap<RunId, Entry>,
    /// The runs that hand out jobs and have some: all that a search for ready jobs looks at.
    open: BTreeSet<(ChainId, RunId)>,
    leases: Schedule<Fence>,
    timers: Schedule<TimerId>,
    taken: HashMap<Resource, Holder>,
}

struct Entry {
    chain: ChainId,
    row: RunRow,
    ready: BTreeMap<JobId, Candidate>,
}

struct Candidate {
    row: ReadyRow,
    hold: Option<Hold>,
}

/// Whom a job was shown to, and until when it is not shown to others.
struct Hold {
    caller: InstanceId,
    until: Timestamp,
}

struct Holder {
    run: RunId,
    name: String,
}

impl Entry {
    fn is_open(&self) -> bool {
        self.row.status == RunStatus::Running
            && !self.row.paused
            && self.row.room > 0
            && !self.ready.is_empty()
    }
}

impl Candidate {
    fn matches(&self, query: &ReadyQuery, now: Timestamp) -> bool {
        let Self { row, hold } = self;
        query.role.as_ref().is_none_or(|role| *role == row.role)
            && query.lane.as_ref().is_none_or(|lane| *lane == row.lane)
            && (query.adapters.is_empty() || query.adapters.contains(&row.adapter))
            && hold.as_ref().is_none_or(|hold| hold.caller == query.caller || hold.until <= now)
    }

    fn show(&mut self, query: &ReadyQuery, now: Timestamp) {
        // Whoever asks without a hold only looks: a hold that stands is not ended by it.
        if !query.hold.is_zero() {
            self.hold = Some(Hold { caller: query.caller, until: now.after(query.hold) });
        }
    }
}

impl Index {
    pub(super) fn row(&self, run: RunId) -> Option<&RunRow> {
        self.runs.get(&run).map(|entry| &entry.row)
    }

    pub(super) fn holds(&self, guard: &Guard, now: Timestamp) -> bool {
        let deadline = match guard {
            Guard::Lapsed(fence) => self.leases.deadline(fence),
            Guard::Due(timer) => self.timers.deadline(timer),
        };
        deadline.is_some_and(|deadline| deadline <= now)
    }

    pub(super) fn check_resources(&self, batch: &Batch) -> Result<(), AppendError> {
        let obstacle = batch.take().iter().find_map(|resource| {
            let holder = self.taken.get(resource)?;
            let freed = batch.free().binary_search(resource).is_ok();
            let own = holder.run == batch.run() && (freed || holder.name == batch.holder());
            (!own).then_some((resource, holder))
        });
        match obstacle {
            Some((resource, holder)) => {
                Err(AppendError::Busy { resource: resource.clone(), holder: holder.name.clone() })
            }
            None => Ok(()),
        }
    }

    pub(super) fn take_resources(&mut self, batch: &Batch) {
        for resource in batch.free() {
            if self.taken.get(resource).is_some_and(|holder| holder.run == batch.run()) {
                self.taken.remove(resource);
            }
        }
        for resource in batch.take() {
            let holder = Holder { run: batch.run(), name: batch.holder().to_owned() };
            self.taken.insert(resource.clone(), holder);
        }
    }

    pub(super) fn apply(&mut self, chain: &ChainId, run: RunId, delta: &IndexDelta, now: Timestamp) {
        let entry = self.runs.entry(run).or_insert_with(|| Entry {
            chain: chain.clone(),
            row: delta.run.clone(),
            ready: BTreeMap::new(),
        });
        entry.row = delta.run.clone();
        for job in &delta.unready {
            entry.ready.remove(job);
        }
        for row in &delta.ready {
            let hold = entry.ready.remove(&row.job).and_then(|candidate| candidate.hold);
            entry.ready.insert(row.job.clone(), Candidate { row: row.clone(), hold });
        }
        if entry.is_open() {
            self.open.insert((chain.clone(), run));
        } else {
            self.open.remove(&(chain.clone(), run));
        }
        delta.ended.iter().for_each(|fence| self.leases.end(fence));
        delta.granted.iter().for_each(|row| self.leases.begin(&row.fence, now.after(row.term)));
        delta.stopped.iter().for_each(|timer| self.timers.end(timer));
        delta.started.iter().for_each(|row| self.timers.begin(&row.id, now.after(row.after)));
    }

    /// Drops all rows of a run. The resources that it holds stay taken: a delta does not name them.
    pub(super) fn forget(&mut self, chain: &ChainId, run: RunId) {
        self.runs.remove(&run);
        self.open.remove(&(chain.clone(), run));
        self.leases.forget(run);
        self.timers.forget(run);
    }

    pub(super) fn renew(&mut self, fence: &Fence, deadline: Timestamp) -> Renewal {
        self.leases.prolong(fence, deadline).map_or(Renewal::Lost, Renewal::Held)
    }

    pub(super) fn due(&self, now: Timestamp, limit: usize) -> Due {
        Due {
            lapsed: self.leases.passed(now).take(limit).cloned().collect(),
            timers: self.timers.passed(now).take(limit).cloned().collect(),
            next: self.leases.next(now).into_iter().chain(self.timers.next(now)).min(),
        }
    }

    pub(super) fn ready(
        &mut self,
        query: &ReadyQuery,
        now: Timestamp,
        version: impl Fn(RunId) -> u64,
    ) -> Vec<ReadyJob> {
        let shown = self.select(query, now);
        let mut jobs = Vec::with_capacity(shown.len());
        for (chain, run, job) in shown {
            let candidate = self.runs.get_mut(&run).and_then(|entry| entry.ready.get_mut(&job));
            let Some(candidate) = candidate else { continue };
            candidate.show(query, now);
            let ReadyRow { role, lane, adapter, .. } = candidate.row.clone();
            jobs.push(ReadyJob { run, chain, version: version(run), job, role, lane, adapter });
        }
        jobs
    }

    /// One job of each run, then a second of each, until there are enough.
    fn select(&self, query: &ReadyQuery, now: Timestamp) -> Vec<(ChainId, RunId, JobId)> {
        let mut selected = Vec::new();
        let mut runs = Vec::new();
        for (chain, run) in self.open_runs(query) {
            if selected.len() == query.limit {
                return selected;
            }
            let Some(entry) = self.runs.get(run) else { continue };
            let mut jobs =
                entry.ready.values().filter(|job| job.matches(query, now) && self.is_free(&job.row, now));
            if let Some(job) = jobs.next() {
                selected.push((chain.clone(), *run, job.row.job.clone()));
                runs.push((chain, run, jobs));
            }
        }
        while !runs.is_empty() {
            let mut left = Vec::with_capacity(runs.len());
            for (chain, run, mut jobs) in runs {
                if selected.len() == query.limit {
                    return selected;
                }
                if let Some(job) = jobs.next() {
                    selected.push((chain.clone(), *run, job.row.job.clone()));
                    left.push((chain, run, jobs));
                }
            }
            runs = left;
        }
        selected
    }

    fn open_runs(&self, query: &ReadyQuery) -> Box<dyn Iterator<Item = &(ChainId, RunId)> + '_> {
        const FIRST: RunId = RunId::from_bytes([0; 16]);
        const LAST: RunId = RunId::from_bytes([u8::MAX; 16]);
        let Some(run) = query.run else {
            return match &query.chain {
                Some(chain) => Box::new(self.open.range((chain.clone(), FIRST)..=(chain.clone(), LAST))),
                None => Box::new(self.open.iter()),
            };
        };
        let entry = self
            .runs
            .get(&run)
            .filter(|entry| query.chain.as_ref().is_none_or(|chain| *chain == entry.chain));
        Box::new(entry.and_then(|entry| self.open.get(&(entry.chain.clone(), run))).into_iter())
    }

    fn is_free(&self, row: &ReadyRow, now: Timestamp) -> bool {
        let over = |timer| self.timers.deadline(timer).is_none_or(|deadline| deadline <= now);
        row.timer.as_ref().is_none_or(over)
            && !row.resources.iter().any(|resource| self.taken.contains_key(resource))
    }
}
