//! Files that are damaged, foreign, newer, older, replaced or full.

use std::{fs, os::unix::fs::FileExt, path::Path};

use rusqlite::Connection;
use striatum_core::{
    chain::Position,
    store::{AppendError, RunHead, Store, StoreErrorKind},
};
use striatum_sqlite::SqliteStore;

use crate::fixture::{self, append_many, batch, chain, run};

async fn kind_of_open(path: &Path) -> StoreErrorKind {
    SqliteStore::open(path).await.unwrap_err().kind()
}

#[tokio::test]
async fn a_file_that_is_no_database_is_corrupt() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    fs::write(
        &path,
        b"a shopping list, long enough to be mistaken for a header of one hundred bytes ...".repeat(9),
    )
    .unwrap();
    let before = fs::read(&path).unwrap();
    assert_eq!(kind_of_open(&path).await, StoreErrorKind::Corrupt);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn the_database_of_another_application_is_left_as_it_is() {
    for setup in
        ["CREATE TABLE t (x)", "PRAGMA application_id = 7", "PRAGMA journal_mode = wal; CREATE TABLE t (x)"]
    {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        Connection::open(&path).unwrap().execute_batch(setup).unwrap();
        let before = fs::read(&path).unwrap();
        assert_eq!(kind_of_open(&path).await, StoreErrorKind::Schema, "{setup}");
        assert_eq!(fs::read(&path).unwrap(), before, "{setup}");
        let error = SqliteStore::open_read_only(&path).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Schema);
    }
}

#[tokio::test]
async fn a_newer_version_or_another_history_of_the_format_is_refused() {
    for change in [
        "PRAGMA user_version = 1000",
        "UPDATE migrations SET checksum = zeroblob(32)",
        "DELETE FROM migrations",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        fixture::open(&path).await.close().await.unwrap();
        Connection::open(&path).unwrap().execute_batch(change).unwrap();
        assert_eq!(kind_of_open(&path).await, StoreErrorKind::Schema, "{change}");
    }
}

#[tokio::test]
async fn a_missing_folder_is_said_and_an_odd_name_is_a_file() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(kind_of_open(&dir.path().join("no/db")).await, StoreErrorKind::Other);
    for name in [":memory:", "file:x?mode=memory", "a b%20#?.db"] {
        let path = dir.path().join(name);
        let store = fixture::open(&path).await;
        store.close().await.unwrap();
        assert!(path.is_file(), "{name}");
        SqliteStore::open_read_only(&path).await.unwrap();
    }
}

#[tokio::test]
async fn overwritten_pages_are_corrupt_and_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let store = fixture::open(&path).await;
    append_many(&store, run(1), 200).await;
    store.close().await.unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    file.write_all_at(&vec![0xa5; usize::try_from(length - 4096).unwrap()], 4096).unwrap();
    drop(file);
    let kind = match SqliteStore::open(&path).await {
        Err(error) => error.kind(),
        Ok(store) => store.integrity_check().await.unwrap_err().kind(),
    };
    assert_eq!(kind, StoreErrorKind::Corrupt);
}

#[tokio::test]
async fn an_event_that_was_changed_or_does_not_decode_is_corrupt() {
    for change in [
        "UPDATE batches SET bodies = x'7b7d' WHERE version = 2 AND run = 1",
        "UPDATE batches SET at = at + 1 WHERE version = 2 AND run = 1",
        "UPDATE batches SET links = x'00' WHERE version = 2 AND run = 1",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let store = fixture::open(&path).await;
        append_many(&store, run(1), 3).await;
        append_many(&store, run(2), 3).await;
        Connection::open(&path).unwrap().execute_batch(change).unwrap();
        let error = store.read_run(&run(1), RunHead::START, 10).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{change}");
        assert_eq!(store.read_run(&run(2), RunHead::START, 10).await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn an_event_behind_the_head_stops_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let store = fixture::open(&path).await;
    append_many(&store, run(1), 3).await;
    Connection::open(&path).unwrap().execute_batch("UPDATE chains SET head_seq = 2").unwrap();
    match store.append(&batch(run(2), RunHead::START, "a")).await {
        Err(AppendError::Store(error)) => assert_eq!(error.kind(), StoreErrorKind::Corrupt),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_restored_copy_is_noticed_by_a_reader_that_saw_more() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("db"), dir.path().join("copy"));
    let store = fixture::open(&path).await;
    append_many(&store, run(1), 3).await;
    store.close().await.unwrap();
    fs::copy(&path, &copy).unwrap();

    let store = fixture::open(&path).await;
    let run_head = append_many(&store, run(2), 2).await;
    let cursor = store.head(&chain()).await.unwrap();
    store.close().await.unwrap();
    fs::rename(&copy, &path).unwrap();

    let store = fixture::open(&path).await;
    let beyond = store.read(&chain(), cursor, 10).await.unwrap_err();
    assert_eq!(beyond.kind(), StoreErrorKind::HistoryChanged);
    let beyond = store.read_run(&run(2), run_head, 10).await.unwrap_err();
    assert_eq!(beyond.kind(), StoreErrorKind::HistoryChanged);
    // The history grows again, but differently.
    append_many(&store, run(3), 2).await;
    let other = store.read(&chain(), cursor, 10).await.unwrap_err();
    assert_eq!(other.kind(), StoreErrorKind::HistoryChanged);
}

#[tokio::test]
async fn nothing_is_written_to_a_file_that_was_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let store = fixture::open(&path).await;
    fs::rename(&path, dir.path().join("aside")).unwrap();
    match store.append(&batch(run(1), RunHead::START, "a")).await {
        Err(AppendError::Store(error)) => assert_eq!(error.kind(), StoreErrorKind::Other),
        other => panic!("{other:?}"),
    }
    fs::rename(dir.path().join("aside"), &path).unwrap();
    store.append(&batch(run(1), RunHead::START, "a")).await.unwrap();
}

#[tokio::test]
async fn a_full_store_is_unavailable_and_only_for_what_does_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let store = SqliteStore::builder(&path).max_bytes(256 << 10).open().await.unwrap();
    store.open_chain(&chain(), &Default::default()).await.unwrap();
    let large = |n: u8| {
        let bodies: striatum_core::run::Bodies = std::iter::repeat_n([b' '; 60 << 10], 8).collect();
        let delta = striatum_core::store::IndexDelta::new(fixture::row());
        striatum_core::store::Batch::new(chain(), run(n), RunHead::START, bodies, delta).unwrap()
    };
    let (first, second) = (large(1), batch(run(2), RunHead::START, "small"));
    // Both are in the queue before the writer gets the lock, so they share a transaction.
    let lock = fs::File::open(dir.path().join("db.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let (first, second, third, ()) =
        tokio::join!(store.append(&first), store.append(&second), store.append(&first), async {
            drop(lock);
        });
    assert!(third.is_err());
    match first {
        Err(AppendError::Store(error)) => assert_eq!(error.kind(), StoreErrorKind::Unavailable),
        other => panic!("{other:?}"),
    }
    second.unwrap();
    assert!(store.read_run(&run(1), RunHead::START, 1).await.unwrap().is_empty());
    assert_eq!(fixture::verify(&store, None).await.seq, 1);
    store.close().await.unwrap();

    // With more room, the same batch fits.
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(store.append(&large(1)).await.unwrap().version, 8);
    store.integrity_check().await.unwrap();
}

#[tokio::test]
async fn an_auditor_reads_a_copy_and_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let store = fixture::open(&path).await;
    append_many(&store, run(1), 5).await;

    // A copy of an open store has its log beside it; one of a closed store has not.
    let live = dir.path().join("live");
    fs::create_dir(&live).unwrap();
    for end in ["", "-wal"] {
        fs::copy(dir.path().join(format!("db{end}")), live.join(format!("db{end}"))).unwrap();
    }
    store.close().await.unwrap();
    let still = dir.path().join("still");
    fs::create_dir(&still).unwrap();
    fs::copy(&path, still.join("db")).unwrap();

    for folder in [live, still.clone()] {
        let path = folder.join("db");
        let before = fs::read(&path).unwrap();
        let copy = SqliteStore::open_read_only(&path).await.unwrap();
        assert_eq!(fixture::verify(&copy, None).await.seq, 5);
        copy.integrity_check().await.unwrap();
        assert_eq!(copy.open_chain(&chain(), &Default::default()).await.unwrap().seq, 5);
        match copy.append(&batch(run(2), RunHead::START, "a")).await {
            Err(AppendError::Store(error)) => assert_eq!(error.kind(), StoreErrorKind::Other),
            other => panic!("{other:?}"),
        }
        copy.close().await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), before);
    }
    assert_eq!(fs::read_dir(still).unwrap().count(), 1);
}

/// The recipe of the crate's documentation, in the plainest terms.
#[tokio::test]
async fn the_file_verifies_with_nothing_but_sql_and_sha_256() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let store = fixture::open(&path).await;
    append_many(&store, run(1), 5).await;
    let head = store.head(&chain()).await.unwrap();
    store.close().await.unwrap();

    let file = Connection::open(&path).unwrap();
    let mut select = file
        .prepare(
            "SELECT seq, at, prev, digest, body FROM chain_events WHERE chain = 'demo' ORDER BY place, seq",
        )
        .unwrap();
    let mut rows = select.query([]).unwrap();
    let mut last = Position::genesis(&chain());
    while let Some(row) = rows.next().unwrap() {
        let (seq, at): (u64, u64) =
            (row.get::<_, i64>(0).unwrap() as u64, row.get::<_, i64>(1).unwrap() as u64);
        let (prev, digest): ([u8; 32], [u8; 32]) = (row.get(2).unwrap(), row.get(3).unwrap());
        let body: Vec<u8> = row.get(4).unwrap();
        let found =
            striatum_core::digest::Digest::of_parts(&[&prev, &seq.to_be_bytes(), &at.to_be_bytes(), &body]);
        assert_eq!((seq, prev), (last.seq + 1, *last.digest.as_bytes()));
        assert_eq!(digest, *found.as_bytes());
        last = Position { seq, digest: found };
    }
    assert_eq!(last, head);
}
