//! Index rows, made from a state and the ids that events touched.

use std::time::Duration;

use crate::{
    run::{Intent, JobStatus, RunStatus, State, Touched},
    store::{Guard, IndexDelta, LeaseRow, ReadyRow, RunRow, TimerId, TimerRow},
};

/// How the index changes with events that touched these ids and led to this state.
pub(super) fn delta(state: &State, touched: &Touched) -> IndexDelta {
    let mut delta = IndexDelta::new(row(state));
    let mut jobs = touched.jobs.clone();
    jobs.sort_unstable();
    jobs.dedup();
    for job in jobs {
        match ready(state, job) {
            Some(row) => delta.ready.push(row),
            None => delta.unready.push(state.at(job).0.id.clone()),
        }
    }
    delta.ended.clone_from(&touched.ended);
    // What began and ended within the same append leaves no row.
    let live = touched.granted.iter().filter(|(fence, _)| state.is_live(fence));
    delta.granted.extend(live.map(|(fence, term)| LeaseRow { fence: fence.clone(), term: *term }));
    let id = |job: &crate::id::JobId, epoch| TimerId { run: state.run(), job: job.clone(), epoch };
    delta.stopped.extend(touched.waited.iter().map(|(job, epoch)| id(job, *epoch)));
    let waits = touched.waits.iter().filter(|(job, epoch, _)| {
        state.job(job).and_then(|job| job.wait).is_some_and(|wait| wait.epoch == *epoch)
    });
    delta.started.extend(waits.map(|(job, epoch, after)| TimerRow { id: id(job, *epoch), after: *after }));
    delta
}

/// The whole index of a run.
pub(super) fn full(state: &State) -> IndexDelta {
    let mut index = IndexDelta::new(row(state));
    for (place, (spec, job)) in state.jobs().enumerate() {
        index.ready.extend(ready(state, place));
        if let (Some(fence), Some(lease)) = (state.fence(&spec.id), &job.lease) {
            index.granted.push(LeaseRow { fence, term: Duration::from_secs(lease.seconds.into()) });
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

fn ready(state: &State, index: usize) -> Option<ReadyRow> {
    let (spec, job) = state.at(index);
    let timer = job.wait.map(|wait| TimerId { run: state.run(), job: spec.id.clone(), epoch: wait.epoch });
    (job.status == JobStatus::Ready).then(|| ReadyRow {
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
        resources: Vec::new(),
    })
}
