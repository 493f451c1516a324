//! The transition table, row by row: given a run, when a command, then the jobs stand so.

use striatum_core::run::{
    Checkpoint, DeliveryMode, Intent, JobStatus, LeaseReport, Resolution, RunStatus, Severity,
};

use crate::{
    document::{Document, checkpoint, diamond, pair, single},
    drive::{Drive, go_on, job},
};

/// A sentence, what was before, what happens, and how run and jobs stand then.
pub(super) type Row = (&'static str, fn() -> Drive, fn(&mut Drive), RunStatus, &'static str);

pub(super) fn hold(rows: &[Row]) {
    for (sentence, given, when, status, jobs) in rows {
        let mut run = given();
        when(&mut run);
        assert_eq!((run.status(), run.show().as_str()), (*status, *jobs), "{sentence}");
    }
}

pub(super) fn started(document: &Document) -> Drive {
    Drive::started(document)
}

pub(super) fn after(document: &Document, completed: &[&str]) -> Drive {
    let mut run = started(document);
    run.complete(completed);
    run
}

fn pulled(document: &Document) -> Drive {
    let mut run = started(document);
    let by = run.fresh();
    run.claim_by("a", by, DeliveryMode::Pull).unwrap();
    run
}

fn report(run: &Drive, id: &str) -> LeaseReport {
    LeaseReport::new(run.state.fence(&job(id)).unwrap())
}

#[test]
fn a_job_becomes_ready_when_everything_before_it_is_completed() {
    hold(&[
        (
            "nothing moves before the start",
            || Drive::ready(&pair()),
            |_| {},
            RunStatus::Ready,
            "a pending, b pending",
        ),
        (
            "roots are ready at the start",
            || Drive::ready(&pair()),
            |run| assert_eq!(run.must(Intent::Start), ["run.started", "job.ready"]),
            RunStatus::Running,
            "a ready, b pending",
        ),
        (
            "one of two is not enough",
            || after(&diamond(), &["a"]),
            |run| run.complete(&["b"]),
            RunStatus::Running,
            "a completed, b completed, c ready, d pending",
        ),
        (
            "both are",
            || after(&diamond(), &["a", "b"]),
            |run| run.complete(&["c"]),
            RunStatus::Running,
            "a completed, b completed, c completed, d ready",
        ),
        (
            "a checkpoint waits for a person instead",
            || started(&checkpoint()),
            |run| run.complete(&["a"]),
            RunStatus::Running,
            "a completed, h waiting_human, z pending",
        ),
        (
            "the last completion completes the run",
            || after(&pair(), &["a"]),
            |run| run.complete(&["b"]),
            RunStatus::Completed,
            "a completed, b completed",
        ),
    ]);
}

#[test]
fn a_grant_begins_running_by_push_and_claimed_by_pull() {
    hold(&[
        ("push", || started(&pair()), |run| drop(run.claim("a")), RunStatus::Running, "a running, b pending"),
        ("pull", || pulled(&pair()), |_| {}, RunStatus::Running, "a claimed, b pending"),
        (
            "a pulled job is running once it is acknowledged",
            || pulled(&pair()),
            |run| {
                let (fence, agent) = (report(run, "a").fence, Default::default());
                assert_eq!(run.must(Intent::Acknowledge { fence, agent }), ["job.running"]);
            },
            RunStatus::Running,
            "a running, b pending",
        ),
    ]);
}

#[test]
fn a_grant_that_ends_without_an_outcome_is_made_again_until_it_was_made_too_often() {
    fn twice_lost() -> Drive {
        let mut run = started(&pair());
        run.lose("a");
        run.lose("a");
        run
    }
    hold(&[
        (
            "release",
            || pulled(&pair()),
            |run| {
                let report = report(run, "a");
                assert_eq!(run.must(Intent::Release(report)), ["job.ready"]);
            },
            RunStatus::Running,
            "a ready, b pending",
        ),
        (
            "expiry",
            || pulled(&pair()),
            |run| {
                let fence = report(run, "a").fence;
                assert_eq!(run.must(Intent::Expire { fence }), ["job.ready"]);
            },
            RunStatus::Running,
            "a ready, b pending",
        ),
        (
            "crash",
            || pulled(&pair()),
            |run| {
                let report = report(run, "a");
                assert_eq!(run.must(Intent::Crash(report)), ["job.ready"]);
            },
            RunStatus::Running,
            "a ready, b pending",
        ),
        ("two losses", twice_lost, |_| {}, RunStatus::Running, "a ready, b pending"),
        (
            "the third quarantines, and an exit is lost with it",
            twice_lost,
            |run| {
                let kinds = run.lose("a");
                assert_eq!(kinds, ["job.quarantined", "job.skipped", "run.ended", "escalation.raised"]);
            },
            RunStatus::NeedsOperator,
            "a quarantined, b skipped",
        ),
        (
            "parked instead, where the workflow says so",
            || pulled(&single().with("on_expiry", "park")),
            |run| {
                let fence = report(run, "a").fence;
                assert_eq!(run.must(Intent::Expire { fence }), ["job.parked"]);
            },
            RunStatus::Running,
            "a parked",
        ),
    ]);
}

#[test]
fn quarantine_beyond_the_limit_ends_the_run() {
    let none = || {
        let jobs = Document::new().job("a", "draft").job("b", "build").job("c", "test");
        started(&jobs.tolerate(0, 0))
    };
    let mut run = none();
    assert_eq!(run.lose("a"), ["job.quarantined", "run.ended", "escalation.raised"]);
    assert_eq!(run.show(), "a quarantined, b canceled, c canceled");
    assert_eq!(run.state.escalations().len(), 1);

    let jobs = Document::new().job("a", "draft").job("b", "build").job("c", "test");
    let mut run = started(&jobs.tolerate(0, 1));
    let held = run.claim("c");
    assert_eq!(run.lose("a"), ["job.quarantined"]);
    assert_eq!(run.lose("b"), ["job.quarantined", "run.ended", "escalation.raised"]);
    assert_eq!((run.status(), run.state.escalations().len()), (RunStatus::NeedsOperator, 1));
    assert_eq!(run.state.escalations()[0].raised.job, Some(job("b")));
    assert!(!run.state.is_live(&held));
}

#[test]
fn a_failure_ends_the_run_only_under_fail_run() {
    let jobs = |on_reject: &str| {
        let jobs = Document::new().job("a", "draft").with("on_reject", on_reject);
        jobs.job("z", "build").job("y", "test").edge("a", "z")
    };
    for (on_reject, status, show) in [
        ("fail_run", RunStatus::Failed, "a failed, z canceled, y canceled"),
        ("checkpoint", RunStatus::Running, "a failed, z skipped, y ready"),
        ("skip_branch", RunStatus::Running, "a failed, z skipped, y ready"),
    ] {
        let mut run = started(&jobs(on_reject));
        run.fail("a");
        assert_eq!((run.status(), run.show().as_str()), (status, show), "{on_reject}");
    }
}

#[test]
fn a_failure_is_tried_again_after_a_wait_while_attempts_are_left() {
    let mut run = started(&pair_with("max_attempts", 3.into()));
    for (attempt, wait_ms) in [(2, 10_000), (3, 20_000)] {
        assert_eq!(run.fail("a"), ["job.ready"]);
        let a = run.job("a");
        assert_eq!((a.attempt, a.deliveries, a.failures), (attempt, 0, attempt - 1));
        assert_eq!(a.wait.map(|wait| (wait.epoch, wait.wait_ms)), Some((attempt - 1, wait_ms)));
    }
    assert_eq!(run.fail("a"), ["job.failed", "run.ended"]);
    assert_eq!((run.status(), run.show().as_str()), (RunStatus::Failed, "b canceled, a failed"));
}

#[test]
fn an_impediment_waits_for_whoever_can_help() {
    fn blocked(severity: Severity) -> Drive {
        let mut run = started(&single());
        run.claim("a");
        let report = report(&run, "a");
        run.must(Intent::Block { report, severity });
        run
    }
    fn parked() -> Drive {
        let mut run = started(&pair_with("on_expiry", "park".into()));
        let fence = run.claim("a");
        run.must(Intent::Expire { fence });
        run
    }
    hold(&[
        (
            "an operator is asked",
            || blocked(Severity::Operator),
            |run| assert_eq!(run.job("a").checkpoint, None),
            RunStatus::Running,
            "a blocked",
        ),
        (
            "a person is asked",
            || blocked(Severity::HumanCheckpoint),
            |run| assert_eq!(run.job("a").checkpoint, Some(Checkpoint::Blocked)),
            RunStatus::Running,
            "a waiting_human",
        ),
        (
            "the operator lets it go on at the same attempt",
            || blocked(Severity::Operator),
            |run| {
                run.resolve("a", Resolution::Resume);
                run.expect("a", JobStatus::Ready, 1);
            },
            RunStatus::Running,
            "a ready",
        ),
        (
            "or at the next",
            || blocked(Severity::Operator),
            |run| {
                run.resolve("a", go_on());
                run.expect("a", JobStatus::Ready, 2);
            },
            RunStatus::Running,
            "a ready",
        ),
        (
            "or ends it",
            || blocked(Severity::Operator),
            |run| drop(run.resolve("a", Resolution::Cancel)),
            RunStatus::Failed,
            "a canceled",
        ),
        (
            "a person lets it go on at the next attempt",
            || blocked(Severity::HumanCheckpoint),
            |run| {
                run.resolve("a", go_on());
                run.expect("a", JobStatus::Ready, 2);
            },
            RunStatus::Running,
            "a ready",
        ),
        (
            "or ends it",
            || blocked(Severity::HumanCheckpoint),
            |run| drop(run.resolve("a", Resolution::Cancel)),
            RunStatus::Failed,
            "a canceled",
        ),
        (
            "parked goes on at the same attempt",
            parked,
            |run| {
                run.resolve("a", Resolution::Resume);
                run.expect("a", JobStatus::Ready, 1);
            },
            RunStatus::Running,
            "b pending, a ready",
        ),
        (
            "or at the next",
            parked,
            |run| {
                run.resolve("a", go_on());
                run.expect("a", JobStatus::Ready, 2);
            },
            RunStatus::Running,
            "b pending, a ready",
        ),
        (
            "or ends",
            parked,
            |run| drop(run.resolve("a", Resolution::Cancel)),
            RunStatus::Failed,
            "b skipped, a canceled",
        ),
    ]);
}

fn pair_with(key: &str, value: serde_json::Value) -> Document {
    Document::new().job("b", "build").job("a", "draft").with(key, value).edge("a", "b")
}
