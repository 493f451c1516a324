//! What is chosen of what an agent offers.

use serde_json::{Value, json};
use striatum_acp::AcpError;
use striatum_core::transport::{Advice, AgentSession, Choices, TransportError, TransportErrorKind};

use crate::agent::{Agent, SESSION, cause, open, spec};

type Asked = Vec<(String, Value)>;

/// A session with an agent that offers this and does what it is told, and what it was told.
async fn chosen(
    choices: Choices,
    offered: Value,
    answer: impl Fn(&str) -> Value + Send + 'static,
) -> (Result<Box<dyn AgentSession>, TransportError>, Asked) {
    let (tell, told) = std::sync::mpsc::channel();
    let script = move |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        let switches = &hello["params"]["clientCapabilities"]["session"]["configOptions"]["boolean"];
        assert_eq!(*switches, json!({}), "we know options that are on or off");
        agent.answer(&hello, json!({"protocolVersion": 1})).await;
        let new = agent.expect("session/new").await;
        let mut session = offered;
        session["sessionId"] = json!(SESSION);
        agent.answer(&new, session).await;
        while let Some(mut request) = agent.hear().await {
            let method = request["method"].as_str().expect("a method").to_owned();
            agent.answer(&request, answer(&method)).await;
            tell.send((method, request["params"].take())).expect("somebody listens");
        }
    };
    let session = open(spec().choosing(choices), script).await;
    (session, told.try_iter().collect())
}

async fn asked(choices: Choices, offered: Value) -> Asked {
    let (session, asked) = chosen(choices, offered, |_| json!({})).await;
    session.expect("a session");
    asked
}

fn choices(mode: &str, model: &str) -> Choices {
    Choices { mode: Some(mode.to_owned()), model: Some(model.to_owned()), ..Choices::default() }
}

fn options<const N: usize>(options: [(&str, &str); N]) -> Choices {
    let options = options.map(|(id, value)| (id.to_owned(), value.to_owned()));
    Choices { options: options.into(), ..Choices::default() }
}

fn select(category: &str, values: [&str; 2]) -> Value {
    let options = values.map(|value| json!({"value": value, "name": value}));
    json!({"id": format!("{category}-id"), "name": "?", "category": category, "type": "select",
        "currentValue": values[0], "options": options})
}

fn set(id: &str, value: &str) -> (String, Value) {
    let params = json!({"sessionId": SESSION, "configId": id, "value": value});
    ("session/set_config_option".to_owned(), params)
}

fn plain() -> Value {
    let modes = json!({"currentModeId": "ask", "availableModes": [{"id": "ask", "name": "?"}, {"id": "edit", "name": "?"}]});
    let models = json!({"currentModelId": "m", "availableModels": [{"modelId": "m"}, {"modelId": "n"}]});
    json!({"modes": modes, "models": models})
}

#[tokio::test(start_paused = true)]
async fn mode_and_model_are_chosen_in_the_way_that_the_agent_offers() {
    let (session, asked) = chosen(choices("edit", "n"), plain(), |_| json!({})).await;
    assert_eq!(session.expect("a session").agent().model.as_deref(), Some("n"));
    assert_eq!(
        asked,
        [
            ("session/set_mode".to_owned(), json!({"sessionId": SESSION, "modeId": "edit"})),
            ("session/set_model".to_owned(), json!({"sessionId": SESSION, "modelId": "n"})),
        ]
    );
    let as_options = json!({"configOptions": [select("mode", ["ask", "edit"]), select("model", ["m", "n"])]});
    let (session, asked) = chosen(choices("edit", "n"), as_options, |_| json!({})).await;
    assert_eq!(session.expect("a session").agent().model.as_deref(), Some("n"));
    assert_eq!(asked, [set("mode-id", "edit"), set("model-id", "n")]);
}

#[tokio::test(start_paused = true)]
async fn any_option_can_be_set_and_a_switch_is_no_text() {
    let switch = json!({"id": "fast", "name": "?", "type": "boolean", "currentValue": false});
    let grouped = json!({"id": "tone", "name": "?", "type": "select", "currentValue": "dry", "options": [
        {"group": "all", "name": "?", "options": [{"value": "dry", "name": "?"}, {"value": "warm", "name": "?"}]}]});
    let offered = json!({"configOptions": [switch, select("thought_level", ["low", "high"]), grouped]});
    let wanted = options([("fast", "true"), ("thought_level-id", "high"), ("tone", "warm")]);
    let on = json!({"sessionId": SESSION, "configId": "fast", "type": "boolean", "value": true});
    assert_eq!(
        asked(wanted, offered).await,
        [("session/set_config_option".to_owned(), on), set("thought_level-id", "high"), set("tone", "warm")]
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_choice_brings_with_it_can_be_chosen_after_it() {
    let before = json!({"configOptions": [select("model", ["m", "n"])]});
    let after =
        json!({"configOptions": [select("model", ["n", "m"]), select("thought_level", ["low", "high"])]});
    let mut wanted = options([("thought_level-id", "high")]);
    wanted.model = Some("n".to_owned());
    let (session, asked) = chosen(wanted.clone(), before.clone(), move |_| after.clone()).await;
    session.expect("a session");
    assert_eq!(asked, [set("model-id", "n"), set("thought_level-id", "high")]);
    // What an agent does not say stays as it is.
    let (session, asked) = chosen(wanted, before, |_| json!({})).await;
    assert!(session.is_err() && asked.len() == 1, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_offered_is_told_with_what_is() {
    let switch = json!({"id": "fast", "name": "?", "type": "boolean", "currentValue": false});
    let mut offered = plain();
    offered["configOptions"] = json!([select("mode", ["ask", "plan"]), switch]);
    let table: [(Choices, &str, &str, &[&str]); 5] = [
        (choices("fly", "n"), "mode", "fly", &["ask", "edit", "ask", "plan"]),
        (choices("plan", "o"), "model", "o", &["m", "n"]),
        (options([("effort", "high")]), "option", "effort", &["mode-id", "fast"]),
        (options([("fast", "yes")]), "option", "fast=yes", &["fast=true", "fast=false"]),
        (options([("mode-id", "fly")]), "option", "mode-id=fly", &["mode-id=ask", "mode-id=plan"]),
    ];
    for (choices, what, wanted, names) in table {
        let (session, _) = chosen(choices, offered.clone(), |_| json!({})).await;
        let refused = session.expect_err("no session");
        assert_eq!(refused.kind, TransportErrorKind::Unsupported);
        let offered = names.iter().map(|name| (*name).to_owned()).collect();
        let error = cause(&refused);
        assert_eq!(error, AcpError::NotOffered { what, wanted: wanted.to_owned(), offered });
        assert!(error.to_string().ends_with(&names.join(", ")), "{error}");
        assert_eq!(error.advice(), Advice::Checkpoint, "the next session would be told the same");
    }
    let (session, asked) = chosen(choices("edit", "n"), json!({}), |_| json!({})).await;
    let refused = session.expect_err("no session");
    assert_eq!(cause(&refused).to_string(), "the agent offers no mode \"edit\", and no other");
    assert_eq!(asked, [], "nothing is set that is not offered");
}

#[tokio::test(start_paused = true)]
async fn names_without_end_are_told_in_part() {
    let models: Vec<Value> =
        (0..1_000).map(|n| json!({"modelId": format!("{n}{}", "x".repeat(5_000))})).collect();
    let offered = json!({"models": {"currentModelId": "m", "availableModels": models}});
    let wanted = Choices { model: Some("y".to_owned()), ..Choices::default() };
    let (session, _) = chosen(wanted, offered, |_| json!({})).await;
    let AcpError::NotOffered { offered, .. } = cause(&session.expect_err("no session")) else {
        panic!("another error")
    };
    assert_eq!(offered.len(), 64);
    assert!(offered.iter().all(|name| name.len() <= 1024));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_refuses_what_it_offers_opens_no_session() {
    let script = |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        agent.answer(&hello, json!({"protocolVersion": 1})).await;
        let new = agent.expect("session/new").await;
        let mut session = plain();
        session["sessionId"] = json!(SESSION);
        agent.answer(&new, session).await;
        let mode = agent.expect("session/set_mode").await;
        agent.refuse(&mode, json!({"code": -32603, "message": "not today"})).await;
        agent.linger().await;
    };
    let refused = open(spec().choosing(choices("edit", "n")), script).await.expect_err("no session");
    assert!(matches!(cause(&refused), AcpError::Refused { method: "session/set_mode", .. }), "{refused:?}");
}
