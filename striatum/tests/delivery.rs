//! The move of the run's branch.

use striatum::{
    Progress,
    adapter::End,
    core::run::{Event, RunStatus},
};

use crate::fixture::{
    Agent, Scene, begin, draft, leave, notices, review, start, state, until, workflow, write,
};

#[tokio::test]
async fn a_branch_that_is_checked_out_waits_for_the_person() {
    let scene = Scene::new();
    scene.git(&["checkout", "-q", "-b", "result"]);
    let orchestrator = scene.orchestrator(&Agent::diligent()).await;
    let prepared = begin(&orchestrator, &workflow([draft("a")])).await;
    assert_eq!(prepared.branch, "result-2", "a branch that is there is not taken by itself");
    // The person makes that very branch and works on it.
    scene.git(&["checkout", "-q", "-b", "result-2"]);
    let mut progress = orchestrator.progress();
    scene.work(&orchestrator).await;
    // It is there, which it should not be.
    assert_eq!(notices(&mut progress).first().map(|notice| notice.0), Some("branch_moved"));
    let seen = state(&orchestrator, prepared.run).await;
    assert_eq!((seen.status(), seen.delivered()), (Some(RunStatus::Completed), None));
}

#[tokio::test]
async fn a_confirmed_branch_is_moved_once_it_is_no_longer_checked_out() {
    let scene = Scene::new();
    scene.git(&["checkout", "-q", "-b", "mine"]);
    let orchestrator = scene.orchestrator(&Agent::diligent()).await;
    let run = confirmed(&orchestrator, "mine").await;
    let mut progress = orchestrator.progress();
    scene.work(&orchestrator).await;
    assert_eq!(notices(&mut progress).first().map(|notice| notice.0), Some("branch_checked_out"));
    assert_eq!(state(&orchestrator, run).await.delivered(), None);

    scene.git(&["checkout", "-q", "main"]);
    let again = scene.orchestrator(&Agent::diligent()).await;
    scene.work(&again).await;
    assert_eq!(scene.git(&["show", "mine:out/a.md"]), "a at attempt 1");
    assert!(state(&again, run).await.delivered().is_some());
}

#[tokio::test]
async fn a_loop_that_goes_on_delivers_when_the_person_lets_it() {
    let scene = Scene::new();
    scene.git(&["checkout", "-q", "-b", "mine"]);
    let orchestrator = scene.orchestrator(&Agent::diligent()).await;
    let run = confirmed(&orchestrator, "mine").await;
    let mut progress = orchestrator.progress();
    let work = start(&orchestrator);
    until(&mut progress, |update| {
        matches!(update, Progress::Notice { code: "branch_checked_out", .. }).then_some(())
    })
    .await;
    scene.git(&["checkout", "-q", "main"]);
    until(&mut progress, |update| {
        matches!(update, Progress::Event { event: Event::RunDelivered(_), .. }).then_some(())
    })
    .await;
    orchestrator.drain();
    work.await.expect("it ends");
    assert!(state(&orchestrator, run).await.delivered().is_some());
}

async fn confirmed(orchestrator: &striatum::Orchestrator, branch: &str) -> striatum::core::id::RunId {
    use striatum::core::{run::Intent, workflow::BranchMode};
    let workflow = workflow([draft("a")]).branch(BranchMode::Confirm, "result");
    let document = serde_json::to_vec(&workflow.document()).expect("a document");
    let document = striatum::Document::new(document, orchestrator.data());
    let run = orchestrator.prepare(&document, crate::fixture::ada()).await.expect("it is prepared").run;
    orchestrator.confirm_branch(run, crate::fixture::ada(), branch).await.expect("it is confirmed");
    orchestrator.command(run, crate::fixture::ada(), Intent::Start).await.expect("it starts");
    run
}

#[tokio::test]
async fn a_judged_file_that_a_later_job_changed_is_listed() {
    let scene = Scene::new();
    let agent = Agent::new(|assignment| {
        leave(assignment, "accept");
        if assignment.fence.job.as_str() == "later" {
            write(assignment, "out/a.md", "quite another thing\n");
        }
        Some(End::Ended)
    });
    let orchestrator = scene.orchestrator(&agent).await;
    let mut progress = orchestrator.progress();
    begin(&orchestrator, &workflow([draft("a"), review("r", "a"), draft("later").after("r")])).await;
    scene.work(&orchestrator).await;
    let delivered = std::iter::from_fn(|| progress.try_recv().ok()).find_map(|update| match update {
        Progress::Event { event: Event::RunDelivered(delivered), .. } => Some(delivered),
        _ => None,
    });
    let deviations = delivered.expect("it is delivered").deviations;
    let paths: Vec<_> = deviations.iter().map(|deviation| deviation.path.as_str()).collect();
    assert_eq!(paths, ["out/a.md"]);
    assert_ne!(deviations[0].delivered, Some(deviations[0].judged));
}
