//! The events: chains, and which of their events belong to which run.

use std::{
    collections::{BTreeMap, BTreeSet, hash_map::Entry},
    ops::Bound,
    sync::Arc,
};

use event_listener::Event;

use super::events::Events;

use crate::{
    chain::{Position, Sealed},
    digest::Digest,
    hash::HashMap,
    id::{ChainId, RunId},
    store::{
        AppendError, Batch, ChainInfo, ChainMeta, Page, PageToken, RunHead, RunQuery, RunRow, RunSummary,
        StoreError, StoreErrorKind,
    },
    time::Timestamp,
};

/// How many events there is room for when a run begins.
const TYPICAL: usize = 32;

#[derive(Default)]
pub(super) struct Log {
    chains: BTreeMap<ChainId, Chain>,
    runs: HashMap<RunId, Run>,
    by_age: BTreeSet<(Timestamp, RunId)>,
    events: u64,
}

pub(super) struct Chain {
    label: String,
    genesis: Digest,
    events: Events,
    by_age: BTreeSet<(Timestamp, RunId)>,
    grown: Arc<Event>,
}

/// Where and when a run began.
pub(super) struct Origin {
    pub(super) chain: ChainId,
    pub(super) created_at: Timestamp,
}

struct Run {
    origin: Origin,
    /// Where its events stand in those of the chain.
    places: Vec<usize>,
}

impl Chain {
    fn new(chain: &ChainId, meta: &ChainMeta) -> Self {
        Self {
            label: meta.label.clone(),
            genesis: Position::genesis(chain).digest,
            events: Events::default(),
            by_age: BTreeSet::new(),
            grown: Arc::new(Event::new()),
        }
    }

    pub(super) fn head(&self) -> Position {
        self.events.last().map_or(Position { seq: 0, digest: self.genesis }, Sealed::position)
    }

    /// Notified after each append.
    pub(super) fn grown(&self) -> Arc<Event> {
        Arc::clone(&self.grown)
    }

    /// The digest of the event with this number; at 0, that of the genesis.
    fn digest_at(&self, seq: u64) -> Option<Digest> {
        match usize::try_from(seq).ok()?.checked_sub(1) {
            None => Some(self.genesis),
            Some(place) => Some(self.events.get(place)?.digest),
        }
    }
}

impl Run {
    fn head(&self, chain: &Chain) -> RunHead {
        RunHead {
            version: self.places.len() as u64,
            digest: self.places.last().map_or(Digest::ZERO, |place| chain.events[*place].digest),
        }
    }

    /// Where the events after a head stand, if the run ever had that head.
    fn after(&self, chain: &Chain, head: RunHead) -> Option<&[usize]> {
        let version = usize::try_from(head.version).ok()?;
        let digest = match version.checked_sub(1) {
            None => Digest::ZERO,
            Some(last) => chain.events[*self.places.get(last)?].digest,
        };
        (digest == head.digest).then(|| &self.places[version..])
    }
}

/// What the log says to a batch.
pub(super) enum Settled<'l> {
    /// It stands there already; the head of its run is this.
    Stands(RunHead),
    /// It may follow, here.
    Follows(Place<'l>),
}

/// Where the events of a batch come to stand.
pub(super) struct Place<'l> {
    chain: &'l mut Chain,
    run: Entry<'l, RunId, Run>,
    by_age: &'l mut BTreeSet<(Timestamp, RunId)>,
    events: &'l mut u64,
}

impl<'l> Place<'l> {
    /// Seals the events of the batch. Also tells where its run began, and what to notify if anybody waits for the chain to grow.
    pub(super) fn seal(self, batch: &Batch, now: Timestamp) -> (RunHead, &'l Origin, Option<Arc<Event>>) {
        let Self { chain, run, by_age, events } = self;
        let at = chain.events.last().map_or(now, |last| last.at.max(now));
        let run = run.or_insert_with(|| {
            by_age.insert((at, batch.run()));
            chain.by_age.insert((at, batch.run()));
            let origin = Origin { chain: batch.chain().clone(), created_at: at };
            Run { origin, places: Vec::with_capacity(TYPICAL) }
        });
        let mut head = chain.head();
        for body in batch.bodies().iter() {
            run.places.push(chain.events.len());
            head = chain.events.seal(head, at, body);
        }
        *events += batch.bodies().len() as u64;
        let is_awaited = chain.grown.total_listeners() > 0;
        (run.head(chain), &run.origin, is_awaited.then(|| chain.grown()))
    }
}

fn unknown(chain: &ChainId, doing: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Other, doing).because(format!("there is no chain {chain}"))
}

impl Log {
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    pub(super) fn open(&mut self, chain: &ChainId, meta: &ChainMeta) -> Position {
        self.chains.entry(chain.clone()).or_insert_with(|| Chain::new(chain, meta)).head()
    }

    pub(super) fn chain(&self, chain: &ChainId, doing: &'static str) -> Result<&Chain, StoreError> {
        self.chains.get(chain).ok_or_else(|| unknown(chain, doing))
    }

    pub(super) fn chains(&self) -> Vec<ChainInfo> {
        let info = |(name, chain): (&ChainId, &Chain)| ChainInfo {
            chain: name.clone(),
            label: chain.label.clone(),
            genesis: chain.genesis,
            head: chain.head(),
        };
        self.chains.iter().map(info).collect()
    }

    pub(super) fn origin(&self, run: RunId) -> Option<&Origin> {
        self.runs.get(&run).map(|run| &run.origin)
    }

    pub(super) fn run_head(&self, run: RunId) -> RunHead {
        self.runs.get(&run).map_or(RunHead::START, |run| run.head(&self.chains[&run.origin.chain]))
    }

    /// What the log alone says to a batch, if it does not come too late.
    pub(super) fn settle(&mut self, batch: &Batch) -> Result<Settled<'_>, AppendError> {
        const APPEND: &str = "append to a chain";
        let chain = self.chains.get_mut(batch.chain()).ok_or_else(|| unknown(batch.chain(), APPEND))?;
        let run = self.runs.entry(batch.run());
        match &run {
            Entry::Vacant(_) if batch.expected() == RunHead::START => {}
            Entry::Vacant(_) => return Err(AppendError::Conflict),
            Entry::Occupied(run) if run.get().origin.chain != *batch.chain() => {
                let cause = format!("run {} belongs to chain {}", batch.run(), run.get().origin.chain);
                return Err(StoreError::new(StoreErrorKind::Other, APPEND).because(cause).into());
            }
            Entry::Occupied(run) => match run.get().after(chain, batch.expected()) {
                Some([]) => {}
                Some(places)
                    if places.iter().map(|place| &*chain.events[*place].body).eq(batch.bodies().iter()) =>
                {
                    return Ok(Settled::Stands(run.get().head(chain)));
                }
                _ => return Err(AppendError::Conflict),
            },
        }
        Ok(Settled::Follows(Place { chain, run, by_age: &mut self.by_age, events: &mut self.events }))
    }

    pub(super) fn read(
        &self,
        chain: &ChainId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Sealed>, StoreError> {
        const READ: &str = "read a chain";
        let chain = self.chain(chain, READ)?;
        if chain.digest_at(after.seq) != Some(after.digest) {
            return Err(StoreError::new(StoreErrorKind::HistoryChanged, READ));
        }
        Ok(chain.events.after(after.seq as usize).take(limit).cloned().collect())
    }

    pub(super) fn read_run(
        &self,
        run: RunId,
        after: RunHead,
        limit: usize,
    ) -> Result<Vec<Sealed>, StoreError> {
        let known = self.runs.get(&run).map(|run| (run, &self.chains[&run.origin.chain]));
        let events = match known {
            Some((run, chain)) => run.after(chain, after).map(|places| (chain, places)),
            None if after == RunHead::START => return Ok(Vec::new()),
            None => None,
        };
        let Some((chain, places)) = events else {
            return Err(StoreError::new(StoreErrorKind::HistoryChanged, "read a run"));
        };
        Ok(places.iter().take(limit).map(|place| chain.events[*place].clone()).collect())
    }

    pub(super) fn runs<'a>(
        &self,
        query: &RunQuery,
        active: &BTreeSet<(Timestamp, RunId)>,
        row: impl Fn(RunId) -> Option<&'a RunRow>,
    ) -> Page<RunSummary> {
        let by_age = match &query.chain {
            _ if query.active => Some(active),
            Some(chain) => self.chains.get(chain).map(|chain| &chain.by_age),
            None => Some(&self.by_age),
        };
        let in_chain = |run| {
            let same = |chain: &ChainId| self.origin(run).is_some_and(|origin| origin.chain == *chain);
            query.chain.as_ref().is_none_or(same)
        };
        let end =
            query.after.map_or(Bound::Unbounded, |token| Bound::Excluded((token.created_at, token.run)));
        let mut matching = by_age
            .into_iter()
            .flat_map(|runs| runs.range((Bound::Unbounded, end)).rev())
            .filter(|(_, run)| in_chain(*run))
            .filter_map(|(_, run)| Some((*run, row(*run)?)))
            .filter(|(_, row)| query.statuses.is_empty() || query.statuses.contains(&row.status));
        let items: Vec<_> =
            matching.by_ref().take(query.limit).filter_map(|(run, row)| self.summary(run, row)).collect();
        let last = items.last().map(|last| PageToken { created_at: last.created_at, run: last.run });
        let next = matching.next().and(last.or(query.after));
        Page { items, next }
    }

    fn summary(&self, id: RunId, row: &RunRow) -> Option<RunSummary> {
        let run = self.runs.get(&id)?;
        let Origin { chain: name, created_at } = &run.origin;
        let chain = &self.chains[name];
        Some(RunSummary {
            run: id,
            chain: name.clone(),
            head: run.head(chain),
            row: row.clone(),
            created_at: *created_at,
            updated_at: chain.events[*run.places.last()?].at,
        })
    }
}
