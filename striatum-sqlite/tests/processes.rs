//! Several processes on one file.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use striatum_core::{
    id::RunId,
    store::{Mark, RunHead, Store, Wait},
};
use striatum_sqlite::SqliteStore;

use crate::fixture;

const CHILD: &str = "STRIATUM_SQLITE_SHARES";
const PROCESSES: usize = 8;
const APPENDS: usize = 50;

/// The body of the child process; in the parent's run of the tests it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_appends_its_share() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = fixture::open(&PathBuf::from(path)).await;
    let mut id = [0; 16];
    id[..4].copy_from_slice(&std::process::id().to_be_bytes());
    let run = RunId::from_bytes(id);
    let head = fixture::append_many(&store, run, APPENDS).await;
    assert_eq!(head.version, APPENDS as u64);
    store.close().await.unwrap();
}

fn spawn(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::child_that_appends_its_share"])
        .env(CHILD, path)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn processes_that_open_and_append_at_once_make_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    // Nobody made the file before: they also race to create it.
    let children: Vec<Child> = (0..PROCESSES).map(|_| spawn(&path)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let store = SqliteStore::open(&path).await.unwrap();
    store.integrity_check().await.unwrap();
    assert_eq!(fixture::verify(&store, None).await.seq, (PROCESSES * APPENDS) as u64);
}

#[tokio::test]
async fn a_wait_ends_when_another_connection_appends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (here, there) = (fixture::open(&path).await, fixture::open(&path).await);
    let chain = Some(fixture::chain());
    let mark = here.changed(&Wait { chain: chain.clone(), after: Mark::default() }).await.unwrap();
    let wait = Wait { chain, after: mark };
    let (grown, _) = tokio::join!(here.changed(&wait), async {
        // Both the wait that has begun and the one that has not must end.
        tokio::task::yield_now().await;
        there.append(&fixture::batch(fixture::run(1), RunHead::START, "a")).await.unwrap()
    });
    assert!(grown.unwrap() > mark);
}

#[tokio::test]
async fn who_cannot_get_the_lock_is_told_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let patience = Duration::from_millis(50);
    let store = SqliteStore::builder(&path).patience(patience).open().await.unwrap();
    store.open_chain(&fixture::chain(), &Default::default()).await.unwrap();
    let file = std::fs::File::open(dir.path().join("db.lock")).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();

    let batch = fixture::batch(fixture::run(1), RunHead::START, "a");
    let error = store.append(&batch).await.unwrap_err();
    assert!(error.to_string().contains("unavailable"), "{error}");
    let error = SqliteStore::builder(&path).patience(patience).open().await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    // Reading needs no lock.
    assert_eq!(store.head(&fixture::chain()).await.unwrap().seq, 0);

    drop(file);
    assert_eq!(store.append(&batch).await.unwrap().version, 1);
}
