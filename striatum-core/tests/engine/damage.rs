//! A run whose history cannot be followed is left alone, and the others go on.

use bytes::Bytes;
use striatum_core::{id::RunId, run::Intent, store::Blobs};

use super::{
    faulty::append_log,
    table::{Table, now},
};
use crate::{
    document::pair,
    drive::{Drive, RUN},
};

const OTHER: RunId = RunId::from_bytes([8; 16]);

/// A table with a sound run beside the one whose log `damage` has changed.
fn beside(damage: fn(&mut Vec<Bytes>)) -> Table {
    let table = Table::new();
    table.prepare(OTHER, &pair());
    let mut run = Drive::started(&pair());
    run.complete(&["a"]);
    damage(&mut run.log);
    now(table.blobs.put(run.state.snapshot().bytes().clone())).unwrap();
    now(append_log(table.memory.as_ref(), RUN, &run));
    table
}

fn replace(log: &mut [Bytes], place: usize, from: &str, to: &str) {
    let text = std::str::from_utf8(&log[place]).unwrap();
    assert!(text.contains(from), "{text}");
    log[place] = text.replacen(from, to, 1).into();
}

#[test]
fn what_does_not_follow_has_a_code_and_stops_only_its_own_run() {
    type Damage = (&'static str, fn(&mut Vec<Bytes>), &'static str);
    fn rebuilt(log: &mut [Bytes]) {
        replace(log, 4, "\"v\":1", "\"v\":2");
        replace(log, 4, "\"command\":", "\"cause\":");
    }
    let damages: [Damage; 9] = [
        ("a body that is built otherwise", |log| rebuilt(log), "store_schema"),
        ("an unknown kind", |log| replace(log, 4, "job.claimed", "job.dreamt"), "store_schema"),
        ("an unknown version", |log| replace(log, 4, "\"v\":1", "\"v\":2"), "store_schema"),
        ("two in the wrong order", |log| log.swap(2, 3), "history_unsound"),
        ("one that is missing", |log| drop(log.remove(3)), "history_unsound"),
        (
            "one of another run",
            |log| replace(log, 2, &RUN.to_string(), &OTHER.to_string()),
            "history_unsound",
        ),
        ("one with another number", |log| replace(log, 2, "\"n\":3", "\"n\":4"), "history_unsound"),
        ("one that is cut", |log| log[2] = log[2].slice(..40), "history_unsound"),
        ("no beginning", |log| drop(log.remove(0)), "history_unsound"),
    ];
    for (sentence, damage, code) in damages {
        let table = beside(damage);
        for _ in 0..2 {
            let error = table.try_to(Intent::Pause).unwrap_err();
            assert_eq!(error.code(), code, "{sentence}: {error}");
            assert!(!error.remedy().is_empty());
            assert_eq!(now(table.engine.load(RUN)).unwrap_err().code(), code, "{sentence}");
        }
        let branch = Intent::ConfirmBranch { branch: "b".to_owned(), at: None };
        now(table.engine.execute(OTHER, table.command(branch))).unwrap();
    }
}

#[test]
fn an_undamaged_log_is_followed() {
    let table = beside(|_| {});
    table.must(Intent::Pause);
}

#[test]
fn a_snapshot_that_is_gone_has_a_code() {
    let table = Table::new();
    let run = Drive::started(&pair());
    now(append_log(table.memory.as_ref(), RUN, &run));
    assert_eq!(table.try_to(Intent::Pause).unwrap_err().code(), "blob_not_found");
}
