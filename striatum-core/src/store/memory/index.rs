//! What events imply, kept ready for queries: rows of runs, ready jobs, leases, timers, resources.

use std::collections::BTreeSet;

use super::{
    log::Origin,
    schedule::{OfRun, Schedule},
};
use crate::{
    hash::HashMap,
    id::{ChainId, Fence, InstanceId, JobId, RunId},
    run::RunStatus,
    store::{
        AppendError, Due, Guard, Holder, IndexDelta, ReadyJob, ReadyQuery, ReadyRow, Renewal, Resource,
        RunRow, Taken, TimerId,
    },
    time::Timestamp,
};

#[derive(Default)]
pub(super) struct Index {
    runs: HashMap<RunId, Entry>,
    /// The runs that hand out jobs and have some: all that a search for ready jobs looks at.
    open: BTreeSet<(ChainId, RunId)>,
    /// The active runs, by age.
    active: BTreeSet<(Timestamp, RunId)>,
    leases: Schedule<Fence>,
    timers: Schedule<TimerId>,
    taken: HashMap<Resource, Holder>,
}

struct Entry {
    chain: ChainId,
    row: RunRow,
    /// By job.
    ready: Vec<Candidate>,
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

impl Entry {
    /// Where a ready job stands, or would.
    fn place(&self, job: &JobId) -> Result<usize, usize> {
        self.ready.binary_search_by(|candidate| candidate.row.job.cmp(job))
    }

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

    pub(super) fn active(&self) -> &BTreeSet<(Timestamp, RunId)> {
        &self.active
    }

    pub(super) fn holds(&self, guard: &Guard, now: Timestamp) -> bool {
        let deadline = match guard {
            Guard::Lapsed(fence) => self.leases.deadline(fence),
            Guard::Due(timer) => self.timers.deadline(timer),
        };
        deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Whether a batch of a run finds the resources that it takes free.
    pub(super) fn may_take(&self, run: RunId, delta: &IndexDelta) -> Result<(), AppendError> {
        self.check_resources(delta, |taken, holder| {
            let freed = delta.freed.binary_search(&taken.resource).is_ok();
            holder.run == run && (freed || holder.job == taken.job)
        })
    }

    fn check_resources(
        &self,
        delta: &IndexDelta,
        is_own: impl Fn(&Taken, &Holder) -> bool,
    ) -> Result<(), AppendError> {
        for taken in &delta.taken {
            if let Some(holder) = self.taken.get(&taken.resource).filter(|holder| !is_own(taken, holder)) {
                let (resource, holder) = (taken.resource.clone(), holder.clone());
                return Err(AppendError::Busy { resource, holder });
            }
        }
        Ok(())
    }

    pub(super) fn apply(&mut self, origin: &Origin, run: RunId, delta: &IndexDelta, now: Timestamp) {
        let Origin { chain, created_at } = origin;
        let entry = self.runs.entry(run).or_insert_with(|| Entry {
            chain: chain.clone(),
            row: RunRow { active: false, ..delta.run.clone() },
            ready: Vec::new(),
        });
        let (was_open, was_active) = (entry.is_open(), entry.row.active);
        entry.row = delta.run.clone();
        for job in &delta.unready {
            if let Ok(place) = entry.place(job) {
                entry.ready.remove(place);
            }
        }
        for row in &delta.ready {
            match entry.place(&row.job) {
                Ok(place) => entry.ready[place].row = row.clone(),
                Err(place) => entry.ready.insert(place, Candidate { row: row.clone(), hold: None }),
            }
        }
        if entry.ready.is_empty() && !delta.run.active {
            // The room is kept only where it will be needed again.
            entry.ready = Vec::new();
        }
        match (was_open, entry.is_open()) {
            (false, true) => drop(self.open.insert((chain.clone(), run))),
            (true, false) => drop(self.open.remove(&(chain.clone(), run))),
            (false, false) | (true, true) => {}
        }
        match (was_active, delta.run.active) {
            (false, true) => drop(self.active.insert((*created_at, run))),
            (true, false) => drop(self.active.remove(&(*created_at, run))),
            (false, false) | (true, true) => {}
        }
        delta.ended.iter().for_each(|fence| self.leases.end(fence));
        delta.granted.iter().for_each(|row| self.leases.begin(&row.fence, now.after(row.term)));
        delta.stopped.iter().for_each(|timer| self.timers.end(timer));
        delta.started.iter().for_each(|row| self.timers.begin(&row.id, now.after(row.after)));
        for resource in &delta.freed {
            if self.taken.get(resource).is_some_and(|holder| holder.run == run) {
                self.taken.remove(resource);
            }
        }
        for Taken { resource, job } in &delta.taken {
            self.taken.insert(resource.clone(), Holder { run, job: job.clone() });
        }
    }

    /// Puts these rows in the place of all that a run has. A deadline that stands stays.
    pub(super) fn replace(
        &mut self,
        origin: &Origin,
        run: RunId,
        delta: &IndexDelta,
        now: Timestamp,
    ) -> Result<(), AppendError> {
        self.check_resources(delta, |_, holder| holder.run == run)?;
        self.runs.remove(&run);
        self.open.remove(&(origin.chain.clone(), run));
        self.active.remove(&(origin.created_at, run));
        self.leases.retain(run, &delta.granted.iter().map(|row| &row.fence).collect());
        self.timers.retain(run, &delta.started.iter().map(|row| &row.id).collect());
        self.taken.retain(|_, holder| holder.run != run);
        self.apply(origin, run, delta, now);
        Ok(())
    }

    pub(super) fn renew(&mut self, fence: &Fence, deadline: Timestamp) -> Renewal {
        self.leases.prolong(fence, deadline).map_or(Renewal::Lost, Renewal::Held)
    }

    pub(super) fn due(&self, chain: Option<&ChainId>, now: Timestamp, limit: usize) -> Due {
        let wanted = |run| {
            let same = |chain: &ChainId| self.runs.get(&run).is_some_and(|entry| entry.chain == *chain);
            chain.is_none_or(same)
        };
        let lapsed = self.leases.passed(now).filter(|fence| wanted(fence.run()));
        let lease = self.leases.next(now, |fence| wanted(fence.run()));
        let timer = self.timers.next(now, |timer| wanted(timer.run()));
        Due { lapsed: lapsed.take(limit).cloned().collect(), next: lease.into_iter().chain(timer).min() }
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
            let Some(entry) = self.runs.get_mut(&run) else { continue };
            let Ok(place) = entry.place(&job) else { continue };
            let candidate = &mut entry.ready[place];
            candidate.show(query, now);
            let ReadyRow { role, lane, adapter, .. } = candidate.row.clone();
            jobs.push(ReadyJob { run, chain, version: version(run), job, role, lane, adapter });
        }
        jobs
    }

    /// One job of each run, then a second of each, until there are enough.
    fn select(&self, query: &ReadyQuery, now: Timestamp) -> Vec<(ChainId, RunId, JobId)> {
        let refused: BTreeSet<_> = query.except.iter().map(|(run, job)| (*run, job)).collect();
        let refused = &refused;
        let mut selected = Vec::new();
        let mut runs = Vec::new();
        for (chain, run) in self.open_runs(query) {
            if selected.len() == query.limit {
                return selected;
            }
            let Some(entry) = self.runs.get(run) else { continue };
            let mut jobs = entry.ready.iter().filter(|job| {
                job.matches(query, now)
                    && !refused.contains(&(*run, &job.row.job))
                    && self.is_free(&job.row, now)
            });
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
