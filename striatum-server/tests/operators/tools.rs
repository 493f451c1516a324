//! The operations as tools.

use std::{sync::Arc, time::Duration};

use rmcp::{
    RoleClient, ServiceExt as _,
    model::{CallToolRequestParams, CallToolResult},
    service::RunningService,
};
use serde_json::{Value, json};
use striatum_core::run::{Actor, Verdict};
use striatum_server::{Serving, authority::Capability};
use tokio::net::TcpListener;

use super::bench::{Bench, Failed, inline, reviewed, with_person};

const PATIENCE: Duration = Duration::from_secs(20);

/// A client of the interface, over a real connection.
struct Client {
    client: RunningService<RoleClient, ()>,
}

impl Client {
    async fn open(address: &str, token: &str) -> Result<Self, Failed> {
        let transport = striatum_testkit::mcp::transport(&format!("http://{address}/mcp"), token)?;
        Ok(Self { client: tokio::time::timeout(PATIENCE, ().serve(transport)).await?? })
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> Result<CallToolResult, Failed> {
        let Value::Object(arguments) = arguments else { return Err("arguments are an object".into()) };
        let request = CallToolRequestParams::new(tool).with_arguments(arguments);
        Ok(tokio::time::timeout(PATIENCE, self.client.call_tool(request)).await??)
    }

    /// What a tool that is to succeed answers.
    async fn done(&self, tool: &'static str, arguments: Value) -> Result<Value, Failed> {
        let result = self.call(tool, arguments).await?;
        if result.is_error == Some(true) {
            return Err(format!("{tool}: {:?}", result.content).into());
        }
        Ok(result.structured_content.unwrap_or_default())
    }

    async fn tools(&self) -> Result<Vec<String>, Failed> {
        let tools = self.client.list_all_tools().await?;
        Ok(tools.into_iter().map(|tool| tool.name.into_owned()).collect())
    }
}

/// Serves the interface until the second part is dropped.
async fn serve(bench: Bench) -> Result<(Arc<Bench>, String, Serving), Failed> {
    let serving = Serving::start(TcpListener::bind("127.0.0.1:0").await?, bench.router.clone())?;
    let address = serving.address().to_string();
    Ok((Arc::new(bench), address, serving))
}

#[tokio::test]
async fn a_client_with_an_operators_token_alone_takes_a_run_from_prepare_to_completed() -> Result<(), Failed>
{
    let bench = Bench::new().await?;
    let token = bench.token(
        Actor::AiOperator("pilot".to_owned()),
        &[Capability::Read, Capability::Write, Capability::Review],
    )?;
    let (bench, address, _serving) = serve(bench).await?;
    let client = Client::open(&address, &token).await?;

    let mut workflow = reviewed();
    workflow["ai_operator_may"] = json!(["question"]);
    let prepared = client.done("prepare_run", inline(workflow)).await?;
    let run = prepared["run"]["run"].as_str().unwrap().to_owned();
    let of_run = json!({ "run": run });
    client.done("confirm_branch", json!({ "run": run, "branch": "mine" })).await?;
    client.done("start_run", of_run.clone()).await?;
    client.done("pause_run", of_run.clone()).await?;
    client.done("resume_run", of_run.clone()).await?;
    bench.question(&run, "Which colour?").await?;
    let questions = client.done("list_questions", of_run.clone()).await?;
    assert_eq!(
        (&questions["items"][0]["question"], &questions["items"][0]["ai_operator_may"]),
        (&json!(1), &json!(true))
    );
    client.done("answer_question", json!({ "run": run, "question": 1, "text": "Blue." })).await?;
    bench.work(&run, Verdict::Accept).await?;
    let shown = client.done("show_run", of_run.clone()).await?;
    assert_eq!((&shown["status"], &shown["branch"]), (&json!("completed"), &json!("mine")));
    let events = client.done("list_run_events", of_run).await?;
    assert_eq!(events["items"][0]["body"]["actor"], json!({ "ai_operator": "pilot" }));
    Ok(())
}

#[tokio::test]
async fn what_the_workflow_leaves_to_people_is_refused_to_the_tools_of_an_ai_operator() -> Result<(), Failed>
{
    let bench = Bench::new().await?;
    let token = bench.token(Actor::AiOperator("pilot".to_owned()), &[Capability::Review])?;
    let run = bench.started(&bench.ada()?, reviewed()).await?;
    bench.question(&run, "Which colour?").await?;
    let (_bench, address, _serving) = serve(bench).await?;
    let client = Client::open(&address, &token).await?;
    let refused =
        client.call("answer_question", json!({ "run": run, "question": 1, "text": "Blue." })).await?;
    assert_eq!(refused.is_error, Some(true));
    assert_eq!(refused.structured_content.unwrap_or_default()["error"]["code"], "principal_required");
    Ok(())
}

#[tokio::test]
async fn who_lists_the_tools_sees_what_the_token_allows() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let reading = bench.token(Actor::Service("dash".to_owned()), &[Capability::Read])?;
    let judging = bench.token(Actor::Human("ada".to_owned()), &[Capability::Review])?;
    let all = bench.ada()?;
    let (_bench, address, _serving) = serve(bench).await?;
    let tools = Client::open(&address, &reading).await?.tools().await?;
    assert!(tools.contains(&"show_run".to_owned()) && !tools.contains(&"start_run".to_owned()), "{tools:?}");
    let tools = Client::open(&address, &judging).await?.tools().await?;
    assert_eq!(
        tools,
        [
            "resolve_checkpoint",
            "decide",
            "supersede_artifacts",
            "answer_question",
            "settle_escalation",
            "compromise_run"
        ]
    );
    let everything = Client::open(&address, &all).await?;
    let tools = everything.tools().await?;
    assert!(!tools.iter().any(|tool| tool.contains("token") || tool.contains("audit")), "{tools:?}");
    assert!(Client::open(&address, "striatum_x.y").await.is_err());
    Ok(())
}

#[tokio::test]
async fn every_tool_is_refused_without_its_capability_even_if_it_is_called_by_name() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let admin = bench.token(Actor::Human("ada".to_owned()), &[Capability::Admin])?;
    let all = bench.ada()?;
    let run = bench.started(&all, with_person()).await?;
    let (_bench, address, _serving) = serve(bench).await?;
    let powerless = Client::open(&address, &admin).await?;
    let everything = Client::open(&address, &all).await?;
    let tools = everything.client.list_all_tools().await?;
    assert!(tools.len() > 20);
    for tool in tools {
        let request = CallToolRequestParams::new(tool.name.clone())
            .with_arguments(json!({ "run": run }).as_object().cloned().unwrap_or_default());
        let result = powerless.client.call_tool(request).await?;
        let code = result.structured_content.unwrap_or_default()["error"]["code"].clone();
        assert_eq!(code, "capability_missing", "{}", tool.name);
    }
    for hidden in ["issue_token", "issue_claim_token", "revoke_token", "read_audit"] {
        assert!(everything.call(hidden, json!({})).await.is_err(), "{hidden}");
    }
    Ok(())
}
