//! Stores in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use striatum_core::{
    id::RunId,
    store::{MemoryStore, Store},
    time::{Clock as _, Timestamp},
};

use super::{Ability, Place, StoreFactory};
use crate::clock::ManualClock;

/// Makes stores in memory, whose clock stands still until it is moved: the fastest ground for a
/// [simulation](crate::simulation).
#[derive(Debug, Default)]
pub struct MemoryStores {
    clock: ManualClock,
    stores: Mutex<HashMap<Place, Arc<MemoryStore>>>,
}

#[async_trait]
impl StoreFactory for MemoryStores {
    async fn open(&self, place: &Place) -> Arc<dyn Store> {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(MemoryStore::new(Arc::new(self.clock.clone())));
        stores.entry(place.clone()).or_insert_with(new).clone()
    }

    async fn advance(&self, _: &Place, by: Duration) {
        self.clock.advance(by);
    }

    async fn turn_back(&self, _: &Place, by: Duration) -> Ability {
        let back = self.clock.now().since(Timestamp::default().after(by));
        self.clock.set(Timestamp::default().after(back));
        Ability::Done
    }

    async fn drop_indexes(&self, _: &Place) -> Ability {
        Ability::Lacking
    }

    async fn damage(&self, _: &Place, _: RunId, _: u64) -> Ability {
        Ability::Lacking
    }

    /// What lies at a place stands for a disk, so it outlives whoever opened it.
    async fn crash(&self, _: &Place) -> Ability {
        Ability::Done
    }
}
