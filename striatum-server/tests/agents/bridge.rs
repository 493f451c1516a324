//! Agents that speak over standard input and output.

use std::time::Duration;

use rmcp::{ServiceExt as _, model::CallToolRequestParams};
use serde_json::{Value, json};
use striatum_server::{agents::Endpoint, bridge};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, duplex, split},
    time::timeout,
};

use super::bench::{LONG, Recorder, call, fence, listening};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn an_agent_without_http_reaches_its_tools_through_the_bridge() {
    let agents = listening().await;
    let bench = Recorder::answering([]);
    let session = agents.open(fence("draft"), bench.clone(), LONG).expect("chance");
    let (near, far) = duplex(1 << 16);
    let (input, output) = split(far);
    let endpoint = session.endpoint().clone();
    let bridging = tokio::spawn(async move { bridge(&endpoint, input, output).await });
    let client = timeout(SOON, ().serve(near)).await.expect("an answer in time").expect("it is connected");
    assert_eq!(client.list_all_tools().await.expect("tools").len(), 14);
    session.connected().await;
    let (said, is_error) = call(&client, "report_failure", json!({"reason": "no compiler"})).await;
    assert_eq!((said.as_str(), is_error), ("accepted: all is well.", false));
    assert_eq!(bench.asked().len(), 1);

    drop(session);
    let late = timeout(SOON, client.call_tool(CallToolRequestParams::new("get_packet"))).await;
    let late = late.expect("an answer in time").expect_err("the token is over").to_string();
    assert!(late.contains("401"), "{late}");
    client.cancel().await.expect("it closes");
    timeout(SOON, bridging).await.expect("an end in time").expect("no panic").expect("it ends well");
}

#[tokio::test]
async fn the_bridge_says_what_is_wrong_and_goes_on() {
    let (near, far) = duplex(1 << 16);
    let (input, output) = split(far);
    // Nobody listens there.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    drop(listener);
    let endpoint = Endpoint::new(url, "token".to_owned().into());
    let bridging = tokio::spawn(async move { bridge(&endpoint, input, output).await });
    let (answers, mut agent) = split(near);
    let mut answers = BufReader::new(answers).lines();
    for (line, code) in [
        ("no JSON", -32700),
        (r#"{"jsonrpc":"2.0","id":7,"method":"initialize"}"#, -32000),
        (r#"{"jsonrpc":"2.0","id":"x","method":"tools/list"}"#, -32000),
    ] {
        agent.write_all(format!("{line}\n").as_bytes()).await.expect("it is read");
        let answer = timeout(SOON, answers.next_line()).await.expect("an answer in time").expect("a line");
        let answer: Value = serde_json::from_str(&answer.expect("an answer")).expect("JSON");
        assert_eq!(answer["error"]["code"], code, "{line}: {answer}");
    }
    drop((agent, answers));
    timeout(SOON, bridging).await.expect("an end in time").expect("no panic").expect("it ends well");
    let nowhere = Endpoint::new("https://example.com".to_owned(), "token".to_owned().into());
    assert!(bridge(&nowhere, tokio::io::empty(), tokio::io::sink()).await.is_err());
}
