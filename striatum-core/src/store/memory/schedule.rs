//! Deadlines, by what they belong to and by when they pass.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    hash::HashMap,
    id::{Fence, RunId},
    store::TimerId,
    time::Timestamp,
};

/// What a deadline belongs to.
pub(super) trait OfRun: Ord + Clone {
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
    /// The deadlines of each run that has some, by key.
    runs: HashMap<RunId, Vec<(K, Timestamp)>>,
    order: BTreeSet<(Timestamp, K)>,
}

impl<K> Default for Schedule<K> {
    fn default() -> Self {
        Self { runs: HashMap::default(), order: BTreeSet::new() }
    }
}

impl<K: OfRun> Schedule<K> {
    pub(super) fn deadline(&self, key: &K) -> Option<Timestamp> {
        let keys = self.runs.get(&key.run())?;
        find(keys, key).ok().map(|place| keys[place].1)
    }

    /// Sets the deadline of a new key; a key that stands there keeps the one it has.
    pub(super) fn begin(&mut self, key: &K, deadline: Timestamp) {
        if self.deadline(key).is_none() {
            self.set(key, deadline);
        }
    }

    /// Moves the deadline of a key to the later of the two, and returns it; nothing if there is no such key.
    pub(super) fn prolong(&mut self, key: &K, deadline: Timestamp) -> Option<Timestamp> {
        let stands = self.deadline(key)?;
        if deadline <= stands {
            return Some(stands);
        }
        self.end(key);
        self.set(key, deadline);
        Some(deadline)
    }

    pub(super) fn end(&mut self, key: &K) {
        let Some(keys) = self.runs.get_mut(&key.run()) else { return };
        let Ok(place) = find(keys, key) else { return };
        let (_, deadline) = keys.remove(place);
        if keys.is_empty() {
            self.runs.remove(&key.run());
        }
        self.order.remove(&(deadline, key.clone()));
    }

    /// Ends all keys of a run but these.
    pub(super) fn retain(&mut self, run: RunId, kept: &BTreeSet<&K>) {
        let keys = self.runs.get(&run).into_iter().flatten().map(|(key, _)| key);
        let keys: Vec<K> = keys.filter(|key| !kept.contains(key)).cloned().collect();
        keys.iter().for_each(|key| self.end(key));
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

    fn set(&mut self, key: &K, deadline: Timestamp) {
        let keys = self.runs.entry(key.run()).or_default();
        match find(keys, key) {
            Ok(place) => keys[place].1 = deadline,
            Err(place) => keys.insert(place, (key.clone(), deadline)),
        }
        self.order.insert((deadline, key.clone()));
    }
}

/// Where a key stands, or would.
fn find<K: Ord>(keys: &[(K, Timestamp)], key: &K) -> Result<usize, usize> {
    keys.binary_search_by(|(known, _)| known.cmp(key))
}
