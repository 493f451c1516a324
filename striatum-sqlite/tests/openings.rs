//! What the bodies of a row begin with: stored once, and read as it was.

use std::path::Path;

use bytes::Bytes;
use rusqlite::Connection;
use striatum_core::{
    chain::Position,
    store::{Batch, IndexDelta, RunHead, Store, StoreErrorKind},
};
use striatum_sqlite::SqliteStore;

use crate::fixture::{self, chain, run};

/// Bodies behind a head, each with the number of its event.
fn numbered(head: RunHead, events: u64) -> Vec<Bytes> {
    let body = |nth| {
        format!("{{\"run\":\"5a\",\"n\":{},\"by\":\"ada\",\"kind\":\"{nth}\"}}", head.version + 1 + nth)
    };
    (0..events).map(|nth| body(nth).into()).collect()
}

async fn append(store: &SqliteStore, head: RunHead, bodies: &[Bytes]) -> RunHead {
    let batch = Batch::new(chain(), run(1), head, bodies.to_vec(), IndexDelta::new(fixture::row())).unwrap();
    let new = store.append(&batch).await.unwrap();
    assert_eq!(store.append(&batch).await.unwrap(), new);
    new
}

async fn is_read(store: &SqliteStore, path: &Path, bodies: &[Bytes]) {
    let read = store.read(&chain(), Position::genesis(&chain()), usize::MAX).await.unwrap();
    assert!(read.iter().map(|event| &event.body).eq(bodies));
    let run = store.read_run(&run(1), RunHead::START, usize::MAX).await.unwrap();
    assert!(run == read);
    assert!(fixture::viewed(path) == bodies);
    fixture::verify(store, None).await;
}

/// Also where the number becomes longer, and where a batch has several rows.
#[tokio::test]
async fn a_common_beginning_is_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let store = fixture::open(&path).await;
    let (mut head, mut all) = (RunHead::START, Vec::new());
    for events in [1, 2, 8, 3, 90, 4] {
        let bodies = numbered(head, events);
        head = append(&store, head, &bodies).await;
        all.extend(bodies);
    }
    is_read(&store, &path, &all).await;
    for version in 1..all.len() {
        let digest = store.read_run(&run(1), RunHead::START, version).await.unwrap()[version - 1].digest;
        let behind = RunHead { version: version as u64, digest };
        let read = store.read_run(&run(1), behind, 2).await.unwrap();
        assert!(read.iter().map(|event| &event.body).eq(all[version..].iter().take(2)));
    }
    let db = Connection::open(&path).unwrap();
    let rows = "SELECT group_concat(concat_ws(' ', length(links) / 32 - 1, lead, trail), ', ' ORDER BY place) FROM batches";
    let rows: String = db.query_row(rows, [], |row| row.get(0)).unwrap();
    assert_eq!(rows, "1 0 0, 2 16 20, 8 16 20, 3 16 20, 64 16 20, 26 16 20, 4 16 20");
    let own: i64 =
        db.query_row("SELECT length(bodies) FROM batches WHERE version = 2", [], |row| row.get(0)).unwrap();
    assert_eq!(own as usize, all[1].len() + "1\"}".len());
}

/// Numbers that look random and are the same in every run.
fn lot(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize
}

#[tokio::test]
async fn whatever_bodies_say_is_read_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let store = fixture::open(&path).await;
    let (mut seed, mut head, mut all) = (1, RunHead::START, Vec::new());
    for _ in 0..200 {
        let mut few = |most: usize| -> Vec<u8> {
            (0..lot(&mut seed) % most).map(|_| b"01129\0\xff"[lot(&mut seed) % 7]).collect()
        };
        let (before, behind) = (few(40), few(80));
        let bodies = (1..=few(6).len() as u64 + 1).map(|nth| {
            // Some are without their number, or with another.
            let number = match few(20).len() {
                0 => String::new(),
                1 => nth.to_string(),
                _ => (head.version + nth).to_string(),
            };
            [before.clone(), number.into_bytes(), behind.clone(), few(4)].concat().into()
        });
        let bodies: Vec<Bytes> = bodies.collect();
        head = append(&store, head, &bodies).await;
        all.extend(bodies);
    }
    is_read(&store, &path, &all).await;
    let db = Connection::open(&path).unwrap();
    let count = "SELECT count(*) FILTER (WHERE lead + trail > 0), count(*) FROM batches";
    let (shared, rows): (i64, i64) = db.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert!(shared > 50 && rows - shared > 50, "{shared} of {rows}");
}

#[tokio::test]
async fn a_beginning_that_is_not_there_is_corrupt() {
    for change in [
        "lead = lead - 1",
        "lead = lead + 1",
        "lead = -1",
        "lead = 99999",
        "lead = 9223372036854775807",
        "lead = 0",
        "trail = trail - 1",
        "trail = trail + 1",
        "trail = -1",
        "trail = 99999",
        "trail = 9223372036854775807",
        "lead = 0, trail = 0",
        "version = version + 1",
        "links = substr(links, 1, 64), cuts = '', bodies = substr(bodies, 1, substr(cuts, 1, 5))",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let store = fixture::open(&path).await;
        append(&store, RunHead::START, &numbered(RunHead::START, 3)).await;
        let db = Connection::open(&path).unwrap();
        assert_eq!(db.execute(&format!("UPDATE batches SET {change}"), []).unwrap(), 1);
        let error = store.read_run(&run(1), RunHead::START, 100).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{change}");
    }
}
