//! Work that comes together.

use striatum::{
    Progress,
    adapter::End,
    core::{
        run::{Event, Intent, JobStatus, Resolution, RunStatus},
        workflow::{JobBuilder, OnReject},
    },
};

use crate::fixture::{
    Agent, Scene, ada, begin, draft, job, job_status, leave, review, state, status, workflow, write,
};

fn diamond() -> [JobBuilder; 4] {
    [draft("a"), draft("b").after("a"), draft("c").after("a"), draft("d").after("b").after("c")]
}

#[tokio::test]
async fn a_diamond_merges() {
    let scene = Scene::new();
    let orchestrator = scene.orchestrator(&Agent::diligent()).await;
    let run = begin(&orchestrator, &workflow(diamond())).await.run;
    scene.work(&orchestrator).await;
    assert_eq!(status(&orchestrator, run).await, Some(RunStatus::Completed));
    let files = scene.git(&["ls-tree", "-r", "--name-only", "result"]);
    assert_eq!(files, "README.md\nout/a.md\nout/b.md\nout/c.md\nout/d.md");
}

#[tokio::test]
async fn work_that_does_not_merge_blocks_the_job_that_joins_it_and_names_the_paths() {
    let scene = Scene::new();
    let agent = Agent::new(|assignment| {
        leave(assignment, "");
        write(assignment, "out/shared.md", assignment.fence.job.as_str());
        Some(End::Ended)
    });
    let orchestrator = scene.orchestrator(&agent).await;
    let mut progress = orchestrator.progress();
    let run = begin(&orchestrator, &workflow(diamond())).await.run;
    scene.work(&orchestrator).await;
    assert_eq!(job_status(&orchestrator, run, "d").await, JobStatus::Blocked);
    let ended = std::iter::from_fn(|| progress.try_recv().ok()).find_map(|update| match update {
        Progress::Event { event: Event::JobBlocked(blocked), .. } => Some(blocked.ended),
        _ => None,
    });
    let reason = ended.and_then(|ended| ended.reason).expect("a reason");
    let reason = scene.blobs.get(&reason.digest).await.expect("it is kept");
    assert!(String::from_utf8_lossy(&reason).contains("out/shared.md"));

    let resolve = |resolution| Intent::Resolve { job: job("d"), resolution };
    orchestrator.command(run, ada(), resolve(Resolution::Resume)).await.expect("it is resumed");
    scene.work(&orchestrator).await;
    let seen = state(&orchestrator, run).await;
    let joining = seen.job(&job("d")).expect("a job");
    assert_eq!((joining.status, joining.epoch), (JobStatus::Blocked, 2), "nothing has changed");
    assert!(!agent.jobs().iter().any(|(job, _)| job == "d"), "nobody was put to work on it");
    orchestrator.command(run, ada(), resolve(Resolution::Cancel)).await.expect("it is cancelled");
    scene.work(&orchestrator).await;
    assert_eq!(status(&orchestrator, run).await, Some(RunStatus::Failed));
}

#[tokio::test]
async fn what_was_rejected_and_skipped_is_not_delivered() {
    let scene = Scene::new();
    let agent = Agent::new(|assignment| {
        leave(assignment, "reject");
        Some(End::Ended)
    });
    let orchestrator = scene.orchestrator(&agent).await;
    let jobs = [draft("good"), draft("bad"), review("judge", "bad").on_reject(OnReject::SkipBranch)];
    let run = begin(&orchestrator, &workflow(jobs)).await.run;
    scene.work(&orchestrator).await;
    assert_eq!(status(&orchestrator, run).await, Some(RunStatus::Completed));
    assert_eq!(scene.git(&["ls-tree", "-r", "--name-only", "result"]), "README.md\nout/good.md");
}
