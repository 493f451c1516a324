//! Terminals: commands that an agent has run by us. Here they are functions; `striatum/tests/terminals.rs` has real ones.

use std::{path::Path, sync::Arc, time::Duration};

use serde_json::{Value, json};
use striatum_acp::{AcpOptions, AcpTransport, Decision, PermissionPolicy, TerminalAccess, ToolKind};
use striatum_core::{
    sandbox::{EnvVar, Exec, Exit},
    transport::{AgentSession, AgentTransport, Prompt},
};
use tokio::{sync::oneshot, time::sleep};

use crate::{
    agent::{Agent, listen, soon, spec, start},
    handshake::options,
};

mod commands;

use commands::{Commands, obey};

fn allowing() -> AcpOptions {
    options(|options| options.policy = PermissionPolicy::uniform(Decision::AllowOnce))
}

/// A session whose agent has its task.
async fn work<F: Future<Output = ()> + Send + 'static>(
    options: AcpOptions,
    commands: &Commands,
    script: impl FnOnce(Agent) -> F + Send + 'static,
) -> Box<dyn AgentSession> {
    let transport = AcpTransport::new(options).spawning(Arc::new(commands.clone()));
    let mut spec = spec();
    spec.tree = Path::new(env!("CARGO_MANIFEST_DIR")).to_owned();
    let mut session = soon(transport.connect(start(script), &spec)).await.expect("a session");
    soon(session.prompt(&Prompt { text: "Work.".to_owned() })).await.expect("it is taken");
    session
}

/// The same to its end, in which nothing goes wrong.
async fn told<F: Future<Output = ()> + Send + 'static>(
    options: AcpOptions,
    commands: &Commands,
    script: impl FnOnce(Agent) -> F + Send + 'static,
) {
    let mut session = work(options, commands, script).await;
    let story = listen(session.as_mut()).await;
    assert_eq!((story.errors, story.exit), (vec![], Some(Exit::Code(0))));
}

/// Opens a terminal, and tells its name.
async fn create(agent: &mut Agent, params: Value) -> String {
    let answer = agent.ask(1, "terminal/create", params).await;
    answer["result"]["terminalId"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

async fn at(agent: &mut Agent, method: &str, terminal: &str) -> Value {
    agent.ask(2, &format!("terminal/{method}"), json!({"terminalId": terminal})).await
}

#[tokio::test(start_paused = true)]
async fn a_command_is_run_and_what_it_wrote_can_be_seen() {
    let commands = Commands::new(obey);
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        let terminal = create(&mut agent, json!({"command": "say", "args": ["hello"]})).await;
        assert_eq!(at(&mut agent, "wait_for_exit", &terminal).await["result"]["exitCode"], 3);
        let seen = at(&mut agent, "output", &terminal).await["result"].clone();
        assert_eq!(seen["exitStatus"], json!({"exitCode": 3}));
        assert_eq!(seen["truncated"], false);
        let output = seen["output"].as_str().expect("text");
        assert!(output.contains("hello, wörld\n") && output.contains("careful\n"), "{output}");
        assert!(at(&mut agent, "release", &terminal).await["error"].is_null());
        agent.end_turn(&task, "end_turn").await;
    };
    told(allowing(), &commands, script).await;
    assert_eq!(commands.seen(), [Exec::new(["say", "hello"])]);
    assert_eq!(commands.all_gone().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_command_without_arguments_is_a_line_for_the_shell() {
    let commands = Commands::new(obey);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let there = here.clone();
    let script = move |mut agent: Agent| async move {
        let task = agent.begin().await;
        create(&mut agent, json!({"command": "cd src && make | tee log"})).await;
        let env = json!([{"name": "CI", "value": "1"}]);
        create(&mut agent, json!({"command": "make", "args": ["all"], "cwd": there, "env": env})).await;
        agent.end_turn(&task, "end_turn").await;
    };
    told(allowing(), &commands, script).await;
    let elsewhere = ["/bin/sh", "-c", "cd -- \"$1\" && shift && exec \"$@\"", "sh"];
    let mut second = Exec::new(elsewhere.map(str::to_owned).into_iter().chain([
        here.display().to_string(),
        "make".to_owned(),
        "all".to_owned(),
    ]));
    second.env = vec![EnvVar::new("CI", "1")];
    assert_eq!(commands.seen(), [Exec::new(["/bin/sh", "-c", "cd src && make | tee log"]), second]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_run_is_refused_with_a_reason() {
    let commands = Commands::new(obey);
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        for (params, code, words) in [
            (json!({"command": " "}), -32602, "names a program"),
            (json!({"command": "missing", "args": ["x"]}), -32602, "cannot start"),
            (json!({"command": "ls", "cwd": "/etc"}), -32602, "not in the work tree"),
            (json!({"command": "ls", "cwd": "src"}), -32602, "not in the work tree"),
            (
                json!({"command": "ls", "cwd": concat!(env!("CARGO_MANIFEST_DIR"), "/../striatum")}),
                -32602,
                "not in the work tree",
            ),
            (
                json!({"command": "ls", "cwd": concat!(env!("CARGO_MANIFEST_DIR"), "/none")}),
                -32602,
                "no such file",
            ),
        ] {
            let answer = agent.ask(1, "terminal/create", params).await;
            assert_eq!(answer["error"]["code"], code, "{answer}");
            let message = answer["error"]["message"].as_str().expect("words");
            assert!(message.contains(words), "{message}");
        }
        for method in ["output", "wait_for_exit", "kill", "release"] {
            let answer = at(&mut agent, method, "terminal-9").await;
            assert_eq!(answer["error"]["code"], -32002, "{method}: {answer}");
        }
        let terminal = create(&mut agent, json!({"command": "hello"})).await;
        assert!(at(&mut agent, "release", &terminal).await["error"].is_null());
        for method in ["output", "wait_for_exit", "kill", "release"] {
            let answer = at(&mut agent, method, &terminal).await;
            assert_eq!(answer["error"]["code"], -32002, "it was released: {method}: {answer}");
        }
        let answer = agent.ask(1, "terminal/create", json!({"command": 7})).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        agent.end_turn(&task, "end_turn").await;
    };
    told(allowing(), &commands, script).await;
    assert_eq!(commands.seen().len(), 2, "what was refused was not run");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_flood_is_kept_in_whole_characters() {
    let commands = Commands::new(obey);
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        for (limit, kept) in
            [(json!(1000), 999), (json!(0), 0), (json!(null), 4998), (json!(1_u64 << 40), 4998)]
        {
            let params = json!({"command": "flood", "outputByteLimit": limit});
            let terminal = create(&mut agent, params).await;
            at(&mut agent, "wait_for_exit", &terminal).await;
            let seen = at(&mut agent, "output", &terminal).await["result"].clone();
            let output = seen["output"].as_str().expect("text");
            assert_eq!((output.len(), &seen["truncated"]), (kept, &json!(true)), "{limit}");
            assert!(output.chars().all(|c| c == '€'));
        }
        agent.end_turn(&task, "end_turn").await;
    };
    let mut options = allowing();
    options.limits.terminal_bytes = 5000;
    told(options, &commands, script).await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_never_ends_is_watched_killed_and_released() {
    let commands = Commands::new(obey);
    let watched = commands.clone();
    let script = move |mut agent: Agent| async move {
        let task = agent.begin().await;
        let terminal = create(&mut agent, json!({"command": "half"})).await;
        loop {
            let seen = at(&mut agent, "output", &terminal).await["result"].clone();
            assert!(seen["exitStatus"].is_null(), "{seen}");
            if seen["output"] == "begun" {
                break;
            }
        }
        assert!(at(&mut agent, "kill", &terminal).await["error"].is_null());
        let seen = at(&mut agent, "output", &terminal).await["result"].clone();
        assert_eq!((&seen["output"], &seen["exitStatus"]), (&json!("begun"), &json!({"signal": "9"})));
        assert!(at(&mut agent, "kill", &terminal).await["error"].is_null(), "twice is once");
        let other = create(&mut agent, json!({"command": "half"})).await;
        assert!(at(&mut agent, "release", &other).await["error"].is_null());
        assert_eq!(watched.all_gone().await, 2, "while the session goes on");
        let crashed = create(&mut agent, json!({"command": "crash"})).await;
        assert_eq!(at(&mut agent, "wait_for_exit", &crashed).await["result"], json!({"signal": "11"}));
        agent.end_turn(&task, "end_turn").await;
    };
    told(allowing(), &commands, script).await;
}

#[tokio::test(start_paused = true)]
async fn a_command_has_only_so_much_time() {
    let commands = Commands::new(obey);
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        let terminal = create(&mut agent, json!({"command": "for ever"})).await;
        assert_eq!(at(&mut agent, "wait_for_exit", &terminal).await["result"], json!({"signal": "9"}));
        agent.end_turn(&task, "end_turn").await;
    };
    told(allowing(), &commands, script).await;
    assert_eq!(commands.all_gone().await, 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_told_of_a_release() {
    let commands = Commands::new(obey);
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        let terminal = create(&mut agent, json!({"command": "for ever"})).await;
        for (id, method) in [(7, "wait_for_exit"), (8, "release")] {
            let params = json!({"sessionId": crate::agent::SESSION, "terminalId": terminal});
            agent.say(json!({"jsonrpc": "2.0", "id": id, "method": format!("terminal/{method}"), "params": params})).await;
        }
        let mut answered = [agent.hear().await.expect("one"), agent.hear().await.expect("another")];
        answered.sort_by_key(|answer| answer["id"].as_u64());
        assert_eq!(answered[0]["result"], json!({"signal": "9"}), "{answered:?}");
        assert!(answered[1]["error"].is_null(), "{answered:?}");
        agent.end_turn(&task, "end_turn").await;
    };
    told(allowing(), &commands, script).await;
}

#[tokio::test(start_paused = true)]
async fn only_so_many_terminals_are_open_at_once() {
    let commands = Commands::new(obey);
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        let first = create(&mut agent, json!({"command": "for ever"})).await;
        create(&mut agent, json!({"command": "for ever"})).await;
        let refused = agent.ask(3, "terminal/create", json!({"command": "for ever"})).await;
        let message = refused["error"]["message"].as_str().expect("words");
        assert!(message.contains("no more than 2 terminals"), "{message}");
        at(&mut agent, "release", &first).await;
        for _ in 0..100 {
            let next = create(&mut agent, json!({"command": "hello"})).await;
            at(&mut agent, "release", &next).await;
        }
        // One that could not be started takes no place.
        for _ in 0..10 {
            agent.ask(3, "terminal/create", json!({"command": "missing", "args": [""]})).await;
        }
        create(&mut agent, json!({"command": "for ever"})).await;
        agent.end_turn(&task, "end_turn").await;
    };
    let mut options = allowing();
    options.limits.terminals = 2;
    told(options, &commands, script).await;
    assert_eq!(commands.all_gone().await, 103);
}

#[tokio::test(start_paused = true)]
async fn terminals_end_with_their_session() {
    for is_closed in [true, false] {
        let commands = Commands::new(obey);
        let (tell, begun) = oneshot::channel();
        let script = move |mut agent: Agent| async move {
            agent.begin().await;
            for _ in 0..3 {
                create(&mut agent, json!({"command": "for ever"})).await;
            }
            tell.send(()).expect("somebody waits");
            std::future::pending().await
        };
        let session = work(allowing(), &commands, script).await;
        soon(begun).await.expect("they are open");
        if is_closed {
            soon(session.close()).await.expect("it is ended");
        } else {
            drop(session);
        }
        assert_eq!(commands.all_gone().await, 3);
    }
    // An agent that dies leaves none either, before anybody closes anything.
    let commands = Commands::new(obey);
    let script = |mut agent: Agent| async move {
        agent.begin().await;
        create(&mut agent, json!({"command": "for ever"})).await;
    };
    let mut session = work(allowing(), &commands, script).await;
    assert_eq!(listen(session.as_mut()).await.exit, Some(Exit::Code(0)));
    assert_eq!(commands.all_gone().await, 1);
}

#[tokio::test(start_paused = true)]
async fn terminals_are_offered_where_commands_need_no_leave() {
    let policies = [
        (PermissionPolicy::uniform(Decision::AllowOnce), true),
        (PermissionPolicy::uniform(Decision::AllowAlways), true),
        (PermissionPolicy::uniform(Decision::Ask).with(ToolKind::Execute, Decision::AllowOnce), true),
        (PermissionPolicy::uniform(Decision::Ask), false),
        (PermissionPolicy::uniform(Decision::AllowOnce).with(ToolKind::Execute, Decision::Reject), false),
    ];
    for (policy, may) in policies {
        for access in [TerminalAccess::On, TerminalAccess::Off] {
            let is_offered = may && access == TerminalAccess::On;
            let commands = Commands::new(obey);
            let script = move |mut agent: Agent| async move {
                let hello = agent.expect("initialize").await;
                assert_eq!(hello["params"]["clientCapabilities"]["terminal"], is_offered);
                agent.answer(&hello, json!({"protocolVersion": 1})).await;
                let new = agent.expect("session/new").await;
                agent.answer(&new, json!({"sessionId": crate::agent::SESSION})).await;
                let task = agent.expect("session/prompt").await;
                let answer = agent.ask(1, "terminal/create", json!({"command": "hello"})).await;
                assert_eq!(answer["error"].is_null(), is_offered, "{answer}");
                agent.end_turn(&task, "end_turn").await;
            };
            let mut options = options(|options| options.policy = policy.clone());
            options.terminals = access;
            told(options, &commands, script).await;
            assert_eq!(commands.seen().len(), usize::from(is_offered));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_opens_terminals_without_a_pause_is_bounded() {
    let commands = Commands::new(obey);
    let script = |mut agent: Agent| async move {
        agent.begin().await;
        for id in 0..60 {
            let params = json!({"sessionId": crate::agent::SESSION, "command": "for ever"});
            agent
                .say(json!({"jsonrpc": "2.0", "id": id, "method": "terminal/create", "params": params}))
                .await;
        }
        let (mut opened, mut refused) = (0, 0);
        for _ in 0..60 {
            let answer = agent.hear().await.expect("an answer");
            *if answer["error"].is_null() { &mut opened } else { &mut refused } += 1;
        }
        assert_eq!((opened, refused), (16, 44));
        sleep(Duration::from_secs(1)).await;
    };
    told(allowing(), &commands, script).await;
    assert_eq!(commands.all_gone().await, 16);
}
