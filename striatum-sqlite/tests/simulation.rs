//! Whatever happens to a run, and to the file that it is kept in, what must hold does.

use striatum_core::workflow::{JobBuilder, LaneBuilder, Workflow};
use striatum_testkit::simulation::Simulation;

use crate::conformance::Files;

/// A draft that is reviewed twice at most, before a person looks at it.
fn workflow() -> Workflow {
    let draft = JobBuilder::draft("draft").by("author", "lane").objective("Write.").writes(["docs/"]);
    let review = JobBuilder::review("review").by("author", "lane").objective("Judge.").after("draft");
    let look = JobBuilder::human_checkpoint("look").by("author", "lane").objective("Look.").after("review");
    Workflow::builder("looked-at")
        .lane("lane", LaneBuilder::process(["agent"]))
        .role("author", "Writes and judges, but not the same.")
        .job(draft.artifact("draft", "docs/draft.md").max_attempts(2))
        .job(review.leaves("review", "reviews/review.md"))
        .job(look)
        .cycle("review", "draft", 2)
        .build()
        .unwrap()
        .workflow
}

#[tokio::test]
async fn no_order_of_events_and_faults_breaks_a_run_in_a_file() {
    let simulation = Simulation::of(&workflow()).unwrap().steps(60);
    let tally = match simulation.seeds(0..6, &Files::new()).await {
        Ok(tally) => tally,
        Err(failure) => panic!("{failure}"),
    };
    for code in ["store_unavailable", "guard_failed", "stale_fence", "command_reused"] {
        assert!(tally.refusals.contains_key(code), "nothing was refused as {code}: {:?}", tally.refusals);
    }
}
