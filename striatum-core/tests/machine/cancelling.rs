//! A principal ends a single job.

use striatum_core::run::{
    Actor, CancelCause, DeliveryMode, Event, Intent, JobStatus, LeaseCause, LeaseReport, Resolution,
    RunStatus, Severity, Verdict,
};

use crate::{
    document::{Document, checkpoint, pair, single},
    drive::{Drive, ada, bot, job, session},
};

fn cancel(id: &str) -> Intent {
    Intent::CancelJob { job: job(id) }
}

/// `a` before `b`, and `c` beside them.
fn branches() -> Document {
    pair().job("c", "test")
}

#[test]
fn whatever_a_job_is_at_it_can_be_cancelled_and_the_rest_goes_on() {
    type Before = fn(&mut Drive);
    let rows: [(&str, Before, Option<LeaseCause>); 7] = [
        ("ready", |_| {}, None),
        (
            "claimed",
            |run| drop(run.claim_by("a", session(9), DeliveryMode::Pull)),
            Some(LeaseCause::Canceled),
        ),
        ("running", |run| drop(run.claim("a")), Some(LeaseCause::Canceled)),
        (
            "blocked",
            |run| {
                let report = LeaseReport::new(run.claim("a"));
                run.must(Intent::Block { report, severity: Severity::Operator });
            },
            None,
        ),
        (
            "waiting_human",
            |run| {
                let report = LeaseReport::new(run.claim("a"));
                run.must(Intent::Block { report, severity: Severity::HumanCheckpoint });
            },
            None,
        ),
        (
            "awaiting_input",
            |run| {
                let report = LeaseReport::new(run.claim("a"));
                let question = crate::drive::blob("?");
                run.must(Intent::Ask { report, question, resume: None, of: None });
            },
            None,
        ),
        ("pending", |_| {}, None),
    ];
    for (status, before, cause) in rows {
        let mut run = Drive::started(&branches());
        before(&mut run);
        let id = if status == "pending" { "b" } else { "a" };
        assert_eq!(run.job(id).status.to_string(), status);
        let fence = run.state.fence(&job(id));
        let events = run.give(ada(), cancel(id)).unwrap();
        let Some(Event::JobCanceled(canceled)) = events.first() else { panic!("{status}: {events:?}") };
        assert_eq!((canceled.job.as_str(), canceled.by), (id, CancelCause::Principal), "{status}");
        assert_eq!(canceled.ended.as_ref().map(|end| end.cause), cause, "{status}");
        assert_eq!(run.job(id).lease, None, "{status}");
        if let Some(fence) = fence {
            let late = Intent::Release(LeaseReport::new(fence.clone()));
            assert_eq!(run.refused(Actor::Session(fence.session), late), "stale_fence", "{status}");
        }
        if status != "pending" {
            assert_eq!(run.show(), "a canceled, b skipped, c ready", "{status}");
        }
        assert_eq!(run.give(ada(), cancel(id)), Ok(Vec::new()), "it is so already");
        if status == "pending" {
            run.complete(&["a"]);
        }
        run.complete(&["c"]);
        assert_eq!(run.status(), RunStatus::Failed, "{status}: an exit is lost");
        run.must(Intent::Retry { job: job(id) });
        assert_eq!(run.status(), RunStatus::Running);
    }
}

#[test]
fn the_tree_of_a_cancelled_grant_is_still_to_be_closed() {
    let mut run = Drive::started(&branches());
    let fence = run.claim("a");
    run.must(cancel("a"));
    let owed: Vec<_> = run.state.pending().collect();
    assert!(
        matches!(&owed[..], [striatum_core::run::Pending::CloseTree { fence: of, .. }] if *of == fence),
        "{owed:?}"
    );
}

#[test]
fn only_a_principal_cancels_and_only_a_person_where_one_is_asked() {
    let mut run = Drive::started(&branches());
    let fence = run.claim("a");
    assert_eq!(run.refused(Actor::Session(fence.session), cancel("a")), "principal_required");
    run.give(bot(), cancel("a")).unwrap();

    let mut run = Drive::started(&checkpoint());
    run.complete(&["a"]);
    assert_eq!(run.refused(bot(), cancel("h")), "principal_required");
    run.must(cancel("h"));
    assert_eq!(run.job("h").status, JobStatus::Canceled);
}

#[test]
fn what_has_ended_is_not_cancelled_and_what_has_not_begun_neither() {
    let mut run = Drive::ready(&single());
    assert_eq!(run.refused(ada(), cancel("a")), "run_status");
    let mut run = Drive::started(&branches());
    run.complete(&["a"]);
    assert_eq!(run.refused(ada(), cancel("a")), "job_status");
    assert_eq!(run.refused(ada(), cancel("x")), "job_unknown");
    run.complete(&["b", "c"]);
    assert_eq!(run.refused(ada(), cancel("a")), "run_status");
}

#[test]
fn a_review_that_is_cancelled_is_missing_from_its_cohort() {
    let jobs = Document::new().job("a", "draft").job("z", "build");
    let jobs = ["r", "s"]
        .iter()
        .fold(jobs, |jobs, id| jobs.job(id, "review").edge("a", id).edge(id, "z").cycle(id, "a", 1));
    let mut run = Drive::started(&jobs);
    run.complete(&["a"]);
    run.claim("s");
    run.review("r", Verdict::NeedsRevision);
    assert_eq!(run.show(), "a completed, z pending, r completed, s running");
    run.must(cancel("s"));
    assert_eq!(run.show(), "a ready, z pending, r pending, s pending");
    run.expect("s", JobStatus::Pending, 2);
}

#[test]
fn dissents_that_ask_together_end_together() {
    let jobs = Document::new().job("a", "draft").job("z", "build");
    let jobs = ["r", "s"]
        .iter()
        .fold(jobs, |jobs, id| jobs.job(id, "review").edge("a", id).edge(id, "z").cycle(id, "a", 1));
    let mut run = Drive::started(&jobs);
    for _ in 0..2 {
        run.complete(&["a"]);
        run.review("r", Verdict::NeedsRevision);
        run.review("s", Verdict::NeedsRevision);
    }
    assert_eq!(run.show(), "a completed, z pending, r waiting_human, s waiting_human");
    let mut resolved = run.clone();
    resolved.resolve("r", Resolution::Cancel);
    run.must(cancel("r"));
    assert_eq!(run.show(), resolved.show());
    assert_eq!(run.show(), "a completed, z skipped, r canceled, s canceled");
}
