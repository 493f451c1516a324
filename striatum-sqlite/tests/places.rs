//! Where events lie in the file: files of the version before, batches that lack something, and how the file is read.

use std::{fs, path::Path};

use rusqlite::{Connection, params};
use striatum_core::{
    chain::{Position, Sealed},
    digest::Digest,
    store::{AppendError, Batch, ChainMeta, IndexDelta, RunHead, RunQuery, Store, StoreErrorKind},
    time::Timestamp,
};
use striatum_sqlite::SqliteStore;

use crate::fixture::{self, body, chain, run};

/// A file as the first version left it: two runs in turns, of four events each, and a chain before theirs.
fn write_old(path: &Path) -> Vec<Sealed> {
    let initial = include_str!("../migrations/0001_initial.sql");
    let db = Connection::open(path).unwrap();
    db.execute_batch(initial).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = wal; PRAGMA user_version = 1; PRAGMA application_id = 0x5354524d;",
    )
    .unwrap();
    let checksum = Digest::of(initial.as_bytes());
    db.execute("INSERT INTO migrations VALUES (1, 'initial', ?1, 0)", [checksum.as_bytes()]).unwrap();
    let other = Position::genesis(&"before".parse().unwrap()).digest;
    let open = "INSERT INTO chains (name, label, genesis, head_seq, head_digest, head_at) VALUES (?1, '', ?2, ?3, ?4, ?5)";
    db.execute(open, params!["before", other.as_bytes(), 0, other.as_bytes(), 0]).unwrap();
    let (genesis, mut head, mut events) =
        (Position::genesis(&chain()), Position::genesis(&chain()), Vec::new());
    for n in 1..=2_u8 {
        db.execute("INSERT INTO run_keys (run) VALUES (?1)", [run(n).as_bytes()]).unwrap();
    }
    for n in 0..8_i64 {
        let event = Sealed::seal(head, Timestamp::from_micros(10), body(&format!("{n}")));
        let (seq, version) = (i64::try_from(event.seq).unwrap(), n / 2 + 1);
        let (prev, digest) = (event.prev.as_bytes(), event.digest.as_bytes());
        let values = params![seq, 10, prev, digest, &event.body[..], n % 2 + 1, version];
        db.execute("INSERT INTO events VALUES (2, ?1, ?2, ?3, ?4, ?5, ?6, ?7)", values).unwrap();
        head = event.position();
        events.push(event);
    }
    db.execute(open, params!["demo", genesis.digest.as_bytes(), 8, head.digest.as_bytes(), 10]).unwrap();
    // The first run holds one job and may hold three more.
    db.execute(
        "INSERT INTO runs VALUES (1, ?1, 2, 4, ?2, 'running', 0, 3, 'review', 1, 10, 10)",
        params![run(1).as_bytes(), events[6].digest.as_bytes()],
    )
    .unwrap();
    db.execute("INSERT INTO leases VALUES (1, 'a', 1, ?1, 20)", [[7_u8; 16]]).unwrap();
    events
}

#[tokio::test]
async fn a_file_of_the_version_before_is_read_verified_and_appended_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let events = write_old(&path);
    let before = fs::read(&path).unwrap();
    let refused = SqliteStore::open_read_only(&path).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Schema);
    assert_eq!(fs::read(&path).unwrap(), before);

    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(fixture::verify(&store, Some(events[4].position())).await, events[7].position());
    assert_eq!(store.read(&chain(), events[2].position(), 2).await.unwrap(), events[3..5]);
    let [first] =
        <[_; 1]>::try_from(store.runs(&RunQuery { limit: 9, ..RunQuery::default() }).await.unwrap().items)
            .unwrap();
    assert_eq!(first.head, RunHead { version: 4, digest: events[6].digest });
    assert_eq!((first.row.room, first.created_at, first.updated_at), (3, events[0].at, events[6].at));
    let of_second: Vec<Sealed> = events.iter().skip(1).step_by(2).cloned().collect();
    assert_eq!(store.read_run(&run(2), RunHead::START, 10).await.unwrap(), of_second);
    let head = |version: usize| RunHead { version: version as u64, digest: of_second[version - 1].digest };
    assert_eq!(store.read_run(&run(2), head(1), 2).await.unwrap(), of_second[1..3]);

    // What was appended before, sent again, is found over events that do not say how they came.
    let bodies = of_second[2..].iter().map(|event| event.body.clone()).collect();
    let again = Batch::new(chain(), run(2), head(2), bodies, IndexDelta::new(fixture::row())).unwrap();
    assert_eq!(store.append(&again).await.unwrap(), head(4));
    assert!(matches!(
        store.append(&fixture::batch(run(2), head(3), "late")).await,
        Err(AppendError::Conflict)
    ));
    let appended = store.append(&batch(2, head(4), 3)).await.unwrap();
    assert_eq!(appended.version, 7);
    let newest = store.read_run(&run(2), head(3), 10).await.unwrap();
    assert_eq!(newest.iter().map(|event| event.seq).collect::<Vec<_>>(), [8, 9, 10, 11]);
    assert_eq!(fixture::verify(&store, Some(events[7].position())).await.seq, 11);
    assert_eq!(store.chains().await.unwrap().len(), 2);
    store.integrity_check().await.unwrap();
    store.close().await.unwrap();
    let copy = SqliteStore::open_read_only(&path).await.unwrap();
    assert_eq!(fixture::verify(&copy, None).await.seq, 11);
}

/// A batch of so many events.
fn batch(n: u8, expected: RunHead, events: usize) -> Batch {
    let bodies = (0..events).map(|nth| body(&format!("{n} {nth}"))).collect();
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

#[tokio::test]
async fn a_run_that_lacks_an_event_or_has_a_foreign_one_is_corrupt() {
    for change in [
        "DELETE FROM events WHERE run = 1 AND version = 1",
        "DELETE FROM events WHERE run = 1 AND version = 2",
        "DELETE FROM events WHERE run = 1 AND version = 3",
        "DELETE FROM events WHERE run = 1 AND version BETWEEN 4 AND 6",
        "DELETE FROM events WHERE run = 1 AND version = 9",
        "UPDATE events SET run = 2 WHERE run = 1 AND version = 5",
        "UPDATE events SET version = 7 WHERE run = 1 AND version = 5",
        "UPDATE events SET size = 4 WHERE run = 1 AND version = 4",
        "UPDATE events SET size = 2 WHERE run = 1 AND version = 4",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let store = three_batches(&path).await;
        assert!(Connection::open(&path).unwrap().execute(change, []).unwrap() > 0);
        let error = store.read_run(&run(1), RunHead::START, 100).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{change}");
    }
}

/// An event is never taken for the first of its run, nor for another run's end, because the row that tells is gone.
#[tokio::test]
async fn nothing_is_appended_to_a_run_whose_last_event_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let store = three_batches(&path).await;
    let last = store.read_run(&run(1), RunHead::START, 100).await.unwrap().pop().unwrap();
    Connection::open(&path).unwrap().execute("DELETE FROM events WHERE run = 1 AND version = 9", []).unwrap();
    let head = RunHead { version: 9, digest: last.digest };
    for expected in [RunHead::START, head] {
        match store.append(&fixture::batch(run(1), expected, "behind")).await {
            Err(AppendError::Store(error)) => assert_eq!(error.kind(), StoreErrorKind::Corrupt),
            other => panic!("{other:?}"),
        }
    }
}

/// Behind the comparison of heads stand the keys of the table and of its batches.
#[tokio::test]
async fn the_file_takes_neither_an_event_nor_the_beginning_of_a_batch_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    three_batches(&path).await.close().await.unwrap();
    let db = Connection::open(&path).unwrap();
    let insert = |place: &str, version: u64| {
        let insert = format!(
            "INSERT INTO events SELECT {place}, at, run, {version}, size, prev, digest, body
             FROM events WHERE run = 1 AND version = 4"
        );
        db.execute(&insert, [])
    };
    let refused = |answer: rusqlite::Result<usize>| answer.unwrap_err().sqlite_error_code().unwrap();
    assert_eq!(refused(insert("place", 99)), rusqlite::ErrorCode::ConstraintViolation);
    assert_eq!(refused(insert("place + 99", 4)), rusqlite::ErrorCode::ConstraintViolation);
    insert("place + 99", 99).unwrap();
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
    let plain = plan(&format!("{read} place"));
    assert!(plain.contains("SEARCH e USING INTEGER PRIMARY KEY"), "{plain}");
    assert!(!plain.contains("SCAN") && !plain.contains("TEMP B-TREE"), "{plain}");
    // The order that was documented for the first version is the same one.
    let rows = |order: &str| -> Vec<i64> {
        let mut select = db.prepare(&format!("{read} {order}")).unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(rows("seq"), rows("place"));
}
