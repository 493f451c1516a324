//! What was acknowledged survives a killed process.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use striatum_core::{
    chain::Position,
    store::{RunHead, Store},
};
use striatum_sqlite::SqliteStore;

use crate::fixture;

const CHILD: &str = "STRIATUM_SQLITE_APPENDS_TO";

/// The body of the child process; in the parent's run of the tests it does nothing.
#[tokio::test]
async fn child_that_appends_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = fixture::open(&PathBuf::from(path)).await;
    let mut head = RunHead::START;
    loop {
        head = store.append(&fixture::batch(fixture::run(1), head, "crash")).await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "acknowledged {} {}", head.version, head.digest).unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    for round in 1..=2 {
        let mut child = spawn(&path);
        let mut acknowledged = Vec::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        if round == 1 {
            acknowledged.extend(lines.by_ref().map_while(Result::ok).filter_map(parse).take(40));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still said before it died counts too.
        acknowledged.extend(lines.map_while(Result::ok).filter_map(parse));

        let store = SqliteStore::open(&path).await.unwrap();
        store.integrity_check().await.unwrap();
        for position in &acknowledged {
            fixture::verify(&store, Some(*position)).await;
        }
        if round == 1 {
            assert!(acknowledged.len() >= 40);
        }
        store.close().await.unwrap();
    }
}

fn spawn(path: &std::path::Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "crash::child_that_appends_until_it_is_killed"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

// The harness writes its own words before the first line.
fn parse(line: String) -> Option<Position> {
    let (_, rest) = line.split_once("acknowledged ")?;
    let (seq, digest) = rest.split_once(' ')?;
    // A line that was cut off by the kill was not acknowledged.
    Some(Position { seq: seq.parse().ok()?, digest: digest.parse().ok()? })
}
