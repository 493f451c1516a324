//! What the events of a sound chain say is audited too.

use std::fs;

use bytes::Bytes;
use serde_json::Value;
use striatum_core::{
    digest::Digest,
    id::{CommandId, JobId, RunId},
    run::{
        Actor, CanceledJob, CommandRef, EndCause, Event, Record, RunEnded, RunPaused, RunStarted, RunStatus,
    },
};

use crate::{
    fixture::{Answer, ENDED, PREPARED, Site, block_on, open},
    tamper::{insert, last, set_head},
};

/// The next event of a run, which no engine decided.
fn body(site: &Site, run: RunId, event: impl Into<Event>) -> Bytes {
    let n = version(site, run) + 1;
    forged(run, n, event)
}

fn forged(run: RunId, n: u64, event: impl Into<Event>) -> Bytes {
    let command = CommandRef { id: CommandId::from_bytes([200; 16]), digest: Digest::ZERO };
    Record { run, n, command, actor: Actor::Human("eve".to_owned()), event: event.into() }.encode().unwrap()
}

fn version(site: &Site, run: RunId) -> u64 {
    use striatum_core::store::{RunHead, Store};
    block_on(async {
        let store = open(site.folder()).await;
        let events = store.read_run(&run, RunHead::START, 1_000).await.unwrap();
        store.close().await.unwrap();
        events.len() as u64
    })
}

fn audit(answer: &Answer) -> Value {
    let json = answer.json();
    assert!(answer.fault().is_none(), "the digests are sound: {json}");
    json["chains"][0]["audit"].clone()
}

#[test]
fn runs_that_an_engine_wrote_fold_into_what_their_end_and_the_index_say() {
    let answer = Site::new().verify(&["--json"]);
    assert_eq!((answer.code, answer.findings()), (Some(0), vec![]), "{}", answer.said);
    let audit = audit(&answer);
    assert_eq!((&audit["runs"], &audit["folded"], &audit["unaccounted"]), (&2.into(), &2.into(), &0.into()));
}

#[test]
fn without_blobs_events_are_read_and_not_folded() {
    let site = Site::new();
    fs::rename(site.folder().join("blobs"), site.folder().join("elsewhere")).unwrap();
    let answer = site.verify(&["--json"]);
    assert_eq!((answer.code, &audit(&answer)["folded"]), (Some(0), &0.into()));
    let elsewhere = site.folder().join("elsewhere");
    let answer = site.verify(&["--json", "--blobs", elsewhere.to_str().unwrap()]);
    assert_eq!((answer.code, &audit(&answer)["folded"]), (Some(0), &2.into()));
}

#[test]
fn an_erased_snapshot_is_a_note_and_a_changed_one_is_damage() {
    for (change, code, finding) in
        [(None, 0, "audit_snapshot_missing"), (Some("{}"), 1, "audit_snapshot_damaged")]
    {
        let site = Site::new();
        for folder in fs::read_dir(site.folder().join("blobs")).unwrap() {
            for file in fs::read_dir(folder.unwrap().path()).unwrap() {
                let file = file.unwrap().path();
                match change {
                    None => fs::remove_file(file).unwrap(),
                    Some(text) => fs::write(file, text).unwrap(),
                }
            }
        }
        let answer = site.verify(&["--json"]);
        assert_eq!((answer.code, answer.findings()), (Some(code), vec![finding.to_owned(); 2]));
    }
}

#[test]
fn what_a_newer_engine_wrote_is_no_damage() {
    for (written, other) in
        [("\"kind\":\"run.paused\"", "\"kind\":\"run.teleported\""), ("\"v\":1", "\"v\":2")]
    {
        let site = Site::new();
        let known = String::from_utf8(body(&site, PREPARED, RunPaused {}).to_vec()).unwrap();
        site.append(PREPARED, known.replace(written, other));
        let answer = site.verify(&["--json"]);
        assert_eq!((answer.code, answer.findings()), (Some(0), vec!["audit_newer".to_owned()]));
        let text = site.verify(&[]).said;
        assert!(text.contains("written by a newer engine") && text.contains("Sound."), "{text}");
    }
}

#[test]
fn an_event_that_no_engine_would_write_is_found() {
    let canceled = |name: &str| CanceledJob { job: JobId::new(name).unwrap(), ended: None };
    let ended = RunEnded {
        status: RunStatus::Canceled,
        cause: EndCause::Canceled,
        record: Digest::ZERO,
        reason: None,
        canceled: vec![canceled("draft"), canceled("review")],
    };
    let site = Site::new();
    let next = version(&site, PREPARED) + 1;
    for (run, body, finding) in [
        (PREPARED, Bytes::from_static(b"{}"), "audit_unreadable"),
        (PREPARED, forged(PREPARED, next + 1, RunPaused {}), "audit_misplaced"),
        (PREPARED, forged(ENDED, next, RunPaused {}), "audit_misplaced"),
        (PREPARED, forged(PREPARED, next, RunStarted {}), "audit_illegal"),
        (PREPARED, forged(PREPARED, next, ended), "audit_record"),
    ] {
        let site = Site::new();
        site.append(run, body);
        let answer = site.verify(&["--json"]);
        assert_eq!(answer.code, Some(1), "{finding}: {}", answer.said);
        assert_eq!(answer.findings()[0], finding, "{}", answer.said);
        assert_eq!(audit(&answer)["findings"][0]["seq"], site.head.seq + 1);
    }
}

#[test]
fn an_index_that_says_something_else_than_the_events_is_found() {
    for (change, finding) in [
        ("UPDATE runs SET paused = 1 WHERE status = 'completed'", "audit_index"),
        ("UPDATE runs SET status = 'failed' WHERE status = 'completed'", "audit_index"),
        ("UPDATE runs SET parallel = parallel + 1 WHERE status = 'completed'", "audit_index"),
    ] {
        let site = Site::new();
        site.tamper(|db| assert_eq!(db.execute(change, []).unwrap(), 1));
        let answer = site.verify(&["--json"]);
        assert_eq!((answer.code, answer.findings()), (Some(1), vec![finding.to_owned()]), "{change}");
    }
    let site = Site::new();
    site.tamper(|db| assert_eq!(db.execute("DELETE FROM runs WHERE status = 'completed'", []).unwrap(), 1));
    let answer = site.verify(&["--json"]);
    assert_eq!(answer.code, Some(1));
    assert_eq!(audit(&answer)["unaccounted"], site.head.seq - version(&site, PREPARED));
}

#[test]
fn an_event_that_was_added_behind_the_last_together_with_the_head_belongs_to_no_run() {
    let site = Site::new();
    site.tamper(|db| {
        insert(db, last(db) + 1);
        set_head(db, last(db));
    });
    let answer = site.verify(&["--json", "--expect", &site.head.to_string()]);
    assert_eq!((answer.code, &audit(&answer)["unaccounted"]), (Some(1), &1.into()), "{}", answer.said);
}
