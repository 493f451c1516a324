//! What agents lack is told before a run begins.

use std::{ffi::OsString, fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use async_trait::async_trait;
use striatum::{
    Document, Error, ErrorKind, Orchestrator,
    acp::Adapter,
    adapter::{AcpAdapter, AdapterError, Assignment, Gateway, Passage},
    core::workflow::{LaneBuilder, WorkflowBuilder},
};

use crate::fixture::{Agent, Scene, ada, draft, workflow};

/// Brings agents a credential.
#[derive(Debug)]
struct Broker;

#[async_trait]
impl Gateway for Broker {
    async fn prepare(&self, _assignment: &Assignment) -> Result<Option<Passage>, AdapterError> {
        Ok(None)
    }

    fn brings(&self) -> Vec<String> {
        vec!["GEMINI_API_KEY".to_owned()]
    }
}

fn program(folder: &Path, name: &str, script: &str) {
    let file = folder.join(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

fn one(lane: LaneBuilder) -> WorkflowBuilder {
    workflow([draft("a")]).lane("main", lane)
}

async fn prepared(orchestrator: &Orchestrator, lane: LaneBuilder) -> Result<(), Error> {
    let bytes = serde_json::to_vec(&one(lane).document()).expect("a document");
    orchestrator.prepare(&Document::new(bytes, orchestrator.data()), ada()).await.map(drop)
}

async fn orchestrator(scene: &Scene, path: impl Into<OsString>) -> Orchestrator {
    let brokered =
        Adapter::named("gemini").map(AcpAdapter::of).expect("it is known").gateway(Arc::new(Broker));
    let builder = scene.builder().await.adapter("brokered", Arc::new(brokered));
    let builder = builder.adapter("test", Arc::new(Agent::diligent()));
    builder.path(path).build().await.expect("it builds")
}

#[tokio::test]
async fn a_run_whose_agents_lack_something_is_refused_with_all_of_it_and_nothing_is_written() {
    let scene = Scene::new();
    let nowhere = orchestrator(&scene, "/nowhere").await;
    let known = LaneBuilder::adapter("acp:gemini");
    let table: [(LaneBuilder, &[&str]); 4] = [
        (
            known,
            &[
                "lane main, acp:gemini: the program \"gemini\" is not in PATH",
                "npm install -g @google/gemini-cli",
                "the program \"node\"",
                "let the lane name one of GEMINI_API_KEY",
            ],
        ),
        (LaneBuilder::adapter("brokered"), &["the program \"gemini\"", "the program \"node\""]),
        (LaneBuilder::adapter("acp").command(["nobody", "--acp"]), &["the program \"nobody\""]),
        (
            LaneBuilder::adapter("acp:claude").command(["/nowhere/claude"]),
            &["the program \"/nowhere/claude\""],
        ),
    ];
    for (lane, words) in table {
        let refused = prepared(&nowhere, lane).await.expect_err("it lacks something");
        assert_eq!(refused.kind(), Some(ErrorKind::AgentMissing));
        for word in words {
            assert!(refused.to_string().contains(word), "{word}: {refused}");
        }
    }
    let head = scene.store.head(nowhere.repository().chain()).await.expect("a head");
    assert_eq!(head.seq, 0);
}

#[tokio::test]
async fn a_run_whose_agents_are_there_is_prepared() {
    let scene = Scene::new();
    let programs = scene.beside("bin");
    fs::create_dir(&programs).expect("a folder");
    for name in ["gemini", "codex-acp", "agent"] {
        program(&programs, name, "exit 1");
    }
    program(&programs, "node", "echo v22.1.0");
    let orchestrator = orchestrator(&scene, &programs).await;
    let lanes = [
        LaneBuilder::adapter("acp:gemini").env("GEMINI_API_KEY", "some"),
        // The broker of its model brings its credential.
        LaneBuilder::adapter("brokered"),
        // Its login lies in a folder of its own.
        LaneBuilder::adapter("acp:codex").env("CODEX_HOME", "/home/ada/.codex"),
        LaneBuilder::adapter("acp").command(["agent"]),
        // Nobody knows what a program of one's own needs, nor what will lie in the tree.
        LaneBuilder::adapter("acp:claude").command(["./agent"]),
        LaneBuilder::adapter("test"),
    ];
    for (number, lane) in lanes.into_iter().enumerate() {
        prepared(&orchestrator, lane).await.unwrap_or_else(|error| panic!("{number}: {error}"));
    }
    let missing =
        prepared(&orchestrator, LaneBuilder::adapter("acp:gemini")).await.expect_err("no credentials");
    assert!(!missing.to_string().contains("PATH"), "{missing}");
}

#[tokio::test]
async fn where_programs_are_is_for_whoever_builds_the_orchestrator_to_say() {
    let scene = Scene::new();
    let orchestrator = scene.builder().await.build().await.expect("it builds");
    prepared(&orchestrator, LaneBuilder::adapter("acp:gemini")).await.expect("nothing is looked for");
}
