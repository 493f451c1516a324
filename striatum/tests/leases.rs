//! Leases: kept, lost, and waited for.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use striatum::{
    Progress,
    adapter::End,
    core::{
        engine::Engine,
        run::{Actor, Command, Event, Intent, JobStatus, RunStatus},
        store::Due,
    },
    mint,
};
use striatum_testkit::clock::ManualClock;
use tokio::sync::Semaphore;

use crate::{
    faulty::Faulty,
    fixture::{
        Agent, Scene, ada, begin, draft, job, leave, soon, start, state, status, until, workflow, write,
    },
};

#[tokio::test]
async fn a_lost_lease_ends_the_agent_and_its_work_is_kept_but_does_not_count() {
    let scene = Scene::new();
    let agent = Agent::new(|assignment| match assignment.fence.epoch {
        1 => {
            write(assignment, "out/a.md", "half of it\n");
            None
        }
        _ => {
            leave(assignment, "");
            Some(End::Ended)
        }
    });
    let orchestrator = scene.orchestrator(&agent).await;
    // A lease of three seconds is renewed every second.
    let run = begin(&orchestrator, &workflow([draft("a").lease_seconds(3)])).await.run;
    let (mut progress, mut others) = (orchestrator.progress(), orchestrator.progress());
    let work = start(&orchestrator);
    agent.has_begun().await;
    let fence = state(&orchestrator, run).await.fence(&job("a")).expect("it is held");

    // Another engine sees the deadline pass before it is renewed.
    let other = Engine::new(scene.store.clone(), scene.blobs.clone(), Arc::new(scene.clock.clone()));
    scene.clock.advance(Duration::from_secs(60));
    let expire = Command {
        id: mint::command_id().expect("bits"),
        actor: Actor::Service("other".to_owned()),
        intent: Intent::Expire { fence: fence.clone() },
    };
    other.execute(run, expire).await.expect("it has lapsed");
    let refused = until(&mut others, |update| match update {
        Progress::Stale { fence } => Some(fence.clone()),
        _ => None,
    });
    assert_eq!(refused.await, fence);
    until(&mut progress, |update| {
        matches!(update, Progress::Event { event: Event::RunDelivered(_), .. }).then_some(())
    })
    .await;
    orchestrator.drain();
    soon(work).await.expect("it ends");
    let seen = state(&orchestrator, run).await;
    assert_eq!(seen.job(&job("a")).map(|job| (job.attempt, job.epoch)), Some((1, 2)));
    assert_eq!(scene.git(&["show", "result:out/a.md"]), "a at attempt 1");
    let branch = format!("striatum/{run}/a/1.1.{}", fence.session.short());
    assert_eq!(scene.git(&["show", &format!("{branch}:out/a.md")]), "half of it");
}

#[tokio::test]
async fn a_job_that_is_cancelled_ends_its_agent_and_the_rest_goes_on() {
    let scene = Scene::new();
    let agent = Agent::new(|assignment| match assignment.fence.job.as_str() {
        "a" => {
            write(assignment, "out/a.md", "half of it\n");
            None
        }
        _ => {
            leave(assignment, "");
            Some(End::Ended)
        }
    });
    let orchestrator = scene.orchestrator(&agent).await;
    let jobs = workflow([draft("a"), draft("behind").after("a"), draft("beside")]);
    let run = begin(&orchestrator, &jobs).await.run;
    let mut progress = orchestrator.progress();
    let work = start(&orchestrator);
    agent.has_begun().await;
    agent.has_begun().await;
    until(&mut progress, |update| {
        matches!(update, Progress::Event { event: Event::JobCompleted(_), .. }).then_some(())
    })
    .await;
    let fence = state(&orchestrator, run).await.fence(&job("a")).expect("it is held");
    orchestrator.command(run, ada(), Intent::CancelJob { job: job("a") }).await.expect("it is open");
    until(&mut progress, |update| match update {
        Progress::Event { event: Event::TreeClosed(closed), .. } => (closed.job == job("a")).then_some(()),
        _ => None,
    })
    .await;
    orchestrator.drain();
    soon(work).await.expect("it ends");
    let seen = state(&orchestrator, run).await;
    let statuses: Vec<_> = seen.jobs().map(|(_, job)| job.status).collect();
    assert_eq!(statuses, [JobStatus::Canceled, JobStatus::Skipped, JobStatus::Completed]);
    assert_eq!((seen.status(), seen.pending().count()), (Some(RunStatus::Failed), 0));
    let branch = format!("striatum/{run}/a/1.1.{}", fence.session.short());
    assert_eq!(scene.git(&["show", &format!("{branch}:out/a.md")]), "half of it");
}

#[tokio::test]
async fn a_machine_that_slept_keeps_what_it_works_on() {
    let scene = Scene::new();
    let gate = Arc::new(Semaphore::new(0));
    let agent = Agent::diligent().behind(&gate);
    let orchestrator = scene.orchestrator(&agent).await;
    let run = begin(&orchestrator, &workflow([draft("a")])).await.run;
    let work = start(&orchestrator);
    agent.has_begun().await;
    // An hour passes, of which the process knows nothing.
    scene.clock.advance(Duration::from_secs(3600));
    soon(async {
        loop {
            let due = scene.store.due(None, 10).await.expect("due");
            if matches!(&due, Due { lapsed, .. } if lapsed.is_empty()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    gate.add_permits(1);
    let mut progress = orchestrator.progress();
    until(&mut progress, |update| {
        matches!(update, Progress::Event { event: Event::RunDelivered(_), .. }).then_some(())
    })
    .await;
    orchestrator.drain();
    soon(work).await.expect("it ends");
    assert_eq!(state(&orchestrator, run).await.job(&job("a")).map(|job| job.epoch), Some(1));
}

#[tokio::test]
async fn what_failed_is_tried_again_when_the_clock_of_the_store_says_so() {
    let clock = ManualClock::default();
    let faulty = Faulty::new(&clock);
    let scene = Scene::over(faulty.clone(), faulty.clone(), clock);
    let agent = Agent::new(|assignment| {
        if assignment.packet.attempt > 1 {
            leave(assignment, "");
        }
        Some(End::Ended)
    });
    let orchestrator = scene.orchestrator(&agent).await;
    let run = begin(&orchestrator, &workflow([draft("a")])).await.run;
    let mut progress = orchestrator.progress();
    let work = start(&orchestrator);
    until(&mut progress, |update| {
        matches!(update, Progress::Event { event: Event::TreeClosed(_), .. }).then_some(())
    })
    .await;
    scene.clock.advance(Duration::from_millis(9_999));
    // A few looks later nobody has claimed it.
    let looks = faulty.looks.load(Ordering::SeqCst);
    soon(async {
        while faulty.looks.load(Ordering::SeqCst) < looks + 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let waiting = state(&orchestrator, run).await;
    assert_eq!(waiting.job(&job("a")).map(|job| (job.status, job.epoch)), Some((JobStatus::Ready, 1)));
    scene.clock.advance(Duration::from_millis(1));
    until(&mut progress, |update| {
        matches!(update, Progress::Event { event: Event::RunDelivered(_), .. }).then_some(())
    })
    .await;
    orchestrator.drain();
    soon(work).await.expect("it ends");
    assert_eq!(status(&orchestrator, run).await, Some(RunStatus::Completed));
}
