//! Where events lie in the file: rows that lack something or lie over one another, and how the file is read.

use std::path::Path;

use bytes::Bytes;
use rusqlite::Connection;
use striatum_core::{
    chain::Position,
    digest::Digest,
    run::Bodies,
    store::{AppendError, Batch, ChainMeta, IndexDelta, RunHead, Store, StoreErrorKind},
};
use striatum_sqlite::SqliteStore;

use crate::fixture::{self, body, chain, run};

/// A batch of so many events.
fn batch(n: u8, expected: RunHead, events: usize) -> Batch {
    let bodies: Bodies = (0..events).map(|nth| body(&format!("{n} {nth}"))).collect();
    Batch::new(chain(), run(n), expected, bodies, IndexDelta::new(fixture::row())).unwrap()
}

/// Three batches of the first run with three events each, and one of another behind the first of them.
async fn three_batches(path: &Path) -> SqliteStore {
    let store = fixture::open(path).await;
    let head = store.append(&batch(1, RunHead::START, 3)).await.unwrap();
    store.append(&batch(2, RunHead::START, 2)).await.unwrap();
    let head = store.append(&batch(1, head, 3)).await.unwrap();
    store.append(&batch(1, head, 3)).await.unwrap();
    store
}

#[tokio::test]
async fn a_run_is_read_from_and_up_to_any_of_its_events() {
    let dir = tempfile::tempdir().unwrap();
    let store = three_batches(&dir.path().join("db")).await;
    let all = store.read_run(&run(1), RunHead::START, 100).await.unwrap();
    assert_eq!(all.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3, 6, 7, 8, 9, 10, 11]);
    for from in 0..=all.len() {
        let version = from as u64;
        let digest = from.checked_sub(1).map_or(Digest::ZERO, |last| all[last].digest);
        for limit in 0..=all.len() {
            let read = store.read_run(&run(1), RunHead { version, digest }, limit).await.unwrap();
            assert_eq!(read, all[from..all.len().min(from + limit)], "{limit} behind {from}");
        }
    }
    let beyond = RunHead { version: 10, digest: all[8].digest };
    let error = store.read_run(&run(1), beyond, 1).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::HistoryChanged);
}

/// Each of the run's three rows has three bodies of twenty bytes.
#[tokio::test]
async fn a_run_that_lacks_an_event_or_has_a_foreign_one_is_corrupt() {
    for change in [
        "DELETE FROM batches WHERE run = 1 AND version = 1",
        "DELETE FROM batches WHERE run = 1 AND version = 4",
        "UPDATE batches SET run = 2 WHERE run = 1 AND version = 4",
        "UPDATE batches SET run = 1, version = 10 WHERE run = 2",
        "UPDATE batches SET run = 1, version = 5 WHERE run = 2",
        "UPDATE batches SET place = place + (1 << 40) WHERE run = 1 AND version = 7",
        "UPDATE batches SET version = 5 WHERE run = 1 AND version = 4",
        "UPDATE batches SET version = 3 WHERE run = 1 AND version = 4",
        "UPDATE batches SET place = place + 100 WHERE run = 1 AND version = 4",
        // The last event, the first, the one between: taken out with all that belongs to it.
        "UPDATE batches SET links = substr(links, 1, 96), cuts = '00020', bodies = substr(bodies, 1, 40)
         WHERE run = 1 AND version = 4",
        "UPDATE batches SET links = substr(links, 33), cuts = '00020', bodies = substr(bodies, 21),
                            place = place + 1, version = 5 WHERE run = 1 AND version = 4",
        "UPDATE batches SET links = CAST(substr(links, 1, 64) || substr(links, 97) AS BLOB), cuts = '00020',
                            bodies = CAST(substr(bodies, 1, 20) || substr(bodies, 41) AS BLOB)
         WHERE run = 1 AND version = 4",
        "UPDATE batches SET links = x'' WHERE version = 4",
        "UPDATE batches SET links = substr(links, 1, 32) WHERE version = 4",
        "UPDATE batches SET links = substr(links, 1, 127) WHERE version = 4",
        "UPDATE batches SET links = substr(links, 1, 96) WHERE version = 4",
        "UPDATE batches SET links = CAST(links || zeroblob(32) AS BLOB) WHERE version = 4",
        "UPDATE batches SET links = CAST(zeroblob(32) || substr(links, 33) AS BLOB) WHERE version = 4",
        "UPDATE batches SET cuts = '' WHERE version = 4",
        "UPDATE batches SET cuts = '00020' WHERE version = 4",
        "UPDATE batches SET cuts = '0002000040000060' WHERE version = 4",
        "UPDATE batches SET cuts = '0004000020' WHERE version = 4",
        "UPDATE batches SET cuts = '0002100040' WHERE version = 4",
        "UPDATE batches SET cuts = '0002099999' WHERE version = 4",
        "UPDATE batches SET cuts = '00020-0040' WHERE version = 4",
        "UPDATE batches SET bodies = substr(bodies, 1, 30) WHERE version = 4",
        "UPDATE batches SET bodies = substr(bodies, 1, 59) WHERE version = 4",
        "UPDATE batches SET bodies = CAST(bodies || ' ' AS BLOB) WHERE version = 4",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let store = three_batches(&path).await;
        assert_eq!(Connection::open(&path).unwrap().execute(change, []).unwrap(), 1);
        let error = store.read_run(&run(1), RunHead::START, 100).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{change}");
    }
}

/// An event is never taken for the first of its run, nor for another run's end, because the row that tells is gone or damaged.
#[tokio::test]
async fn nothing_is_appended_to_a_chain_whose_last_row_is_missing_or_damaged() {
    for change in [
        "DELETE FROM batches WHERE run = 1 AND version = 7",
        "UPDATE batches SET links = substr(links, 1, 96) WHERE version = 7",
        "UPDATE batches SET links = substr(links, 1, 96), cuts = '00020', bodies = substr(bodies, 1, 40)
         WHERE version = 7",
        "UPDATE batches SET bodies = x'' WHERE version = 7",
        "UPDATE chains SET head_seq = 10",
        "UPDATE chains SET head_seq = 12",
        "UPDATE chains SET head_digest = genesis",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let store = three_batches(&path).await;
        let last = store.read_run(&run(1), RunHead::START, 100).await.unwrap().pop().unwrap();
        assert_eq!(Connection::open(&path).unwrap().execute(change, []).unwrap(), 1);
        let head = RunHead { version: 9, digest: last.digest };
        for expected in [RunHead::START, head] {
            match store.append(&fixture::batch(run(1), expected, "behind")).await {
                Err(AppendError::Store(error)) => assert_eq!(error.kind(), StoreErrorKind::Corrupt),
                other => panic!("{change}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_appended_to_a_run_whose_last_row_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let store = three_batches(&path).await;
    let db = Connection::open(&path).unwrap();
    db.execute("UPDATE batches SET links = substr(links, 1, 64) WHERE run = 2", []).unwrap();
    match store.append(&fixture::batch(run(2), RunHead::START, "behind")).await {
        Err(AppendError::Store(error)) => assert_eq!(error.kind(), StoreErrorKind::Corrupt),
        other => panic!("{other:?}"),
    }
    store.append(&fixture::batch(run(3), RunHead::START, "beside")).await.unwrap();
}

/// Behind the comparison of heads stand the keys of the table.
#[tokio::test]
async fn the_file_takes_the_beginning_of_a_row_twice_neither_in_a_chain_nor_in_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    three_batches(&path).await.close().await.unwrap();
    let db = Connection::open(&path).unwrap();
    let insert = |place: &str, version: u64| {
        let insert = format!(
            "INSERT INTO batches (place, at, run, version, links, cuts, bodies)
             SELECT {place}, at, run, {version}, links, cuts, bodies
             FROM batches WHERE run = 1 AND version = 4"
        );
        db.execute(&insert, [])
    };
    let refused = |answer: rusqlite::Result<usize>| answer.unwrap_err().sqlite_error_code().unwrap();
    assert_eq!(refused(insert("place", 99)), rusqlite::ErrorCode::ConstraintViolation);
    assert_eq!(refused(insert("place + 99", 4)), rusqlite::ErrorCode::ConstraintViolation);
    insert("place + 99", 99).unwrap();
}

/// Even if they say the same.
#[tokio::test]
async fn rows_that_lie_over_one_another_are_corrupt_wherever_a_page_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let store = three_batches(&path).await;
    let all = store.read(&chain(), Position::genesis(&chain()), 100).await.unwrap();
    let copied = "INSERT INTO batches (place, at, run, version, links, cuts, bodies)
        SELECT place + 1, at, 9, 1, substr(links, 33), '00020', substr(bodies, 21)
        FROM batches WHERE run = 1 AND version = 4";
    assert_eq!(Connection::open(&path).unwrap().execute(copied, []).unwrap(), 1);
    for limit in 1..=all.len() {
        let (mut at, mut answer) = (Position::genesis(&chain()), Ok(Vec::new()));
        while let Ok(page) = &answer {
            at = page.last().map_or(at, |event: &striatum_core::chain::Sealed| event.position());
            assert!(at.seq < 9, "{limit}: nothing was noticed up to {}", at.seq);
            answer = store.read(&chain(), at, limit).await;
        }
        assert_eq!(answer.unwrap_err().kind(), StoreErrorKind::Corrupt, "{limit}");
    }
}

/// What is short for a batch is long for a row.
#[tokio::test]
async fn a_long_batch_has_several_rows_and_is_read_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let store = fixture::open(&path).await;
    let sizes = [vec![1; 130], vec![60_000; 3], vec![0; 3], vec![40_000, 1, 30_000, 5_000, 1]].concat();
    let bodies: Vec<Bytes> = sizes.iter().map(|size| vec![b' '; *size].into()).collect();
    let batch = Batch::new(chain(), run(1), RunHead::START, bodies.clone(), IndexDelta::new(fixture::row()));
    let batch = batch.unwrap();
    let head = store.append(&batch).await.unwrap();
    assert_eq!((head.version, store.append(&batch).await.unwrap()), (bodies.len() as u64, head));
    let read = store.read_run(&run(1), RunHead::START, usize::MAX).await.unwrap();
    assert!(read.iter().map(|event| &event.body).eq(&bodies));
    assert_eq!(fixture::verify(&store, None).await.seq, head.version);
    store.append(&fixture::batch(run(1), head, "behind")).await.unwrap();
    store.close().await.unwrap();

    let db = Connection::open(&path).unwrap();
    let mut select = db.prepare("SELECT length(links) / 32 - 1 FROM batches ORDER BY place").unwrap();
    let rows: Vec<i64> = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows, [64, 64, 3, 1, 1, 4, 3, 1, 1]);
    assert!(fixture::viewed(&path).iter().take(bodies.len()).eq(&bodies));
}

#[tokio::test]
async fn chains_lie_side_by_side_and_no_cursor_leads_from_one_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let store = fixture::open(&dir.path().join("db")).await;
    let second = "second".parse().unwrap();
    store.open_chain(&second, &ChainMeta::default()).await.unwrap();
    store.append(&batch(1, RunHead::START, 2)).await.unwrap();
    let delta = IndexDelta::new(fixture::row());
    let elsewhere = Batch::new(second.clone(), run(2), RunHead::START, vec![body("a")], delta).unwrap();
    store.append(&elsewhere).await.unwrap();
    for (chain, events) in [(chain(), 2), (second, 1)] {
        let read = store.read(&chain, Position::genesis(&chain), 100).await.unwrap();
        assert_eq!(read.len(), events);
        let digest = read[0].digest;
        for seq in [events as u64 + 1, 1 << 40, (1 << 40) + 1, u64::MAX] {
            let error = store.read(&chain, Position { seq, digest }, 100).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::HistoryChanged, "{seq}");
        }
    }
}

/// What reads a chain or a run reads it in the order in which it lies, however long it is.
#[tokio::test]
async fn a_verifier_reads_without_sorting() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    three_batches(&path).await.close().await.unwrap();
    let db = Connection::open(&path).unwrap();
    let plan = |query: &str| -> String {
        let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let steps = explain.query_map([], |row| row.get::<_, String>(3)).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    };
    let read = "SELECT seq, at, prev, digest, body FROM chain_events WHERE chain = 'demo' ORDER BY";
    let (plain, exact) = (plan(&format!("{read} place")), plan(&format!("{read} place, seq")));
    assert!(plain.contains("SEARCH b USING INTEGER PRIMARY KEY"), "{plain}");
    assert!(!plain.contains("SCAN") && !plain.contains("TEMP B-TREE"), "{plain}");
    // No more than what is within a row.
    assert_eq!(exact.replace("; USE TEMP B-TREE FOR LAST TERM OF ORDER BY", ""), plain);
    // The orders that were documented for the versions before are the same one.
    let rows = |order: &str| -> Vec<i64> {
        let mut select = db.prepare(&format!("{read} {order}")).unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(rows("place, seq"), (1..=11).collect::<Vec<_>>());
    assert_eq!((rows("seq"), rows("place")), (rows("place, seq"), rows("place, seq")));
}
