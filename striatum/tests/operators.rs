//! A program with an operator's token and nothing else.

use std::{sync::Arc, time::Duration};

use rmcp::{RoleClient, ServiceExt as _, model::CallToolRequestParams, service::RunningService};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use striatum::{
    Orchestrator, Progress,
    core::{
        run::{Actor, Event, RunStatus},
        workflow::{BranchMode, WorkflowBuilder},
    },
    server::{
        Boundary,
        authority::{Authority, Capabilities, Capability, OperatorScope, Scope, SigningKey},
        operators::Served,
    },
};
use tokio::net::TcpListener;

use crate::fixture::{Agent, Scene, draft, review, soon, start, until, workflow};

struct Pilot {
    client: RunningService<RoleClient, ()>,
    _served: Served,
}

impl Pilot {
    /// An AI operator of this orchestrator, over a real connection.
    async fn of(scene: &Scene, orchestrator: &Orchestrator) -> Self {
        let key = SigningKey::from_bytes([7; 32]);
        let authority = Arc::new(Authority::new(key, Arc::new(scene.clock.clone())));
        let scope = OperatorScope {
            actor: Actor::AiOperator("pilot".to_owned()),
            repository: Some(orchestrator.repository().chain().clone()),
            capabilities: Capabilities::of([Capability::Read, Capability::Write]),
        };
        let token = authority.issue(Scope::Operator(scope), Duration::from_secs(3600)).expect("a token");
        let operators = orchestrator.operators(authority, Boundary::default()).await.expect("an interface");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let served = operators.serve(listener).expect("it serves");
        let url = format!("http://{}/mcp", served.address());
        let transport =
            striatum_testkit::mcp::transport(&url, token.secret.expose_secret()).expect("a client");
        let client = soon(().serve(transport)).await.expect("a connection");
        Self { client, _served: served }
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> Result<Value, Value> {
        let arguments = arguments.as_object().cloned().expect("an object");
        let request = CallToolRequestParams::new(tool).with_arguments(arguments);
        let result = soon(self.client.call_tool(request)).await.expect("an answer");
        let answer = result.structured_content.expect("it is structured");
        if result.is_error == Some(true) { Err(answer) } else { Ok(answer) }
    }
}

fn document(workflow: &WorkflowBuilder) -> Value {
    let document = serde_json::to_value(workflow.document()).expect("a document");
    json!({ "workflow": { "inline": { "document": document } } })
}

#[tokio::test]
async fn a_program_with_a_token_alone_takes_a_run_from_prepare_to_its_delivery() {
    let scene = Scene::new();
    let orchestrator = scene.orchestrator(&Agent::diligent()).await;
    let pilot = Pilot::of(&scene, &orchestrator).await;
    let mut progress = orchestrator.progress();
    let work = start(&orchestrator);

    let workflow = workflow([draft("a"), review("r", "a")]).branch(BranchMode::Confirm, "result");
    let prepared = pilot.call("prepare_run", document(&workflow)).await.expect("it is prepared");
    let run = json!({ "run": prepared["run"]["run"] });
    assert_eq!(prepared["run"]["status"], "needs_branch_confirmation");
    let refused = pilot.call("start_run", run.clone()).await.expect_err("it is not confirmed");
    assert_eq!(refused["error"]["code"], "run_status");
    pilot.call("confirm_branch", run.clone()).await.expect("it is confirmed");
    pilot.call("start_run", run.clone()).await.expect("it starts");
    let delivered = until(&mut progress, |update| match update {
        Progress::Event { event: Event::RunDelivered(e), .. } => Some(e.commit.clone()),
        _ => None,
    });
    let delivered = delivered.await;

    let shown = pilot.call("show_run", run.clone()).await.expect("it is shown");
    assert_eq!((&shown["status"], &shown["delivered"]), (&json!("completed"), &json!(delivered)));
    assert_eq!(scene.git(&["show", "result:out/a.md"]), "a at attempt 1");
    let events = pilot.call("list_run_events", run).await.expect("they are listed");
    let confirmed = &events["items"][1]["body"];
    assert_eq!(
        (&confirmed["kind"], &confirmed["actor"]),
        (&json!("run.branch_confirmed"), &json!({ "ai_operator": "pilot" }))
    );
    orchestrator.drain();
    soon(work).await.expect("it ends");
}

#[tokio::test]
async fn a_document_is_read_from_the_repository_and_from_nowhere_else() {
    let scene = Scene::new();
    let orchestrator = scene.orchestrator(&Agent::diligent()).await;
    let pilot = Pilot::of(&scene, &orchestrator).await;
    let bytes = serde_json::to_string(&workflow([draft("a")]).document()).expect("a document");
    std::fs::write(scene.beside("outside.json"), &bytes).expect("a file");
    std::fs::create_dir(scene.root().join("flows")).expect("a folder");
    std::fs::write(scene.root().join("flows/w.json"), &bytes).expect("a file");
    std::os::unix::fs::symlink(scene.beside("outside.json"), scene.root().join("flows/link.json"))
        .expect("a link");
    scene.git(&["add", "-A"]);
    scene.git(&["commit", "-q", "-m", "flows"]);

    let absolute = scene.beside("outside.json").display().to_string();
    for path in
        ["../outside.json", "flows/../../outside.json", "flows/link.json", "missing.json", absolute.as_str()]
    {
        let refused = pilot.call("prepare_run", json!({ "workflow": { "path": path } })).await;
        assert_eq!(refused.expect_err("it is refused")["error"]["code"], "file_unreadable", "{path}");
    }
    let wanted = json!({ "workflow": { "path": "flows/w.json" } });
    let prepared = pilot.call("prepare_run", wanted).await.expect("it is prepared");
    assert_eq!(prepared["run"]["status"], RunStatus::Ready.as_str());

    std::fs::write(scene.root().join("README.md"), "changed\n").expect("a file");
    let refused = pilot.call("prepare_run", document(&workflow([draft("a")]))).await;
    assert_eq!(refused.expect_err("it is dirty")["error"]["code"], "repository_dirty");
}
