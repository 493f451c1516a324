//! A bounded cache of folds, each behind the lock on which the commands of its run queue.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{engine::fold::Fold, id::RunId};

/// How many runs are kept in memory.
const CAPACITY: usize = 256;

pub(super) type Slot = Arc<async_lock::Mutex<Option<Fold>>>;

#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Slots>);

#[derive(Debug, Default)]
struct Slots {
    used: u64,
    slots: HashMap<RunId, (u64, Slot)>,
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
}
