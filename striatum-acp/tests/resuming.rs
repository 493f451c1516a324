//! Going on with an earlier conversation, or not.

use serde_json::{Value, json};
use striatum_core::transport::{AgentSession, AgentUpdate, Choices, Outcome, Prompt, TurnEnd};

use crate::agent::{Agent, SESSION, open, soon, spec};

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

/// What becomes of the first turn with an agent that says nothing before it, and then this.
async fn first_turn(answer: Value, says: &'static str) -> (Vec<String>, Option<String>, TurnEnd) {
    let (tell, told) = std::sync::mpsc::channel();
    let script = move |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        agent.answer(&hello, json!({"protocolVersion": 1, "agentCapabilities": can_load()})).await;
        while let Some(request) = agent.hear().await {
            let (method, session) = (&request["method"], &request["params"]["sessionId"]);
            let _ = tell.send(format!("{method} {session}"));
            if method == "session/new" {
                agent.answer(&request, json!({"sessionId": SESSION})).await;
            } else if method == "session/load" {
                agent.answer(&request, Value::Null).await;
            } else if session == "earlier" {
                if !says.is_empty() {
                    let content = json!({"type": "text", "text": says});
                    let update = json!({"sessionUpdate": "agent_message_chunk", "content": content});
                    let params = json!({"sessionId": session, "update": update});
                    agent.say(json!({"jsonrpc": "2.0", "method": "session/update", "params": params})).await;
                }
                let mut answer = answer.clone();
                (answer["jsonrpc"], answer["id"]) = (json!("2.0"), request["id"].clone());
                agent.say(answer).await;
            } else {
                agent.end_turn(&request, "max_turn_requests").await;
            }
        }
    };
    let mut session = open(spec().resuming("earlier"), script).await.expect("a session");
    soon(session.prompt(&Prompt { text: "Go on.".to_owned() })).await.expect("it is taken");
    let end = loop {
        let update = soon(session.next()).await.expect("an update").expect("an end");
        if let AgentUpdate::TurnEnded(end) = update {
            break end;
        }
    };
    (told.try_iter().collect(), session.conversation().map(str::to_owned), end)
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_says_only_in_its_first_turn_that_it_has_forgotten_begins_anew() {
    let forgotten = [
        json!({"result": {"stopReason": "refusal"}}),
        json!({"error": {"code": -32602, "message": "Session not found: earlier"}}),
    ];
    for answer in forgotten {
        let (asked, name, end) = first_turn(answer.clone(), "").await;
        let anew = [
            "\"session/load\" \"earlier\"",
            "\"session/prompt\" \"earlier\"",
            "\"session/new\" null",
            "\"session/prompt\" \"s-1\"",
        ];
        assert_eq!((asked, name.as_deref()), (owned(&anew), Some(SESSION)), "{answer}");
        assert_eq!(end.outcome, Outcome::OutOfTurns, "it has the task, and works on it: {answer}");
    }
    // Who says something knows what it is asked.
    let limited = json!({"error": {"code": -32603, "message": "429 Too Many Requests"}});
    let refused = json!({"result": {"stopReason": "refusal"}});
    for (answer, says, outcome) in
        [(limited, "", Outcome::RateLimited(None)), (refused, "I will not.", Outcome::Refused)]
    {
        let (asked, name, end) = first_turn(answer, says).await;
        assert_eq!((asked.len(), name.as_deref(), end.outcome), (2, Some("earlier"), outcome));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_lane_chooses_holds_in_a_conversation_that_goes_on_or_it_is_begun_anew() {
    let (tell, told) = std::sync::mpsc::channel();
    let script = move |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        agent.answer(&hello, json!({"protocolVersion": 1, "agentCapabilities": can_load()})).await;
        let modes = json!({"currentModeId": "ask", "availableModes": [{"id": "ask", "name": "?"}, {"id": "plan", "name": "?"}]});
        while let Some(request) = agent.hear().await {
            let method = request["method"].as_str().expect("a method").to_owned();
            match method.as_str() {
                "session/new" => agent.answer(&request, json!({"sessionId": SESSION, "modes": modes})).await,
                _ => agent.answer(&request, Value::Null).await,
            }
            let _ = tell.send(method);
        }
    };
    let choices = Choices { mode: Some("plan".to_owned()), ..Choices::default() };
    open(spec().resuming("earlier").choosing(choices), script).await.expect("a session");
    assert_eq!(told.try_iter().collect::<Vec<_>>(), ["session/load", "session/new", "session/set_mode"]);
}

fn owned(methods: &[&str]) -> Vec<String> {
    methods.iter().map(|method| (*method).to_owned()).collect()
}
