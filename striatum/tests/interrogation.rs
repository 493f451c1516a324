//! Jobs that ask whoever did an earlier one.

use std::fs;

use serde_json::json;
use striatum::{
    adapter::End,
    core::run::{Intent, JobStatus, RunStatus, State},
};

use crate::fixture::{Agent, Scene, ada, begin, draft, job, leave, notices, report, state, status, workflow};

/// One that asks at `b` who did `a`, and answers at `a` by this report.
fn asking(answer: serde_json::Value) -> Agent {
    Agent::new(move |assignment| {
        let is_asked = assignment.packet.question.is_some();
        if is_asked {
            let lies_there = fs::read_to_string(assignment.tree.join("out/a.md")).unwrap_or_default();
            assert_eq!(lies_there, "a at attempt 1\n", "what was handed in lies there");
            leave(assignment, "");
            fs::write(assignment.tree.join("out/a.md"), "spoilt\n").expect("a file");
            report(assignment, answer.clone());
        } else if assignment.fence.job.as_str() == "b" && assignment.packet.answers.is_empty() {
            report(assignment, json!({"ask": "Why so?", "of": "a"}));
        } else {
            leave(assignment, "");
        }
        Some(End::Ended)
    })
}

async fn asked(scene: &Scene, agent: &Agent) -> (State, Vec<(&'static str, String)>, striatum::Orchestrator) {
    let orchestrator = scene.orchestrator(agent).await;
    let mut progress = orchestrator.progress();
    let jobs = [draft("a").key("interrogable", true), draft("b").after("a")];
    let run = begin(&orchestrator, &workflow(jobs)).await.run;
    scene.work(&orchestrator).await;
    (state(&orchestrator, run).await, notices(&mut progress), orchestrator)
}

#[tokio::test]
async fn the_agent_that_did_a_job_answers_a_later_one_and_changes_nothing() {
    let scene = Scene::new();
    let agent = asking(json!({"answer": "Because.", "usage": {"turns": 2}}));
    let (state, told, _orchestrator) = asked(&scene, &agent).await;
    assert_eq!((state.status(), told.len()), (Some(RunStatus::Completed), 0), "{told:?}");
    assert_eq!(state.used().turns, Some(2));
    let prompts: Vec<String> = agent.told().into_iter().map(|told| told.prompt).collect();
    let words = [
        (1, "may ask those who did a in the same way"),
        (2, "# A question about your work on a"),
        (2, "> Why so?"),
        (2, "{\"answer\": \"your answer\"}"),
        (3, "asked the session that did a:"),
        (3, "It answered:\n\n> Because."),
    ];
    for (prompt, words) in words {
        assert!(prompts[prompt].contains(words), "{words:?} is missing in {}", prompts[prompt]);
    }
    assert_eq!(scene.git(&["show", "result:out/a.md"]), "a at attempt 1");
    let trees = fs::read_dir(scene.data().join("sessions").join(state.run().to_string()).join("a"));
    assert_eq!(trees.expect("a folder").count(), 1, "nothing is left of the asking");
}

#[tokio::test]
async fn what_the_agent_cannot_answer_a_person_is_asked_and_told_of() {
    for report in [json!({"failure": "I forgot."}), json!({"answer": " "}), json!({"verdict": "so so"})] {
        let scene = Scene::new();
        let agent = asking(report);
        let (state, told, orchestrator) = asked(&scene, &agent).await;
        assert_eq!(state.job(&job("b")).map(|job| job.status), Some(JobStatus::AwaitingInput));
        let codes: Vec<_> = told.iter().map(|notice| notice.0).collect();
        assert_eq!(codes, ["question"], "{told:?}");
        assert!(state.open_questions().all(|(_, question)| question.referred && question.told));
        let answer = scene.blobs.put("Ask him.".into()).await.expect("it is kept");
        let intent = Intent::Answer { question: 1, answer };
        orchestrator.command(state.run(), ada(), intent).await.expect("it is answered");
        scene.work(&orchestrator).await;
        assert_eq!(status(&orchestrator, state.run()).await, Some(RunStatus::Completed));
        let last = agent.told().pop().expect("a prompt").prompt;
        assert!(last.contains("A person answered:\n\n> Ask him."), "{last}");
    }
}
