//! What becomes of the workflow: each test plays a whole run in milliseconds.

use std::error::Error;

use striatum_core::{
    engine::EngineError,
    run::{JobStatus, Resolution, RunStatus, Verdict},
};
use striatum_testkit::{
    harness::{Harness, HarnessError, Turn},
    simulation::Simulation,
    store::MemoryStores,
};
use test_harness::release_notes;

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::test]
async fn notes_that_are_sent_back_once_are_signed_and_published() -> Outcome {
    let mut run = Harness::start(&release_notes()?).await?;
    run.script("review", [Turn::Judges(Verdict::NeedsRevision), Turn::Judges(Verdict::Accept)]);

    run.play().await?;
    assert_eq!(
        run.told(),
        ["draft 1: done", "review 1: needs_revision", "draft 2: done", "review 2: accept"]
    );
    assert_eq!(run.waiting(), ["sign"]);

    run.pass("sign").await?;
    run.play().await?;
    assert_eq!(run.told().last().map(String::as_str), Some("publish 1: done"));
    assert_eq!(run.status(), RunStatus::Completed);
    Ok(())
}

#[tokio::test]
async fn a_maintainer_decides_when_author_and_reviewer_do_not_agree() -> Outcome {
    let mut run = Harness::start(&release_notes()?).await?;
    run.script("review", [Turn::Judges(Verdict::NeedsRevision); 2]);
    run.play().await?;
    assert_eq!(run.waiting(), ["review"]);

    run.overrule("review").await?;
    assert_eq!(run.waiting(), ["sign"]);
    run.resolve("sign", Resolution::Cancel).await?;
    assert_eq!(run.job("publish")?.status, JobStatus::Skipped);
    assert_eq!(run.status(), RunStatus::Failed);
    Ok(())
}

#[tokio::test]
async fn an_agent_that_fails_once_and_vanishes_once_does_not_stop_the_run() -> Outcome {
    let mut run = Harness::start(&release_notes()?).await?;
    run.script("draft", [Turn::Fails, Turn::Vanishes]);
    run.play().await?;
    assert_eq!(run.told()[..3], ["draft 1: fails", "draft 2: vanishes", "draft 2: done"]);
    assert_eq!(run.waiting(), ["sign"]);
    Ok(())
}

#[tokio::test]
async fn the_reviewer_is_told_what_to_judge() -> Outcome {
    let mut run = Harness::start(&release_notes()?).await?;
    run.work("draft").await?;
    let packet = run.claim("review").await?;
    assert_eq!(packet.inputs.len(), 1);
    assert_eq!(packet.expected_artifacts[0].path, "reviews/REVIEW.md");

    let refused = run.turn("review", Turn::Done).await;
    let Err(HarnessError::Engine(EngineError::Rejected(refused))) = refused else { panic!("{refused:?}") };
    assert_eq!(refused.code(), "wrong_outcome");
    Ok(())
}

#[tokio::test]
async fn no_order_of_events_breaks_the_workflow() -> Outcome {
    let simulation = Simulation::of(&release_notes()?)?;
    let tally = simulation.seeds(0..10, &MemoryStores::default()).await?;
    assert!(tally.ends.contains_key(&RunStatus::Completed));
    Ok(())
}
