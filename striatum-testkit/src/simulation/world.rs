//! Where a simulation takes place: one store, two engines that know nothing of each other, and somebody who watches.

mod answers;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use striatum_core::{
    chain::Position,
    digest::Digest,
    engine::Engine,
    id::{ChainId, CommandId, Fence, RunId, SessionId},
    run::{Actor, Command, CommandRef, Event, Intent, Record, RunStatus, State, evolve},
    store::{ChainMeta, MemoryBlobs, Renewal, RunHead, Store},
    time::Timestamp,
    workflow::Snapshot,
};

use super::{
    Tally,
    chance::View,
    oracle::{Block, Oracle},
    property::{Broken, Holds, Property},
    step::{Act, Step},
};
use crate::{
    clock::ManualClock,
    faulty::FaultyStore,
    store::{Place, StoreFactory},
};

pub(super) const RUN: RunId = RunId::from_bytes([0x51; 16]);

/// After so many appends everything is folded and compared anew.
const REFOLD: usize = 64;

#[derive(Debug)]
struct Process {
    store: Arc<FaultyStore>,
    engine: Engine,
}

pub(super) struct World<'a> {
    pub(super) factory: &'a dyn StoreFactory,
    pub(super) place: Place,
    pub(super) store: Arc<dyn Store>,
    pub(super) blobs: Arc<MemoryBlobs>,
    pub(super) clock: ManualClock,
    pub(super) snapshot: Snapshot,
    pub(super) chain: ChainId,
    /// Sees no faults.
    pub(super) observer: Engine,
    pub(super) oracle: Oracle,
    pub(super) log: Vec<(Record, Timestamp)>,
    /// Until when which lease was renewed.
    pub(super) renewed: HashMap<Fence, Timestamp>,
    /// Every command that was given, in order.
    pub(super) given: Vec<Command>,
    pub(super) refusals: BTreeMap<&'static str, u64>,
    processes: Vec<Process>,
    commands: HashMap<(CommandId, Digest), Command>,
    state: State,
    head: RunHead,
    appends: usize,
    packets: Vec<(Fence, Digest)>,
}

impl<'a> World<'a> {
    /// A store at a place of its own, with a run that is prepared.
    pub(super) async fn new(factory: &'a dyn StoreFactory, snapshot: &Snapshot) -> Result<Self, Broken> {
        let place = Place::unused();
        let store = factory.open(&place).await;
        let (blobs, clock) = (Arc::new(MemoryBlobs::default()), ManualClock::default());
        let engine = |store: Arc<dyn Store>| Engine::new(store, blobs.clone(), Arc::new(clock.clone()));
        let mut processes = Vec::new();
        for _ in 0..2 {
            let store = Arc::new(FaultyStore::new(factory.open(&place).await));
            processes.push(Process { engine: engine(store.clone()), store });
        }
        let chain = ChainId::new("simulation").map_err(|error| Property::Rules.broken(error))?;
        store.open_chain(&chain, &ChainMeta::default()).await.map_err(unexpected)?;
        let state = State::new(chain.clone(), RUN, Arc::new(snapshot.clone()));
        let observer = engine(store.clone());
        let mut world = Self {
            factory,
            place,
            store,
            blobs: blobs.clone(),
            clock: clock.clone(),
            snapshot: snapshot.clone(),
            chain,
            observer,
            oracle: Oracle::of(snapshot.workflow()),
            log: Vec::new(),
            renewed: HashMap::new(),
            given: Vec::new(),
            refusals: BTreeMap::new(),
            processes,
            commands: HashMap::new(),
            state,
            head: RunHead::START,
            appends: 0,
            packets: Vec::new(),
        };
        world.prepare().await?;
        Ok(world)
    }

    async fn prepare(&mut self) -> Holds {
        let id = CommandId::from_bytes([0; 16]);
        let command = Command { id, actor: Actor::Human("ada".to_owned()), intent: Intent::Prepare };
        let reference = CommandRef::of(&command);
        self.commands.insert((reference.id, reference.digest), command.clone());
        for process in 0..2 {
            let engine = &self.processes[process].engine;
            let (chain, snapshot) = (self.chain.clone(), self.snapshot.clone());
            let applied = engine.prepare(&chain, RUN, snapshot, id, command.actor.clone()).await;
            let before = self.log.len();
            self.catch_up().await?;
            let applied = applied.map_err(unexpected)?;
            let is_new = usize::from(process == 0);
            Property::Repetition
                .holds(self.log.len() - before == is_new && applied.events.len() == 1, || {
                    "a preparation that is repeated is made again".to_owned()
                })?;
        }
        Ok(())
    }

    /// The run as it stands, by the machine's own fold of what was read back.
    pub(super) const fn state(&self) -> &State {
        &self.state
    }

    /// What there is to choose from.
    pub(super) async fn view(&self) -> Result<View<'_>, Broken> {
        let due = self.store.due(Some(&self.chain), 100).await.map_err(unexpected)?;
        let grants: Vec<Fence> = self.oracle.grants().iter().cloned().collect();
        let mut sessions: Vec<SessionId> = grants.iter().map(|fence| fence.session).collect();
        sessions.sort_unstable();
        sessions.dedup();
        Ok(View { state: &self.state, lapsed: due.lapsed, grants, sessions, given: &self.given })
    }

    /// Leaves the run to its workers and a principal, looks at everything once more, and tells what has happened.
    pub(super) async fn finish(mut self, seed: u64) -> Result<Tally, Broken> {
        self.expect_agreement().await?;
        self.drain(seed).await?;
        self.expect_agreement().await?;
        self.expect_same_after_reindexing().await?;
        let mut tally = Tally { runs: 1, refusals: self.refusals, ..Tally::default() };
        for (record, _) in &self.log {
            *tally.events.entry(record.event.kind()).or_default() += 1;
            if let Event::RunEnded(ended) = &record.event {
                *tally.ends.entry(ended.status).or_default() += 1;
            }
        }
        Ok(tally)
    }

    /// Does what a step says, and looks whether all is well.
    pub(super) async fn perform(&mut self, step: &Step) -> Holds {
        let process = step.engine % self.processes.len();
        match &step.act {
            Act::Give(commands) => {
                self.meets(process, step);
                self.give(process, commands).await?;
            }
            Act::Race(both) => {
                self.meets(process, step);
                self.race(process, &both.0, &both.1).await?;
            }
            Act::Advance(seconds) => {
                let by = Duration::from_secs(*seconds);
                self.clock.advance(by);
                self.factory.advance(&self.place, by).await;
            }
            Act::Renew(fences) => self.renew(process, fences).await?,
            Act::Reopen => self.reopen(process).await,
            Act::Reindex => self.processes[process].engine.reindex(RUN).await.map_err(unexpected)?,
        }
        if self.appends >= REFOLD {
            self.appends = 0;
            self.expect_agreement().await?;
        }
        Ok(())
    }

    fn meets(&self, process: usize, step: &Step) {
        if let Some(fault) = step.fault {
            self.processes[process].store.meets(fault);
        }
    }

    /// The process dies: its cache is gone, and its store is opened again.
    async fn reopen(&mut self, process: usize) {
        let store = Arc::new(FaultyStore::new(self.factory.open(&self.place).await));
        let engine = Engine::new(store.clone(), self.blobs.clone(), Arc::new(self.clock.clone()));
        self.processes[process] = Process { store, engine };
    }

    async fn renew(&mut self, process: usize, fences: &[Fence]) -> Holds {
        let term = Duration::from_secs(60);
        let wanted: Vec<_> = fences.iter().map(|fence| (fence.clone(), term)).collect();
        let answers = self.processes[process].store.renew(&wanted).await.map_err(unexpected)?;
        Property::Agreement
            .holds(answers.len() == fences.len(), || "a renewal was not answered".to_owned())?;
        for (fence, answer) in fences.iter().zip(answers) {
            let live = self.oracle.is_live(fence);
            Property::Agreement.holds(live == matches!(answer, Renewal::Held(_)), || {
                format!("the renewal of {fence} was answered {answer:?}")
            })?;
            if let Renewal::Held(until) = answer {
                self.renewed.insert(fence.clone(), until);
            }
        }
        Ok(())
    }

    /// Reads what was appended and shows it to the oracle.
    async fn catch_up(&mut self) -> Holds {
        let before = self.log.len();
        let page = self.store.read_run(&RUN, self.head, usize::MAX).await;
        let page = page.map_err(|error| Property::Durability.broken(error))?;
        for sealed in page {
            let record = Record::decode(&sealed.body).map_err(unexpected)?;
            self.head = RunHead { version: self.head.version + 1, digest: sealed.digest };
            let (run, n) = (record.run, record.n);
            Property::Agreement.holds(run == RUN && n == self.head.version, || {
                format!("event {} of the run says that it is event {n} of {run}", self.head.version)
            })?;
            evolve(&mut self.state, &record.event).map_err(unexpected)?;
            self.log.push((record, sealed.at));
        }
        let mut rest = &self.log[before..];
        while let Some((first, _)) = rest.first() {
            let same = rest.iter().take_while(|(record, _)| record.command == first.command).count();
            let (records, others) = rest.split_at(same);
            let Some(command) = self.commands.get(&(first.command.id, first.command.digest)) else {
                return Err(Property::Durability.broken("an event comes from a command that nobody gave"));
            };
            self.oracle.observe(Block { command, records })?;
            self.appends += 1;
            rest = others;
        }
        Ok(())
    }

    /// Packets that were promised at grants, with the digests that they came out with.
    pub(super) fn take_packets(&mut self) -> Vec<(Fence, Digest)> {
        std::mem::take(&mut self.packets)
    }

    pub(super) const fn head(&self) -> RunHead {
        self.head
    }

    /// A position that must never leave the chain again.
    pub(super) async fn position(&self) -> Result<Position, Broken> {
        self.store.head(&self.chain).await.map_err(unexpected)
    }

    pub(super) fn status(&self) -> Option<RunStatus> {
        self.oracle.model().status
    }
}

/// Something failed that nobody had made fail.
pub(super) fn unexpected(error: impl std::fmt::Display) -> Broken {
    Property::Agreement.broken(format!("what nobody made fail has failed: {error}"))
}
