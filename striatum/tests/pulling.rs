//! Agents that come for their work by themselves, and do it in trees.

use std::{fs, path::Path, sync::Arc, time::Duration};

use rmcp::{RoleClient, ServiceExt as _, model::CallToolRequestParams, service::RunningService};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use striatum::{
    Orchestrator,
    core::{
        run::{JobStatus, RunStatus},
        workflow::{JobBuilder, LaneBuilder, WorkflowBuilder},
    },
    server::{
        agents::{Agents, AgentsOptions},
        authority::{Authority, ClaimScope, Scope, SigningKey},
    },
};
use striatum_testkit::mcp;

use crate::fixture::{Agent, Scene, begin, draft, job, put, review, soon, state, status, workflow};

pub(crate) type Client = RunningService<RoleClient, ()>;

/// An orchestrator that leaves one lane to agents that pull.
pub(crate) async fn orchestrator(scene: &Scene) -> Orchestrator {
    let driven = Arc::new(Agent::diligent());
    scene.builder().await.adapter("test", driven).pulled("pull").build().await.expect("it builds")
}

pub(crate) fn pulled(jobs: impl IntoIterator<Item = JobBuilder>) -> WorkflowBuilder {
    workflow(jobs).lane("away", LaneBuilder::adapter("pull"))
}

/// An agent with a session, and the listener that it came to.
pub(crate) struct Puller {
    client: Client,
    session: Value,
    _agents: Agents,
}

impl Puller {
    pub(crate) async fn of(scene: &Scene, orchestrator: &Orchestrator) -> Self {
        Self::playing("author", scene, orchestrator).await
    }

    pub(crate) async fn playing(role: &str, scene: &Scene, orchestrator: &Orchestrator) -> Self {
        let key = SigningKey::from_bytes([7; 32]);
        let authority = Arc::new(Authority::new(key, Arc::new(scene.clock.clone())));
        let mut options = AgentsOptions::default();
        options.pull = Some(orchestrator.pull().expect("a folder"));
        let agents = Agents::listen(authority.clone(), options).await.expect("a port");
        let scope = ClaimScope {
            repository: orchestrator.repository().chain().clone(),
            role: role.parse().expect("a name"),
            lane: "away".parse().expect("a name"),
        };
        let token = authority.issue(Scope::Claim(scope), Duration::from_secs(3600)).expect("a token");
        let client = connect(agents.url(), token.secret.expose_secret()).await;
        let said: Value =
            serde_json::from_str(&call(&client, "register_session", json!({})).await).expect("JSON");
        Self { client, session: json!({"session": said["session"]}), _agents: agents }
    }

    /// Waits for work and begins it: its task, and its tools.
    pub(crate) async fn work(&self) -> (String, Client) {
        let said = call(&self.client, "await_work", self.session.clone()).await;
        let work: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
        let text = |key: &str| work[key].as_str().unwrap_or_else(|| panic!("{key} in {said}")).to_owned();
        let said = call(&self.client, "ack_work", self.session.clone()).await;
        assert!(said.starts_with("accepted"), "{said}");
        (text("task"), connect(&text("url"), &text("token")).await)
    }
}

async fn connect(url: &str, token: &str) -> Client {
    soon(().serve(mcp::transport(url, token).expect("a client"))).await.expect("it is let in")
}

pub(crate) async fn call(client: &Client, tool: &'static str, arguments: Value) -> String {
    let request =
        CallToolRequestParams::new(tool).with_arguments(arguments.as_object().expect("an object").clone());
    let result = soon(client.call_tool(request)).await.expect("an answer");
    json!(result.content)[0]["text"].as_str().expect("a text").to_owned()
}

/// The folder that a task names.
pub(crate) fn folder(task: &str) -> &Path {
    let (_, rest) = task.split_once("Work in the folder ").expect("it names one");
    Path::new(rest.split_once(", and nowhere else").expect("it ends").0)
}

#[tokio::test]
async fn what_an_agent_that_pulls_leaves_and_commits_in_its_tree_is_judged_and_delivered() {
    let scene = Scene::new();
    let orchestrator = orchestrator(&scene).await;
    let puller = Puller::of(&scene, &orchestrator).await;
    let run = begin(&orchestrator, &pulled([draft("a").by("author", "away"), review("r", "a")])).await.run;
    scene.work(&orchestrator).await;
    assert_eq!(state(&orchestrator, run).await.job(&job("a")).expect("it is there").status, JobStatus::Ready);

    let (task, tools) = puller.work().await;
    let tree = folder(&task);
    assert_eq!(fs::read_to_string(tree.join("README.md")).expect("it is there"), "read me\n");
    put(&tree.join("out/b.md"), "committed\n");
    for args in [&["add", "-A"][..], &["commit", "-q", "-m", "Write b as well"]] {
        let done = striatum_testkit::git::call(tree, "Away").args(args).status().expect("git runs");
        assert!(done.success(), "{args:?}");
    }
    put(&tree.join("elsewhere.md"), "out of scope\n");
    put(&tree.join("out/a.md"), "left\n");
    let said = call(&tools, "complete_work", json!({})).await;
    assert!(said.starts_with("refused (") && said.contains("elsewhere.md"), "{said}");
    fs::remove_file(tree.join("elsewhere.md")).expect("a file");
    let said = call(&tools, "complete_work", json!({})).await;
    assert!(said.starts_with("accepted"), "{said}");

    // It asks for more, and what it had is closed.
    let wait = json!({"session": puller.session["session"], "wait_seconds": 0});
    let said = call(&puller.client, "await_work", wait).await;
    assert!(said.contains("\"job\":null"), "{said}");
    assert!(!tree.exists(), "its tree is closed");
    scene.work(&orchestrator).await;
    assert_eq!(status(&orchestrator, run).await, Some(RunStatus::Completed));
    for (path, text) in [("out/a.md", "left"), ("out/b.md", "committed")] {
        assert_eq!(scene.git(&["show", &format!("result:{path}")]), text);
    }
    let messages = scene.git(&["log", "--format=%s", "result"]);
    assert!(messages.contains("Write b as well"), "{messages}");
}

#[tokio::test]
async fn what_was_pulled_from_a_process_that_died_is_set_aside_and_handed_out_again() {
    let scene = Scene::new();
    let (first, second) = (orchestrator(&scene).await, orchestrator(&scene).await);
    let puller = Puller::of(&scene, &first).await;
    let run = begin(&first, &pulled([draft("a").by("author", "away")])).await.run;
    let (task, _tools) = puller.work().await;
    put(&folder(&task).join("out/a.md"), "half\n");
    let is_running = async || state(&second, run).await.job(&job("a")).expect("it is there").status;
    assert_eq!(is_running().await, JobStatus::Running);
    // What dies with a process is the lock on its file; here, with all who hold it.
    let Puller { client, _agents, .. } = puller;
    client.cancel().await.expect("it ends");
    drop(_agents);
    drop(first);
    let again = Puller::of(&scene, &second).await;
    let ready = async {
        while is_running().await != JobStatus::Ready {
            scene.work(&second).await;
            tokio::task::yield_now().await;
        }
    };
    soon(ready).await;
    let (task, tools) = again.work().await;
    let (_, left) =
        task.split_once("did not finish this task. What it left is in commit ").expect("it is told");
    let left = left.split(';').next().expect("a commit");
    assert_eq!(scene.git(&["show", &format!("{left}:out/a.md")]), "half");
    put(&folder(&task).join("out/a.md"), "whole\n");
    let said = call(&tools, "complete_work", json!({})).await;
    assert!(said.starts_with("accepted"), "{said}");
    scene.work(&second).await;
    assert_eq!(scene.git(&["show", "result:out/a.md"]), "whole");
}
