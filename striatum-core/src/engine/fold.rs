//! What a process knows of one run: its state, its head, and where each command's events stand.

use std::sync::Arc;

use crate::{
    chain::Sealed,
    digest::Digest,
    engine::{Applied, Engine, EngineError, Wanted},
    hash::HashMap,
    id::{ChainId, CommandId, RunId},
    run::{Bodies, Command, CommandRef, Event, IllegalEvent, Record, Rejection, State, evolve},
    store::{Blobs, RunHead, StoreError, StoreErrorKind},
    workflow::Snapshot,
};

const PAGE: usize = 1024;

/// How many commands there is room for at first: those of a short run.
const COMMANDS: usize = 14;

#[derive(Debug)]
pub(super) struct Fold {
    /// Behind a pointer, since it goes from hand to hand with every command.
    pub(super) state: Arc<State>,
    pub(super) head: RunHead,
    commands: HashMap<CommandId, Place>,
    /// Memory that commands and bodies are written into, one call after the other.
    pub(super) room: Vec<u8>,
}

/// Where the events of a command stand in its run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The digest of the command.
    pub(super) digest: Digest,
    /// The version of its first event.
    pub(super) first: u64,
    /// The version of its last event.
    pub(super) last: u64,
}

impl Fold {
    /// A run without events.
    pub(super) fn new(state: State) -> Self {
        let commands = HashMap::with_capacity_and_hasher(COMMANDS, Default::default());
        Self { state: Arc::new(state), head: RunHead::START, commands, room: Bodies::room() }
    }

    pub(super) async fn load(engine: &Engine, run: RunId) -> Result<Self, EngineError> {
        let page = engine.store.read_run(&run, RunHead::START, PAGE).await?;
        let first = page.first().ok_or(EngineError::NoSuchRun(run))?;
        let mut fold = Self::begin(run, first, &*engine.blobs).await?;
        fold.fold_pages(engine, page).await?;
        Ok(fold)
    }

    /// A run without events, as its first event says that it begins.
    pub(super) async fn begin(run: RunId, first: &Sealed, blobs: &dyn Blobs) -> Result<Self, EngineError> {
        let prepared = match Record::decode(&first.body)?.event {
            Event::RunPrepared(prepared) => prepared,
            other => {
                let detail = "a run begins with its preparation".to_owned();
                return Err(IllegalEvent { version: 1, kind: other.kind(), detail }.into());
            }
        };
        let snapshot = Snapshot::from_bytes(blobs.get(&prepared.snapshot.digest).await?)?;
        Ok(Self::new(State::new(prepared.chain, run, Arc::new(snapshot))))
    }

    /// Folds what was appended since; tells whether anything was. On an error the fold must be thrown away.
    pub(super) async fn refresh(&mut self, engine: &Engine) -> Result<bool, EngineError> {
        let before = self.head;
        let page = engine.store.read_run(&self.state.run(), self.head, PAGE).await?;
        self.fold_pages(engine, page).await?;
        Ok(self.head != before)
    }

    async fn fold_pages(&mut self, engine: &Engine, mut page: Vec<Sealed>) -> Result<(), EngineError> {
        loop {
            for sealed in &page {
                self.fold(sealed)?;
            }
            if page.len() < PAGE {
                return Ok(());
            }
            page = engine.store.read_run(&self.state.run(), self.head, PAGE).await?;
        }
    }

    fn fold(&mut self, sealed: &Sealed) -> Result<(), EngineError> {
        let version = self.head.version + 1;
        let record = decode(sealed, self.state.run(), version)?;
        self.apply(&record, sealed.digest)
    }

    /// Folds an event that is known to be the next of the run.
    pub(super) fn apply(&mut self, record: &Record, digest: Digest) -> Result<(), EngineError> {
        evolve(Arc::make_mut(&mut self.state), &record.event)?;
        let version = record.n;
        self.head = RunHead { version, digest };
        let place = Place { digest: record.command.digest, first: version, last: version };
        self.commands.entry(record.command.id).or_insert(place).last = version;
        Ok(())
    }

    /// Takes over what was appended for these answers.
    pub(super) fn advance(
        &mut self,
        wanted: &[Wanted<'_>],
        answers: &[Applied],
        state: Arc<State>,
        head: RunHead,
    ) {
        let mut last = self.head.version;
        for (Wanted { reference, .. }, answer) in wanted.iter().zip(answers) {
            if !answer.repeated && !answer.events.is_empty() {
                let first = last + 1;
                last += answer.events.len() as u64;
                self.commands.insert(reference.id, Place { digest: reference.digest, first, last });
            }
        }
        self.state = state;
        self.head = head;
    }

    /// A preparation is repeated only with the chain and snapshot that the run has, which its command does not name.
    pub(super) fn expect_same(
        &self,
        chain: &ChainId,
        snapshot: &Snapshot,
        command: &Command,
    ) -> Result<(), Rejection> {
        if self.state.chain() == chain && self.state.snapshot().blob() == snapshot.blob() {
            Ok(())
        } else if self.commands.contains_key(&command.id) {
            Err(Rejection::CommandReused { command: command.id })
        } else {
            Err(Rejection::AlreadyPrepared)
        }
    }

    /// Where this command's events stand, if it was applied before.
    pub(super) fn place(&self, command: &CommandRef) -> Result<Option<Place>, Rejection> {
        match self.commands.get(&command.id) {
            Some(place) if place.digest != command.digest => {
                Err(Rejection::CommandReused { command: command.id })
            }
            place => Ok(place.copied()),
        }
    }

    /// The events of a command that was applied before.
    pub(super) async fn events(&self, engine: &Engine, place: Place) -> Result<Vec<Event>, EngineError> {
        // From the start, since only there the digest of the version before is known without reading.
        let mut events = Vec::new();
        let mut at = RunHead::START;
        while at.version < place.last {
            let page = engine.store.read_run(&self.state.run(), at, PAGE).await?;
            let Some(last) = page.last() else {
                return Err(
                    StoreError::new(StoreErrorKind::HistoryChanged, "read a command's events again").into()
                );
            };
            let versions = at.version + 1..;
            for (version, sealed) in versions.zip(&page) {
                if (place.first..=place.last).contains(&version) {
                    events.push(Record::decode(&sealed.body)?.event);
                }
            }
            at = RunHead { version: at.version + page.len() as u64, digest: last.digest };
        }
        Ok(events)
    }
}

/// Reads an event that must be this one of this run.
pub(super) fn decode(sealed: &Sealed, run: RunId, version: u64) -> Result<Record, EngineError> {
    let record = Record::decode(&sealed.body)?;
    if record.run == run && record.n == version {
        return Ok(record);
    }
    let detail = format!("it says that it is event {} of run {}", record.n, record.run);
    Err(IllegalEvent { version, kind: record.event.kind(), detail }.into())
}
