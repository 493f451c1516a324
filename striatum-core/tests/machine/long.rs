//! Runs of many jobs: no event outgrows what a store takes.

use striatum_core::{
    run::{CompletionRecord, Intent, Iterations, JobStatus, RunStatus, Verdict},
    store::MAX_BODY_BYTES,
};

use crate::{
    document::Document,
    drive::{Drive, go_on, job},
};

const BEHIND: usize = 700;

/// `a`, which `r` sends back once, and many jobs behind `a`, all with long names.
fn long() -> Document {
    let name = |n: usize| format!("{}{n}", "x".repeat(100));
    let first = Document::new().job("a", "draft").job("r", "review").edge("a", "r").cycle("r", "a", 1);
    (0..BEHIND).fold(first, |jobs, n| jobs.job(&name(n), "test").edge("a", &name(n)))
}

fn count(run: &Drive, status: JobStatus) -> usize {
    run.state.jobs().filter(|(_, job)| job.status == status).count()
}

fn bodies_fit(run: &Drive) {
    assert!(run.log.iter().all(|body| body.len() <= MAX_BODY_BYTES));
}

#[test]
fn a_long_run_is_cancelled_and_goes_on_again() {
    let mut run = Drive::started(&long());
    run.complete(&["a"]);
    let kinds = run.must(Intent::Cancel { reason: None });
    assert_eq!(kinds.len(), 1 + BEHIND / 100, "{kinds:?}");
    assert_eq!((run.status(), count(&run, JobStatus::Canceled)), (RunStatus::Canceled, BEHIND + 1));
    assert_eq!(run.state.record(), CompletionRecord::new(&run.state).map(|record| record.digest()));
    run.must(Intent::Retry { job: job("r") });
    assert_eq!((run.status(), count(&run, JobStatus::Ready)), (RunStatus::Running, BEHIND + 1));
    bodies_fit(&run);
}

#[test]
fn a_long_run_is_sent_back_and_a_grant_counts_once() {
    let mut run = Drive::started(&long());
    for _ in 0..2 {
        run.complete(&["a"]);
        assert_eq!(count(&run, JobStatus::Ready), BEHIND + 1);
        run.review("r", Verdict::NeedsRevision);
    }
    run.resolve("r", go_on());
    assert_eq!(count(&run, JobStatus::Pending), BEHIND + 1);
    assert_eq!(run.state.iterations(&job("a")), Iterations { taken: 2, granted: 1 });
    bodies_fit(&run);
}
