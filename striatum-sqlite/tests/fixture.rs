//! Batches and stores for the tests.

use std::path::Path;

use bytes::Bytes;
use rusqlite::Connection;
use striatum_core::{
    chain::Position,
    id::{ChainId, JobId, LaneId, RoleId, RunId, WorkflowId},
    run::RunStatus,
    store::{Batch, ChainMeta, IndexDelta, ReadyRow, RunHead, RunRow, Store},
};
use striatum_sqlite::SqliteStore;

pub(crate) fn chain() -> ChainId {
    ChainId::new("demo").unwrap()
}

pub(crate) fn run(n: u8) -> RunId {
    RunId::from_bytes([n; 16])
}

pub(crate) fn row() -> RunRow {
    RunRow {
        status: RunStatus::Running,
        paused: false,
        room: 4,
        workflow: WorkflowId::new("review").unwrap(),
        active: true,
    }
}

pub(crate) fn job(name: &str) -> ReadyRow {
    ReadyRow {
        job: JobId::new(name).unwrap(),
        role: RoleId::new("author").unwrap(),
        lane: LaneId::new("main").unwrap(),
        adapter: "command".to_owned(),
        timer: None,
        resources: Vec::new(),
    }
}

pub(crate) fn body(text: &str) -> Bytes {
    Bytes::from(format!("{{\"v\":1,\"text\":\"{text}\"}}"))
}

pub(crate) fn batch(run: RunId, expected: RunHead, text: &str) -> Batch {
    batch_with(run, expected, text, IndexDelta::new(row()))
}

pub(crate) fn batch_with(run: RunId, expected: RunHead, text: &str, delta: IndexDelta) -> Batch {
    Batch::new(chain(), run, expected, vec![body(text)], delta).unwrap()
}

pub(crate) async fn open(path: &Path) -> SqliteStore {
    let store = SqliteStore::open(path).await.unwrap();
    store.open_chain(&chain(), &ChainMeta::default()).await.unwrap();
    store
}

pub(crate) async fn append_many(store: &SqliteStore, run: RunId, count: usize) -> RunHead {
    let mut head = RunHead::START;
    for n in 0..count {
        head = store.append(&batch(run, head, &n.to_string())).await.unwrap();
    }
    head
}

pub(crate) async fn verify(store: &SqliteStore, expect: Option<Position>) -> Position {
    use striatum_core::store::StoreExt;
    store.verify(&chain(), expect, |_| {}).await.unwrap()
}

/// The bodies of the chain as a verifier reads them.
pub(crate) fn viewed(path: &Path) -> Vec<Bytes> {
    let db = Connection::open(path).unwrap();
    let mut select =
        db.prepare("SELECT body FROM chain_events WHERE chain = 'demo' ORDER BY place, seq").unwrap();
    let bodies = select.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    bodies.map(|body| body.unwrap().into()).collect()
}
