//! Agents that break the protocol: each gives one error that says how, and an end.

use std::{path::Path, time::Duration};

use serde_json::json;
use striatum_acp::{AcpError, AcpOptions, Failure};
use striatum_core::{
    sandbox::Exit,
    transport::{Outcome, Prompt, TransportErrorKind},
};
use tokio::io::AsyncWriteExt;

use crate::{
    agent::{Agent, SESSION, Story, cause, connect, listen, soon, work},
    handshake::options,
};

async fn broken<F: Future<Output = ()> + Send + 'static>(
    options: AcpOptions,
    script: impl FnOnce(Agent) -> F + Send + 'static,
) -> AcpError {
    let mut session = work(options, script).await;
    let Story { mut errors, exit, turns, .. } = listen(session.as_mut()).await;
    assert_eq!((errors.len(), turns.len()), (1, 0), "{errors:?} {turns:?}");
    assert_ne!(exit, Some(Exit::Code(101)), "the script failed");
    assert!(exit.is_some(), "no end");
    errors.remove(0)
}

/// Stays until it is ended.
async fn stay() {
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn a_few_stray_lines_are_shown_and_passed_over() {
    let script = |mut agent: Agent| async move {
        agent.write(b"Welcome!\n\n").await;
        let task = agent.begin().await;
        agent.write(b"[info] thinking\n{\"no\": \"message\"}\n[1, 2]\n").await;
        agent.text("done").await;
        agent.end_turn(&task, "end_turn").await;
    };
    let mut session = work(AcpOptions::default(), script).await;
    let story = listen(session.as_mut()).await;
    assert_eq!(story.out, "done");
    assert!(story.err.contains("Welcome!") && story.err.contains("[info] thinking"), "{}", story.err);
    assert_eq!((story.errors, story.turns.len()), (vec![], 1));
}

#[tokio::test(start_paused = true)]
async fn garbage_without_end_is_an_error() {
    let script = |mut agent: Agent| async move {
        agent.begin().await;
        for _ in 0..100 {
            agent.write(b"garbage\n").await;
        }
        stay().await;
    };
    assert_eq!(broken(AcpOptions::default(), script).await, AcpError::Garbage { count: 17 });
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_text_are_an_error() {
    let script = |mut agent: Agent| async move {
        agent.begin().await;
        agent.write(b"\xff\xfe\n").await;
        stay().await;
    };
    assert_eq!(broken(AcpOptions::default(), script).await, AcpError::Garbage { count: 1 });
}

#[tokio::test(start_paused = true)]
async fn a_line_has_a_limit() {
    let script = |mut agent: Agent| async move {
        agent.begin().await;
        agent.text(&"x".repeat(900)).await;
        agent.write(&[b'x'; 5000]).await;
        stay().await;
    };
    let options = options(|options| options.limits.line_bytes = 1024);
    assert_eq!(broken(options, script).await, AcpError::LineTooLong { limit: 1024 });
}

#[tokio::test(start_paused = true)]
async fn a_line_of_a_megabyte_comes_in_pieces() {
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        agent.text(&"€".repeat(350_000)).await;
        agent.end_turn(&task, "end_turn").await;
    };
    let mut session = work(AcpOptions::default(), script).await;
    assert_eq!(listen(session.as_mut()).await.out.len(), 1_050_000);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_floods_waits_for_its_reader() {
    let script = |mut agent: Agent| async move {
        agent.begin().await;
        let flood = async {
            loop {
                agent.text("flood").await;
            }
        };
        // It stops because nobody reads, not because it is done.
        let stopped = tokio::time::timeout(Duration::from_secs(1), flood).await;
        assert!(stopped.is_err());
    };
    let options = options(|options| options.limits.updates = 4);
    let mut session = work(options, script).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let story = listen(session.as_mut()).await;
    // The queue, the pipe of 4 KiB, and what the reader had in hand.
    let kept = story.out.len() / "flood".len();
    assert!((4..400).contains(&kept), "{kept}");
    assert_eq!(story.exit, Some(Exit::Code(0)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_once_and_to_a_question() {
    let twice = |mut agent: Agent| async move {
        let task = agent.begin().await;
        agent.end_turn(&json!({"id": "nobody"}), "end_turn").await;
        agent.end_turn(&task, "end_turn").await;
        stay().await;
    };
    let unknown = AcpError::UnknownId { id: "\"nobody\"".to_owned() };
    assert_eq!(broken(AcpOptions::default(), twice).await, unknown);

    let null = |mut agent: Agent| async move {
        agent.begin().await;
        agent.refuse(&json!({"id": null}), json!({"code": -32700, "message": "Parse error"})).await;
        stay().await;
    };
    assert_eq!(broken(AcpOptions::default(), null).await, AcpError::UnknownId { id: "null".to_owned() });

    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        agent.end_turn(&task, "end_turn").await;
        agent.end_turn(&task, "end_turn").await;
        stay().await;
    };
    let mut session = work(AcpOptions::default(), script).await;
    let story = listen(session.as_mut()).await;
    assert!(matches!(story.errors.as_slice(), [AcpError::AnsweredTwice { .. }]), "{story:?}");
}

#[tokio::test(start_paused = true)]
async fn the_ids_of_both_sides_may_collide() {
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        let id = task["id"].clone();
        let params = json!({"sessionId": SESSION, "path": "/elsewhere"});
        agent.say(json!({"jsonrpc": "2.0", "id": id, "method": "fs/read_text_file", "params": params})).await;
        let answer = agent.hear().await.expect("an answer");
        assert_eq!(answer["error"]["code"], -32602);
        agent.text("done").await;
        agent.end_turn(&task, "end_turn").await;
    };
    let mut session = work(AcpOptions::default(), script).await;
    let story = listen(session.as_mut()).await;
    assert_eq!((story.errors, story.turns.len(), story.exit), (vec![], 1, Some(Exit::Code(0))));
}

#[tokio::test(start_paused = true)]
async fn an_id_is_not_used_for_two_requests_at_once() {
    let script = |mut agent: Agent| async move {
        agent.begin().await;
        for _ in 0..2 {
            let call = json!({"toolCallId": "t"});
            let params = json!({"sessionId": SESSION, "toolCall": call, "options": []});
            agent
                .say(json!({"jsonrpc": "2.0", "id": 7, "method": "session/request_permission", "params": params}))
                .await;
        }
        stay().await;
    };
    let mut session = work(AcpOptions::default(), script).await;
    let mut error = None;
    while let Some(update) = soon(session.next()).await.transpose() {
        error = error.or(update.err());
    }
    assert_eq!(cause(&error.expect("an error")), AcpError::ReusedId { id: "7".to_owned() });
}

#[tokio::test(start_paused = true)]
async fn requests_that_nobody_answers_do_not_pile_up() {
    let script = |mut agent: Agent| async move {
        agent.begin().await;
        for id in 0..100 {
            let params = json!({"sessionId": SESSION, "toolCall": {"toolCallId": "t"}, "options": []});
            agent
                .say(json!({"jsonrpc": "2.0", "id": id, "method": "session/request_permission", "params": params}))
                .await;
        }
        stay().await;
    };
    let mut session = work(options(|options| options.limits.requests = 8), script).await;
    let (mut asked, mut error) = (0, None);
    while let Some(update) = soon(session.next()).await.transpose() {
        match update {
            Ok(_) => asked += 1,
            Err(e) => error = error.or(Some(e)),
        }
    }
    assert_eq!(cause(&error.expect("an error")), AcpError::TooManyRequests { limit: 8 });
    assert!(asked <= 9, "{asked}");
}

#[tokio::test(start_paused = true)]
async fn nobody_speaks_for_another_session() {
    for method in ["session/update", "session/request_permission"] {
        let script = move |mut agent: Agent| async move {
            agent.begin().await;
            let params = json!({"sessionId": "s-2", "update": {}});
            agent.say(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).await;
            stay().await;
        };
        assert_eq!(broken(AcpOptions::default(), script).await, AcpError::ForeignSession, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_we_do_not_know_is_answered_so_or_passed_over() {
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        let answer = agent.ask(0, "craft/drainMidTurnQueue", json!({})).await;
        assert_eq!(answer["error"]["code"], -32601);
        let answer = agent.ask(1, "terminal/create", json!({"command": "ls"})).await;
        assert_eq!(answer["error"]["code"], -32601);
        agent.say(json!({"jsonrpc": "2.0", "method": "$/cancel_request", "params": {"requestId": 99}})).await;
        agent.update(json!({"sessionUpdate": "from_the_future", "content": 7})).await;
        let call =
            json!({"sessionUpdate": "tool_call_update", "toolCallId": "never announced", "title": "Run"});
        agent.update(call).await;
        agent.end_turn(&task, "end_turn").await;
    };
    let mut session = work(AcpOptions::default(), script).await;
    let story = listen(session.as_mut()).await;
    assert_eq!(story.out, "\n[pending] Run\n");
    assert_eq!((story.errors, story.exit), (vec![], Some(Exit::Code(0))));
}

#[tokio::test(start_paused = true)]
async fn an_agent_may_die_at_any_message() {
    for last in 0..4 {
        let script = move |mut agent: Agent| async move {
            agent.err.write_all(b"last words").await.expect("somebody listens");
            let hello = agent.expect("initialize").await;
            if last == 0 {
                return;
            }
            agent.answer(&hello, json!({"protocolVersion": 1})).await;
            let new = agent.expect("session/new").await;
            if last == 1 {
                // In the middle of a line.
                agent.write(b"{\"jsonrpc\":").await;
                return;
            }
            agent.answer(&new, json!({"sessionId": SESSION})).await;
            if last == 2 {
                return;
            }
            agent.expect("session/prompt").await;
            agent.text("half").await;
        };
        let connected = connect(AcpOptions::default(), Path::new("/tree"), script).await;
        if last < 2 {
            let error = connected.expect_err("no session");
            assert_eq!(error.kind, TransportErrorKind::Closed, "{last}");
            let source =
                error.source.as_ref().expect("a cause").downcast_ref::<Failure>().expect("a failure");
            assert_eq!(source.error.outcome(), Outcome::Process);
            assert_eq!(source.stderr, "last words");
            continue;
        }
        let mut session = connected.expect("a session");
        let given = soon(session.prompt(&Prompt { text: "Work.".to_owned() })).await;
        if last == 2 {
            assert_eq!(given.expect_err("nobody is there").kind, TransportErrorKind::Closed);
        }
        let story = listen(session.as_mut()).await;
        assert_eq!(story.out, if last == 2 { "" } else { "half" });
        assert_eq!((story.turns, story.errors, story.exit), (vec![], vec![], Some(Exit::Code(0))), "{last}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_closes_its_output_and_stays_is_ended() {
    let script = |agent: Agent| async move {
        let mut agent = agent;
        agent.begin().await;
        drop(agent);
        stay().await;
    };
    let mut session = work(AcpOptions::default(), script).await;
    let story = listen(session.as_mut()).await;
    assert_eq!((story.errors, story.exit), (vec![], Some(Exit::Signal(9))));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_never_answers_is_given_up() {
    for greets in [false, true] {
        let script = move |mut agent: Agent| async move {
            let hello = agent.expect("initialize").await;
            if greets {
                agent.answer(&hello, json!({"protocolVersion": 1})).await;
            }
            stay().await;
        };
        let error = connect(AcpOptions::default(), Path::new("/tree"), script).await.expect_err("no session");
        assert_eq!(error.kind, TransportErrorKind::Late);
        let method = if greets { "session/new" } else { "initialize" };
        assert_eq!(cause(&error), AcpError::Late { method, after: Duration::from_secs(60) });
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_read_is_given_up() {
    let script = |mut agent: Agent| async move {
        agent.greet().await;
        stay().await;
    };
    let mut session = connect(AcpOptions::default(), Path::new("/tree"), script).await.expect("a session");
    let long = Prompt { text: "x".repeat(10_000) };
    soon(session.prompt(&long)).await.expect("it is taken");
    let story = listen(session.as_mut()).await;
    assert_eq!((story.errors, story.exit), (vec![AcpError::Deaf], Some(Exit::Signal(9))));
}

#[tokio::test(start_paused = true)]
async fn answers_of_another_form_are_errors() {
    for (reason, method) in
        [(json!({"stopReason": "bored"}), "session/prompt"), (json!([]), "session/prompt")]
    {
        let script = move |mut agent: Agent| async move {
            let task = agent.begin().await;
            agent.answer(&task, reason).await;
            stay().await;
        };
        assert_eq!(broken(AcpOptions::default(), script).await, AcpError::Malformed { method });
    }
    let script = |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        agent.answer(&hello, json!({"protocolVersion": 1})).await;
        let new = agent.expect("session/new").await;
        agent.answer(&new, json!({"sessionId": 7})).await;
        stay().await;
    };
    let error = connect(AcpOptions::default(), Path::new("/tree"), script).await.expect_err("no session");
    assert_eq!(cause(&error), AcpError::Malformed { method: "session/new" });
}

#[tokio::test(start_paused = true)]
async fn complaints_without_end_do_not_stop_an_agent() {
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        for _ in 0..1000 {
            agent.err.write_all(&[b'e'; 4096]).await.expect("somebody reads");
        }
        agent.text("done").await;
        agent.end_turn(&task, "end_turn").await;
    };
    let mut session = work(AcpOptions::default(), script).await;
    let story = listen(session.as_mut()).await;
    assert_eq!((story.out.as_str(), story.exit), ("done", Some(Exit::Code(0))));
}
