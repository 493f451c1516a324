//! A bounded cache of folds, each behind the lock on which the commands of its run queue, and the snapshots that they share.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::{digest::Digest, engine::fold::Fold, hash::HashMap, id::RunId, workflow::Snapshot};

/// How many runs are kept in memory.
const CAPACITY: usize = 256;

pub(super) type Slot = Arc<async_lock::Mutex<Option<Fold>>>;

#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    used: u64,
    slots: HashMap<RunId, (u64, Slot)>,
    snapshots: HashMap<Digest, Weak<Snapshot>>,
}

impl Cache {
    /// The slot of a run. Making room never takes a slot away from somebody who uses it: two slots for one run would cost
    /// nothing but a conflict, which the store settles.
    pub(super) fn slot(&self, run: RunId) -> Slot {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cache.used += 1;
        let now = cache.used;
        if let Some((used, slot)) = cache.slots.get_mut(&run) {
            *used = now;
            return slot.clone();
        }
        if cache.slots.len() >= CAPACITY {
            let idle = cache.slots.iter().filter(|(_, (_, slot))| Arc::strong_count(slot) == 1);
            if let Some(oldest) = idle.min_by_key(|(_, (used, _))| *used).map(|(run, _)| *run) {
                cache.slots.remove(&oldest);
            }
        }
        let slot = Slot::default();
        cache.slots.insert(run, (now, slot.clone()));
        slot
    }

    /// The snapshot that other runs of the same workflow have already, if any does: it is the largest part of a fold.
    pub(super) fn shared(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = snapshot.blob().digest;
        if let Some(shared) = cache.snapshots.get(&digest).and_then(Weak::upgrade) {
            return shared;
        }
        cache.snapshots.retain(|_, snapshot| snapshot.strong_count() > 0);
        let shared = Arc::new(snapshot);
        cache.snapshots.insert(digest, Arc::downgrade(&shared));
        shared
    }
}
