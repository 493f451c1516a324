//! Deadlines, by what they belong to and by when they pass.

use std::{
    collections::{BTreeSet, hash_map::Entry},
    hash::Hash,
    time::Duration,
};

use crate::{
    hash::HashMap,
    id::{Fence, RunId},
    store::TimerId,
    time::Timestamp,
};

/// What a deadline belongs to.
pub(super) trait OfRun: Ord + Hash + Clone {
    fn run(&self) -> RunId;
}

impl OfRun for Fence {
    fn run(&self) -> RunId {
        self.run
    }
}

impl OfRun for TimerId {
    fn run(&self) -> RunId {
        self.run
    }
}

/// At most one deadline per key, ordered by time.
pub(super) struct Schedule<K> {
    deadlines: HashMap<K, Timestamp>,
    order: BTreeSet<(Timestamp, K)>,
}

impl<K> Default for Schedule<K> {
    fn default() -> Self {
        Self { deadlines: HashMap::default(), order: BTreeSet::new() }
    }
}

impl<K: OfRun> Schedule<K> {
    pub(super) fn deadline(&self, key: &K) -> Option<Timestamp> {
        self.deadlines.get(key).copied()
    }

    /// Sets the deadline of a new key; a key that stands there keeps the one it has.
    pub(super) fn begin(&mut self, key: &K, deadline: Timestamp) {
        if let Entry::Vacant(place) = self.deadlines.entry(key.clone()) {
            place.insert(deadline);
            self.order.insert((deadline, key.clone()));
        }
    }

    /// Moves the deadline of a key to the later of the two, and returns it; nothing if there is no such key.
    pub(super) fn prolong(&mut self, key: &K, deadline: Timestamp) -> Option<Timestamp> {
        let stands = self.deadline(key)?;
        if deadline <= stands {
            return Some(stands);
        }
        self.end(key);
        self.begin(key, deadline);
        Some(deadline)
    }

    pub(super) fn end(&mut self, key: &K) {
        if let Some((key, deadline)) = self.deadlines.remove_entry(key) {
            self.order.remove(&(deadline, key));
        }
    }

    /// Ends all keys of a run but these.
    pub(super) fn retain(&mut self, run: RunId, kept: &BTreeSet<&K>) {
        let ended = self.deadlines.keys().filter(|key| key.run() == run && !kept.contains(key));
        let ended: Vec<K> = ended.cloned().collect();
        ended.iter().for_each(|key| self.end(key));
    }

    /// The keys whose deadline has passed, the longest passed first.
    pub(super) fn passed(&self, now: Timestamp) -> impl Iterator<Item = &K> {
        self.order.iter().take_while(move |(deadline, _)| *deadline <= now).map(|(_, key)| key)
    }

    /// How long until the first deadline, of a wanted key, that has not passed.
    pub(super) fn next(&self, now: Timestamp, wanted: impl Fn(&K) -> bool) -> Option<Duration> {
        let mut ahead = self.order.iter().skip_while(|(deadline, _)| *deadline <= now);
        let (deadline, _) = ahead.find(|(_, key)| wanted(key))?;
        Some(deadline.since(now))
    }
}
