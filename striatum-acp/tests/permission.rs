//! Requests of an agent: for leave, and for files.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};
use striatum_acp::{AcpOptions, AcpTransport, Decision, FileAccess, PermissionPolicy, ToolKind};
use striatum_core::{
    sandbox::{Exit, Isolation, Level},
    transport::{
        AgentTransport as _, AgentUpdate, Answer, Bridge, Outcome, Prompt, RequestId, Secret, ToolServer,
        TransportErrorKind,
    },
};

use crate::{
    agent::{Agent, connect, listen, soon, spec, start, work},
    handshake::options,
};

fn offers() -> Value {
    // Neither the ids nor the order say anything.
    json!([
        {"optionId": "allow", "name": "Allow", "kind": "reject_always"},
        {"optionId": "2", "name": "?", "kind": "allow_always"},
        {"optionId": "no", "name": "No", "kind": "allow_once"},
        {"optionId": "yes", "name": "Yes", "kind": "reject_once"},
    ])
}

async fn permission(agent: &mut Agent, call: Value, options: Value) -> Value {
    let params = json!({"toolCall": call, "options": options});
    agent.ask(0, "session/request_permission", params).await["result"]["outcome"].clone()
}

fn selected(id: &str) -> Value {
    json!({"outcome": "selected", "optionId": id})
}

/// Lets an agent ask once, under a policy by which nobody is asked.
async fn decided(policy: PermissionPolicy, call: Value, offered: Value, expected: Value) {
    let script = move |mut agent: Agent| async move {
        let task = agent.begin().await;
        let outcome = permission(&mut agent, call.clone(), offered).await;
        assert_eq!(outcome, expected, "{call}");
        agent.end_turn(&task, "end_turn").await;
    };
    let mut session = work(options(|options| options.policy = policy), script).await;
    let story = listen(session.as_mut()).await;
    assert_eq!((story.errors, story.exit), (vec![], Some(Exit::Code(0))));
}

#[tokio::test(start_paused = true)]
async fn a_policy_decides_by_kind() {
    let policy = || {
        PermissionPolicy::uniform(Decision::AllowOnce)
            .with(ToolKind::Fetch, Decision::Reject)
            .with(ToolKind::Read, Decision::AllowAlways)
            .beyond(Decision::Reject)
    };
    let cancelled = json!({"outcome": "cancelled"});
    let only_allow = json!([{"optionId": "a", "name": "A", "kind": "allow_always"}]);
    let call = |kind: &str| json!({"toolCallId": "t", "kind": kind});
    let beyond = json!({"toolCallId": "t", "kind": "edit", "locations": [{"path": "/tree/../etc/passwd"}]});
    let inside =
        json!({"toolCallId": "t", "kind": "edit", "locations": [{"path": "/tree/a"}, {"path": "b"}]});
    let unknown = json!([{"optionId": "a", "name": "A", "kind": "allow_once"}]);
    for (call, offered, expected) in [
        (call("edit"), offers(), selected("no")),
        (call("read"), offers(), selected("2")),
        (call("fetch"), offers(), selected("yes")),
        (json!({"toolCallId": "t"}), offers(), selected("no")),
        (inside, offers(), selected("no")),
        (beyond, offers(), selected("yes")),
        (call("edit"), only_allow.clone(), cancelled.clone()),
        (call("fetch"), only_allow, cancelled.clone()),
        (call("fetch"), unknown, cancelled.clone()),
        (call("edit"), json!([]), cancelled),
    ] {
        decided(policy(), call, offered, expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_enforcing_sandbox_allows_each_time_once() {
    let policy = PermissionPolicy::within(&Isolation::uniform(Level::Enforced));
    let call = json!({"toolCallId": "t", "kind": "execute", "locations": [{"path": "/etc"}]});
    decided(policy, call, offers(), selected("no")).await;
}

/// What an agent may offer: kinds of options, each with its kind as its id.
const OFFERED: [&[&str]; 8] = [
    &["allow_once", "allow_always", "reject_once", "reject_always"],
    &["reject_always", "reject_once", "allow_always", "allow_once"],
    &["allow_always", "reject_always"],
    &["allow_once", "allow_once", "reject_once"],
    &["allow_always"],
    &["allow_once"],
    &["reject_once"],
    &[],
];

/// The first of these kinds that is offered; without one the request is cancelled.
fn answered(offered: &[&str], wanted: &[&str]) -> Value {
    match wanted.iter().find(|kind| offered.contains(kind)) {
        Some(kind) => selected(kind),
        None => json!({"outcome": "cancelled"}),
    }
}

#[tokio::test(start_paused = true)]
async fn the_default_policy_has_an_answer_to_every_kind_of_tool_and_of_offer() {
    const ALLOW: &[&str] = &["allow_once", "reject_once", "reject_always"];
    const REJECT: &[&str] = &["reject_once", "reject_always"];
    let walls = Isolation::uniform(Level::Enforced);
    let bare = Isolation { file_system: Level::AdvisoryStrict, ..walls };
    let kinds =
        ["read", "edit", "delete", "move", "search", "execute", "think", "fetch", "switch_mode", "other"];
    for (sandbox, is_walled) in [(walls, true), (bare, false)] {
        for path in ["/tree/a", "/etc/passwd"] {
            // Behind walls all is allowed; without them a person is asked for what stays inside, and the rest is rejected. Here
            // that person says yes.
            let wanted = if is_walled || path.starts_with("/tree") { ALLOW } else { REJECT };
            let script = move |mut agent: Agent| async move {
                let task = agent.begin().await;
                for kind in kinds {
                    for offered in OFFERED {
                        let call = json!({"toolCallId": kind, "kind": kind, "locations": [{"path": path}]});
                        let options: Vec<Value> = offered
                            .iter()
                            .map(|kind| json!({"optionId": kind, "name": "?", "kind": kind}))
                            .collect();
                        let outcome = permission(&mut agent, call, json!(options)).await;
                        assert_eq!(outcome, answered(offered, wanted), "{path} {kind} {offered:?}");
                    }
                }
                agent.end_turn(&task, "end_turn").await;
            };
            let options = options(|options| options.policy = PermissionPolicy::within(&sandbox));
            let mut session = work(options, script).await;
            let mut asked = 0;
            let exit = loop {
                match soon(session.next()).await.expect("nothing is wrong") {
                    Some(AgentUpdate::Permission { request, .. }) => {
                        asked += 1;
                        soon(session.answer(request, Answer::Allow)).await.expect("it is open");
                    }
                    Some(AgentUpdate::Ended(exit)) => break exit,
                    Some(_) => {}
                    None => panic!("no end"),
                }
            };
            let all = kinds.len() * OFFERED.len();
            let expected = if !is_walled && path.starts_with("/tree") { all } else { 0 };
            assert_eq!((exit, asked), (Exit::Code(0), expected), "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_judged_by_all_that_was_told_of_it() {
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        let call = json!({"sessionUpdate": "tool_call", "toolCallId": "t", "title": "Look", "kind": "fetch"});
        agent.update(call).await;
        let outcome = permission(&mut agent, json!({"toolCallId": "t"}), offers()).await;
        assert_eq!(outcome, selected("yes"));
        // Of this one nothing was ever told.
        let outcome = permission(&mut agent, json!({"toolCallId": "edit-approval-1"}), offers()).await;
        assert_eq!(outcome, selected("no"));
        agent.end_turn(&task, "end_turn").await;
    };
    let policy = PermissionPolicy::uniform(Decision::AllowOnce).with(ToolKind::Fetch, Decision::Reject);
    let mut session = work(options(|options| options.policy = policy), script).await;
    assert_eq!(listen(session.as_mut()).await.exit, Some(Exit::Code(0)));
}

#[tokio::test(start_paused = true)]
async fn a_call_of_our_own_tools_is_known_by_what_it_was_called_when_it_was_announced() {
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        let announced = json!({"sessionUpdate": "tool_call", "toolCallId": "c", "kind": "other",
                               "title": "complete_work (striatum MCP Server)"});
        let call = |kind: &str| json!({"toolCallId": "c", "kind": kind, "title": "{\"dry_run\":true}"});
        agent.update(announced.clone()).await;
        assert_eq!(permission(&mut agent, call("other"), offers()).await, selected("no"), "it is ours");
        assert_eq!(
            permission(&mut agent, call("execute"), offers()).await,
            selected("yes"),
            "it is another kind"
        );

        // An id may come again, for something else.
        agent.update(announced).await;
        agent
            .update(json!({"sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "completed"}))
            .await;
        assert_eq!(permission(&mut agent, call("other"), offers()).await, selected("yes"), "it has ended");
        let other = json!({"sessionUpdate": "tool_call", "toolCallId": "c", "kind": "other", "title": "rm"});
        agent.update(other).await;
        assert_eq!(permission(&mut agent, call("other"), offers()).await, selected("yes"), "it is another");
        agent.end_turn(&task, "end_turn").await;
    };
    let options = options(|options| options.policy = PermissionPolicy::uniform(Decision::Reject));
    let tools = ToolServer::http("striatum", "http://127.0.0.1:1/mcp", Secret::new("hunter2-hunter2"));
    let bridge = Bridge { argv: vec!["/bin/bridge".into()], env: Vec::new() };
    let spec = spec().with_tools(tools.with_bridge(bridge));
    let mut session =
        soon(AcpTransport::new(options).connect(start(script), &spec)).await.expect("a session");
    soon(session.prompt(&Prompt { text: "Work.".to_owned() })).await.expect("it is taken");
    let story = listen(session.as_mut()).await;
    assert_eq!((story.errors, story.exit), (vec![], Some(Exit::Code(0))));
}

#[tokio::test(start_paused = true)]
async fn a_person_is_asked_while_the_session_goes_on() {
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        for (id, kind) in [(5, "edit"), (6, "fetch")] {
            let call = json!({"toolCallId": kind, "kind": kind, "title": format!("May I {kind}?")});
            let params = json!({"sessionId": crate::agent::SESSION, "toolCall": call, "options": offers()});
            agent
                .say(json!({"jsonrpc": "2.0", "id": id, "method": "session/request_permission", "params": params}))
                .await;
        }
        agent.text("meanwhile").await;
        // The later one is answered first.
        for (id, option) in [(6, "yes"), (5, "no")] {
            let answer = agent.hear().await.expect("an answer");
            assert_eq!((&answer["id"], &answer["result"]["outcome"]), (&json!(id), &selected(option)));
        }
        agent.end_turn(&task, "end_turn").await;
    };
    let mut session = work(AcpOptions::default(), script).await;
    let (mut asked, mut text) = (Vec::new(), String::new());
    while asked.len() < 2 || text.is_empty() {
        match soon(session.next()).await.expect("an update").expect("more") {
            AgentUpdate::Permission { request, title } => asked.push((request, title)),
            AgentUpdate::Output { text: said, .. } => text.push_str(&said),
            other => panic!("{other:?}"),
        }
    }
    asked.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!((asked[0].1.as_str(), asked[1].1.as_str()), ("May I edit?", "May I fetch?"));
    soon(session.answer(asked[1].0, Answer::Reject)).await.expect("it is open");
    soon(session.answer(asked[0].0, Answer::Allow)).await.expect("it is open");
    let refused = soon(session.answer(asked[0].0, Answer::Allow)).await.expect_err("it is answered");
    assert_eq!(refused.kind, TransportErrorKind::Unsupported);
    assert_eq!(listen(session.as_mut()).await.exit, Some(Exit::Code(0)));
}

#[tokio::test(start_paused = true)]
async fn a_person_who_does_not_answer_has_said_no() {
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        let outcome = permission(&mut agent, json!({"toolCallId": "t"}), offers()).await;
        assert_eq!(outcome, selected("yes"));
        agent.end_turn(&task, "end_turn").await;
    };
    let mut session = work(options(|options| options.limits.ask = Duration::from_secs(60)), script).await;
    let asked = soon(session.next()).await.expect("an update");
    assert_eq!(asked, Some(AgentUpdate::Permission { request: RequestId(0), title: TITLE.to_owned() }));
    let ended = soon(session.next()).await.expect("an update");
    assert!(matches!(ended, Some(AgentUpdate::TurnEnded(_))), "{ended:?}");
}

const TITLE: &str = "a tool of which it says nothing";

#[tokio::test(start_paused = true)]
async fn a_cancelled_turn_withdraws_its_requests() {
    for is_seen in [true, false] {
        let script = |mut agent: Agent| async move {
            let task = agent.begin().await;
            let params = json!({"sessionId": crate::agent::SESSION, "toolCall": {"toolCallId": "t"}, "options": offers()});
            agent
                .say(json!({"jsonrpc": "2.0", "id": 0, "method": "session/request_permission", "params": params}))
                .await;
            let first = agent.hear().await.expect("a message");
            let second = agent.hear().await.expect("a message");
            let (cancel, answer) =
                if first["method"] == "session/cancel" { (first, second) } else { (second, first) };
            assert_eq!(cancel["method"], "session/cancel");
            assert_eq!(answer["result"]["outcome"], json!({"outcome": "cancelled"}));
            agent.end_turn(&task, "cancelled").await;
            let next = agent.expect("session/prompt").await;
            agent.end_turn(&next, "end_turn").await;
        };
        let mut session = work(AcpOptions::default(), script).await;
        if is_seen {
            let asked = soon(session.next()).await.expect("an update");
            assert!(matches!(asked, Some(AgentUpdate::Permission { .. })), "{asked:?}");
        }
        soon(session.cancel()).await.expect("it is told");
        let ended = soon(session.next()).await.expect("an update").expect("an end");
        let AgentUpdate::TurnEnded(end) = ended else { panic!("{ended:?}") };
        assert_eq!(end.outcome, Outcome::Cancelled);
        soon(session.prompt(&Prompt { text: "More.".to_owned() })).await.expect("it is free");
        assert_eq!(listen(session.as_mut()).await.exit, Some(Exit::Code(0)));
    }
}

#[tokio::test]
async fn files_are_served_from_the_tree_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).expect("a folder");
    fs::write(tree.join("a.txt"), "one\ntwo\n").expect("a file");
    fs::write(folder.path().join("secret"), "secret").expect("a file");
    std::os::unix::fs::symlink("../secret", tree.join("leak")).expect("a link");
    let here = tree.clone();
    let script = move |mut agent: Agent| async move {
        let task = agent.begin().await;
        let read = agent.ask(0, "fs/read_text_file", json!({"path": here.join("a.txt"), "line": 2})).await;
        assert_eq!(read["result"]["content"], "two\n");
        let missing = agent.ask(1, "fs/read_text_file", json!({"path": here.join("b.txt")})).await;
        assert_eq!(missing["error"]["code"], -32002);
        for path in ["leak", "../secret", ".git/config"] {
            let refused = agent.ask(2, "fs/read_text_file", json!({"path": here.join(path)})).await;
            assert_eq!(refused["error"]["code"], -32602, "{path}");
            let write = json!({"path": here.join(path), "content": "mine"});
            let refused = agent.ask(3, "fs/write_text_file", write).await;
            assert_eq!(refused["error"]["code"], -32602, "{path}");
        }
        let write = json!({"path": here.join("new/b.txt"), "content": "three\n"});
        let written = agent.ask(4, "fs/write_text_file", write).await;
        assert!(written["error"].is_null(), "{written}");
        agent.end_turn(&task, "end_turn").await;
    };
    let mut session = connect(AcpOptions::default(), &tree, script).await.expect("a session");
    soon(session.prompt(&Prompt { text: "Work.".to_owned() })).await.expect("it is taken");
    let story = listen(session.as_mut()).await;
    assert_eq!((story.errors, story.exit), (vec![], Some(Exit::Code(0))));
    assert_eq!(fs::read_to_string(tree.join("new/b.txt")).expect("a file"), "three\n");
    assert_eq!(fs::read_to_string(folder.path().join("secret")).expect("a file"), "secret");
}

#[tokio::test(start_paused = true)]
async fn files_can_be_switched_off() {
    for access in [FileAccess::Off, FileAccess::Read] {
        let script = move |mut agent: Agent| async move {
            let task = agent.begin().await;
            let read = agent.ask(0, "fs/read_text_file", json!({"path": "/tree/none"})).await;
            // There is no such tree, so whoever may look finds nothing.
            let expected = if access == FileAccess::Off { -32601 } else { -32002 };
            assert_eq!(read["error"]["code"], expected);
            let write =
                agent.ask(1, "fs/write_text_file", json!({"path": "/tree/none", "content": ""})).await;
            assert_eq!(write["error"]["code"], -32601);
            agent.end_turn(&task, "end_turn").await;
        };
        let options = options(|options| options.files = access);
        let mut session = connect(options, Path::new("/tree"), script).await.expect("a session");
        soon(session.prompt(&Prompt { text: "Work.".to_owned() })).await.expect("it is taken");
        assert_eq!(listen(session.as_mut()).await.exit, Some(Exit::Code(0)));
    }
}
