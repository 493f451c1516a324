//! How a session begins.

use std::path::Path;

use serde_json::{Value, json};
use striatum_acp::{AcpError, AcpOptions, FileAccess, Version};
use striatum_core::{
    sandbox::Exit,
    transport::{Outcome, TransportErrorKind},
};
use tokio::io::AsyncWriteExt;

use crate::agent::{Agent, SESSION, cause, connect, listen, work};

#[tokio::test(start_paused = true)]
async fn both_sides_say_what_they_are() {
    let script = |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        assert_eq!(hello["params"]["protocolVersion"], 1);
        assert_eq!(hello["params"]["clientInfo"]["name"], "striatum");
        assert_eq!(hello["params"]["clientInfo"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(hello["params"]["clientCapabilities"]["fs"]["readTextFile"], true);
        assert_eq!(hello["params"]["clientCapabilities"]["fs"]["writeTextFile"], false);
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

/// What an agent is asked for that offers its modes and models in these words.
async fn chosen(mode: &'static str, model: &'static str, offered: Value) -> Vec<(String, Value)> {
    let (tell, told) = std::sync::mpsc::channel();
    let script = move |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        agent.answer(&hello, json!({"protocolVersion": 1})).await;
        let new = agent.expect("session/new").await;
        let mut session = offered;
        session["sessionId"] = json!(SESSION);
        agent.answer(&new, session).await;
        while let Some(mut request) = agent.hear().await {
            let method = request["method"].as_str().expect("a method").to_owned();
            tell.send((method, request["params"].take())).expect("somebody listens");
            agent.answer(&request, json!({})).await;
        }
    };
    let options = options(|options| {
        options.mode = Some(mode.to_owned());
        options.model = Some(model.to_owned());
    });
    let session = connect(options, Path::new("/tree"), script).await.expect("a session");
    assert_eq!(session.agent().model.as_deref(), Some(model));
    told.try_iter().collect()
}

fn select(category: &str, values: [&str; 2]) -> Value {
    let options = values.map(|value| json!({"value": value, "name": value}));
    json!({"id": format!("{category}-id"), "name": "?", "category": category, "type": "select",
        "currentValue": values[0], "options": options})
}

#[tokio::test(start_paused = true)]
async fn mode_and_model_are_chosen_in_the_way_that_the_agent_offers() {
    let modes = json!({"currentModeId": "ask", "availableModes": [{"id": "ask", "name": "?"}, {"id": "edit", "name": "?"}]});
    let models = json!({"currentModelId": "m", "availableModels": [{"modelId": "m"}, {"modelId": "n"}]});
    let plain = json!({"modes": modes, "models": models});
    assert_eq!(
        chosen("edit", "n", plain).await,
        [
            ("session/set_mode".to_owned(), json!({"sessionId": SESSION, "modeId": "edit"})),
            ("session/set_model".to_owned(), json!({"sessionId": SESSION, "modelId": "n"})),
        ]
    );
    let as_options = json!({"configOptions": [select("mode", ["ask", "edit"]), select("model", ["m", "n"])]});
    let set = |id: &str, value: &str| json!({"sessionId": SESSION, "configId": id, "value": value});
    assert_eq!(
        chosen("edit", "n", as_options).await,
        [
            ("session/set_config_option".to_owned(), set("mode-id", "edit")),
            ("session/set_config_option".to_owned(), set("model-id", "n")),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_offered_is_not_chosen() {
    let script = |mut agent: Agent| async move {
        agent.greet().await;
        agent.linger().await;
    };
    let options = options(|options| options.model = Some("m".to_owned()));
    let refused = connect(options, Path::new("/tree"), script).await.expect_err("no session");
    assert_eq!(refused.kind, TransportErrorKind::Unsupported);
    assert_eq!(cause(&refused), AcpError::NotOffered { what: "model", wanted: "m".to_owned() });
}

pub(crate) fn options(change: impl FnOnce(&mut AcpOptions)) -> AcpOptions {
    let mut options = AcpOptions::default();
    change(&mut options);
    options
}
