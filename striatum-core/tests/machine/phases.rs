//! Phases: work, dissent about it, and the synthesis that weighs both.

use serde_json::json;
use striatum_core::run::{JobStatus, Packet, PacketInput, RunStatus, Verdict};

use crate::{document::Document, drive::Drive};

/// A draft and two reviews of it, weighed by `settle`, before a second phase.
fn phases() -> Document {
    let first = |jobs: Document| jobs.with("phase_id", "one");
    let jobs = first(Document::new().job("a", "draft"));
    let jobs = first(jobs.job("r", "review")).edge("a", "r");
    let jobs = first(jobs.job("s", "review")).edge("a", "s");
    let jobs = first(jobs.job("settle", "phase_synthesis"));
    let jobs = jobs.job("b", "build").with("phase_id", "two").edge("settle", "b");
    let jobs = jobs.job("close", "phase_synthesis").with("phase_id", "two");
    jobs.top("schema_version", "striatum.workflow.v1.1").top("phases", json!([{"id": "one"}, {"id": "two"}]))
}

fn begun(jobs: &Document) -> Drive {
    let mut run = Drive::started(jobs);
    run.complete(&["a"]);
    run
}

#[test]
fn every_verdict_completes_a_review_that_a_synthesis_weighs_and_the_synthesis_sees_it() {
    let mut run = begun(&phases());
    run.review("r", Verdict::NeedsRevision);
    run.review("s", Verdict::Reject);
    assert_eq!(run.show(), "a completed, r completed, s completed, settle ready, b pending, close pending");
    let fence = run.claim("settle");
    let packet = Packet::of(&run.state, &fence).unwrap();
    let seen: Vec<_> = packet
        .inputs
        .iter()
        .filter_map(|input| match input {
            PacketInput::Job { job, verdict: Some(verdict), .. } => Some((job.as_str(), verdict.verdict)),
            _ => None,
        })
        .collect();
    assert_eq!(seen, [("r", Verdict::NeedsRevision), ("s", Verdict::Reject)]);
    run.judge(&fence, Verdict::AcceptWithFindings);
    run.complete(&["b", "close"]);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_dissent_with_a_way_back_of_its_own_takes_it_before_the_synthesis_begins() {
    let mut run = begun(&phases().cycle("r", "a", 1));
    run.review("r", Verdict::NeedsRevision);
    assert_eq!(run.show(), "a ready, r pending, s pending, settle pending, b pending, close pending");
    run.complete(&["a", "s"]);
    // With no round left it is for the synthesis to weigh.
    run.review("r", Verdict::NeedsRevision);
    assert_eq!(run.show(), "a completed, r completed, s completed, settle ready, b pending, close pending");
}

#[test]
fn a_dissent_whose_cohort_is_open_holds_the_synthesis_back() {
    let jobs = phases().job("t", "review").with("phase_id", "one").edge("a", "t");
    let mut run = begun(&jobs.cycle("r", "a", 1).cycle("t", "a", 1));
    run.review("r", Verdict::NeedsRevision);
    run.complete(&["s"]);
    assert_eq!((run.job("settle").status, run.job("t").status), (JobStatus::Pending, JobStatus::Ready));
    run.review("t", Verdict::Accept);
    run.expect("a", JobStatus::Ready, 2);
    run.expect("settle", JobStatus::Pending, 1);
}

#[test]
fn a_synthesis_that_wants_a_revision_sends_back_and_then_asks() {
    let mut run = begun(&phases().cycle("settle", "r", 1));
    run.complete(&["r", "s"]);
    run.review("settle", Verdict::NeedsRevision);
    assert_eq!(run.show(), "a completed, r ready, s completed, settle pending, b pending, close pending");
    run.complete(&["r"]);
    run.review("settle", Verdict::NeedsRevision);
    run.expect("settle", JobStatus::WaitingHuman, 2);
}

#[test]
fn a_peer_that_is_lost_leaves_nothing_to_weigh() {
    let mut run = begun(&phases().tolerate(0, 2));
    run.lose("s");
    assert_eq!(run.show(), "a completed, r ready, s quarantined, settle skipped, b skipped, close skipped");
}

#[test]
fn a_synthesis_that_rejects_ends_the_run() {
    let mut run = begun(&phases());
    run.complete(&["r", "s"]);
    run.review("settle", Verdict::Reject);
    assert_eq!(run.status(), RunStatus::Failed);
}
