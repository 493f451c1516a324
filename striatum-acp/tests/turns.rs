//! What happens between a task and the end of the turn.

use std::{path::Path, time::Duration};

use futures_util::{FutureExt, poll};
use serde_json::{Value, json};
use striatum_acp::{AcpError, AcpOptions};
use striatum_core::{
    sandbox::Exit,
    transport::{AgentUpdate, Outcome, Prompt, Stream, TransportErrorKind, TurnEnd},
};

use crate::{
    agent::{Agent, SESSION, connect, listen, soon, work},
    handshake::options,
};

#[tokio::test(start_paused = true)]
async fn what_an_agent_says_and_does_is_passed_on_in_order() {
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        assert_eq!(task["params"]["sessionId"], SESSION);
        assert_eq!(task["params"]["prompt"], json!([{"type": "text", "text": "Work."}]));
        agent.text("Let me ").await;
        agent.text("see.").await;
        let thought = json!({"type": "text", "text": "hm"});
        agent.update(json!({"sessionUpdate": "agent_thought_chunk", "content": thought})).await;
        let call =
            json!({"sessionUpdate": "tool_call", "toolCallId": "t", "title": "Write\na", "kind": "edit"});
        agent.update(call).await;
        let update =
            |status: &str| json!({"sessionUpdate": "tool_call_update", "toolCallId": "t", "status": status});
        agent.update(update("completed")).await;
        agent.update(update("completed")).await;
        agent.end_turn(&task, "end_turn").await;
    };
    let mut session = work(AcpOptions::default(), script).await;
    let story = listen(session.as_mut()).await;
    assert_eq!(story.out, "Let me see.\n[pending] Write a\n\n[done] Write a\n");
    assert_eq!(story.err, "hm");
    assert_eq!(story.turns, [TurnEnd::new(Outcome::Finished)]);
    assert_eq!((story.errors, story.exit), (vec![], Some(Exit::Code(0))));
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_repeats_of_us_and_what_is_empty_is_not_passed_on() {
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        let chunk = |kind: &str, text: &str| {
            let content = json!({"type": "text", "text": text});
            json!({"sessionUpdate": kind, "content": content})
        };
        agent.update(chunk("user_message_chunk", "Work.")).await;
        agent.text("done").await;
        agent.text("").await;
        agent.update(chunk("agent_thought_chunk", "")).await;
        let picture = json!({"type": "image", "data": "AAAA", "mimeType": "image/png"});
        agent.update(json!({"sessionUpdate": "agent_message_chunk", "content": picture})).await;
        agent.end_turn(&task, "end_turn").await;
    };
    let mut session = work(AcpOptions::default(), script).await;
    let story = listen(session.as_mut()).await;
    assert_eq!((story.out.as_str(), story.err.as_str()), ("done", ""));
    assert_eq!(story.turns, [TurnEnd::new(Outcome::Finished)]);
}

#[tokio::test(start_paused = true)]
async fn a_session_takes_one_task_after_the_other() {
    let script = |mut agent: Agent| async move {
        let first = agent.begin().await;
        agent.text("one").await;
        agent.end_turn(&first, "end_turn").await;
        let second = agent.expect("session/prompt").await;
        agent.text("two").await;
        agent.end_turn(&second, "end_turn").await;
    };
    let mut session = work(AcpOptions::default(), script).await;
    let again = Prompt { text: "More.".to_owned() };
    let refused = soon(session.prompt(&again)).await.expect_err("it is at work");
    assert_eq!(refused.kind, TransportErrorKind::Unsupported);
    while !matches!(soon(session.next()).await, Ok(Some(AgentUpdate::TurnEnded(_)))) {}
    soon(session.prompt(&again)).await.expect("it is free");
    let story = listen(session.as_mut()).await;
    assert_eq!((story.out.as_str(), story.turns.len()), ("two", 1));
    let refused = soon(session.prompt(&again)).await.expect_err("it is gone");
    assert_eq!(refused.kind, TransportErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_loses_nothing() {
    let script = |mut agent: Agent| async move {
        let task = agent.begin().await;
        for number in 0..200 {
            agent.text(&format!("{number} ")).await;
            if number % 7 == 0 {
                tokio::task::yield_now().await;
            }
        }
        agent.end_turn(&task, "end_turn").await;
    };
    let mut session = work(AcpOptions::default(), script).await;
    let mut out = String::new();
    loop {
        // Every other wait is given up after one look.
        let mut given_up = Box::pin(session.next());
        let update = match poll!(&mut given_up) {
            std::task::Poll::Ready(update) => update,
            std::task::Poll::Pending => {
                drop(given_up);
                tokio::task::yield_now().await;
                continue;
            }
        };
        match update.expect("an update") {
            Some(AgentUpdate::Output { stream: Stream::Out, text }) => out.push_str(&text),
            Some(AgentUpdate::Ended(exit)) => assert_eq!(exit, Exit::Code(0)),
            Some(_) => {}
            None => break,
        }
    }
    let expected: String = (0..200).map(|number| format!("{number} ")).collect();
    assert_eq!(out, expected);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_turn_ends_as_cancelled_however_the_agent_puts_it() {
    type Answer = fn(&Value) -> Value;
    let answers: [Answer; 3] = [
        |task| json!({"jsonrpc": "2.0", "id": task["id"], "result": {"stopReason": "cancelled"}}),
        |task| json!({"jsonrpc": "2.0", "id": task["id"], "result": {"stopReason": "end_turn"}}),
        |task| json!({"jsonrpc": "2.0", "id": task["id"], "error": {"code": -32603, "message": "NoneType"}}),
    ];
    for answer in answers {
        let script = move |mut agent: Agent| async move {
            let task = agent.begin().await;
            let cancel = agent.expect("session/cancel").await;
            assert_eq!(cancel["params"]["sessionId"], SESSION);
            agent.say(answer(&task)).await;
            let next = agent.expect("session/prompt").await;
            agent.end_turn(&next, "refusal").await;
        };
        let mut session = work(AcpOptions::default(), script).await;
        soon(session.cancel()).await.expect("it is told");
        soon(session.cancel()).await.expect("once is enough");
        let ended = soon(session.next()).await.expect("an update").expect("an end");
        let AgentUpdate::TurnEnded(end) = ended else { panic!("{ended:?}") };
        assert_eq!(end.outcome, Outcome::Cancelled);
        soon(session.cancel()).await.expect("there is nothing to cancel");
        soon(session.prompt(&Prompt { text: "Go on.".to_owned() })).await.expect("the session lives");
        let story = listen(session.as_mut()).await;
        assert_eq!(story.turns, [TurnEnd::new(Outcome::Refused)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_cannot_be_cancelled_ends_with_the_process() {
    let script = |mut agent: Agent| async move {
        agent.begin().await;
        agent.linger().await;
        std::future::pending().await
    };
    let options = options(|options| options.limits.cancel = Duration::from_secs(3));
    let mut session = work(options, script).await;
    soon(session.cancel()).await.expect("it is told");
    let story = listen(session.as_mut()).await;
    let late = AcpError::Late { method: "session/cancel", after: Duration::from_secs(3) };
    assert_eq!((story.errors, story.exit), (vec![late], Some(Exit::Signal(9))));
}

#[tokio::test(start_paused = true)]
async fn a_closed_session_leaves_no_process() {
    let (ended, watch) = tokio::sync::oneshot::channel::<()>();
    let script = |mut agent: Agent| async move {
        let _until = ended;
        agent.begin().await;
        std::future::pending().await
    };
    let session = work(AcpOptions::default(), script).await;
    soon(session.close()).await.expect("it is ended");
    assert!(watch.now_or_never().is_some(), "the script is gone");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_session_leaves_no_process() {
    let (ended, watch) = tokio::sync::oneshot::channel::<()>();
    let script = |mut agent: Agent| async move {
        let _until = ended;
        agent.greet().await;
        std::future::pending().await
    };
    drop(connect(AcpOptions::default(), Path::new("/tree"), script).await.expect("a session"));
    soon(watch).await.expect_err("the script is gone");
}
