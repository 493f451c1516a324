//! The bytes of released formats. Files under `tests/golden/` are only ever added: a log that was written once is read for ever.
//!
//! With `STRIATUM_GOLDEN=write` files that are missing are written; files that are there never are.
#![allow(clippy::disallowed_methods, reason = "tests read and write their own files")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use striatum_core::{
    digest::Digest,
    run::{
        CommandRef, CompletionRecord, Event, Intent, LeaseReport, Packet, Record, SessionRegistered,
        SessionStart, State, Verdict, evolve,
    },
    workflow::Snapshot,
};

use crate::{
    document::{revised, tried_again},
    drive::{Drive, RUN, ada, blob, command_id},
};

mod events;
mod words;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/").join(format!("{name}.json"))
}

/// Compares bytes with the file of this name.
fn compare(name: &str, bytes: &[u8]) {
    let file = file(name);
    let write = std::env::var("STRIATUM_GOLDEN").is_ok_and(|mode| mode == "write");
    if write && !file.exists() {
        fs::write(&file, bytes).unwrap();
    }
    let golden = fs::read(&file).unwrap_or_else(|error| panic!("{name}: {error}; see tests/golden.rs"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(text(bytes), text(&golden), "{name}: what was released has changed");
}

fn record(n: u64, event: Event) -> Record {
    let command = CommandRef { id: command_id(n), digest: Digest::of(b"command") };
    Record { run: RUN, n, command, actor: ada(), event }
}

#[test]
fn every_kind_of_event_keeps_its_bytes() {
    let events = events::one_of_each();
    let kinds: Vec<_> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds, Event::KINDS, "one of each, in order");
    for (event, n) in events.into_iter().zip(1..) {
        let (kind, record) = (event.kind(), record(n, event));
        compare(kind, &record.encode().unwrap());
        let golden = fs::read(file(kind)).unwrap();
        assert_eq!(Record::decode(&golden).unwrap(), record, "{kind}");
    }
}

/// Compares events, a line each, with the file of this name, and reads them from there.
fn compare_lines(name: &str, events: Vec<Event>) {
    let lines = events.iter().cloned().zip(1..).map(|(event, n)| record(n, event).encode().unwrap());
    compare(name, &lines.collect::<Vec<_>>().join(&b'\n'));
    let golden = fs::read(file(name)).unwrap();
    let read = golden.split(|byte| *byte == b'\n').map(|line| Record::decode(line).unwrap().event);
    assert_eq!(read.collect::<Vec<_>>(), events);
}

#[test]
fn fields_that_came_later_keep_their_bytes() {
    compare_lines("events-with-later-fields", events::with_later_fields());
    compare_lines("events-of-asking", events::of_asking());
    compare_lines("events-of-beginning", events::of_beginning());
    compare_lines("events-of-canceling", events::of_canceling());
}

/// Before a grant said that its session begins, an event of its own did.
#[test]
fn a_log_that_registers_sessions_by_themselves_means_the_same() {
    let (run, _) = walked();
    let mut old = Drive::of((**run.state.snapshot()).clone()).state;
    for body in &run.log {
        let mut event = Record::decode(body).unwrap().event;
        if let Event::JobClaimed(claim) = &mut event
            && let Some(SessionStart { ordinal, owner }) = claim.begins.take()
        {
            let session = run.state.session(&claim.session).unwrap();
            let (role, lane) = (session.role.clone(), session.lane.clone());
            let registered = SessionRegistered { session: claim.session, ordinal, role, lane, owner };
            evolve(&mut old, &registered.into()).unwrap();
        }
        evolve(&mut old, &event).unwrap();
    }
    assert_eq!(old.version(), run.state.version() + run.state.sessions().len() as u64, "one each");
    let sessions =
        |state: &State| -> BTreeMap<_, _> { state.sessions().map(|(id, it)| (id, it.clone())).collect() };
    assert_eq!(sessions(&old), sessions(&run.state));
    assert_eq!(CompletionRecord::new(&old), CompletionRecord::new(&run.state));
}

/// A verdict and a result of the walk through a small run; the snapshot that it executes.
fn walked() -> (Drive, Packet) {
    let mut run = Drive::started(&revised());
    run.complete(&["a"]);
    run.review("r", Verdict::NeedsRevision);
    run.complete(&["a"]);
    let fence = run.claim("r");
    let packet = Packet::of(&run.state, &fence).unwrap();
    run.judge(&fence, Verdict::AcceptWithFindings);
    run.complete(&["z"]);
    (run, packet)
}

#[test]
fn snapshot_packet_and_completion_record_keep_their_bytes() {
    let (run, packet) = walked();
    let snapshot = run.state.snapshot();
    compare("snapshot", snapshot.bytes());
    compare("packet", &packet.bytes());
    compare("completion-record", &CompletionRecord::new(&run.state).unwrap().bytes());
    let golden = fs::read(file("snapshot")).unwrap();
    assert_eq!(snapshot.blob().digest, Digest::of(&golden));
    assert_eq!(Snapshot::from_bytes(golden.into()).unwrap(), **snapshot);
}

#[test]
fn every_word_of_a_body_stays_what_it_is() {
    compare("words", &serde_jcs::to_vec(&words::all()).unwrap());
    compare("words-more", &serde_jcs::to_vec(&words::more()).unwrap());
    compare("words-superseding", &serde_jcs::to_vec(&words::superseding()).unwrap());
    compare("words-proposing", &serde_jcs::to_vec(&words::proposing()).unwrap());
    compare("words-canceling", &serde_jcs::to_vec(&words::canceling()).unwrap());
}

#[test]
fn a_packet_that_tells_of_a_failure_keeps_its_bytes() {
    let mut run = Drive::started(&tried_again());
    let mut report = LeaseReport::new(run.claim("a"));
    report.reason = Some(blob("artifacts_missing"));
    run.must(Intent::Fail(report));
    let fence = run.claim("a");
    compare("packet-after-failure", &Packet::of(&run.state, &fence).unwrap().bytes());
}

#[test]
fn no_golden_file_is_forgotten() {
    let folder = file("x").parent().unwrap().to_path_buf();
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: BTreeSet<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let others = [
        "snapshot",
        "packet",
        "packet-after-failure",
        "completion-record",
        "words",
        "words-more",
        "words-superseding",
        "words-proposing",
        "words-canceling",
        "events-with-later-fields",
        "events-of-asking",
        "events-of-beginning",
        "events-of-canceling",
    ];
    assert_eq!(files, Event::KINDS.iter().chain(&others).map(|name| (*name).to_owned()).collect());
}
