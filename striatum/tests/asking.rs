//! Agents that ask, budgets that end, and what the next agent is told of both.

use serde_json::json;
use striatum::{
    Progress,
    adapter::End,
    core::{
        run::{Checkpoint, Event, Intent, JobStatus, LeaseCause, LeaseEnd, RunStatus, Usage},
        workflow::{BranchMode, LaneBuilder, SchemaVersion, Workflow},
    },
};

use crate::fixture::{
    Agent, Scene, ada, begin, draft, job, leave, notices, report, state, status, workflow, write,
};

/// How leases ended, of the events that have come so far.
fn ends(progress: &mut tokio::sync::broadcast::Receiver<Progress>) -> Vec<LeaseEnd> {
    let updates = std::iter::from_fn(|| progress.try_recv().ok());
    updates
        .filter_map(|update| match update {
            Progress::Event { event: Event::QuestionAsked(e), .. } => Some(e.ended),
            Progress::Event { event: Event::JobCompleted(e), .. } => e.ended,
            Progress::Event { event: Event::JobWaits(e), .. } => e.ended,
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn who_goes_on_is_told_the_question_and_its_answer() {
    let scene = Scene::new();
    let agent = Agent::new(|assignment| {
        if assignment.fence.job.as_str() == "a" && assignment.packet.answers.is_empty() {
            write(assignment, "out/a.md", "half of it\n");
            let usage = json!({"input_tokens": 7, "turns": 2});
            report(assignment, json!({"ask": "Tabs or blanks?", "resume": "talk-1", "usage": usage}));
        } else {
            leave(assignment, "");
        }
        Some(End::Ended)
    });
    let orchestrator = scene.orchestrator(&agent).await;
    let mut progress = orchestrator.progress();
    let run = begin(&orchestrator, &workflow([draft("a"), draft("b").after("a")])).await.run;
    scene.work(&orchestrator).await;
    let asked = state(&orchestrator, run).await;
    assert_eq!(asked.job(&job("a")).map(|job| job.status), Some(JobStatus::AwaitingInput));
    let (_, question) = asked.open_questions().next().expect("a question");
    assert_eq!(scene.blobs.get(&question.text.digest).await.expect("it is kept"), "Tabs or blanks?");
    let end = ends(&mut progress).remove(0);
    assert_eq!(end.cause, LeaseCause::Asked);
    let kept = end.set_aside.expect("its work is kept");
    assert_eq!(scene.git(&["show", &format!("{kept}:out/a.md")]), "half of it");
    let used = end.usage.expect("it is measured");
    assert_eq!((used.input_tokens, used.output_tokens, used.turns), (Some(7), None, Some(2)));

    // Another process answers and goes on.
    drop(orchestrator);
    let other = scene.orchestrator(&agent).await;
    let answer = scene.blobs.put("Blanks.".into()).await.expect("it is kept");
    other.command(run, ada(), Intent::Answer { question: 1, answer }).await.expect("it is answered");
    scene.work(&other).await;
    assert_eq!(status(&other, run).await, Some(RunStatus::Completed));
    let told = agent.told();
    assert!(!told[0].prompt.contains("Tabs or blanks?"));
    for words in ["> Tabs or blanks?", "> Blanks.", "talk-1", kept.as_str()] {
        assert!(told[1].prompt.contains(words), "{words:?} is missing in {}", told[1].prompt);
    }
    assert_eq!((told[1].job.as_str(), told[1].attempt), ("a", 1));
}

#[tokio::test]
async fn time_that_is_used_up_asks_a_person_and_the_attempt_has_not_failed() {
    let scene = Scene::new();
    let agent = ["/bin/sh", "-c", "cat > prompt; read line < /dev/zero"];
    let slow = Workflow::builder("w")
        .schema(SchemaVersion::V2)
        .branch(BranchMode::Auto, "result")
        .lane("main", LaneBuilder::process(agent).timeout_seconds(600))
        .role("author", "Works.")
        .job(draft("a").max_attempts(2).key("budget", json!({"wall_seconds": 1, "tokens": 1000})));
    let orchestrator = scene.builder().await.build().await.expect("it builds");
    let mut progress = orchestrator.progress();
    let run = begin(&orchestrator, &slow).await.run;
    scene.work(&orchestrator).await;
    let seen = state(&orchestrator, run).await;
    let waiting = seen.job(&job("a")).expect("a job");
    assert_eq!((waiting.status, waiting.attempt), (JobStatus::WaitingHuman, 1));
    assert_eq!(waiting.checkpoint, Some(Checkpoint::BudgetSpent));
    let end = ends(&mut progress).remove(0);
    assert_eq!(end.cause, LeaseCause::Released);
    assert!(end.usage.is_some_and(|usage| usage.wall_ms >= 1000), "{end:?}");
    let kept = end.set_aside.expect("what it left is kept");
    let prompt = scene.git(&["show", &format!("{kept}:prompt")]);
    assert!(prompt.contains("1 seconds, after which you are stopped; 1000 tokens"), "{prompt}");
}

#[tokio::test]
async fn a_run_whose_budget_is_used_up_is_paused_until_more_is_granted() {
    let scene = Scene::new();
    let agent = Agent::new(|assignment| {
        leave(assignment, "");
        report(assignment, json!({"usage": {"input_tokens": 60, "output_tokens": 40}}));
        Some(End::Ended)
    });
    let orchestrator = scene.orchestrator(&agent).await;
    let mut progress = orchestrator.progress();
    let two = workflow([draft("a"), draft("b").after("a")]);
    let two = two.schema(SchemaVersion::V2).key("budget", json!({"tokens": 100}));
    let run = begin(&orchestrator, &two).await.run;
    scene.work(&orchestrator).await;
    let seen = state(&orchestrator, run).await;
    assert!(seen.is_paused());
    let Usage { input_tokens, output_tokens, .. } = *seen.used();
    assert_eq!((input_tokens, output_tokens), (Some(60), Some(40)));
    assert_eq!(notices(&mut progress).iter().map(|notice| notice.0).collect::<Vec<_>>(), ["budget_spent"]);
    orchestrator.command(run, ada(), Intent::Resume).await.expect("it is resumed");
    scene.work(&orchestrator).await;
    assert_eq!(status(&orchestrator, run).await, Some(RunStatus::Completed));
}
