//! Agents that die or fall silent before they have a task, and while somebody thinks about what they want.

use std::time::Duration;

use serde_json::json;
use striatum_acp::{AcpError, AcpOptions, AcpTransport};
use striatum_core::{
    sandbox::Exit,
    transport::{AgentTransport, AgentUpdate, Answer, Choices, TransportErrorKind},
};

use crate::{
    agent::{Agent, SESSION, cause, soon, spec, start, work},
    handshake::options,
};

/// What becomes of a connection to an agent that dies or is silent at a step.
async fn at(step: &'static str, is_silent: bool) -> AcpError {
    let script = move |mut agent: Agent| async move {
        let modes = json!({"currentModeId": "ask", "availableModes": [{"id": "ask", "name": "?"}, {"id": "edit", "name": "?"}]});
        while let Some(request) = agent.hear().await {
            let method = request["method"].as_str().expect("a method").to_owned();
            if method == step {
                if is_silent {
                    agent.linger().await;
                }
                return;
            }
            match method.as_str() {
                "initialize" => {
                    let can = json!({"loadSession": step == "session/load"});
                    let by = json!([{"id": "key", "name": "?"}]);
                    let told = json!({"protocolVersion": 1, "agentCapabilities": can, "authMethods": by});
                    agent.answer(&request, told).await;
                }
                "session/new" if step == "authenticate" => {
                    agent
                        .refuse(&request, json!({"code": -32000, "message": "Authentication required"}))
                        .await;
                }
                _ => agent.answer(&request, json!({"sessionId": SESSION, "modes": modes})).await,
            }
        }
        panic!("{step} was not asked");
    };
    let options = options(|options| {
        options.auth_method = Some("key".to_owned());
        options.limits.start = Duration::from_secs(7);
    });
    let choices = Choices { mode: Some("edit".to_owned()), ..Choices::default() };
    let spec = spec().resuming("earlier").choosing(choices);
    let transport = AcpTransport::new(options);
    cause(&soon(transport.connect(start(script), &spec)).await.expect_err("no session"))
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_dies_or_is_silent_at_any_step_to_a_session_gives_an_error() {
    for step in ["initialize", "authenticate", "session/load", "session/new", "session/set_mode"] {
        assert_eq!(at(step, false).await, AcpError::Gone, "{step}");
        let late = AcpError::Late { method: step, after: Duration::from_secs(7) };
        assert_eq!(at(step, true).await, late, "{step}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_dies_while_leave_is_thought_about_has_ended_and_needs_no_answer() {
    let script = |mut agent: Agent| async move {
        agent.begin().await;
        let call = json!({"toolCallId": "t", "title": "fetch", "kind": "fetch"});
        let options = json!([{"optionId": "yes", "name": "Yes", "kind": "allow_once"}]);
        let params = json!({"sessionId": SESSION, "toolCall": call, "options": options});
        agent
            .say(json!({"jsonrpc": "2.0", "id": 1, "method": "session/request_permission", "params": params}))
            .await;
    };
    let mut session = work(AcpOptions::default(), script).await;
    let asked = soon(session.next()).await.expect("an update").expect("it asks");
    let AgentUpdate::Permission { request, .. } = asked else { panic!("{asked:?}") };
    assert_eq!(soon(session.next()).await.expect("an update"), Some(AgentUpdate::Ended(Exit::Code(0))));
    if let Err(late) = soon(session.answer(request, Answer::Allow)).await {
        assert_eq!(late.kind, TransportErrorKind::Late);
    }
}
