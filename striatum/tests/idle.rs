//! What is asked of a store when there is nothing to do.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use striatum::{
    Progress,
    adapter::End,
    core::{run::JobStatus, workflow::OnReject},
};
use striatum_testkit::clock::ManualClock;

use crate::{
    faulty::Faulty,
    fixture::{
        Agent, Scene, begin, draft, job_status, leave, limits, review, soon, start, state, until, workflow,
    },
};

/// How often it looks in this test, and for how many looks it is watched.
const POLL: Duration = Duration::from_millis(20);
const LOOKS: u32 = 30;

#[tokio::test]
async fn an_idle_orchestrator_asks_little_whatever_was_given_up() {
    let clock = ManualClock::default();
    let faulty = Faulty::new(&clock);
    let scene = Scene::over(faulty.clone(), faulty.clone(), clock);
    let agent = Agent::new(|assignment| {
        leave(assignment, "reject");
        Some(End::Ended)
    });
    let builder = scene.builder().await.adapter("test", Arc::new(agent)).limits(limits().poll(POLL));
    let orchestrator = builder.build().await.expect("it builds");
    // One waits for a person, one cannot be delivered.
    let asks = workflow([draft("write"), review("judge", "write").on_reject(OnReject::Checkpoint)]);
    let asking = begin(&orchestrator, &asks).await.run;
    let stuck = begin(&orchestrator, &workflow([draft("a")])).await;
    scene.git(&["branch", &stuck.branch]);
    let mut progress = orchestrator.progress();
    let work = start(&orchestrator);
    until(&mut progress, |update| {
        matches!(update, Progress::Notice { code: "branch_moved", .. }).then_some(())
    })
    .await;
    let comes_to_rest = async {
        while job_status(&orchestrator, asking, "judge").await != JobStatus::WaitingHuman
            || state(&orchestrator, asking).await.pending().count() > 0
            || state(&orchestrator, stuck.run).await.pending().count() > 1
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(comes_to_rest).await;

    let looks = || faulty.looks.load(Ordering::SeqCst);
    let (begun, first, before) = (Instant::now(), looks(), faulty.calls.load(Ordering::SeqCst));
    soon(async {
        while looks() < first + LOOKS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let calls = faulty.calls.load(Ordering::SeqCst) - before;
    // What has lapsed, which runs there are, what has changed: and half as much again for the last events.
    assert!(calls <= LOOKS * 9 / 2, "{calls} calls for {LOOKS} looks");
    // Looks that follow on the last events and on tries to deliver come early; the others do not.
    assert!(begun.elapsed() >= POLL * LOOKS / 2, "{LOOKS} looks in {:?}", begun.elapsed());
    orchestrator.drain();
    soon(work).await.expect("it ends");
}
