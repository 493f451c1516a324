//! The transition table, continued: verdicts, and the word of a principal.

use striatum_core::run::{Checkpoint, DeliveryMode, Intent, Iterations, JobStatus, RunStatus, Verdict};

use super::transitions::{after, hold, started};
use crate::{
    document::{Document, diamond, judged, pair, revised},
    drive::{Drive, job},
};

#[test]
fn a_verdict_leads_on_or_back_or_to_a_person_or_to_an_end() {
    fn drafted(on_reject: &str) -> Drive {
        let jobs = Document::new().job("a", "draft").job("r", "review").with("on_reject", on_reject);
        // `y` is an exit that the review has nothing to do with.
        let jobs = jobs.job("z", "build").job("y", "test");
        after(&jobs.edge("a", "r").edge("r", "z").edge("a", "y"), &["a", "y"])
    }
    hold(&[
        (
            "accept",
            || after(&judged(), &["a"]),
            |run| drop(run.review("r", Verdict::Accept)),
            RunStatus::Running,
            "z ready, a completed, r completed",
        ),
        (
            "accept with findings",
            || after(&judged(), &["a"]),
            |run| drop(run.review("r", Verdict::AcceptWithFindings)),
            RunStatus::Running,
            "z ready, a completed, r completed",
        ),
        (
            "a revision, with a round left",
            || after(&revised(), &["a"]),
            |run| {
                let kinds = run.review("r", Verdict::NeedsRevision);
                let events = ["artifact.published", "verdict.recorded", "jobs.reopened", "job.ready"];
                assert_eq!(kinds, events);
                run.expect("a", JobStatus::Ready, 2);
                run.expect("r", JobStatus::Pending, 2);
                run.expect("z", JobStatus::Pending, 1);
                assert_eq!(run.state.iterations(&job("a")), Iterations { taken: 1, granted: 0 });
            },
            RunStatus::Running,
            "z pending, a ready, r pending",
        ),
        (
            "a revision, with no way back",
            || after(&judged(), &["a"]),
            |run| {
                run.review("r", Verdict::NeedsRevision);
                assert_eq!(run.job("r").checkpoint, Some(Checkpoint::NoWayBack));
            },
            RunStatus::Running,
            "z pending, a completed, r waiting_human",
        ),
        (
            "a rejection that ends the run",
            || drafted("fail_run"),
            |run| drop(run.review("r", Verdict::Reject)),
            RunStatus::Failed,
            "a completed, r failed, z canceled, y completed",
        ),
        (
            "a rejection that asks a person",
            || drafted("checkpoint"),
            |run| {
                run.review("r", Verdict::Reject);
                assert_eq!(run.job("r").checkpoint, Some(Checkpoint::Rejected));
            },
            RunStatus::Running,
            "a completed, r waiting_human, z pending, y completed",
        ),
        (
            "a rejection that ends its branch, another exit being completed",
            || drafted("skip_branch"),
            |run| drop(run.review("r", Verdict::Reject)),
            RunStatus::Completed,
            "a completed, r skipped, z skipped, y completed",
        ),
        (
            "a rejection that ends the only branch",
            || {
                let jobs = Document::new().job("a", "draft").job("r", "review");
                after(&jobs.with("on_reject", "skip_branch").edge("a", "r"), &["a"])
            },
            |run| drop(run.review("r", Verdict::Reject)),
            RunStatus::Failed,
            "a completed, r skipped",
        ),
    ]);
}

#[test]
fn a_run_ends_at_the_word_of_a_principal_and_pauses_only_claims() {
    hold(&[
        (
            "cancelled before its branch is confirmed",
            || {
                let mut run = Drive::empty(&pair());
                run.must(Intent::Prepare);
                run
            },
            |run| drop(run.must(Intent::Cancel { reason: None })),
            RunStatus::Canceled,
            "a canceled, b canceled",
        ),
        (
            "cancelled at work; once more changes nothing",
            || started(&pair()),
            |run| {
                let held = run.claim("a");
                assert_eq!(run.must(Intent::Cancel { reason: None }), ["run.ended"]);
                assert!(!run.state.is_live(&held));
                assert!(run.must(Intent::Cancel { reason: None }).is_empty());
            },
            RunStatus::Canceled,
            "a canceled, b canceled",
        ),
        (
            "a pause stops claims and nothing else",
            || after(&diamond(), &["a"]),
            |run| {
                let held = run.claim("b");
                assert_eq!(run.must(Intent::Pause), ["run.paused"]);
                assert!(run.must(Intent::Pause).is_empty());
                let by = run.fresh();
                let refused = run.claim_by("c", by, DeliveryMode::Push).unwrap_err();
                assert_eq!(refused.code(), "run_paused");
                run.done(&held);
                assert_eq!(run.must(Intent::Resume), ["run.resumed"]);
                run.claim("c");
            },
            RunStatus::Running,
            "a completed, b completed, c running, d pending",
        ),
    ]);
}
