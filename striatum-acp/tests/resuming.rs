//! Going on with an earlier conversation, or not.

use serde_json::{Value, json};
use striatum_core::transport::AgentSession;

use crate::agent::{Agent, SESSION, open, spec};

/// What an agent says when it is to go on with a conversation.
#[derive(Debug, Clone)]
enum Said {
    Result(Value),
    Error(i64, &'static str),
}

/// A session with an agent that can do this, and the requests by which it came about.
async fn gone_on_with(can: Value, said: Said) -> (Vec<String>, Box<dyn AgentSession>) {
    let (tell, told) = std::sync::mpsc::channel();
    let script = move |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        agent.answer(&hello, json!({"protocolVersion": 1, "agentCapabilities": can})).await;
        while let Some(request) = agent.hear().await {
            let method = request["method"].as_str().expect("a method").to_owned();
            match (method.as_str(), &said) {
                ("session/new", _) => agent.answer(&request, json!({"sessionId": SESSION})).await,
                (_, Said::Result(result)) => {
                    assert_eq!(request["params"]["sessionId"], "earlier");
                    agent.answer(&request, result.clone()).await;
                }
                (_, Said::Error(code, message)) => {
                    agent.refuse(&request, json!({"code": code, "message": message})).await;
                }
            }
            // Nobody listens when the session is open.
            let _ = tell.send(method);
        }
    };
    let session = open(spec().resuming("earlier"), script).await.expect("a session");
    (told.try_iter().collect(), session)
}

fn can_load() -> Value {
    json!({"loadSession": true})
}

#[tokio::test(start_paused = true)]
async fn a_conversation_is_gone_on_with_where_the_agent_can() {
    let both = json!({"loadSession": true, "sessionCapabilities": {"resume": {}}});
    let table = [
        (both.clone(), json!({}), vec!["session/resume"], Some("earlier")),
        // The SDKs of agents send nothing where there is nothing to say.
        (both, Value::Null, vec!["session/resume"], Some("earlier")),
        (can_load(), json!({}), vec!["session/load"], Some("earlier")),
        (can_load(), Value::Null, vec!["session/load"], Some("earlier")),
        (can_load(), json!({"sessionId": "another"}), vec!["session/load"], Some("earlier")),
        (json!({}), json!({}), vec!["session/new"], None),
    ];
    for (can, result, methods, name) in table {
        let (asked, session) = gone_on_with(can.clone(), Said::Result(result.clone())).await;
        assert_eq!((asked, session.conversation()), (owned(&methods), name), "{can} {result}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_has_forgotten_is_begun_anew() {
    let said = [
        Said::Error(-32002, "Resource not found: earlier"),
        Said::Error(-32602, "Session not found: earlier"),
        Said::Error(-32603, "Internal error"),
        // An answer that says nothing of a session.
        Said::Result(json!([])),
        Said::Result(json!("no")),
    ];
    for said in said {
        let (asked, session) = gone_on_with(can_load(), said.clone()).await;
        assert_eq!(asked, ["session/load", "session/new"], "{said:?}");
        assert_eq!(session.conversation(), Some(SESSION), "{said:?}");
    }
}

fn owned(methods: &[&str]) -> Vec<String> {
    methods.iter().map(|method| (*method).to_owned()).collect()
}
