//! What becomes of calls, clients and sessions that do not go as they should.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use striatum_core::digest::Digest;
use striatum_server::{
    Refusal,
    agents::{Act, Mode, Receipt, Task, Workbench},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{Notify, watch},
    time::timeout,
};

use super::{
    bench::{LONG, call, connect, fence, listening},
    wire::{INITIALIZE, authority_of, post, send},
};

/// Begins a call, and ends it when it is told to.
#[derive(Debug)]
struct Slow {
    begun: watch::Sender<u32>,
    goes_on: Notify,
    ended: watch::Sender<u32>,
}

impl Slow {
    fn new() -> Arc<Self> {
        Arc::new(Self { begun: watch::Sender::new(0), goes_on: Notify::new(), ended: watch::Sender::new(0) })
    }

    async fn has(count: &watch::Sender<u32>, wanted: u32) {
        count.subscribe().wait_for(|count| *count == wanted).await.expect("it is counted");
    }
}

#[async_trait::async_trait]
impl Workbench for Slow {
    async fn task(&self) -> Result<Task, Refusal> {
        Ok(Task { prompt: String::new(), packet: Bytes::new() })
    }

    async fn read(&self, _document: &Digest) -> Result<Bytes, Refusal> {
        Ok(Bytes::new())
    }

    async fn act(&self, _act: Act, _mode: Mode) -> Result<Receipt, Refusal> {
        self.begun.send_modify(|count| *count += 1);
        self.goes_on.notified().await;
        self.ended.send_modify(|count| *count += 1);
        Ok(Receipt::over("done"))
    }
}

#[tokio::test]
async fn a_call_that_has_begun_goes_on_when_its_agent_is_gone() {
    let agents = listening().await;
    let bench = Slow::new();
    let session = agents.open(fence("draft"), bench.clone(), LONG).expect("chance");
    let client = connect(&session).await;
    let calling = tokio::spawn(async move { call(&client, "complete_work", json!({})).await });
    Slow::has(&bench.begun, 1).await;
    calling.abort();
    assert!(calling.await.is_err_and(|error| error.is_cancelled()));

    let closing = tokio::spawn(session.close());
    bench.goes_on.notify_one();
    closing.await.expect("it closes");
    assert_eq!(*bench.ended.borrow(), 1, "it is closed once the call has ended");
}

#[tokio::test]
async fn calls_of_one_session_never_overlap() {
    let agents = listening().await;
    let bench = Slow::new();
    let session = agents.open(fence("draft"), bench.clone(), LONG).expect("chance");
    let (one, two) = (connect(&session).await, connect(&session).await);
    let ask = |client| tokio::spawn(async move { call(&client, "complete_work", json!({})).await });
    let calls = [ask(one), ask(two)];
    Slow::has(&bench.begun, 1).await;
    bench.goes_on.notify_one();
    let mut said = Vec::new();
    for call in calls {
        said.push(call.await.expect("an answer"));
    }
    said.sort();
    assert!(said[0].0.starts_with("accepted: done") && !said[0].1, "{said:?}");
    assert!(said[1].0.starts_with("refused (work_concluded)") && said[1].1, "{said:?}");
    assert_eq!(*bench.begun.borrow(), 1);
}

#[tokio::test]
async fn who_comes_back_again_and_again_keeps_its_latest_sessions() {
    let agents = listening().await;
    let session = agents.open(fence("draft"), Slow::new(), LONG).expect("chance");
    let token = format!("Bearer {}", secrecy::ExposeSecret::expose_secret(&session.endpoint().bearer));
    let ping = async |id: &str| {
        let headers = [("authorization", token.as_str()), ("mcp-session-id", id)];
        let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        send(&agents, post(&agents, &headers, body).as_bytes()).await.0
    };
    let mut open = Vec::new();
    for _ in 0..17 {
        let request = post(&agents, &[("authorization", &token)], INITIALIZE);
        let (_, answer) = send(&agents, request.as_bytes()).await;
        let id = answer.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).expect("a session");
        open.push(id.trim().to_owned());
        assert_eq!(ping(&open[0]).await, 202);
    }
    for (at, id) in open.iter().enumerate() {
        let expected = if at == 1 { 404 } else { 202 };
        assert_eq!(ping(id).await, expected, "session {at}: the second was used longest ago");
    }
}

#[tokio::test]
async fn what_an_agent_is_told_of_its_token_names_no_secret() {
    let agents = listening().await;
    let session = agents.open(fence("draft"), Slow::new(), LONG).expect("chance");
    let shown = format!("{agents:?} {session:?} {:?}", session.endpoint());
    let secret = secrecy::ExposeSecret::expose_secret(&session.endpoint().bearer);
    assert!(!shown.contains(&secret[..24]), "{shown}");
}

#[tokio::test]
async fn a_session_can_be_served_at_two_places_until_one_is_closed() {
    let agents = listening().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let serving = agents.serve(listener).expect("it listens");
    let bench = Slow::new();
    let session = agents.open(fence("draft"), bench, LONG).expect("chance");
    let there = session.endpoint_at(serving.address());
    let token = secrecy::ExposeSecret::expose_secret(&there.bearer);
    let client = super::bench::client(&there.url, token).await.expect("it is served there");
    assert_eq!(call(&client, "get_packet", json!({})).await, (String::new(), false));
    client.cancel().await.expect("it closes");
    drop(serving);
    assert!(super::bench::client(&there.url, token).await.is_err());
    assert_eq!(call(&connect(&session).await, "get_packet", json!({})).await, (String::new(), false));
}

#[tokio::test]
async fn no_event_of_a_stream_is_without_data() {
    let agents = listening().await;
    let session = agents.open(fence("draft"), Slow::new(), LONG).expect("chance");
    let token = format!("Bearer {}", secrecy::ExposeSecret::expose_secret(&session.endpoint().bearer));
    let (_, hello) = send(&agents, post(&agents, &[("authorization", &token)], INITIALIZE).as_bytes()).await;
    let id = hello.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).expect("a session").trim();
    let headers = [("authorization", token.as_str()), ("mcp-session-id", id)];
    let list = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
    let (_, listed) = send(&agents, post(&agents, &headers, list).as_bytes()).await;

    let get = post(&agents, &headers, "").replacen("POST", "GET", 1);
    let (authority, listening) = (authority_of(&agents), watch::Sender::new(false));
    let reads = async {
        let mut stream = TcpStream::connect(authority).await.expect("a listener");
        stream.write_all(get.as_bytes()).await.expect("it is read");
        let mut read = Vec::new();
        while stream.read_buf(&mut read).await.is_ok_and(|count| count > 0) {
            listening.send_replace(read.windows(4).any(|end| end == b"\r\n\r\n"));
        }
        String::from_utf8_lossy(&read).into_owned()
    };
    let ends = async {
        listening.subscribe().wait_for(|listens| *listens).await.expect("it is counted");
        drop(session);
    };
    let (alone, ()) = timeout(LONG, async { tokio::join!(reads, ends) }).await.expect("an end in time");
    assert!(alone.contains("text/event-stream"), "{alone}");
    for stream in [hello, listed, alone] {
        let data: Vec<_> = stream.lines().filter_map(|line| line.strip_prefix("data:")).collect();
        assert!(data.iter().all(|data| data.trim_start().starts_with('{')), "{stream}");
    }
}
