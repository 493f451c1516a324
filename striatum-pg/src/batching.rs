//! Work that travels together: what arrives while something is out goes with the next, and whoever is alone waits for nobody.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Queues by key. A key that is there has somebody who serves it.
#[derive(Debug)]
pub(crate) struct Queues<K, T>(Mutex<HashMap<K, VecDeque<T>>>);

impl<K, T> Default for Queues<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Whether somebody serves the queue already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    Yes,
    No,
}

impl<K: Eq + Hash + Clone, T> Queues<K, T> {
    /// Adds an item. If nobody serves its queue the caller begins to, by calling [`next`](Self::next) until there is nothing.
    pub(crate) fn add(&self, key: &K, item: T) -> Served {
        let mut queues = self.lock();
        if let Some(queue) = queues.get_mut(key) {
            queue.push_back(item);
            return Served::Yes;
        }
        queues.insert(key.clone(), VecDeque::from([item]));
        Served::No
    }

    /// Takes what `choose` takes from the queue; if that is nothing, the queue is no longer served.
    pub(crate) fn next(&self, key: &K, choose: impl FnOnce(&mut VecDeque<T>) -> Vec<T>) -> Option<Vec<T>> {
        let mut queues = self.lock();
        let chosen = queues.get_mut(key).map(choose).filter(|chosen| !chosen.is_empty());
        if chosen.is_none() {
            queues.remove(key);
        }
        chosen
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, VecDeque<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
