//! Variables that a lane passes on, and what is kept of them.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use striatum::{
    Document, ErrorKind,
    adapter::End,
    core::{
        run::RunStatus,
        workflow::{BranchMode, Constraint, LaneBuilder, Workflow, WorkflowBuilder},
    },
    sqlite::SqliteStore,
    workspace::ObjectBlobs,
};
use striatum_testkit::clock::ManualClock;
use tracing_subscriber::fmt::MakeWriter;

use crate::fixture::{Agent, Scene, ada, begin, draft, leave, status, workflow};

/// A variable that cargo sets for every test and whose value stands nowhere else.
const NAME: &str = "CARGO_PKG_DESCRIPTION";

fn secret() -> String {
    std::env::var(NAME).expect("cargo sets it")
}

fn process(script: &str, lane: impl FnOnce(LaneBuilder) -> LaneBuilder) -> WorkflowBuilder {
    Workflow::builder("w")
        .branch(BranchMode::Auto, "result")
        .lane("main", lane(LaneBuilder::process(["/bin/sh", "-c", script])))
        .role("author", "Works.")
        .job(draft("a").max_attempts(1))
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.is_symlink() {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

fn holding(folder: &Path, words: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(folder, &mut found);
    let holds = |path: &PathBuf| {
        let bytes = fs::read(path).expect("a file");
        bytes.windows(words.len()).any(|window| window == words.as_bytes())
    };
    found.retain(holds);
    found
}

#[tokio::test]
async fn what_is_passed_on_reaches_the_agent_and_nothing_else() {
    let clock = ManualClock::default();
    let data = tempfile::TempDir::new().expect("a folder");
    let store = SqliteStore::open(data.path().join("striatum.db")).await.expect("a store");
    let blobs = ObjectBlobs::local(&data.path().join("blobs")).expect("blobs");
    let scene = Scene::over(Arc::new(store), Arc::new(blobs), clock);
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    // For the whole test program: what is logged on other threads is looked at as well.
    tracing::subscriber::set_global_default(subscriber).expect("nobody else listens");

    let seen = scene.beside("seen");
    // It says its secret aloud and fails, so that its last words are quoted.
    let script = format!("printf %s \"${NAME}\" > {}; echo \"${NAME}\"; exit 3", seen.display());
    let orchestrator = scene.builder().await.build().await.expect("it builds");
    let run = begin(&orchestrator, &process(&script, |lane| lane.pass_env(NAME))).await.run;
    scene.work(&orchestrator).await;
    assert_eq!(status(&orchestrator, run).await, Some(RunStatus::Failed));
    assert_eq!(fs::read_to_string(&seen).expect("the agent saw it"), secret());

    assert_eq!(holding(data.path(), &secret()), Vec::<PathBuf>::new(), "neither events nor blobs");
    let said = holding(&scene.data(), &secret());
    assert!(said.iter().all(|path| path.ends_with("agent.log")), "the transcript alone: {said:?}");
    let logged = String::from_utf8_lossy(&log.0.lock().expect("nobody panicked")).into_owned();
    assert!(logged.contains("grant"), "something was logged");
    assert!(!logged.contains(&secret()));
}

#[tokio::test]
async fn a_lane_without_transcripts_keeps_none() {
    let scene = Scene::new();
    let orchestrator = scene.builder().await.build().await.expect("it builds");
    let lane = |lane: LaneBuilder| lane.constrain(Constraint::Transcripts, "off");
    begin(&orchestrator, &process("echo aloud; exit 3", lane)).await;
    scene.work(&orchestrator).await;
    let mut kept = Vec::new();
    files(&scene.data().join("sessions"), &mut kept);
    assert!(kept.iter().any(|path| path.ends_with("packet.json")));
    assert!(!kept.iter().any(|path| path.ends_with("agent.log")));
}

#[tokio::test]
async fn an_assignment_can_be_printed() {
    let scene = Scene::new();
    let printed = Arc::new(Mutex::new(String::new()));
    let print = printed.clone();
    let agent = Agent::new(move |assignment| {
        *print.lock().expect("nobody panicked") = format!("{assignment:?}");
        leave(assignment, "");
        Some(End::Ended)
    });
    let orchestrator = scene.orchestrator(&agent).await;
    let lane = LaneBuilder::adapter("test").pass_env(NAME);
    begin(&orchestrator, &workflow([draft("a")]).lane("main", lane)).await;
    scene.work(&orchestrator).await;
    let printed = printed.lock().expect("nobody panicked").clone();
    assert!(printed.contains(NAME) && !printed.contains(&secret()), "{printed}");
}

#[tokio::test]
async fn a_variable_that_the_host_does_not_have_refuses_the_document() {
    let scene = Scene::new();
    let orchestrator = scene.builder().await.build().await.expect("it builds");
    let workflow = process("true", |lane| lane.pass_env("NOBODY_SETS_THIS_7F"));
    let document = serde_json::to_vec(&workflow.document()).expect("a document");
    let refused = orchestrator.prepare(&Document::new(document, scene.data()), ada()).await;
    let error = refused.expect_err("it is not set");
    assert_eq!(error.code(), ErrorKind::EnvMissing.code());
    assert!(error.to_string().contains("NOBODY_SETS_THIS_7F"));
}
