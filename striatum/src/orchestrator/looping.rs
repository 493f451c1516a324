//! The work loop: what is owed is done, what is ready is claimed, and then it sleeps until something changes.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use striatum_core::{
    id::{CommandId, Fence, JobId, RunId},
    run::{JobStatus, Pending, RunStatus, State},
    store::{Due, Mark, ReadyJob, ReadyQuery, RunQuery, RunSummary, Wait},
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    instance::Standing,
    mint,
    orchestrator::{Error, Shared, grant, owed},
};

/// For how long a job that was shown to us is withheld from others.
const HOLD: Duration = Duration::from_secs(1);
/// How many runs or lapsed leases are looked at together.
const PAGE: usize = 64;
/// How often something that is owed is tried before it is left to the next start.
const TRIES: u32 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    Idle,
    Drained,
}

/// What is being done, or was tried, in this process.
#[derive(Debug, Default)]
struct Work {
    tasks: JoinSet<(Key, Result<(), Error>)>,
    active: HashSet<Key>,
    failed: HashMap<Key, Failed>,
    refused: HashMap<(RunId, JobId), u64>,
    unsound: HashSet<RunId>,
}

/// What a task is about. A grant and its tree are one thing, so that nobody closes a tree under a working agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Grant(Fence),
    Owed(CommandId),
}

#[derive(Debug)]
struct Failed {
    tries: u32,
    again: Instant,
}

impl Key {
    fn of(pending: &Pending) -> Self {
        match pending {
            Pending::Drive { fence, .. } | Pending::CloseTree { fence, .. } => Self::Grant(fence.clone()),
            other => Self::Owed(other.command_id()),
        }
    }
}

pub(super) async fn work(shared: &Arc<Shared>, until: Until) -> Result<(), Error> {
    let renewing = shared.clone();
    let _renewal =
        AbortOnDrop(tokio::spawn(async move { renewing.leases.renew_forever(&renewing.engine).await }));
    let mut work = Work::default();
    let mut mark = Mark::default();
    let (mut outage, mut outages) = (Duration::from_millis(100), 0);
    loop {
        let rest = match round(shared, &mut work).await {
            Ok(Round { busy, next }) => {
                (outage, outages) = (Duration::from_millis(100), 0);
                let draining = shared.draining.is_cancelled();
                if work.tasks.is_empty() && (draining || (until == Until::Idle && !busy)) {
                    return Ok(());
                }
                next.min(shared.limits.poll)
            }
            Err(error) if is_outage(&error) => {
                // A service waits for its store; whoever asked for an end is told why there is none.
                outages += 1;
                if until == Until::Idle && work.tasks.is_empty() && outages > TRIES {
                    return Err(error);
                }
                shared.notice(None, &error);
                outage = (outage * 2).min(shared.limits.poll);
                outage
            }
            Err(error) => return Err(error),
        };
        sleep_until_change(shared, &mut work, &mut mark, rest).await;
    }
}

fn is_outage(error: &Error) -> bool {
    matches!(error.engine(), Some(striatum_core::engine::EngineError::Store(error)) if error.is_retryable())
}

async fn sleep_until_change(shared: &Shared, work: &mut Work, mark: &mut Mark, rest: Duration) {
    let wait = Wait { chain: Some(shared.repository.chain().clone()), after: *mark };
    let was_draining = shared.draining.is_cancelled();
    tokio::select! {
        changed = timeout(rest, shared.engine.store().changed(&wait)) => match changed {
            Ok(Ok(seen)) => *mark = seen,
            Ok(Err(_)) => sleep(rest.min(Duration::from_secs(1))).await,
            Err(_) => {}
        },
        Some(ended) = work.tasks.join_next() => match ended {
            Ok((key, result)) => work.ended(shared, key, result),
            // A panic, which has been printed. What it left undone is pending, and found again.
            Err(_) => work.active.clear(),
        },
        () = shared.draining.cancelled(), if !was_draining => {}
    }
}

struct Round {
    busy: bool,
    next: Duration,
}

async fn round(shared: &Arc<Shared>, work: &mut Work) -> Result<Round, Error> {
    while let Some(Ok((key, result))) = work.tasks.try_join_next() {
        work.ended(shared, key, result);
    }
    let due = expire(shared).await?;
    let (mut busy, mut claimable) = (false, false);
    for summary in active_runs(shared).await? {
        match shared.engine.load(summary.run).await {
            Ok(view) => {
                work.take_up(shared, &view.state)?;
                busy |= work.owes(&view.state);
                claimable |= work.can_claim(shared, &view.state);
            }
            Err(error) => {
                let error = Error::from(error);
                if is_outage(&error) {
                    return Err(error);
                }
                // Damaged, or written by a newer engine: this run is left alone, the others go on.
                if work.unsound.insert(summary.run) {
                    shared.notice(Some(summary.run), &error);
                }
            }
        }
    }
    if !shared.draining.is_cancelled() {
        claim(shared, work).await?;
    }
    let retry = work.failed.values().filter(|failed| failed.tries < TRIES).map(|failed| failed.again).min();
    let retry = retry.map(|again| again.saturating_duration_since(Instant::now()));
    let next = due.next.into_iter().chain(retry).min().unwrap_or(Duration::MAX);
    // A job that is ready and was not shown to us is withheld for somebody who may be dead.
    let next = if claimable && work.tasks.is_empty() { next.min(HOLD) } else { next };
    Ok(Round { busy: busy || claimable || !work.tasks.is_empty(), next: next.max(Duration::from_millis(5)) })
}

/// Ends the leases that the store's clock lets us end. Ours are renewed; these are those of the dead.
async fn expire(shared: &Shared) -> Result<Due, Error> {
    let due = shared.engine.store().due(Some(shared.repository.chain()), PAGE).await?;
    for fence in &due.lapsed {
        let intent = striatum_core::run::Intent::Expire { fence: fence.clone() };
        if let Err(error) = shared.act(fence.run, mint::command_id()?, intent).await
            && error.rejection().is_none()
            && error.code() != "guard_failed"
        {
            shared.notice(Some(fence.run), &error);
        }
    }
    Ok(due)
}

/// The runs in which there is something to do, or to wait for.
async fn active_runs(shared: &Shared) -> Result<Vec<RunSummary>, Error> {
    let mut query = RunQuery {
        chain: Some(shared.repository.chain().clone()),
        active: true,
        limit: PAGE,
        ..RunQuery::default()
    };
    let mut runs = Vec::new();
    loop {
        let page = shared.engine.store().runs(&query).await?;
        runs.extend(page.items);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(runs),
        }
    }
}

async fn claim(shared: &Arc<Shared>, work: &mut Work) -> Result<(), Error> {
    let room = shared.limits.agents.saturating_sub(work.tasks.len());
    if room == 0 {
        return Ok(());
    }
    let query = ReadyQuery {
        chain: Some(shared.repository.chain().clone()),
        adapters: shared.adapters.names(),
        hold: HOLD,
        ..ReadyQuery::all(shared.instance.id(), room)
    };
    for ready in shared.engine.store().ready(&query).await? {
        let asked = (ready.run, ready.job.clone());
        if work.refused.get(&asked) == Some(&ready.version) {
            continue;
        }
        match grant::claim(shared, &ready).await {
            Ok(Some((fence, drive))) => work.start(Key::Grant(fence), drive),
            Ok(None) => {}
            Err(error) => {
                if is_outage(&error) {
                    return Err(error);
                }
                work.refuse(shared, &ready, &error);
            }
        }
    }
    Ok(())
}

impl Work {
    fn start(&mut self, key: Key, task: impl Future<Output = Result<(), Error>> + Send + 'static) {
        self.active.insert(key.clone());
        self.tasks.spawn(async move { (key, task.await) });
    }

    fn ended(&mut self, shared: &Shared, key: Key, result: Result<(), Error>) {
        self.active.remove(&key);
        match result {
            Ok(()) => {
                self.failed.remove(&key);
            }
            Err(error) => {
                shared.notice(None, &error);
                let tries = self.failed.get(&key).map_or(0, |failed| failed.tries) + 1;
                let again = Instant::now() + Duration::from_millis(250) * 2_u32.pow(tries.min(8));
                self.failed.insert(key, Failed { tries, again });
            }
        }
    }

    fn refuse(&mut self, shared: &Shared, ready: &ReadyJob, error: &Error) {
        if error.rejection().is_none() {
            shared.notice(Some(ready.run), error);
        }
        self.refused.insert((ready.run, ready.job.clone()), ready.version);
    }

    /// Starts what is owed to a run, unless it is being done, somebody else's, or was tried just now.
    fn take_up(&mut self, shared: &Arc<Shared>, state: &State) -> Result<(), Error> {
        for pending in state.pending() {
            let key = Key::of(&pending);
            let resting = self
                .failed
                .get(&key)
                .is_some_and(|failed| failed.tries >= TRIES || failed.again > Instant::now());
            if let Pending::CloseTree { fence, .. } = &pending {
                // Somebody ended the grant while its agent is at work.
                shared.leases.lose(fence);
            }
            if resting || self.active.contains(&key) {
                continue;
            }
            let lock = match pending.owner().filter(|owner| *owner != shared.instance.id()) {
                None => None,
                Some(other) => match shared.instance.standing(other) {
                    Ok(Standing::Alive) => continue,
                    Ok(dead) => Some(dead),
                    Err(error) => return Err(owed::folder_error(shared, error)),
                },
            };
            let (shared, state) = (shared.clone(), state.clone());
            self.start(key, async move {
                let result = owed::settle(&shared, &state, &pending).await;
                drop(lock);
                result
            });
        }
        Ok(())
    }

    /// Whether something is owed to this run, by us or by whoever holds one of its jobs, that was not given up.
    fn owes(&self, state: &State) -> bool {
        state.pending().any(|pending| {
            let given_up = self.failed.get(&Key::of(&pending)).is_some_and(|failed| failed.tries >= TRIES);
            !given_up
        })
    }

    /// Whether this run has a job that we may claim, now or after its wait.
    fn can_claim(&self, shared: &Shared, state: &State) -> bool {
        let running = state.status() == Some(RunStatus::Running);
        running
            && !state.is_paused()
            && state.jobs().any(|(spec, job)| {
                let refused = self.refused.get(&(state.run(), spec.id.clone())) == Some(&state.version());
                let lane = state.workflow().lanes.get(&spec.lane_id);
                job.status == JobStatus::Ready
                    && !refused
                    && lane.is_some_and(|lane| shared.adapters.of(lane).is_ok())
            })
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
