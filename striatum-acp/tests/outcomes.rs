//! How turns end, as real agents end them.

use std::time::Duration;

use serde_json::{Value, json};
use striatum_acp::AcpOptions;
use striatum_core::transport::{Advice, Outcome, Reset};

use crate::agent::{Agent, listen, work};

/// What a turn amounts to in which an agent says this, perhaps uses a tool, and answers so.
async fn outcome(text: &'static str, tool: Option<&'static str>, answer: Value) -> Outcome {
    let script = move |mut agent: Agent| async move {
        let task = agent.begin().await;
        if !text.is_empty() {
            agent.text(text).await;
        }
        if let Some(title) = tool {
            agent.update(json!({"sessionUpdate": "tool_call", "toolCallId": "t", "title": title})).await;
        }
        match answer {
            Value::String(reason) => agent.end_turn(&task, &reason).await,
            error => agent.refuse(&task, error).await,
        }
    };
    let mut session = work(AcpOptions::default(), script).await;
    let mut story = listen(session.as_mut()).await;
    assert_eq!((story.turns.len(), &story.errors), (1, &vec![]));
    story.turns.remove(0).outcome
}

#[tokio::test(start_paused = true)]
async fn a_turn_ends_in_one_of_a_few_ways() {
    let soon = Outcome::RateLimited(Some(Reset::In(Duration::from_secs(30))));
    let refused = |code: i64, message: &str| json!({"code": code, "message": message});
    let table = [
        ("Done.", None, json!("end_turn"), Outcome::Finished),
        ("", Some("Write"), json!("end_turn"), Outcome::Finished),
        ("", None, json!("end_turn"), Outcome::Idle),
        (" \n", None, json!("end_turn"), Outcome::Idle),
        ("", None, json!("refusal"), Outcome::Refused),
        ("", None, json!("max_turn_requests"), Outcome::OutOfTurns),
        ("", None, json!("max_tokens"), Outcome::ContextOverflow),
        ("", None, json!("cancelled"), Outcome::Cancelled),
        ("", None, refused(-32000, "Authentication required"), Outcome::AuthNeeded),
        ("", None, refused(401, "{}"), Outcome::AuthNeeded),
        ("", None, refused(429, "please try again in 30s"), soon),
        ("", None, refused(-32603, "Repeated 529 Overloaded errors"), Outcome::Overloaded),
        ("", None, refused(-32603, "prompt is too long"), Outcome::ContextOverflow),
        ("", None, refused(-32603, "Internal error"), Outcome::Failed),
        // A permanent 429 that is told as the text of a turn that ended well.
        (
            "exceeded retry limit, last status: 429 Too Many Requests",
            None,
            json!("end_turn"),
            Outcome::RateLimited(None),
        ),
        ("Error: 401 Unauthorized", None, json!("end_turn"), Outcome::AuthNeeded),
        ("Retrying 1/3\nRetrying 2/3\n", None, json!("end_turn"), Outcome::Failed),
        // Whoever used a tool may speak of errors.
        ("Error: 401 is now handled.", Some("Write"), json!("end_turn"), Outcome::Finished),
    ];
    for (text, tool, answer, expected) in table {
        let shown = format!("{text:?} {tool:?} {answer}");
        assert_eq!(outcome(text, tool, answer).await, expected, "{shown}");
    }
}

#[test]
fn every_outcome_says_what_may_help() {
    let table = [
        (Outcome::Finished, Advice::Conclude),
        (Outcome::Cancelled, Advice::Conclude),
        (Outcome::RateLimited(None), Advice::Wait),
        (Outcome::Overloaded, Advice::Wait),
        (Outcome::AuthNeeded, Advice::Checkpoint),
        (Outcome::Refused, Advice::Checkpoint),
        (Outcome::Process, Advice::Retry),
        (Outcome::Protocol, Advice::Retry),
    ];
    for (outcome, advice) in table {
        assert_eq!(outcome.advice(), advice, "{}", outcome.code());
    }
}
