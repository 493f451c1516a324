//! The engine: a thin shell around the machine that loads, decides and appends.
//!
//! It spawns nothing and sleeps never, so it runs under any executor. Within one process the commands on one run queue behind
//! a lock; across processes the store compares run heads, and whoever loses decides again.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::{
    id::{ChainId, CommandId, RunId},
    run::{self, Actor, Bodies, Command, CommandRef, Event, Intent, Rejection, RunStatus, State, Touched},
    store::{AppendError, Batch, Blobs, RunHead, Store, StoreError, StoreErrorKind},
    time::Clock,
    workflow::Snapshot,
};

mod audit;
mod cache;
mod error;
mod fold;
mod index;

pub use audit::{AuditDepth, AuditFault, AuditFinding, Auditor, RunAudit};
pub use error::EngineError;

use cache::Cache;
use fold::{Fold, Place};

/// How often a command is decided again because its run moved meanwhile.
const ATTEMPTS: usize = 8;

/// Executes commands on runs.
///
/// # Promises
/// - A command is applied once, however often it is sent under the same id with the same content.
/// - A refusal is never older than the call: before a command is refused, or found to change nothing, whatever was appended
///   to its run in the meantime is read and the command is decided again.
/// - An accepted command is durable as far as the store promises it.
#[derive(Debug)]
pub struct Engine {
    store: Arc<dyn Store>,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
    cache: Cache,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// The events that it caused, in order; none if what was wanted was so already.
    pub events: Vec<Event>,
    /// The state of the run behind the last command of the call, which the engine keeps in mind as well.
    pub state: Arc<State>,
    /// Whether the command had been applied before.
    pub repeated: bool,
}

/// A run as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct View {
    /// Its state.
    pub state: State,
    /// The head that the state was folded up to.
    pub head: RunHead,
}

impl Engine {
    /// An engine over a store and blobs. The clock only tells people what time it was; leases and waits run on the store's.
    pub fn new(store: Arc<dyn Store>, blobs: Arc<dyn Blobs>, clock: Arc<dyn Clock>) -> Self {
        Self { store, blobs, clock, cache: Cache::default() }
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The blobs.
    pub fn blobs(&self) -> &Arc<dyn Blobs> {
        &self.blobs
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Prepares a run: keeps its snapshot and begins its history in a chain, which must be open.
    ///
    /// # Errors
    /// [`EngineError`]; the rejection `run_already_prepared` if the run exists and this is another command, `command_reused`
    /// if it is the same with another chain or snapshot.
    pub async fn prepare(
        &self,
        chain: &ChainId,
        run: RunId,
        snapshot: Snapshot,
        id: CommandId,
        actor: Actor,
    ) -> Result<Applied, EngineError> {
        self.blobs.put(snapshot.bytes().clone()).await?;
        let snapshot = self.cache.shared(snapshot);
        let command = Command { id, actor, intent: Intent::Prepare };
        let wanted = Wanted::of(&command, &mut Bodies::room());
        let slot = self.cache.slot(run);
        let mut cached = slot.lock().await;
        for _ in 0..ATTEMPTS {
            let known = match cached.take() {
                Some(fold) => fold,
                None => match Fold::load(self, run).await {
                    Err(EngineError::NoSuchRun(_)) => {
                        Fold::new(State::new(chain.clone(), run, snapshot.clone()))
                    }
                    loaded => loaded?,
                },
            };
            if let Err(rejection) = known.expect_same(chain, &snapshot, &command) {
                *cached = Some(known);
                return Err(rejection.into());
            }
            match self.apply(known, &mut cached, &[wanted]).await {
                // Somebody else began the run, perhaps with another snapshot: it has to be loaded.
                Err(EngineError::Contended) => {}
                applied => return only(applied?),
            }
        }
        Err(EngineError::Contended)
    }

    /// Executes a command.
    ///
    /// # Errors
    /// [`EngineError`]. Nothing was appended, unless it is [`EngineError::Store`] with the kind
    /// [`Unknown`](StoreErrorKind::Unknown), which sending the same command again settles.
    pub async fn execute(&self, run: RunId, command: Command) -> Result<Applied, EngineError> {
        only(self.work(run, std::slice::from_ref(&command)).await?)
    }

    /// Executes several commands on one run in one append: all of them, or none. At most one of them may depend on the
    /// store's clock (a claim after a wait, an expiry).
    ///
    /// # Errors
    /// [`EngineError`] of the first command that does not apply.
    pub async fn execute_all(&self, run: RunId, commands: &[Command]) -> Result<Vec<Applied>, EngineError> {
        Ok(self.work(run, commands).await?.into_vec())
    }

    async fn work(&self, run: RunId, commands: &[Command]) -> Result<Answers, EngineError> {
        let slot = self.cache.slot(run);
        let mut cached = slot.lock().await;
        let mut fold = match cached.take() {
            Some(fold) => fold,
            None => Fold::load(self, run).await?,
        };
        let wanted: SmallVec<[_; 1]> =
            commands.iter().map(|command| Wanted::of(command, &mut fold.room)).collect();
        self.apply(fold, &mut cached, &wanted).await
    }

    /// Loads a run as it stands in the store.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn load(&self, run: RunId) -> Result<View, EngineError> {
        let slot = self.cache.slot(run);
        let mut cached = slot.lock().await;
        let fold = match cached.take() {
            Some(mut fold) => {
                fold.refresh(self).await?;
                fold
            }
            None => Fold::load(self, run).await?,
        };
        let view = View { state: State::clone(&fold.state), head: fold.head };
        *cached = Some(fold);
        Ok(view)
    }

    /// Writes the index rows of a run again from its events.
    ///
    /// # Errors
    /// [`EngineError`]; [`EngineError::Contended`] if the run kept moving.
    pub async fn reindex(&self, run: RunId) -> Result<(), EngineError> {
        for _ in 0..ATTEMPTS {
            let View { state, head } = self.load(run).await?;
            match self.store.reindex(&run, head, &index::full(&state)).await {
                Err(AppendError::Conflict) => {}
                other => return other.map_err(EngineError::from),
            }
        }
        Err(EngineError::Contended)
    }

    /// Decides and appends until the run holds still. The fold goes back into the cache whenever it is known to be sound.
    async fn apply(
        &self,
        mut fold: Fold,
        cached: &mut Option<Fold>,
        wanted: &[Wanted<'_>],
    ) -> Result<Answers, EngineError> {
        for _ in 0..ATTEMPTS {
            let mut draft = Draft::new(&fold, wanted.len());
            let room = std::mem::take(&mut fold.room);
            let decided = self.decide(&mut draft, &fold, wanted, room);
            if decided.is_ok() {
                // Before the append: behind it nothing may fail any more.
                draft.recall(self, &fold).await?;
            }
            if let (Ok(()), Some(batch)) = (&decided, &draft.batch) {
                match self.append(batch).await {
                    Ok(head) => {
                        fold.advance(wanted, &draft.answers, draft.state, head);
                        // Of a run that is over nothing more is expected: it is not kept in mind.
                        let has_ended = fold.state.status().is_some_and(RunStatus::has_ended);
                        let is_expected = !has_ended || batch.delta().run.active;
                        fold.room = draft.batch.map_or_else(Vec::new, Batch::into_room);
                        *cached = is_expected.then_some(fold);
                        return Ok(draft.answers);
                    }
                    Err(EngineError::Contended) if fold.head != RunHead::START => {
                        fold.refresh(self).await?;
                        continue;
                    }
                    Err(error @ (EngineError::GuardFailed | EngineError::Busy { .. })) => {
                        *cached = Some(fold);
                        return Err(error);
                    }
                    // What the log holds now is not known; the next call reads it anew.
                    Err(error) => return Err(error),
                }
            }
            if fold.head != RunHead::START && fold.refresh(self).await? {
                continue;
            }
            if fold.head != RunHead::START {
                *cached = Some(fold);
            }
            return decided.map(|()| draft.answers);
        }
        Err(EngineError::Contended)
    }

    fn decide(
        &self,
        draft: &mut Draft,
        fold: &Fold,
        wanted: &[Wanted<'_>],
        room: Vec<u8>,
    ) -> Result<(), EngineError> {
        let now = self.clock.now();
        let (mut touched, mut written, mut guard) = (Touched::default(), Bodies::within(room), None);
        for (nth, Wanted { command, reference }) in wanted.iter().enumerate() {
            if let Some(place) = fold.place(reference)? {
                draft.before.push((nth, place));
                draft.answer(Vec::new(), true);
                continue;
            }
            if let Some(events) = draft.earlier(&wanted[..nth], reference)? {
                draft.answer(events, true);
                continue;
            }
            let plan = run::plan(&draft.state, command, now)?;
            if !plan.events.is_empty() {
                let condition = index::guard(&draft.state, &command.intent);
                if condition.is_some() && guard.is_some() {
                    return Err(EngineError::Uncombinable);
                }
                guard = guard.or(condition);
                touched.merge(plan.touched);
                let first = draft.state.version() + 1;
                written.add(plan.state.run(), *reference, &command.actor, first, &plan.events)?;
                draft.state = plan.state;
            }
            draft.answer(plan.events, false);
        }
        let is_earlier = |answer: &&mut Applied| !Arc::ptr_eq(&answer.state, &draft.state);
        draft.answers.iter_mut().filter(is_earlier).for_each(|answer| answer.state = draft.state.clone());
        if !written.is_empty() {
            let state = &draft.state;
            let delta = index::delta(&fold.state, state, touched);
            let mut batch = Batch::new(state.chain().clone(), state.run(), fold.head, written, delta)?;
            if let Some(guard) = guard {
                batch = batch.guarded(guard)?;
            }
            draft.batch = Some(batch);
        }
        Ok(())
    }

    async fn append(&self, batch: &Batch) -> Result<RunHead, EngineError> {
        match self.store.append(batch).await {
            // The same value again: if it landed the first time, the store says so. A store that cannot answer now says nothing
            // about the first time.
            Err(AppendError::Store(error)) if error.kind() == StoreErrorKind::Unknown => {
                match self.store.append(batch).await {
                    answer @ (Ok(_) | Err(AppendError::Conflict)) => answer,
                    Err(_) => Err(error.into()),
                }
            }
            answer => answer,
        }
        .map_err(EngineError::from)
    }
}

/// A command with what names it, which is hashed once, however often the command is decided.
#[derive(Clone, Copy)]
struct Wanted<'c> {
    command: &'c Command,
    reference: CommandRef,
}

impl<'c> Wanted<'c> {
    fn of(command: &'c Command, room: &mut Vec<u8>) -> Self {
        Self { command, reference: CommandRef::within(command, room) }
    }
}

/// To each command of a call, in order; mostly there is one.
type Answers = SmallVec<[Applied; 1]>;

/// Commands decided on a fold.
struct Draft {
    /// What they lead to.
    state: Arc<State>,
    answers: Answers,
    /// Which of them are to commands that were applied before, and where their events stand, which have to be read.
    before: Vec<(usize, Place)>,
    /// What is to be appended, if anything is.
    batch: Option<Batch>,
}

impl Draft {
    fn new(fold: &Fold, commands: usize) -> Self {
        Self {
            state: fold.state.clone(),
            answers: Answers::with_capacity(commands),
            before: Vec::new(),
            batch: None,
        }
    }

    fn answer(&mut self, events: Vec<Event>, repeated: bool) {
        self.answers.push(Applied { events, state: self.state.clone(), repeated });
    }

    /// The events of this command, if it stands earlier in this call and causes any.
    fn earlier(&self, before: &[Wanted<'_>], command: &CommandRef) -> Result<Option<Vec<Event>>, Rejection> {
        let answered = before.iter().zip(&self.answers).filter(|(_, answer)| !answer.events.is_empty());
        match answered.map(|(wanted, answer)| (wanted.reference, answer)).find(|(it, _)| it.id == command.id)
        {
            Some((earlier, _)) if earlier.digest != command.digest => {
                Err(Rejection::CommandReused { command: command.id })
            }
            found => Ok(found.map(|(_, answer)| answer.events.clone())),
        }
    }

    /// Reads the events of the commands that were applied before.
    async fn recall(&mut self, engine: &Engine, fold: &Fold) -> Result<(), EngineError> {
        for (answer, place) in self.before.drain(..) {
            self.answers[answer].events = fold.events(engine, place).await?;
        }
        Ok(())
    }
}

fn only(applied: Answers) -> Result<Applied, EngineError> {
    let missing = || EngineError::Store(StoreError::new(StoreErrorKind::Other, "answer one command"));
    applied.into_iter().next().ok_or_else(missing)
}
