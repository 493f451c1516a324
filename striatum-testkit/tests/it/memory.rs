//! The store in memory passes.
#![expect(clippy::unwrap_used, reason = "only a test that has failed poisons the map")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use striatum_core::{
    digest::{BlobRef, Digest},
    id::RunId,
    store::{BlobErrorKind, Blobs, MemoryBlobs, MemoryStore, Store},
    time::{Clock, Timestamp},
};
use striatum_testkit::{
    clock::ManualClock,
    store::{Ability, Place, StoreFactory},
};

#[derive(Default)]
pub(crate) struct MemoryFactory {
    clock: ManualClock,
    stores: Mutex<HashMap<Place, Arc<dyn Store>>>,
}

#[async_trait]
impl StoreFactory for MemoryFactory {
    async fn open(&self, place: &Place) -> Arc<dyn Store> {
        let new = || Arc::new(MemoryStore::new(Arc::new(self.clock.clone()))) as _;
        self.stores.lock().unwrap().entry(place.clone()).or_insert_with(new).clone()
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
}

striatum_testkit::store_conformance!(MemoryFactory::default());

#[tokio::test]
async fn blobs_come_back_by_their_digest() {
    let blobs = MemoryBlobs::default();
    let bytes = Bytes::from_static(b"a finding");
    for _ in 0..2 {
        assert_eq!(blobs.put(bytes.clone()).await.unwrap(), BlobRef::of(&bytes));
    }
    assert_eq!(blobs.get(&Digest::of(&bytes)).await.unwrap(), bytes);
    let missing = blobs.get(&Digest::of(b"another")).await.unwrap_err();
    assert_eq!(missing.kind, BlobErrorKind::NotFound);
}
