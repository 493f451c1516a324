//! Index rows, made from a state and the ids that events touched.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    id::{Fence, JobId},
    run::{Intent, JobStatus, RunStatus, State, Touched},
    store::{Guard, IndexDelta, LeaseRow, ReadyRow, Resource, RunRow, Taken, TimerId, TimerRow},
    workflow::{ResourceMode, SharedResource},
};

/// How the index changes with events that touched these ids and led from one state to another.
pub(super) fn delta(before: &State, state: &State, touched: Touched) -> IndexDelta {
    let Touched { mut jobs, mut granted, ended, waits, waited } = touched;
    // Whether a job of a parallel group may be claimed depends on which others of it are held.
    let graph = state.snapshot().graph();
    for place in 0..jobs.len() {
        jobs.extend(graph.companions(jobs[place]).iter().copied());
    }
    jobs.sort_unstable();
    jobs.dedup();
    let mut delta = IndexDelta::new(row(state));
    let shares = jobs.iter().any(|job| !state.at(*job).0.shared_resources.is_empty());
    for job in jobs {
        match ready(state, job) {
            Some(row) => delta.ready.push(row),
            None if is_ready(before, job) => delta.unready.push(state.at(job).0.id.clone()),
            None => {}
        }
    }
    // What began and ended within the same append leaves no row.
    granted.retain(|(fence, _)| state.is_live(fence));
    if shares {
        let place = |fence: &Fence| graph.index(&fence.job);
        delta.freed = ended.iter().filter_map(place).flat_map(|job| resources(state, job)).collect();
        let granted = granted.iter().filter_map(|(fence, _)| place(fence));
        delta.taken = granted.flat_map(|job| taken(state, job)).collect();
    }
    delta.ended = ended;
    delta.granted = granted.into_iter().map(|(fence, term)| LeaseRow { fence, term }).collect();
    let id = |job: JobId, epoch| TimerId { run: state.run(), job, epoch };
    delta.stopped = waited.into_iter().map(|(job, epoch)| id(job, epoch)).collect();
    let waits = waits.into_iter().filter(|(job, epoch, _)| {
        state.job(job).and_then(|job| job.wait).is_some_and(|wait| wait.epoch == *epoch)
    });
    delta.started = waits.map(|(job, epoch, after)| TimerRow { id: id(job, epoch), after }).collect();
    delta
}

/// The whole index of a run.
pub(super) fn full(state: &State) -> IndexDelta {
    let mut index = IndexDelta::new(row(state));
    for (place, (spec, job)) in state.jobs().enumerate() {
        index.ready.extend(ready(state, place));
        if let (Some(fence), Some(lease)) = (state.fence(&spec.id), &job.lease) {
            index.granted.push(LeaseRow { fence, term: Duration::from_secs(lease.seconds.into()) });
            index.taken.extend(taken(state, place));
        }
        if let Some(wait) = job.wait {
            let id = TimerId { run: state.run(), job: spec.id.clone(), epoch: wait.epoch };
            index.started.push(TimerRow { id, after: Duration::from_millis(wait.wait_ms) });
        }
    }
    index
}

/// The condition on the store's clock that goes with an intent.
pub(super) fn guard(state: &State, intent: &Intent) -> Option<Guard> {
    match intent {
        Intent::Expire { fence } => Some(Guard::Lapsed(fence.clone())),
        Intent::Claim(claim) => {
            let wait = state.job(&claim.job)?.wait?;
            Some(Guard::Due(TimerId { run: state.run(), job: claim.job.clone(), epoch: wait.epoch }))
        }
        _ => None,
    }
}

/// What the index knows of a run.
pub(super) fn row(state: &State) -> RunRow {
    let running = state.status() == Some(RunStatus::Running);
    RunRow {
        status: state.status().unwrap_or(RunStatus::NeedsBranchConfirmation),
        paused: state.is_paused(),
        room: state.room(),
        workflow: state.workflow().workflow_id.clone(),
        active: running || state.pending().next().is_some(),
    }
}

/// Whether a job may be held, as far as its run goes.
fn is_ready(state: &State, job: usize) -> bool {
    state.at(job).1.status == JobStatus::Ready && state.held_scope(job).is_none()
}

fn ready(state: &State, index: usize) -> Option<ReadyRow> {
    let (spec, job) = state.at(index);
    let timer = job.wait.map(|wait| TimerId { run: state.run(), job: spec.id.clone(), epoch: wait.epoch });
    is_ready(state, index).then(|| ReadyRow {
        job: spec.id.clone(),
        role: spec.role_id.clone(),
        lane: spec.lane_id.clone(),
        adapter: state
            .workflow()
            .lanes
            .get(&spec.lane_id)
            .map(|lane| lane.adapter.clone())
            .unwrap_or_default(),
        timer,
        resources: resources(state, index),
    })
}

fn taken(state: &State, job: usize) -> impl Iterator<Item = Taken> {
    let (spec, _) = state.at(job);
    resources(state, job).into_iter().map(|resource| Taken { resource, job: spec.id.clone() })
}

/// What a job takes while it is held, within its repository. Who wants a whole resource takes every part of it that the
/// workflow names besides, so that it excludes those who want a part, and they exclude it.
fn resources(state: &State, job: usize) -> Vec<Resource> {
    let workflow = state.workflow();
    let wanted = &workflow.jobs[job].shared_resources;
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    for resource in wanted {
        names.insert(name(resource));
        if resource.mode == ResourceMode::Exclusive {
            let all = workflow.jobs.iter().flat_map(|job| &job.shared_resources);
            names.extend(all.filter(|part| part.id == resource.id).map(name));
        }
    }
    let scope = state.chain().to_string();
    names.into_iter().map(|name| Resource { scope: scope.clone(), name, slot: 0 }).collect()
}

fn name(resource: &SharedResource) -> String {
    match &resource.namespace {
        Some(part) => format!("{}/{part}", resource.id),
        None => resource.id.clone(),
    }
}
