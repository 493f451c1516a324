//! Stores and blobs that cannot be reached for a while, and runs that cannot be read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use striatum::core::run::RunStatus;
use striatum_testkit::clock::ManualClock;
use tokio::sync::Semaphore;

use crate::{
    faulty::Faulty,
    fixture::{Agent, Scene, begin, draft, job, notices, soon, start, state, status, workflow},
};

fn scene() -> (Scene, Arc<Faulty>) {
    let clock = ManualClock::default();
    let faulty = Faulty::new(&clock);
    (Scene::over(faulty.clone(), faulty.clone(), clock), faulty)
}

/// An agent ends while something is out of reach; the run goes on when it is back, at the same grant.
async fn outlasts(pick: fn(&Faulty) -> &AtomicBool) {
    let (scene, faulty) = scene();
    let gate = Arc::new(Semaphore::new(0));
    let agent = Agent::diligent().behind(&gate);
    let orchestrator = scene.orchestrator(&agent).await;
    let run = begin(&orchestrator, &workflow([draft("a"), draft("b").after("a")])).await.run;
    let mut delivered = orchestrator.progress();
    let work = start(&orchestrator);
    agent.has_begun().await;
    pick(&faulty).store(true, Ordering::SeqCst);
    gate.add_permits(2);
    soon(async {
        while faulty.refused.load(Ordering::SeqCst) < 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    pick(&faulty).store(false, Ordering::SeqCst);
    crate::fixture::until(&mut delivered, |update| {
        use striatum::{Progress, core::run::Event};
        matches!(update, Progress::Event { event: Event::RunDelivered(_), .. }).then_some(())
    })
    .await;
    orchestrator.drain();
    soon(work).await.expect("it ends");
    let seen = state(&orchestrator, run).await;
    assert_eq!(seen.job(&job("a")).map(|job| (job.attempt, job.epoch)), Some((1, 1)));
    assert_eq!(agent.jobs().len(), 2);
}

#[tokio::test]
async fn a_store_that_comes_back_is_waited_for() {
    outlasts(|faulty| &faulty.store_is_down).await;
}

#[tokio::test]
async fn blobs_that_come_back_are_waited_for() {
    outlasts(|faulty| &faulty.blobs_are_down).await;
}

#[tokio::test]
async fn draining_ends_even_if_the_store_does_not_come_back() {
    let (scene, faulty) = scene();
    let orchestrator = scene.orchestrator(&Agent::diligent()).await;
    faulty.store_is_down.store(true, Ordering::SeqCst);
    let work = start(&orchestrator);
    orchestrator.drain();
    soon(work).await.expect("it ends");
}

#[tokio::test]
async fn a_damaged_run_leaves_the_others_alone() {
    let (scene, faulty) = scene();
    let first = scene.orchestrator(&Agent::diligent()).await;
    let damaged = begin(&first, &workflow([draft("a")])).await.run;
    let sound = begin(&first, &workflow([draft("a")])).await.run;
    *faulty.damaged.lock().await = Some(damaged);
    // One that has nothing in memory.
    let orchestrator = scene.orchestrator(&Agent::diligent()).await;
    let mut progress = orchestrator.progress();
    scene.work(&orchestrator).await;
    assert_eq!(status(&orchestrator, sound).await, Some(RunStatus::Completed));
    let codes: Vec<_> = notices(&mut progress).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["store_corrupt"], "said once");
}
