//! The conformance suite, on files.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use rusqlite::Connection;
use striatum_core::{
    id::RunId,
    store::Store,
    time::{Clock, Timestamp},
};
use striatum_sqlite::SqliteStore;
use striatum_testkit::{
    clock::ManualClock,
    store::{Ability, Place, StoreFactory},
};
use tempfile::TempDir;

pub(crate) struct Files {
    folder: TempDir,
    clock: ManualClock,
    /// Where that lies what a crash has left of a place.
    left: Mutex<HashMap<Place, PathBuf>>,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: ManualClock::default(), left: Mutex::default() }
    }

    fn path(&self, place: &Place) -> PathBuf {
        let left = self.left.lock().unwrap().get(place).cloned();
        left.unwrap_or_else(|| self.folder.path().join(place.as_str()))
    }

    async fn store(&self, place: &Place) -> SqliteStore {
        SqliteStore::builder(self.path(place)).clock(Arc::new(self.clock.clone())).open().await.unwrap()
    }
}

#[async_trait::async_trait]
impl StoreFactory for Files {
    async fn open(&self, place: &Place) -> Arc<dyn Store> {
        Arc::new(self.store(place).await)
    }

    async fn advance(&self, _: &Place, by: Duration) {
        self.clock.advance(by);
    }

    async fn turn_back(&self, _: &Place, by: Duration) -> Ability {
        let by = u64::try_from(by.as_micros()).unwrap();
        self.clock.set(Timestamp::from_micros(self.clock.now().as_micros() - by));
        Ability::Done
    }

    async fn drop_indexes(&self, place: &Place) -> Ability {
        let store = self.store(place).await;
        store.drop_indexes().await.unwrap();
        store.close().await.unwrap();
        // The store keeps the rows of its runs as the list of what to index; it must do without them too.
        let file = Connection::open(self.path(place)).unwrap();
        file.execute("DELETE FROM runs", []).unwrap();
        Ability::Done
    }

    async fn damage(&self, place: &Place, run: RunId, version: u64) -> Ability {
        let file = Connection::open(self.path(place)).unwrap();
        let place = "SELECT b.place FROM batches b JOIN run_keys k ON k.key = b.run
                     WHERE k.run = ?1 AND b.version <= ?2 ORDER BY b.version DESC LIMIT 1";
        let values = (run.as_bytes(), i64::try_from(version).unwrap());
        let place: i64 = file.query_row(place, values, |row| row.get(0)).unwrap();
        let row = "SELECT version, links FROM batches WHERE place = ?1";
        let (first, mut links): (i64, Vec<u8>) =
            file.query_row(row, [place], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        // Its body may have no byte that belongs to no other.
        links[32 * usize::try_from(values.1 - first + 1).unwrap()] ^= 1;
        let update = "UPDATE batches SET links = ?2 WHERE place = ?1";
        assert_eq!(file.execute(update, (place, links)).unwrap(), 1);
        Ability::Done
    }

    /// What the kernel was given of the files is what a kill leaves. It is copied, since this process lives on, and while nobody
    /// writes, since no two files are copied at one moment.
    async fn crash(&self, place: &Place) -> Ability {
        let path = self.path(place);
        let writer = Connection::open(&path).unwrap();
        writer.busy_timeout(Duration::from_secs(10)).unwrap();
        writer.execute_batch("BEGIN IMMEDIATE").unwrap();
        let left = self.folder.path().join(format!("{place}_left"));
        fs::create_dir(&left).unwrap();
        let files = ["", "-wal"].map(|suffix| format!("{place}{suffix}"));
        for file in files.iter().filter(|file| self.folder.path().join(file).exists()) {
            fs::copy(self.folder.path().join(file), left.join(file)).unwrap();
        }
        drop(writer);
        self.left.lock().unwrap().insert(place.clone(), left.join(place.as_str()));
        Ability::Done
    }
}

striatum_testkit::store_conformance!(Files::new());
