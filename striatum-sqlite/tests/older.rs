//! Files of each older version, brought to this one.

use std::{fs, path::Path};

use bytes::Bytes;
use rusqlite::{Connection, params};
use striatum_core::{
    chain::{Position, Sealed},
    digest::Digest,
    id::RunId,
    store::{
        AppendError, Batch, IndexDelta, RunHead, RunQuery, Store, StoreErrorKind, StoreExt, VerifyError,
    },
    time::Timestamp,
};
use striatum_sqlite::SqliteStore;

use crate::fixture::{self, chain, run};

const MIGRATIONS: [(&str, &str); 4] = [
    ("initial", include_str!("../migrations/0001_initial.sql")),
    ("places", include_str!("../migrations/0002_places.sql")),
    ("standings", include_str!("../migrations/0003_standings.sql")),
    ("batches", include_str!("../migrations/0004_batches.sql")),
];

/// An event and whose it is.
struct Old {
    event: Sealed,
    run: u8,
    version: i64,
    size: Option<i64>,
}

/// Batches of two runs in turns, by the sizes of their bodies: single events and several, some empty, one with more events and one
/// with more bytes than a row takes.
fn history() -> Vec<Old> {
    let many = [3; 65];
    let batches: [(u8, &[usize]); 9] = [
        (1, &[10]),
        (2, &[10, 0, 5]),
        (1, &[4, 5_000]),
        (2, &[0]),
        (1, &many),
        (2, &[60_000, 60_000]),
        (1, &[0, 0]),
        (2, &many[..64]),
        (1, &[9, 9, 9]),
    ];
    let (mut head, mut versions, mut history) = (Position::genesis(&chain()), [0, 0], Vec::new());
    for ((run, sizes), at) in batches.into_iter().zip(10..) {
        for (nth, size) in sizes.iter().enumerate() {
            // Every byte that there is, zero included.
            let body: Vec<u8> = (0..*size).map(|byte| ((byte + history.len()) % 256) as u8).collect();
            let event = Sealed::seal(head, Timestamp::from_micros(at), Bytes::from(body));
            head = event.position();
            let version = &mut versions[usize::from(run) - 1];
            *version += 1;
            let size = (nth == 0).then_some(sizes.len() as i64);
            history.push(Old { event, run, version: *version, size });
        }
    }
    history
}

/// A file as that version left it, with a chain before the one that has events.
fn write(path: &Path, version: usize, history: &[Old]) {
    let db = Connection::open(path).unwrap();
    db.execute_batch("PRAGMA journal_mode = wal; PRAGMA application_id = 0x5354524d").unwrap();
    db.pragma_update(None, "user_version", version as i64).unwrap();
    let migrate = |((name, sql), number): ((&str, &str), i64)| {
        db.execute_batch(sql).unwrap();
        let checksum = Digest::of(sql.as_bytes());
        let values = params![number, name, checksum.as_bytes()];
        db.execute("INSERT INTO migrations VALUES (?1, ?2, ?3, 0)", values).unwrap();
    };
    // The last version with a row for each event.
    let written = version.min(3);
    MIGRATIONS.into_iter().zip(1..).take(written).for_each(migrate);
    let open = "INSERT INTO chains (name, label, genesis, head_seq, head_digest, head_at) VALUES (?1, '', ?2, ?3, ?4, 18)";
    let last = history.last().unwrap().event.position();
    for (name, head) in [("before", None), ("demo", Some(last))] {
        let genesis = Position::genesis(&name.parse().unwrap());
        let head = head.unwrap_or(genesis);
        let digests = (genesis.digest.as_bytes(), head.digest.as_bytes());
        db.execute(open, params![name, digests.0, head.seq as i64, digests.1]).unwrap();
    }
    for n in 1..=2_u8 {
        db.execute("INSERT INTO run_keys (run) VALUES (?1)", [run(n).as_bytes()]).unwrap();
    }
    let insert = match written {
        1 => {
            "INSERT INTO events (chain, seq, at, prev, digest, body, run, version) VALUES (2, ?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        }
        _ => {
            "INSERT INTO events (place, at, prev, digest, body, run, version, size)
             VALUES ((2 << 40) + ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        }
    };
    let mut insert = db.prepare(insert).unwrap();
    for Old { event, run, version: number, size } in history {
        let (seq, at) = (event.seq as i64, event.at.as_micros() as i64);
        let (prev, digest) = (event.prev.as_bytes(), event.digest.as_bytes());
        match written {
            1 => insert.execute(params![seq, at, prev, digest, &event.body[..], run, number]).unwrap(),
            _ => insert.execute(params![seq, at, prev, digest, &event.body[..], run, number, size]).unwrap(),
        };
    }
    // The first run holds one job and may hold three more.
    let head = history.iter().rfind(|old| old.run == 1).unwrap();
    match written {
        1 | 2 => db.execute(
            "INSERT INTO runs VALUES (1, ?1, 2, ?2, ?3, 'running', 0, 3, 'review', 1, 10, 18)",
            params![run(1).as_bytes(), head.version, head.event.digest.as_bytes()],
        ),
        _ => db.execute(
            "INSERT INTO runs VALUES (1, ?1, 2, 'running', 0, 'review', 1, 10, 4)",
            params![run(1).as_bytes()],
        ),
    }
    .unwrap();
    db.execute("INSERT INTO leases VALUES (1, 'a', 1, ?1, 20)", [[7_u8; 16]]).unwrap();
    MIGRATIONS.into_iter().zip(1..).take(version).skip(written).for_each(migrate);
}

fn of_run(history: &[Old], run: u8) -> Vec<Sealed> {
    history.iter().filter(|old| old.run == run).map(|old| old.event.clone()).collect()
}

fn head(events: &[Sealed], version: usize) -> RunHead {
    RunHead { version: version as u64, digest: events[version - 1].digest }
}

/// How many events each row of a file holds.
fn rows(path: &Path) -> Vec<usize> {
    let db = Connection::open(path).unwrap();
    let mut select = db.prepare("SELECT length(links) / 32 - 1 FROM batches ORDER BY place").unwrap();
    select.query_map([], |row| row.get::<_, i64>(0)).unwrap().map(|row| row.unwrap() as usize).collect()
}

#[tokio::test]
async fn a_file_of_each_older_version_is_read_verified_and_appended_to() {
    for version in 1..=MIGRATIONS.len() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let history = history();
        let events: Vec<Sealed> = history.iter().map(|old| old.event.clone()).collect();
        write(&path, version, &history);
        let before = fs::read(&path).unwrap();
        let refused = SqliteStore::open_read_only(&path).await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Schema);
        assert_eq!(fs::read(&path).unwrap(), before);

        let store = SqliteStore::open(&path).await.unwrap();
        let last = events[events.len() - 1].position();
        assert_eq!(fixture::verify(&store, Some(events[4].position())).await, last, "{version}");
        let all = store.read(&chain(), Position::genesis(&chain()), usize::MAX).await.unwrap();
        assert!(all == events, "{version}");
        for n in [1, 2] {
            let of_run = of_run(&history, n);
            assert!(store.read_run(&run(n), RunHead::START, usize::MAX).await.unwrap() == of_run);
            let middle = head(&of_run, 3);
            assert!(store.read_run(&run(n), middle, 2).await.unwrap() == of_run[3..5], "{version}");
        }
        let runs = store.runs(&RunQuery { limit: 9, ..RunQuery::default() }).await.unwrap().items;
        let [first] = <[_; 1]>::try_from(runs).unwrap();
        let of_first = of_run(&history, 1);
        assert_eq!(first.head, head(&of_first, of_first.len()));
        assert_eq!((first.row.room, first.created_at), (3, events[0].at));
        assert_eq!(first.updated_at, of_first[of_first.len() - 1].at);

        appended_to(&store, &of_run(&history, 2), last).await;
        store.integrity_check().await.unwrap();
        store.close().await.unwrap();
        let copy = SqliteStore::open_read_only(&path).await.unwrap();
        assert_eq!(fixture::verify(&copy, None).await.seq, last.seq + 3);
    }
}

/// What was appended before, sent again, is found, and what is new stands behind it.
async fn appended_to(store: &SqliteStore, stored: &[Sealed], last: Position) {
    let batch = |expected, bodies: Vec<Bytes>| {
        Batch::new(chain(), run(2), expected, bodies, IndexDelta::new(fixture::row())).unwrap()
    };
    let bodies = stored[2..].iter().map(|event| event.body.clone()).collect();
    let end = head(stored, stored.len());
    assert_eq!(store.append(&batch(head(stored, 2), bodies)).await.unwrap(), end);
    let late = batch(head(stored, 3), vec![fixture::body("late")]);
    assert!(matches!(store.append(&late).await, Err(AppendError::Conflict)));
    let new = store.append(&batch(end, ["a", "b", "c"].map(fixture::body).into())).await.unwrap();
    assert_eq!(new.version, end.version + 3);
    let newest = store.read_run(&run(2), head(stored, stored.len() - 1), 10).await.unwrap();
    let numbers: Vec<_> = newest[1..].iter().map(|event| event.seq).collect();
    assert_eq!(numbers, [last.seq + 1, last.seq + 2, last.seq + 3]);
    assert_eq!(fixture::verify(store, Some(last)).await.seq, last.seq + 3);
}

#[tokio::test]
async fn a_batch_becomes_a_row_if_it_is_known_and_short() {
    let singles = |count| vec![1; count];
    let as_they_were = [vec![1, 3, 2, 1], singles(65), singles(2), vec![2, 64, 3]].concat();
    for (version, expected) in [(1, singles(history().len())), (2, as_they_were.clone()), (3, as_they_were)] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        write(&path, version, &history());
        SqliteStore::open(&path).await.unwrap().close().await.unwrap();
        assert_eq!(rows(&path), expected, "{version}");
    }
}

/// The second batch, which is whole otherwise, has the events 2 to 4 of the chain and 1 to 3 of the second run.
#[tokio::test]
async fn what_was_wrong_in_an_older_file_is_wrong_in_this_version() {
    const THIRD: &str = "WHERE place = (2 << 40) + 3";
    for (change, fault) in [
        ("DELETE FROM events", "chain_missing at sequence 3"),
        ("UPDATE events SET body = x'00'", "chain_altered at sequence 3"),
        ("UPDATE events SET digest = zeroblob(32)", "chain_altered at sequence 3"),
        ("UPDATE events SET prev = zeroblob(32)", "chain_altered at sequence 3"),
        ("UPDATE events SET digest = zeroblob(31)", "the stored data is damaged"),
        ("UPDATE events SET at = at + 1", "chain_altered at sequence 3"),
        ("UPDATE events SET run = 1, version = 999", ""),
        ("UPDATE events SET version = 999", ""),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        write(&path, 3, &history());
        assert_eq!(Connection::open(&path).unwrap().execute(&format!("{change} {THIRD}"), []).unwrap(), 1);
        let store = SqliteStore::open(&path).await.unwrap();
        let found = match store.verify(&chain(), None, |_| {}).await {
            Ok(_) => String::new(),
            Err(VerifyError::Chain(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        assert!(found.contains(fault) && fault.is_empty() == found.is_empty(), "{change}: {found}");
        assert_eq!(kind(&store, run(2)).await, Some(StoreErrorKind::Corrupt), "{change}");
        assert_eq!(kind(&store, run(1)).await, change.contains("run = 1").then_some(StoreErrorKind::Corrupt));
    }
}

async fn kind(store: &SqliteStore, run: RunId) -> Option<StoreErrorKind> {
    store.read_run(&run, RunHead::START, usize::MAX).await.err().map(|error| error.kind())
}

#[tokio::test]
async fn a_file_in_which_two_events_claim_one_place_in_a_run_is_refused_and_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    write(&path, 3, &history());
    let db = Connection::open(&path).unwrap();
    db.execute("UPDATE events SET version = 1 WHERE place = (2 << 40) + 3", []).unwrap();
    assert_eq!(SqliteStore::open(&path).await.unwrap_err().kind(), StoreErrorKind::Corrupt);
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let events: i64 = db.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap();
    assert_eq!((version, events as usize), (3, history().len()));
}
