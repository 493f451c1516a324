//! What an agent's numbers of tokens come to: one agent for each meaning that they have.

use serde_json::{Value, json};
use striatum_acp::{AcpOptions, AcpTransport, UsageMeaning};
use striatum_core::transport::{AgentSession, AgentTransport, AgentUpdate, Prompt, Spend};

use crate::{
    agent::{Agent, SESSION, soon, spec, start},
    handshake::options,
};

/// What an agent tells of one turn: in updates, and with its end.
type Turn = (Vec<Value>, Value);

/// What each turn cost, and how many tokens were seen in it before its end.
async fn cost(options: AcpOptions, resumed: bool, turns: Vec<Turn>) -> Vec<(Spend, Vec<u64>)> {
    let count = turns.len();
    let script = move |mut agent: Agent| async move {
        let hello = agent.expect("initialize").await;
        let can = json!({"loadSession": true});
        agent.answer(&hello, json!({"protocolVersion": 1, "agentCapabilities": can})).await;
        let opened = agent.hear().await.expect("it is to open a session");
        agent.answer(&opened, json!({"sessionId": SESSION})).await;
        for (updates, end) in turns {
            let task = agent.expect("session/prompt").await;
            for update in updates {
                agent.update(update).await;
            }
            agent.text("done").await;
            let mut end = end;
            end["stopReason"] = json!("end_turn");
            agent.answer(&task, end).await;
        }
        agent.linger().await;
    };
    let spec = if resumed { spec().resuming(SESSION) } else { spec() };
    let transport = AcpTransport::new(options);
    let mut session = soon(transport.connect(start(script), &spec)).await.expect("a session");
    let mut costs = Vec::new();
    for _ in 0..count {
        soon(session.prompt(&Prompt { text: "Work.".to_owned() })).await.expect("it is taken");
        costs.push(turn(session.as_mut()).await);
    }
    costs
}

async fn turn(session: &mut dyn AgentSession) -> (Spend, Vec<u64>) {
    let mut seen = Vec::new();
    loop {
        match soon(session.next()).await.expect("an update").expect("an end") {
            AgentUpdate::TurnEnded(end) => return (end.spend, seen),
            AgentUpdate::Context(tokens) => seen.push(tokens),
            _ => {}
        }
    }
}

fn meaning(usage: UsageMeaning) -> AcpOptions {
    options(|options| options.usage = usage)
}

fn spend(input: u64, output: u64) -> Spend {
    Spend { input_tokens: Some(input), output_tokens: Some(output) }
}

fn told(input: u64, output: u64) -> Turn {
    let usage = json!({"inputTokens": input, "outputTokens": output, "totalTokens": input + output});
    (Vec::new(), json!({"usage": usage}))
}

#[tokio::test(start_paused = true)]
async fn the_sum_of_a_turn_is_what_the_turn_cost() {
    let costs = cost(meaning(UsageMeaning::Turn), false, vec![told(100, 10), told(150, 5)]).await;
    assert_eq!(costs, [(spend(100, 10), vec![]), (spend(150, 5), vec![])]);
    let again = cost(meaning(UsageMeaning::Turn), true, vec![told(100, 10)]).await;
    assert_eq!(again, [(spend(100, 10), vec![])]);
}

#[tokio::test(start_paused = true)]
async fn the_last_call_of_a_turn_is_the_least_that_it_cost() {
    let costs = cost(meaning(UsageMeaning::LastCall), false, vec![told(100, 10), told(90, 5)]).await;
    assert_eq!(costs, [(spend(100, 10), vec![]), (spend(90, 5), vec![])]);
}

#[tokio::test(start_paused = true)]
async fn the_sum_of_a_session_is_taken_apart_and_its_past_is_no_part_of_a_turn() {
    let turns = || vec![told(1_000, 10), told(1_500, 15)];
    let costs = cost(meaning(UsageMeaning::Session), false, turns()).await;
    assert_eq!(costs, [(spend(1_000, 10), vec![]), (spend(500, 5), vec![])]);
    let costs = cost(meaning(UsageMeaning::Session), true, turns()).await;
    assert_eq!(costs, [(Spend::default(), vec![]), (spend(500, 5), vec![])], "what it had cost is not known");
}

#[tokio::test(start_paused = true)]
async fn what_is_told_call_by_call_adds_up_and_is_seen_in_mid_turn() {
    let call = |text: &str, input: u64, output: u64| {
        let usage = json!({"inputTokens": input, "outputTokens": output, "totalTokens": input + output});
        let content = json!({"type": "text", "text": text});
        json!({"sessionUpdate": "agent_message_chunk", "content": content, "_meta": {"usage": usage}})
    };
    let calls = vec![call("", 100, 10), call("so", 200, 20)];
    let turns = vec![(calls.clone(), json!({})), (vec![call("", 7, 1)], json!({}))];
    let costs = cost(AcpOptions::default(), false, turns).await;
    assert_eq!(costs, [(spend(300, 30), vec![110, 330]), (spend(7, 1), vec![8])]);
    // What an agent says of the whole turn says more.
    let both = vec![(calls, told(400, 40).1)];
    let costs = cost(AcpOptions::default(), false, both).await;
    assert_eq!(costs, [(spend(400, 40), vec![110, 330])]);
}

#[tokio::test(start_paused = true)]
async fn who_tells_nothing_is_known_to_have_cost_nothing_that_is_known() {
    let window = json!({"sessionUpdate": "usage_update", "used": 700, "size": 1000});
    let costs =
        cost(AcpOptions::default(), false, vec![(vec![window], json!({})), (vec![], json!({}))]).await;
    assert_eq!(costs, [(Spend::default(), vec![700]), (Spend::default(), vec![])]);
}
