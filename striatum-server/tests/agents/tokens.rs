//! Every tool, with every kind of token.

use std::{sync::Arc, time::Duration};

use rmcp::model::CallToolRequestParams;
use secrecy::ExposeSecret as _;
use serde_json::json;
use striatum_core::{
    id::{ChainId, LaneId, RoleId},
    run::Actor,
    time::Timestamp,
};
use striatum_server::{
    agents::{Agents, AgentsOptions},
    authority::{Authority, Capabilities, Capability, ClaimScope, OperatorScope, Scope, SigningKey},
};

use super::{
    bench::{LONG, Recorder, authority, call, client, connect, fence},
    wire::{INITIALIZE, post, send},
};

fn claim() -> Scope {
    Scope::Claim(ClaimScope {
        repository: ChainId::new("repo").expect("a name"),
        role: RoleId::new("coder").expect("a name"),
        lane: LaneId::new("lane").expect("a name"),
    })
}

fn all_powerful() -> Scope {
    Scope::Operator(OperatorScope {
        actor: Actor::Human("root".to_owned()),
        repository: None,
        capabilities: Capabilities::of(Capability::ALL),
    })
}

#[tokio::test]
async fn no_token_but_its_own_opens_a_session() {
    let authority = authority();
    let agents = Agents::listen(authority.clone(), AgentsOptions::default()).await.expect("a free port");
    let bench = Recorder::answering([]);
    let session = agents.open(fence("draft"), bench.clone(), LONG).expect("chance");
    let tools = connect(&session).await.list_all_tools().await.expect("tools");
    assert_eq!(tools.len(), 14);
    let own = session.endpoint().bearer.expose_secret().to_owned();

    let dropped = agents.open(fence("draft"), bench.clone(), LONG).expect("chance");
    let of_a_dropped = dropped.endpoint().bearer.expose_secret().to_owned();
    drop(dropped);
    let issue = |scope| authority.issue(scope, LONG).expect("chance");
    let elsewhere =
        Authority::new(SigningKey::generate().expect("chance"), Arc::new(|| Timestamp::from_micros(0)));
    let (payload, seal) = own.split_once('.').expect("two parts");
    let mut flipped = own.clone().into_bytes();
    *flipped.last_mut().expect("a token") ^= 1;
    let kinds: Vec<(&str, u16, Option<String>)> = vec![
        ("none", 401, None),
        ("an empty one", 401, Some(String::new())),
        ("another scheme", 401, Some(format!("Basic {own}"))),
        ("a guess", 401, Some("Bearer striatum_0".to_owned())),
        ("without its seal", 401, Some(format!("Bearer {payload}."))),
        ("its seal alone", 401, Some(format!("Bearer striatum_.{seal}"))),
        ("one bit off", 401, Some(format!("Bearer {}", String::from_utf8_lossy(&flipped)))),
        (
            "sealed elsewhere",
            401,
            Some(of(&elsewhere.issue(Scope::Session(fence("draft")), LONG).expect("chance"))),
        ),
        ("issued for the fence and never opened", 401, Some(of(&issue(Scope::Session(fence("draft")))))),
        (
            "expired",
            401,
            Some(of(&authority.issue(Scope::Session(fence("draft")), Duration::ZERO).expect("chance"))),
        ),
        ("of a session that was closed", 401, Some(format!("Bearer {of_a_dropped}"))),
        ("a claim token", 403, Some(of(&issue(claim())))),
        ("an operator's", 403, Some(of(&issue(all_powerful())))),
    ];
    for (kind, expected, header) in kinds {
        let headers: Vec<_> = header.iter().map(|header| ("authorization", header.as_str())).collect();
        let (status, answer) = send(&agents, post(&agents, &headers, INITIALIZE).as_bytes()).await;
        assert_eq!(status, expected, "{kind}: {answer}");
        assert!(!answer.contains("mcp-session-id"), "{kind}: {answer}");
        for tool in &tools {
            let body = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": tool.name, "arguments": {}}});
            let (status, answer) = send(&agents, post(&agents, &headers, &body.to_string()).as_bytes()).await;
            assert_eq!(status, expected, "{} with {kind}: {answer}", tool.name);
        }
    }
    assert_eq!((bench.asked(), session.calls()), (Vec::new(), 0));
    assert!(client(agents.url(), &of_a_dropped).await.is_err(), "a client is told so too");
}

fn of(issued: &striatum_server::authority::Issued) -> String {
    format!("Bearer {}", issued.secret.expose_secret())
}

#[tokio::test]
async fn a_session_is_unknown_under_the_token_of_another() {
    let agents = super::bench::listening().await;
    let (mine, theirs) = (Recorder::answering([]), Recorder::answering([]));
    let one = agents.open(fence("draft"), mine.clone(), LONG).expect("chance");
    let other = agents.open(fence("review"), theirs.clone(), LONG).expect("chance");
    let header = |session: &striatum_server::agents::OpenSession| {
        format!("Bearer {}", session.endpoint().bearer.expose_secret())
    };
    let (status, answer) =
        send(&agents, post(&agents, &[("authorization", &header(&one))], INITIALIZE).as_bytes()).await;
    assert_eq!(status, 200, "{answer}");
    let id = answer.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).expect("a session").trim();

    let call =
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"complete_work","arguments":{}}}"#;
    let stolen =
        [("authorization", &*header(&other)), ("mcp-session-id", id), ("mcp-protocol-version", "2025-06-18")];
    let (status, answer) = send(&agents, post(&agents, &stolen, call).as_bytes()).await;
    assert_eq!(status, 404, "{answer}");
    assert!(mine.asked().is_empty() && theirs.asked().is_empty());
}

#[tokio::test]
async fn a_token_that_is_dropped_ends_what_was_opened_with_it() {
    let agents = super::bench::listening().await;
    let session = agents.open(fence("draft"), Recorder::answering([]), LONG).expect("chance");
    let client = connect(&session).await;
    let (said, _) = call(&client, "get_packet", json!({})).await;
    assert_eq!(said, "# Do it");
    drop(session);
    let request = CallToolRequestParams::new("get_packet");
    let late = tokio::time::timeout(Duration::from_secs(20), client.call_tool(request)).await;
    assert!(late.expect("an answer in time").is_err());
}

#[tokio::test]
async fn a_token_is_worth_nothing_after_its_time() {
    let agents = super::bench::listening().await;
    let session = agents.open(fence("draft"), Recorder::answering([]), Duration::ZERO).expect("chance");
    let endpoint = session.endpoint();
    assert!(client(&endpoint.url, endpoint.bearer.expose_secret()).await.is_err());
}
