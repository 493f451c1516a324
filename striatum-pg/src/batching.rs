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
    /// Adds an item. If nobody serves its queue the caller begins to, by calling [`serve`](Self::serve).
    pub(crate) fn add(&self, key: &K, item: T) -> Served {
        let mut queues = self.lock();
        if let Some(queue) = queues.get_mut(key) {
            queue.push_back(item);
            return Served::Yes;
        }
        queues.insert(key.clone(), VecDeque::from([item]));
        Served::No
    }

    /// Serves a queue until there is nothing in it. If `serve` panics, the queue is left to whoever comes next.
    pub(crate) async fn serve<F: Future<Output = ()>>(
        &self,
        key: &K,
        choose: impl Fn(&mut VecDeque<T>) -> Vec<T>,
        serve: impl Fn(Vec<T>) -> F,
    ) {
        let service = Service { queues: self, key };
        while let Some(chosen) = self.next(key, &choose) {
            serve(chosen).await;
        }
        // Nobody serves the queue any longer, so its next item begins a service of its own.
        std::mem::forget(service);
    }

    /// Takes what `choose` takes from the queue; if that is nothing, the queue is no longer served.
    fn next(&self, key: &K, choose: impl FnOnce(&mut VecDeque<T>) -> Vec<T>) -> Option<Vec<T>> {
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

/// Ends a service that did not come to its end: what waits is dropped, and those who wait are told.
struct Service<'a, K: Eq + Hash, T> {
    queues: &'a Queues<K, T>,
    key: &'a K,
}

impl<K: Eq + Hash, T> Drop for Service<'_, K, T> {
    fn drop(&mut self) {
        self.queues.0.lock().unwrap_or_else(PoisonError::into_inner).remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(queue: &mut VecDeque<u8>) -> Vec<u8> {
        queue.drain(..).collect()
    }

    #[tokio::test]
    async fn what_comes_while_something_is_out_goes_together_and_next() {
        let queues = Queues::default();
        let groups = Mutex::new(Vec::new());
        assert_eq!(queues.add(&"a", 1), Served::No);
        let serve = async |group: Vec<u8>| {
            if group == [1] {
                assert_eq!((queues.add(&"a", 2), queues.add(&"a", 3)), (Served::Yes, Served::Yes));
            }
            groups.lock().unwrap().push(group);
        };
        queues.serve(&"a", all, serve).await;
        assert_eq!(*groups.lock().unwrap(), [vec![1], vec![2, 3]]);
        assert_eq!(queues.add(&"a", 4), Served::No);
    }

    #[tokio::test]
    async fn a_queue_whose_service_broke_is_served_again() {
        let queues = std::sync::Arc::new(Queues::default());
        queues.add(&"a", 1);
        let broken = std::sync::Arc::clone(&queues);
        let service = tokio::spawn(async move { broken.serve(&"a", all, async |_| panic!("broken")).await });
        assert!(service.await.unwrap_err().is_panic());
        assert_eq!(queues.add(&"a", 2), Served::No);
    }
}
