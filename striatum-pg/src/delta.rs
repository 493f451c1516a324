//! Index deltas as columns: one array for each field of each kind of row, whatever batch a row belongs to.

use std::collections::HashMap;

use striatum_core::store::{Guard, IndexDelta, ReadyRow, Resource};

use crate::row::{self, Id};

/// The rows of several deltas; `of` says of which, from 1.
#[derive(Default)]
pub(crate) struct Deltas<'a> {
    pub(crate) unready: (Vec<i32>, Vec<&'a str>),
    pub(crate) ready: ReadyColumns<'a>,
    pub(crate) ended: Leases<'a>,
    pub(crate) granted: Leases<'a>,
    pub(crate) terms: Vec<i64>,
    pub(crate) stopped: Timers<'a>,
    pub(crate) started: Timers<'a>,
    pub(crate) waits: Vec<i64>,
    pub(crate) freed: Resources<'a>,
    pub(crate) taken: Resources<'a>,
    pub(crate) takers: Vec<&'a str>,
}

#[derive(Default)]
pub(crate) struct ReadyColumns<'a> {
    pub(crate) of: Vec<i32>,
    pub(crate) jobs: Vec<&'a str>,
    pub(crate) roles: Vec<&'a str>,
    pub(crate) lanes: Vec<&'a str>,
    pub(crate) adapters: Vec<&'a str>,
    pub(crate) timer_jobs: Vec<Option<&'a str>>,
    pub(crate) timer_epochs: Vec<Option<i64>>,
    pub(crate) wants: Vec<Option<String>>,
}

#[derive(Default)]
pub(crate) struct Leases<'a> {
    pub(crate) of: Vec<i32>,
    pub(crate) jobs: Vec<&'a str>,
    pub(crate) epochs: Vec<i64>,
    pub(crate) sessions: Vec<Option<Id>>,
}

#[derive(Default)]
pub(crate) struct Timers<'a> {
    pub(crate) of: Vec<i32>,
    pub(crate) jobs: Vec<&'a str>,
    pub(crate) epochs: Vec<i64>,
}

#[derive(Default)]
pub(crate) struct Resources<'a> {
    pub(crate) of: Vec<i32>,
    pub(crate) scopes: Vec<&'a str>,
    pub(crate) names: Vec<&'a str>,
    pub(crate) slots: Vec<i64>,
}

impl<'a> Deltas<'a> {
    pub(crate) fn push(&mut self, of: i32, delta: &'a IndexDelta) {
        for job in &delta.unready {
            self.unready.0.push(of);
            self.unready.1.push(job.as_str());
        }
        // The last of several rows of one job replaces the others, which a statement cannot do to its own rows.
        let last: HashMap<_, _> = delta.ready.iter().map(|ready| (&ready.job, ready)).collect();
        let is_last =
            |ready: &&ReadyRow| last.get(&ready.job).is_some_and(|last| std::ptr::eq(*last, *ready));
        delta.ready.iter().filter(is_last).for_each(|ready| self.ready.push(of, ready));
        for fence in &delta.ended {
            self.ended.push(of, fence.job.as_str(), fence.epoch, Some(fence.session.into()));
        }
        for lease in &delta.granted {
            let fence = &lease.fence;
            self.granted.push(of, fence.job.as_str(), fence.epoch, Some(fence.session.into()));
            self.terms.push(row::term(lease.term));
        }
        for timer in &delta.stopped {
            self.stopped.push(of, timer.job.as_str(), timer.epoch);
        }
        for timer in &delta.started {
            self.started.push(of, timer.id.job.as_str(), timer.id.epoch);
            self.waits.push(row::term(timer.after));
        }
        delta.freed.iter().for_each(|resource| self.freed.push(of, resource));
        for taken in &delta.taken {
            self.taken.push(of, &taken.resource);
            self.takers.push(taken.job.as_str());
        }
    }
}

impl<'a> ReadyColumns<'a> {
    fn push(&mut self, of: i32, ready: &'a ReadyRow) {
        let ReadyRow { job, role, lane, adapter, timer, resources } = ready;
        self.of.push(of);
        self.jobs.push(job.as_str());
        self.roles.push(role.as_str());
        self.lanes.push(lane.as_str());
        self.adapters.push(adapter);
        self.timer_jobs.push(timer.as_ref().map(|timer| timer.job.as_str()));
        self.timer_epochs.push(timer.as_ref().map(|timer| timer.epoch.into()));
        let wants: Vec<_> =
            resources.iter().map(|Resource { scope, name, slot }| (scope, name, slot)).collect();
        self.wants.push((!wants.is_empty()).then(|| serde_json::json!(wants).to_string()));
    }
}

impl<'a> Leases<'a> {
    fn push(&mut self, of: i32, job: &'a str, epoch: u32, session: Option<Id>) {
        self.of.push(of);
        self.jobs.push(job);
        self.epochs.push(epoch.into());
        self.sessions.push(session);
    }

    /// A condition; without a session it is about a timer.
    pub(crate) fn push_guard(&mut self, of: i32, guard: &'a Guard) {
        match guard {
            Guard::Lapsed(fence) => {
                self.push(of, fence.job.as_str(), fence.epoch, Some(fence.session.into()))
            }
            Guard::Due(timer) => self.push(of, timer.job.as_str(), timer.epoch, None),
        }
    }
}

impl<'a> Timers<'a> {
    fn push(&mut self, of: i32, job: &'a str, epoch: u32) {
        self.of.push(of);
        self.jobs.push(job);
        self.epochs.push(epoch.into());
    }
}

impl<'a> Resources<'a> {
    fn push(&mut self, of: i32, Resource { scope, name, slot }: &'a Resource) {
        self.of.push(of);
        self.scopes.push(scope);
        self.names.push(name);
        self.slots.push((*slot).into());
    }
}
