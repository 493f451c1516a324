//! Somebody is called when a person is wanted.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use striatum::{
    Progress,
    adapter::End,
    core::run::{Event, Intent},
    notify::{Call, Notifier, NotifyCommand, NotifyError, Subject},
};
use tokio::sync::mpsc;

use crate::fixture::{Agent, Scene, ada, begin, draft, job, soon, start, state, until, workflow};

/// Somebody who hears nothing the first few times.
#[derive(Debug)]
struct Deaf {
    times: Mutex<u32>,
    heard: mpsc::UnboundedSender<Call>,
}

#[async_trait]
impl Notifier for Deaf {
    async fn tell(&self, call: &Call) -> Result<(), NotifyError> {
        let mut left = self.times.lock().expect("nobody panicked");
        if *left > 0 {
            *left -= 1;
            return Err(NotifyError::new("wake anybody"));
        }
        self.heard.send(call.clone()).expect("somebody listens");
        Ok(())
    }
}

#[tokio::test]
async fn an_escalation_is_told_until_somebody_heard_and_only_then_noted() {
    let scene = Scene::new();
    let (heard, mut calls) = mpsc::unbounded_channel();
    let notifier = Arc::new(Deaf { times: Mutex::new(1), heard });
    let agent = Arc::new(Agent::new(|_| None));
    let builder = scene.builder().await.adapter("test", agent).notifier(notifier);
    let orchestrator = builder.build().await.expect("it builds");
    let mut progress = orchestrator.progress();
    let work = start(&orchestrator);
    let run = begin(&orchestrator, &workflow([draft("a")])).await.run;
    let reason = scene.blobs.put("The disk is full.".into()).await.expect("it is kept");
    let raise = Intent::Escalate { job: Some(job("a")), reason };
    orchestrator.command(run, ada(), raise).await.expect("it is raised");

    until(&mut progress, |update| match update {
        Progress::Notice { code: "nobody_told", .. } => Some(()),
        _ => None,
    })
    .await;
    assert!(!state(&orchestrator, run).await.escalations()[0].notified);
    let call = soon(calls.recv()).await.expect("a call");
    assert_eq!((call.run, call.code, call.text.as_deref()), (run, "help_wanted", Some("The disk is full.")));
    assert_eq!(call.subject, Subject::Escalation { number: 1, job: Some(job("a")) });
    until(&mut progress, |update| match update {
        Progress::Event { event: Event::EscalationNotified(_), .. } => Some(()),
        _ => None,
    })
    .await;
    orchestrator.stop();
    soon(work).await.expect("it ends");
}

#[tokio::test]
async fn a_question_is_told_by_the_command_that_was_given() {
    let scene = Scene::new();
    let agent = Agent::new(|assignment| {
        fs::write(&assignment.report, r#"{"ask": "Tabs or blanks?"}"#).expect("a file");
        Some(End::Ended)
    });
    let note = scene.beside("note");
    let script = format!("cat > {}", note.display());
    let command = NotifyCommand::new(["sh", "-c", script.as_str()]);
    let builder = scene.builder().await.adapter("test", Arc::new(agent)).notifier(Arc::new(command));
    let orchestrator = builder.build().await.expect("it builds");
    let run = begin(&orchestrator, &workflow([draft("a")])).await.run;
    scene.work(&orchestrator).await;

    let told = fs::read_to_string(&note).expect("a note");
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["run"], run.to_string());
    assert_eq!((&told["code"], &told["text"]), (&"question".into(), &"Tabs or blanks?".into()));
    assert_eq!(told["subject"]["question"]["number"], 1);
    let state = state(&orchestrator, run).await;
    assert!(state.open_questions().all(|(_, question)| question.told), "it is noted in the chain");
}

#[tokio::test]
async fn a_question_is_told_again_until_somebody_was_told() {
    let scene = Scene::new();
    let agent = Agent::new(|assignment| {
        fs::write(&assignment.report, r#"{"ask": "Tabs or blanks?"}"#).expect("a file");
        Some(End::Ended)
    });
    let note = scene.beside("note");
    let script =
        format!("cat >> {0}; [ $(wc -l < {0}) -gt 0 ] || {{ echo >> {0}; exit 1; }}", note.display());
    let command = NotifyCommand::new(["sh", "-c", script.as_str()]);
    let builder = scene.builder().await.adapter("test", Arc::new(agent)).notifier(Arc::new(command));
    let orchestrator = builder.build().await.expect("it builds");
    let run = begin(&orchestrator, &workflow([draft("a")])).await.run;
    scene.work(&orchestrator).await;
    assert!(state(&orchestrator, run).await.open_questions().all(|(_, question)| question.told));
    let ids = fs::read_to_string(&note).expect("a note");
    assert!(ids.lines().count() > 1, "{ids}");
}
