//! How a session begins.

use std::path::Path;

use serde_json::json;
use striatum_acp::{AcpError, AcpOptions, AcpTransport, FileAccess, ToolAccess, Version};
use striatum_core::{
    sandbox::{EnvVar, Exit},
    transport::{
        Advice, AgentTransport as _, AgentUpdate, Bridge, Outcome, Secret, Spend, ToolServer,
        TransportErrorKind,
    },
};
use tokio::io::AsyncWriteExt;

use crate::agent::{Agent, SESSION, cause, connect, listen, open, soon, spec, start, work};

#[tokio::test(start_paused = true)]
async fn both_sides_say_what_they_are() {
    let script = |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        assert_eq!(hello["params"]["protocolVersion"], 1);
        assert_eq!(hello["params"]["clientInfo"]["name"], "striatum");
        assert_eq!(hello["params"]["clientInfo"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(hello["params"]["clientCapabilities"]["fs"]["readTextFile"], true);
        assert_eq!(hello["params"]["clientCapabilities"]["fs"]["writeTextFile"], false);
        assert_eq!(hello["params"]["clientCapabilities"]["terminal"], false, "nothing runs commands");
        // Some agents speak before they are asked, and in words of their own.
        agent.say(json!({"jsonrpc": "2.0", "method": "_auth/status_update", "params": {}})).await;
        let info = json!({"name": "scripted", "version": "1.2.3"});
        agent.answer(&hello, json!({"protocolVersion": 1, "agentInfo": info})).await;
        let new = agent.expect("session/new").await;
        assert_eq!(new["params"]["cwd"], "/tree");
        agent.text("too early").await;
        let models = json!({"currentModelId": "m-7", "availableModels": []});
        agent.answer(&new, json!({"sessionId": SESSION, "models": models})).await;
    };
    let options = options(|options| options.files = FileAccess::Read);
    let mut session = connect(options, Path::new("/tree"), script).await.expect("a session");
    let agent = session.agent().clone();
    assert_eq!(agent.name.as_deref(), Some("scripted"));
    assert_eq!(agent.version.as_deref(), Some("1.2.3"));
    assert_eq!(agent.model.as_deref(), Some("m-7"));
    let story = listen(session.as_mut()).await;
    assert_eq!((story.out.as_str(), story.exit), ("", Some(Exit::Code(0))));
}

#[tokio::test(start_paused = true)]
async fn the_model_may_be_an_option_and_change() {
    let model = |value: &str| {
        json!([{"id": "m", "name": "Model", "category": "model", "type": "select", "currentValue": value,
            "options": [{"value": value, "name": value}]}])
    };
    let script = move |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        agent.answer(&hello, json!({"protocolVersion": 1})).await;
        let new = agent.expect("session/new").await;
        agent.answer(&new, json!({"sessionId": SESSION, "configOptions": model("small")})).await;
        let task = agent.expect("session/prompt").await;
        agent.update(json!({"sessionUpdate": "config_option_update", "configOptions": model("large")})).await;
        agent.text("done").await;
        agent.end_turn(&task, "end_turn").await;
    };
    let mut session = work(AcpOptions::default(), script).await;
    assert_eq!(session.agent().name, None);
    assert_eq!(session.agent().model.as_deref(), Some("small"));
    listen(session.as_mut()).await;
    assert_eq!(session.agent().model.as_deref(), Some("large"));
}

#[tokio::test(start_paused = true)]
async fn an_agent_with_a_key_is_told_to_use_it() {
    let script = |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        let methods = json!([{"id": "login", "name": "Log in"}, {"id": "api-key", "name": "Key"}]);
        agent.answer(&hello, json!({"protocolVersion": 1, "authMethods": methods})).await;
        let new = agent.expect("session/new").await;
        agent.refuse(&new, json!({"code": -32000, "message": "Authentication required"})).await;
        let method = agent.expect("authenticate").await;
        assert_eq!(method["params"]["methodId"], "api-key");
        agent.answer(&method, json!({})).await;
        let new = agent.expect("session/new").await;
        agent.answer(&new, json!({"sessionId": SESSION})).await;
    };
    let options = options(|options| options.auth_method = Some("api-key".to_owned()));
    let mut session = connect(options, Path::new("/tree"), script).await.expect("a session");
    assert_eq!(listen(session.as_mut()).await.exit, Some(Exit::Code(0)));
}

#[tokio::test(start_paused = true)]
async fn an_agent_without_credentials_says_so() {
    let script = |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        agent.answer(&hello, json!({"protocolVersion": 1})).await;
        let new = agent.expect("session/new").await;
        agent.err.write_all(b"no key").await.expect("somebody listens");
        agent.refuse(&new, json!({"code": -32000, "message": "Authentication required"})).await;
        agent.linger().await;
    };
    let options = options(|options| options.auth_method = Some("api-key".to_owned()));
    let refused = connect(options, Path::new("/tree"), script).await.expect_err("no session");
    assert_eq!(refused.kind, TransportErrorKind::Unauthenticated);
    let AcpError::Refused { outcome, code, .. } = cause(&refused) else { panic!("{refused:?}") };
    assert_eq!((outcome, code), (Outcome::AuthNeeded, -32000));
}

#[tokio::test(start_paused = true)]
async fn another_version_is_refused() {
    let script = |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        agent.answer(&hello, json!({"protocolVersion": 2})).await;
        agent.linger().await;
    };
    let refused = connect(AcpOptions::default(), Path::new("/tree"), script).await.expect_err("no session");
    assert_eq!(refused.kind, TransportErrorKind::Protocol);
    assert_eq!(cause(&refused), AcpError::Version { version: "2".to_owned() });
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_too_old_is_refused() {
    let at_least = |at_least| options(|options| options.at_least = Some(at_least));
    let script = |mut agent: Agent| async move {
        agent.greet().await;
    };
    connect(at_least(Version::new(1, 2, 3)), Path::new("/tree"), script).await.expect("a session");
    let newer = Version::new(1, 10, 0);
    let script = |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        let info = json!({"name": "scripted", "version": "1.9.9"});
        agent.answer(&hello, json!({"protocolVersion": 1, "agentInfo": info})).await;
        agent.linger().await;
    };
    let refused = connect(at_least(newer), Path::new("/tree"), script).await.expect_err("no session");
    assert_eq!(refused.kind, TransportErrorKind::Unsupported);
    assert_eq!(cause(&refused), AcpError::TooOld { found: Version::new(1, 9, 9), at_least: newer });
}

fn tools() -> ToolServer {
    ToolServer::http("striatum", "http://127.0.0.1:1/mcp", Secret::new("hunter2-hunter2"))
}

#[tokio::test(start_paused = true)]
async fn tools_are_passed_on_with_a_token_that_nothing_shows() {
    let script = |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        let can = json!({"mcpCapabilities": {"http": true}});
        agent.answer(&hello, json!({"protocolVersion": 1, "agentCapabilities": can})).await;
        let new = agent.expect("session/new").await;
        let server = &new["params"]["mcpServers"][0];
        assert_eq!((&server["type"], &server["name"]), (&json!("http"), &json!("striatum")));
        assert_eq!(server["url"], "http://127.0.0.1:1/mcp");
        assert_eq!(server["headers"][0], json!({"name": "Authorization", "value": "Bearer hunter2-hunter2"}));
        agent.refuse(&new, json!({"code": -32603, "message": "no"})).await;
    };
    let spec = spec().with_tools(tools());
    assert!(!format!("{spec:?}").contains("hunter2"));
    let refused = open(spec, script).await.expect_err("no session");
    assert!(matches!(cause(&refused), AcpError::Refused { method: "session/new", .. }));
    assert!(!format!("{refused:?}").contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn an_agent_without_http_gets_a_program_between_or_is_refused() {
    let script = |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        agent.answer(&hello, json!({"protocolVersion": 1})).await;
        let Some(new) = agent.hear().await else { return };
        let server = &new["params"]["mcpServers"][0];
        assert_eq!((&server["command"], &server["args"]), (&json!("/bin/bridge"), &json!(["mcp"])));
        assert_eq!(server["env"], json!([{"name": "TOKEN", "value": "hunter2-hunter2"}]));
        agent.answer(&new, json!({"sessionId": SESSION})).await;
        agent.linger().await;
    };
    let bridge = Bridge {
        argv: vec!["/bin/bridge".into(), "mcp".into()],
        env: vec![EnvVar::new("TOKEN", "hunter2-hunter2")],
    };
    open(spec().with_tools(tools().with_bridge(bridge)), script).await.expect("a session");
    let refused = open(spec().with_tools(tools()), script).await.expect_err("no session");
    assert_eq!(refused.kind, TransportErrorKind::Unsupported);
    assert_eq!(cause(&refused), AcpError::NoBridge { server: "striatum".to_owned() });
    assert_eq!(cause(&refused).advice(), Advice::Checkpoint);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_cannot_do_what_it_says_gets_a_program_between_as_well() {
    let script = |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        let can = json!({"mcpCapabilities": {"http": true}});
        agent.answer(&hello, json!({"protocolVersion": 1, "agentCapabilities": can})).await;
        let new = agent.expect("session/new").await;
        let server = &new["params"]["mcpServers"][0];
        assert_eq!((&server["command"], server.get("url")), (&json!("/bin/bridge"), None));
        agent.answer(&new, json!({"sessionId": SESSION})).await;
        agent.linger().await;
    };
    let bridge = Bridge { argv: vec!["/bin/bridge".into()], env: Vec::new() };
    let transport = AcpTransport::new(options(|options| options.tools = ToolAccess::Bridge));
    let spec = spec().with_tools(tools().with_bridge(bridge));
    soon(transport.connect(start(script), &spec)).await.expect("a session");
}

#[tokio::test(start_paused = true)]
async fn a_turn_tells_what_it_cost_and_how_full_the_window_is() {
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        let meta = json!({"_claude/model": "claude-opus-5-5"});
        agent
            .update(json!({"sessionUpdate": "usage_update", "used": 700, "size": 1000, "_meta": meta}))
            .await;
        agent.text("done").await;
        let usage = json!({"inputTokens": 10, "outputTokens": 5, "cachedReadTokens": 85, "totalTokens": 100});
        agent.answer(&task, json!({"stopReason": "end_turn", "usage": usage})).await;
        agent.linger().await;
    };
    let mut session = work(AcpOptions::default(), script).await;
    assert_eq!(soon(session.next()).await.expect("an update"), Some(AgentUpdate::Context(700)));
    let end = loop {
        match soon(session.next()).await.expect("an update") {
            Some(AgentUpdate::TurnEnded(end)) => break end,
            Some(_) => {}
            None => panic!("no end"),
        }
    };
    assert_eq!(end.spend, Spend { input_tokens: Some(95), output_tokens: Some(5) });
    assert_eq!(session.agent().model.as_deref(), Some("claude-opus-5-5"));
}

pub(crate) fn options(change: impl FnOnce(&mut AcpOptions)) -> AcpOptions {
    let mut options = AcpOptions::default();
    change(&mut options);
    options
}
