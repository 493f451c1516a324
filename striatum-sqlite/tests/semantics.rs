//! What the conformance suite leaves to the store, or what only this store could get wrong.

use std::{future::Future, pin::pin, sync::Arc, task::Poll, time::Duration};

use striatum_core::{
    id::{Fence, InstanceId, SessionId},
    store::{
        AppendError, IndexDelta, LeaseRow, Mark, ReadyQuery, Resource, RunHead, RunQuery, RunRow, Store,
        StoreErrorKind, Taken, Wait,
    },
};
use striatum_sqlite::SqliteStore;
use striatum_testkit::clock::ManualClock;
use tempfile::TempDir;

use crate::fixture::{self, append_many, batch, batch_with, chain, job, row, run};

const TERM: Duration = Duration::from_secs(60);

async fn store() -> (TempDir, ManualClock, SqliteStore) {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let store =
        SqliteStore::builder(dir.path().join("db")).clock(Arc::new(clock.clone())).open().await.unwrap();
    store.open_chain(&chain(), &Default::default()).await.unwrap();
    (dir, clock, store)
}

fn caller(n: u8) -> InstanceId {
    InstanceId::from_bytes([n; 16])
}

async fn names(store: &SqliteStore, query: &ReadyQuery) -> Vec<String> {
    let jobs = store.ready(query).await.unwrap();
    jobs.iter().map(|ready| format!("{}/{}", ready.run.as_bytes()[0], ready.job)).collect()
}

#[tokio::test]
async fn appends_whose_callers_left_are_written_all_the_same() {
    let (_dir, _, store) = store().await;
    {
        let batch = batch(run(1), RunHead::START, "a");
        let mut append = pin!(store.append(&batch));
        std::future::poll_fn(|cx| {
            assert!(append.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    let wait = Wait { chain: Some(chain()), after: Mark(1) };
    store.changed(&wait).await.unwrap();
    assert_eq!(store.head(&chain()).await.unwrap().seq, 1);
}

#[tokio::test]
async fn appends_to_one_chain_at_the_same_time_all_land_once() {
    let (_dir, _, store) = store().await;
    let store = Arc::new(store);
    let tasks: Vec<_> = (1..=32)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { append_many(&store, run(n), 8).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().version, 8);
    }
    assert_eq!(fixture::verify(&store, None).await.seq, 256);
}

#[tokio::test]
async fn ready_jobs_are_dealt_in_turns_and_held_back_from_others() {
    let (_dir, clock, store) = store().await;
    for n in 1..=2 {
        let mut delta = IndexDelta::new(row());
        delta.ready.extend(["a", "b"].map(job));
        store.append(&batch_with(run(n), RunHead::START, "r", delta)).await.unwrap();
    }
    let mut paused = IndexDelta::new(row());
    paused.run.paused = true;
    paused.ready.push(job("a"));
    store.append(&batch_with(run(3), RunHead::START, "p", paused)).await.unwrap();

    let held = |n, limit| ReadyQuery { hold: TERM, ..ReadyQuery::all(caller(n), limit) };
    assert_eq!(names(&store, &ReadyQuery::all(caller(1), 9)).await, ["1/a", "2/a", "1/b", "2/b"]);
    assert_eq!(names(&store, &held(1, 1)).await, ["1/a"]);
    // Who is shown a job that it may not have sees the others first.
    assert_eq!(names(&store, &held(1, 1)).await, ["2/a"]);
    assert_eq!(names(&store, &held(2, 9)).await, ["1/b", "2/b"]);
    assert_eq!(names(&store, &held(3, 9)).await, [""; 0]);
    assert_eq!(names(&store, &held(1, 9)).await, ["1/a", "2/a"]);
    clock.advance(TERM);
    assert_eq!(names(&store, &held(3, 9)).await.len(), 4);

    let mine = ReadyQuery::all(caller(3), 9);
    assert_eq!(names(&store, &ReadyQuery { run: Some(run(2)), ..mine.clone() }).await, ["2/a", "2/b"]);
    let adapters = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let query = ReadyQuery { adapters: adapters(&["x", "command"]), ..mine.clone() };
    assert_eq!(names(&store, &query).await.len(), 4);
    let query = ReadyQuery { adapters: adapters(&["x"]), ..mine };
    assert_eq!(names(&store, &query).await, [""; 0]);
}

/// The room is not stored, but what the leases of the run leave.
#[tokio::test]
async fn a_run_has_the_room_that_its_last_append_gave_it_whatever_became_of_its_leases() {
    let (_dir, _, store) = store().await;
    let fence =
        |n| Fence { run: run(1), job: job("a").job, epoch: n, session: SessionId::from_bytes([7; 16]) };
    let leaving = |room| IndexDelta::new(RunRow { room, ..row() });
    let room =
        async || store.runs(&RunQuery { limit: 9, ..RunQuery::default() }).await.unwrap().items[0].row.room;
    let granting =
        |room, n| IndexDelta { granted: vec![LeaseRow { fence: fence(n), term: TERM }], ..leaving(room) };
    let mut head = store.append(&batch_with(run(1), RunHead::START, "a", granting(3, 1))).await.unwrap();
    assert_eq!(room().await, 3);
    for (text, delta) in [
        ("b", granting(2, 2)),
        // What stands there already is no second lease.
        ("c", granting(2, 2)),
        ("d", IndexDelta { ended: vec![fence(1)], ..leaving(3) }),
        ("e", IndexDelta { ended: vec![fence(1)], ..leaving(0) }),
        ("f", leaving(5)),
    ] {
        let expected = delta.run.room;
        head = store.append(&batch_with(run(1), head, text, delta)).await.unwrap();
        assert_eq!(room().await, expected, "{text}");
    }
    // An append that shares the transaction keeps its place in the chain.
    let shared = batch_with(run(1), head, "g", leaving(5));
    let (appended, dropped) = tokio::join!(store.append(&shared), store.drop_indexes());
    dropped.unwrap();
    let head = appended.unwrap();
    let head = store.append(&batch_with(run(1), head, "h", leaving(5))).await.unwrap();
    assert_eq!(room().await, 5);
    store.reindex(&run(1), head, &granting(1, 3)).await.unwrap();
    assert_eq!(room().await, 1);
    assert_eq!(fixture::verify(&store, None).await.seq, 8);
}

#[tokio::test]
async fn a_closed_store_says_so_and_wakes_who_waits() {
    let (_dir, _, store) = store().await;
    let wait = Wait { chain: None, after: Mark(1) };
    let (waited, closed) = tokio::join!(store.changed(&wait), store.close());
    closed.unwrap();
    assert_eq!(waited.unwrap_err().kind(), StoreErrorKind::Other);
    let error = store.append(&batch(run(1), RunHead::START, "a")).await.unwrap_err();
    assert!(matches!(error, AppendError::Store(error) if error.kind() == StoreErrorKind::Other));
    store.close().await.unwrap();
}

/// Work that fails behind something that it wrote ends the transaction of its whole group, whose heads then never were.
#[tokio::test]
async fn what_is_refused_late_harms_none_of_its_group() {
    let (dir, _, store) = store().await;
    let of = |n| Taken {
        resource: Resource { scope: "repo".to_owned(), name: "main".to_owned(), slot: n },
        job: job("a").job,
    };
    let taking = |slots: &[u32]| IndexDelta {
        taken: slots.iter().copied().map(of).collect(),
        ..IndexDelta::new(row())
    };
    let mine = store.append(&batch_with(run(1), RunHead::START, "a", taking(&[0]))).await.unwrap();
    let theirs = store.append(&batch_with(run(2), RunHead::START, "a", taking(&[1]))).await.unwrap();

    // While another process writes, all three gather in one group.
    let lock = std::fs::File::open(dir.path().join("db.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let (known, new) = (batch(run(1), mine, "b"), batch(run(3), RunHead::START, "a"));
    let (other, both) = (run(2), taking(&[0, 1]));
    let (known, refused, new, ()) =
        tokio::join!(store.append(&known), store.reindex(&other, theirs, &both), store.append(&new), async {
            drop(lock)
        });
    assert_eq!(known.unwrap().version, 2);
    assert!(matches!(refused, Err(AppendError::Busy { .. })), "{refused:?}");
    assert_eq!(new.unwrap().version, 1);
    fixture::verify(&store, None).await;
}
