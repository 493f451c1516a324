//! Work that is done once more: by cycles and by retries.

use striatum_core::run::{
    Event, Intent, Iterations, JobStatus, LeaseCause, Outcome, Packet, Publication, RunStatus, Verdict,
};

use crate::{
    document::{Document, checkpoint, diamond, nested, pair, revised, single, tried_again},
    drive::{Drive, ada, bot, job},
};

fn retry(run: &mut Drive, id: &str) -> Vec<&'static str> {
    run.must(Intent::Retry { job: job(id) })
}

/// `a` before the review `r`, which sends it back, and beside it `b` and the checkpoint `h`.
fn side_by_side() -> Drive {
    let jobs = Document::new().job("a", "draft").job("r", "review").job("b", "build");
    let jobs = jobs.job("h", "human_checkpoint").job("z", "synthesis");
    let jobs = jobs.edge("a", "r").edge("a", "b").edge("a", "h").edge("r", "z").edge("b", "z").edge("h", "z");
    let mut run = Drive::started(&jobs.cycle("r", "a", 1));
    run.complete(&["a"]);
    run
}

#[test]
fn what_was_not_begun_behind_a_reopened_job_waits_for_it_again_at_its_own_attempt() {
    let mut run = side_by_side();
    assert_eq!(run.show(), "a completed, r ready, b ready, h waiting_human, z pending");
    run.review("r", Verdict::NeedsRevision);
    assert_eq!(run.show(), "a ready, r pending, b pending, h pending, z pending");
    run.expect("a", JobStatus::Ready, 2);
    run.expect("r", JobStatus::Pending, 2);
    run.expect("b", JobStatus::Pending, 1);
    run.complete(&["a"]);
    assert_eq!(run.show(), "a completed, r ready, b ready, h waiting_human, z pending");
}

#[test]
fn what_was_begun_behind_a_reopened_job_ends_and_begins_a_new_attempt() {
    let mut run = side_by_side();
    let held = run.claim("b");
    let events = {
        let fence = run.claim("r");
        let verdict = Outcome::Verdict { verdict: Verdict::NeedsRevision, findings: None };
        let submit = run.submit(&fence, verdict);
        run.try_to(Intent::Submit(submit)).unwrap()
    };
    assert!(!run.state.is_live(&held));
    run.expect("b", JobStatus::Pending, 2);
    let reopened = events.iter().find_map(|event| match event {
        Event::JobsReopened(reopened) => Some(reopened),
        _ => None,
    });
    let causes: Vec<_> = reopened
        .unwrap()
        .jobs
        .iter()
        .map(|it| (it.job.as_str(), it.attempt, it.ended.as_ref().map(|end| end.cause)))
        .collect();
    assert_eq!(
        causes,
        [
            ("a", 2, None),
            ("r", 2, Some(LeaseCause::Submitted)),
            ("b", 2, Some(LeaseCause::Reopened)),
            ("h", 1, None),
        ]
    );
}

#[test]
fn a_failed_attempt_behind_a_reopened_job_loses_its_wait() {
    let jobs = Document::new().job("a", "draft").job("r", "review").job("b", "build").with("max_attempts", 3);
    let mut run = Drive::started(&jobs.edge("a", "r").edge("a", "b").cycle("r", "a", 1));
    run.complete(&["a"]);
    run.fail("b");
    run.review("r", Verdict::NeedsRevision);
    run.expect("b", JobStatus::Pending, 2);
    run.complete(&["a"]);
    run.expect("b", JobStatus::Ready, 2);
    assert_eq!((run.job("b").wait, run.job("b").failures), (None, 0));
}

#[test]
fn the_counter_of_a_strictly_inner_cycle_starts_anew() {
    let mut run = Drive::started(&nested());
    let counters =
        |run: &Drive| [run.state.iterations(&job("a")).taken, run.state.iterations(&job("b")).taken];
    run.complete(&["a", "b"]);
    run.review("inner", Verdict::NeedsRevision);
    run.complete(&["b", "inner"]);
    assert_eq!(counters(&run), [0, 1]);
    run.review("outer", Verdict::NeedsRevision);
    assert_eq!(counters(&run), [1, 0]);
    run.complete(&["a", "b"]);
    run.review("inner", Verdict::NeedsRevision);
    assert_eq!(counters(&run), [1, 1]);
    run.complete(&["b"]);
    run.review("inner", Verdict::NeedsRevision);
    run.expect("inner", JobStatus::WaitingHuman, 4);
    assert_eq!(run.state.iterations(&job("b")), Iterations { taken: 1, granted: 0 });
}

#[test]
fn a_retry_in_a_running_run_reopens_the_job_with_everything_behind_it() {
    let jobs = diamond().tolerate(0, 1);
    let mut run = Drive::started(&jobs);
    run.complete(&["a"]);
    run.lose("b");
    assert_eq!(run.show(), "a completed, b quarantined, c ready, d skipped");
    for refused in ["a", "c"] {
        assert_eq!(run.refused(ada(), Intent::Retry { job: job(refused) }), "not_retryable");
    }
    assert_eq!(retry(&mut run, "b"), ["jobs.reopened", "job.ready"]);
    assert_eq!(run.show(), "a completed, b ready, c ready, d pending");
    run.expect("b", JobStatus::Ready, 2);
    run.expect("d", JobStatus::Pending, 2);
    run.complete(&["b", "c", "d"]);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_retry_in_a_run_that_ended_reopens_also_what_its_end_cancelled() {
    type Ending = fn(&mut Drive);
    let endings: [(&str, Ending, RunStatus); 3] = [
        ("b", |run| drop(run.fail("b")), RunStatus::Failed),
        ("d", |run| drop(run.must(Intent::Cancel { reason: None })), RunStatus::Canceled),
        ("b", |run| drop(run.lose("b")), RunStatus::NeedsOperator),
    ];
    for (retried, end, status) in endings {
        let mut run = Drive::started(&diamond().tolerate(0, 0));
        run.complete(&["a"]);
        run.claim("c");
        end(&mut run);
        assert_eq!(run.status(), status);
        assert!(run.state.record().is_some());
        assert_eq!(retry(&mut run, retried)[0], "run.reopened");
        assert_eq!((run.status(), run.state.record()), (RunStatus::Running, None));
        assert_eq!(run.show(), "a completed, b ready, c ready, d pending", "{status}");
        run.expect("c", JobStatus::Ready, 2);
        run.complete(&["b", "c", "d"]);
        assert_eq!(run.status(), RunStatus::Completed);
    }
}

#[test]
fn a_run_that_completed_or_never_had_a_branch_is_not_reopened() {
    let mut run = Drive::started(&single());
    run.complete(&["a"]);
    assert_eq!(run.refused(ada(), Intent::Retry { job: job("a") }), "not_retryable");

    let mut run = Drive::empty(&single());
    run.must(Intent::Prepare);
    run.must(Intent::Cancel { reason: None });
    assert_eq!(run.refused(ada(), Intent::Retry { job: job("a") }), "run_status");
}

#[test]
fn a_person_or_a_service_retries_and_a_session_does_not() {
    let mut run = Drive::started(&pair());
    let by = run.claim("a").session;
    run.must(Intent::Cancel { reason: None });
    let retry = || Intent::Retry { job: job("a") };
    assert_eq!(run.refused(striatum_core::run::Actor::Session(by), retry()), "principal_required");
    run.give(bot(), retry()).unwrap();
    assert_eq!(run.status(), RunStatus::Running);
}

#[test]
fn a_retried_checkpoint_asks_again() {
    let mut run = Drive::started(&checkpoint());
    run.complete(&["a"]);
    run.must(Intent::Cancel { reason: None });
    retry(&mut run, "z");
    assert_eq!(run.show(), "a completed, h waiting_human, z pending");
}

#[test]
fn a_revision_is_told_why_and_what_was_left_unfinished_belongs_to_its_own_attempt() {
    let mut run = Drive::started(&revised());
    let fence = run.claim("a");
    let mut report = striatum_core::run::LeaseReport::new(fence);
    report.set_aside = Some(crate::document::commit(5));
    run.must(Intent::Crash(report));
    let fence = run.claim("a");
    let packet = Packet::of(&run.state, &fence).unwrap();
    assert_eq!((packet.set_aside, packet.revision), (Some(crate::document::commit(5)), Vec::new()));
    run.done(&fence);
    run.review("r", Verdict::NeedsRevision);
    let fence = run.claim("a");
    let packet = Packet::of(&run.state, &fence).unwrap();
    assert_eq!(packet.set_aside, None);
    let said: Vec<_> =
        packet.revision.iter().map(|it| (it.review.as_str(), it.attempt, it.verdict)).collect();
    assert_eq!(said, [("r", 1, Verdict::NeedsRevision)]);
}

#[test]
fn the_next_attempt_is_told_why_the_last_one_failed_until_work_is_handed_in() {
    let mut run = Drive::started(&tried_again());
    let failing = run.claim("a");
    let mut report = striatum_core::run::LeaseReport::new(failing.clone());
    report.reason = Some(crate::drive::blob("artifacts_missing"));
    run.must(Intent::Fail(report));
    let fence = run.claim("a");
    let failure = Packet::of(&run.state, &fence).unwrap().failure.unwrap();
    assert_eq!((failure.attempt, failure.session), (1, failing.session));
    assert_eq!(failure.reason, Some(crate::drive::blob("artifacts_missing")));

    // A grant that came to nothing says nothing about the work.
    run.must(Intent::Crash(striatum_core::run::LeaseReport::new(fence)));
    let fence = run.claim("a");
    assert_eq!(Packet::of(&run.state, &fence).unwrap().failure.unwrap().attempt, 1);
    run.done(&fence);
    run.review("r", Verdict::NeedsRevision);
    let fence = run.claim("a");
    assert_eq!(Packet::of(&run.state, &fence).unwrap().failure, None);
}

#[test]
fn the_packet_does_not_change_while_its_job_is_held() {
    let mut run = Drive::started(&revised());
    run.complete(&["a"]);
    run.review("r", Verdict::NeedsRevision);
    let fence = run.claim("a");
    let granted = run.job("a").lease.as_ref().unwrap().packet;
    let artifacts: Vec<Publication> = run.artifacts("a");
    run.must(Intent::Publish { fence: fence.clone(), artifacts });
    let agent = striatum_core::transport::AgentIdentity { name: Some("x".to_owned()), ..Default::default() };
    run.must(Intent::Identify { fence: fence.clone(), agent });
    run.must(Intent::Pause);
    assert_eq!(Packet::of(&run.state, &fence).unwrap().digest(), granted);
    run.done(&fence);
    assert_eq!(Packet::of(&run.state, &fence), None);
}
