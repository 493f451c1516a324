//! What a work loop knows of the runs, is doing, and has tried.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use striatum_core::{
    engine::View,
    id::{CommandId, Fence, JobId, RunId},
    run::{JobStatus, Pending, Rejection, RunStatus, State},
    store::{Due, ReadyJob, RunHead, RunQuery},
    workflow::Lane,
};
use tokio::{
    task::{self, JoinError, JoinSet},
    time::Instant,
};

use crate::{
    instance::Standing,
    orchestrator::{Error, ErrorKind, Shared, interrogation, owed},
};

/// For how long a job that was shown to us is withheld from others.
pub(super) const HOLD: Duration = Duration::from_secs(1);
/// How often something that is owed is tried before nobody waits for it any longer.
const TRIES: u32 = 4;
/// How often more where it may succeed by itself: some fifteen seconds in all.
const MORE_TRIES: u32 = 2;
/// How long it rests between two tries, at first and at most.
const REST: Duration = Duration::from_millis(250);
const LONGEST_REST: Duration = Duration::from_secs(10);
/// How many things that are owed are done at once, agents apart.
const EFFECTS: usize = 8;

/// What a work loop knows of the runs, is doing, and has tried. All of it can be forgotten: it is found again in the store.
#[derive(Debug, Default)]
pub(super) struct Work {
    tasks: JoinSet<Result<(), Error>>,
    doing: HashMap<task::Id, (Key, Kind)>,
    failed: HashMap<Key, Failed>,
    refused: HashMap<(RunId, JobId), u64>,
    runs: HashMap<RunId, Known>,
    /// Since when questions to sessions of others are known to us.
    asked: HashMap<(RunId, u32), Instant>,
    outage: Option<Error>,
}

/// What a task is about. A grant and its tree are one thing, so that nobody closes a tree under a working agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Grant(Fence),
    Owed(RunId, CommandId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Agent,
    Effect,
}

#[derive(Debug)]
struct Failed {
    tries: u32,
    again: Instant,
    given_up: bool,
}

/// A run as it was when it was last read. It is read again when its head has moved.
#[derive(Debug)]
enum Known {
    Sound(Box<View>),
    /// Damaged, or written by a newer engine: it is left alone, the others go on.
    Unsound(RunHead),
}

/// The question that a session is to answer, if that is what is owed.
fn asked_of(pending: &Pending) -> Option<(RunId, u32)> {
    match pending {
        Pending::Interrogate { run, question, .. } => Some((*run, *question)),
        _ => None,
    }
}

impl Key {
    fn of(run: RunId, pending: &Pending) -> Self {
        match pending {
            Pending::Drive { fence, .. } | Pending::CloseTree { fence, .. } => Self::Grant(fence.clone()),
            other => Self::Owed(run, other.command_id()),
        }
    }

    fn run(&self) -> RunId {
        match self {
            Self::Grant(fence) => fence.run,
            Self::Owed(run, _) => *run,
        }
    }
}

impl Known {
    fn head(&self) -> RunHead {
        match self {
            Self::Sound(view) => view.head,
            Self::Unsound(head) => *head,
        }
    }
}

impl Work {
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(super) fn is_doing(&self, key: &Key) -> bool {
        self.doing.values().any(|(doing, _)| doing == key)
    }

    pub(super) fn is_unsound(&self, run: RunId) -> bool {
        matches!(self.runs.get(&run), Some(Known::Unsound(_)))
    }

    /// How many more agents may run.
    pub(super) fn room(&self, shared: &Shared) -> usize {
        shared.limits.agents.saturating_sub(self.count(Kind::Agent))
    }

    /// The jobs that we were refused and do not ask for again before their run has moved.
    pub(super) fn refused(&self) -> Vec<(RunId, JobId)> {
        self.refused.keys().cloned().collect()
    }

    /// The lane of a job that may be claimed, if its run is known.
    pub(super) fn lane(&self, ready: &ReadyJob) -> Option<&Lane> {
        match self.runs.get(&ready.run)? {
            Known::Sound(view) => view.state.workflow().lanes.get(&ready.lane),
            Known::Unsound(_) => None,
        }
    }

    /// Waits until a task has ended; for ever if there is none. Cancel-safe.
    pub(super) async fn one_ended(&mut self, shared: &Shared) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.ended(shared, ended),
            None => std::future::pending().await,
        }
    }

    /// Notes what has ended.
    pub(super) fn note_ended(&mut self, shared: &Shared) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.ended(shared, ended);
        }
    }

    /// Starts an agent.
    pub(super) fn employ(
        &mut self,
        fence: Fence,
        drive: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) {
        self.start(Key::Grant(fence), Kind::Agent, drive);
    }

    /// Does not ask for a job again before its run has moved.
    pub(super) fn refuse(&mut self, shared: &Shared, ready: &ReadyJob, error: &Error) {
        if error.rejection().is_none_or(|refused| matches!(refused, Rejection::SameModel { .. })) {
            shared.notice(Some(ready.run), error);
        }
        self.refused.insert((ready.run, ready.job.clone()), ready.version);
    }

    /// Reads the runs in which there is something to do or to wait for and that have moved; forgets what is about others.
    pub(super) async fn look(&mut self, shared: &Shared) -> Result<(), Error> {
        let chain = Some(shared.repository.chain().clone());
        let active = shared.runs(RunQuery { chain, active: true, ..RunQuery::default() }).await?;
        for summary in &active {
            if self.runs.get(&summary.run).is_some_and(|known| known.head() == summary.head) {
                continue;
            }
            let known = match shared.engine.load(summary.run).await.map_err(Error::from) {
                Ok(view) => Known::Sound(Box::new(view)),
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => {
                    shared.notice(Some(summary.run), &error);
                    Known::Unsound(summary.head)
                }
            };
            self.runs.insert(summary.run, known);
        }
        let active: HashSet<RunId> = active.iter().map(|summary| summary.run).collect();
        self.runs.retain(|run, _| active.contains(run));
        let runs = &self.runs;
        self.refused
            .retain(|(run, _), version| runs.get(run).is_some_and(|known| known.head().version == *version));
        let owed: HashSet<Key> = self.owed().map(|(_, key, _)| key).collect();
        self.failed.retain(|key, _| owed.contains(key));
        Ok(())
    }

    /// Starts what is owed, unless it is being done, is somebody else's, or was tried just now.
    pub(super) fn take_up(&mut self, shared: &Arc<Shared>) {
        for (_, _, pending) in self.owed() {
            if let Pending::CloseTree { fence, .. } = &pending {
                // Somebody ended the grant while its agent is at work.
                shared.leases.lose(fence);
            }
        }
        let now = Instant::now();
        let resting = |key: &Key| self.failed.get(key).is_some_and(|failed| failed.again > now);
        let owed: Vec<(State, Key, Pending)> = self
            .owed()
            .filter(|(_, key, _)| !resting(key) && !self.is_doing(key))
            .map(|(state, key, pending)| (state.clone(), key, pending))
            .collect();
        self.asked.retain(|asked, _| owed.iter().any(|(_, _, pending)| asked_of(pending) == Some(*asked)));
        for (state, key, pending) in owed {
            let is_interrogation = matches!(pending, Pending::Interrogate { .. });
            if is_interrogation && (self.room(shared) == 0 || shared.draining.is_cancelled()) {
                continue;
            }
            if self.count(Kind::Effect) >= EFFECTS {
                return;
            }
            // Two items about one grant cannot be, but two about one owner can: whoever holds the lock does the first.
            let lock = match pending.owner().filter(|owner| *owner != shared.instance.id()) {
                None => None,
                Some(other) => match shared.instance.standing(other) {
                    Ok(Standing::Alive) => {
                        self.mind(shared, key, &pending);
                        continue;
                    }
                    Ok(dead) => Some(dead),
                    Err(error) => {
                        self.fail(shared, key, &owed::folder_error(shared, error));
                        continue;
                    }
                },
            };
            let shared = shared.clone();
            let kind = if is_interrogation { Kind::Agent } else { Kind::Effect };
            self.start(key, kind, async move {
                let result = match &pending {
                    Pending::Interrogate { question, .. } => {
                        interrogation::interrogate(&shared, &state, *question, pending.command_id()).await
                    }
                    _ => owed::settle(&shared, &state, &pending).await,
                };
                drop(lock);
                result
            });
        }
    }

    /// A question to a session that is somebody else's: if they do not see to it in time, a person is asked.
    fn mind(&mut self, shared: &Arc<Shared>, key: Key, pending: &Pending) {
        let Some((run, question)) = asked_of(pending) else { return };
        let since = *self.asked.entry((run, question)).or_insert_with(Instant::now);
        if since.elapsed() < shared.limits.answer {
            return;
        }
        let (shared, id) = (shared.clone(), pending.command_id());
        self.start(
            key,
            Kind::Effect,
            async move { interrogation::overdue(&shared, run, question, id).await },
        );
    }

    /// Whether something goes on by itself: it is being done, is owed and not given up, or can be claimed.
    pub(super) fn is_busy(&self, shared: &Shared) -> bool {
        let given_up = |key: &Key| self.failed.get(key).is_some_and(|failed| failed.given_up);
        // A tree of somebody else's is closed by them or by nobody; a grant of theirs ends or lapses.
        let concerns = |pending: &Pending| {
            matches!(pending, Pending::Drive { .. })
                || pending.owner().is_none_or(|owner| owner == shared.instance.id())
        };
        !self.tasks.is_empty()
            || self.owed().any(|(_, key, pending)| concerns(&pending) && !given_up(&key))
            || self.can_claim(shared)
    }

    /// Whether there is a job that we may claim, now or after its wait.
    pub(super) fn can_claim(&self, shared: &Shared) -> bool {
        self.claimable(shared).next().is_some()
    }

    /// How long there is nothing to do if nothing changes.
    pub(super) fn rest(&self, shared: &Shared, due: &Due) -> Duration {
        let now = Instant::now();
        let tried = self.failed.iter().filter(|(key, _)| !self.is_doing(key));
        let retry = tried.map(|(_, failed)| failed.again.saturating_duration_since(now)).min();
        // A job that is ready and was not shown to us is withheld for somebody who may be dead.
        let clock = shared.engine.clock().now();
        let is_withheld = self.room(shared) > 0
            && self.claimable(shared).any(|(_, job)| job.wait.is_none_or(|wait| wait.until <= clock));
        let rest = due.next.into_iter().chain(retry).chain(is_withheld.then_some(HOLD)).min();
        rest.unwrap_or(Duration::MAX).max(Duration::from_millis(5))
    }

    /// Whether a grant was left because of an outage that lasted too long.
    pub(super) fn is_cut_off(&self) -> bool {
        self.outage.is_some()
    }

    /// That outage, once nothing is being done any longer.
    pub(super) fn outage(&mut self) -> Option<Error> {
        if self.is_empty() { self.outage.take() } else { None }
    }

    fn count(&self, kind: Kind) -> usize {
        self.doing.values().filter(|(_, doing)| *doing == kind).count()
    }

    fn states(&self) -> impl Iterator<Item = &State> {
        self.runs.values().filter_map(|known| match known {
            Known::Sound(view) => Some(&view.state),
            Known::Unsound(_) => None,
        })
    }

    fn owed(&self) -> impl Iterator<Item = (&State, Key, Pending)> {
        self.states().flat_map(|state| {
            state.pending().map(move |pending| (state, Key::of(state.run(), &pending), pending))
        })
    }

    fn claimable<'a>(
        &'a self,
        shared: &'a Shared,
    ) -> impl Iterator<Item = (RunId, &'a striatum_core::run::JobState)> {
        let running = |state: &&State| {
            state.status() == Some(RunStatus::Running) && !state.is_paused() && state.room() > 0
        };
        self.states().filter(running).flat_map(move |state| {
            let open = state.jobs().filter(|(_, job)| job.status == JobStatus::Ready);
            let ours = open.filter(move |(spec, _)| {
                let lane = state.workflow().lanes.get(&spec.lane_id);
                lane.is_some_and(|lane| shared.adapters.get(&lane.adapter).is_some())
                    && !self.refused.contains_key(&(state.run(), spec.id.clone()))
            });
            ours.map(|(_, job)| (state.run(), job))
        })
    }

    fn start(
        &mut self,
        key: Key,
        kind: Kind,
        task: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) {
        let id = self.tasks.spawn(task).id();
        self.doing.insert(id, (key, kind));
    }

    fn ended(&mut self, shared: &Shared, ended: Result<(task::Id, Result<(), Error>), JoinError>) {
        let (id, result) = match ended {
            Ok(ended) => ended,
            // What a panic left undone is pending, and found again.
            Err(error) => {
                (error.id(), Err(Error::new(ErrorKind::Defect, "finish what was begun").because(error)))
            }
        };
        let Some((key, kind)) = self.doing.remove(&id) else { return };
        match result {
            Ok(()) => {
                self.failed.remove(&key);
            }
            // Nobody waits for it any longer. The grant stays as it is, for whoever starts next.
            Err(error) if kind == Kind::Agent && error.is_retryable() && !shared.stopping.is_cancelled() => {
                self.outage.get_or_insert(error);
            }
            Err(error) => self.fail(shared, key, &error),
        }
    }

    fn fail(&mut self, shared: &Shared, key: Key, error: &Error) {
        let tries = self.failed.get(&key).map_or(0, |failed| failed.tries).saturating_add(1);
        let patience = if error.is_retryable() { TRIES + MORE_TRIES } else { TRIES };
        let given_up = error.is_lasting() || tries >= patience;
        if tries <= TRIES {
            shared.notice(Some(key.run()), error);
        }
        let rest = match given_up {
            // Somebody may have done something about it by then.
            true => shared.limits.poll.max(REST),
            false => (REST * 2_u32.pow(tries.min(8))).min(LONGEST_REST),
        };
        self.failed.insert(key, Failed { tries, again: Instant::now() + rest, given_up });
    }
}
