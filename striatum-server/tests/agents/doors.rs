//! What is turned away before anybody looks at a tool.

use secrecy::ExposeSecret as _;
use striatum_server::agents::{Agents, AgentsOptions, OpenSession};

use super::{
    bench::{LONG, Recorder, authority, fence, listening},
    wire::{INITIALIZE, authority_of, post, send},
};

fn open(agents: &Agents) -> (OpenSession, String) {
    let session = agents.open(fence("draft"), Recorder::answering([]), LONG).expect("chance");
    let header = format!("Bearer {}", session.endpoint().bearer.expose_secret());
    (session, header)
}

#[tokio::test]
async fn a_page_of_another_origin_a_wrong_host_and_a_rebinding_name_are_refused() {
    let agents = listening().await;
    let (_session, token) = open(&agents);
    let ours = authority_of(&agents);
    let port = ours.rsplit(':').next().expect("a port");
    let rebinding = format!("attacker.example:{port}");
    let inside = format!("127.0.0.1.attacker.example:{port}");
    let foreign = format!("http://{ours}");
    for (what, code, headers) in [
        ("a wrong host", "host_unknown", vec![("host", "example.com")]),
        ("a rebinding name", "host_unknown", vec![("host", rebinding.as_str())]),
        ("our address inside a name", "host_unknown", vec![("host", inside.as_str())]),
        ("two hosts", "", vec![("host", ours.as_str()), ("host", "example.com")]),
        ("a page", "origin_unknown", vec![("origin", "https://attacker.example")]),
        ("a page without an origin of its own", "origin_unknown", vec![("origin", "null")]),
        ("a page that was served here", "origin_unknown", vec![("origin", foreign.as_str())]),
        ("two origins", "origin_unknown", vec![("origin", "http://a"), ("origin", "http://b")]),
    ] {
        let headers = [headers, vec![("authorization", token.as_str())]].concat();
        let (status, answer) = send(&agents, post(&agents, &headers, INITIALIZE).as_bytes()).await;
        assert!(matches!(status, 400 | 403), "{what}: {answer}");
        assert!(answer.contains(code), "{what}: {answer}");
    }
    let (status, answer) =
        send(&agents, post(&agents, &[("authorization", &token)], INITIALIZE).as_bytes()).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_however_it_comes() {
    let mut options = AgentsOptions::default();
    options.boundary.max_body_bytes = 4_000;
    let agents = Agents::listen(authority(), options).await.expect("a free port");
    let (_session, token) = open(&agents);
    let long = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{}\"}}", "x".repeat(10_000));
    let (status, answer) = send(&agents, post(&agents, &[("authorization", &token)], &long).as_bytes()).await;
    assert_eq!(status, 413, "{answer}");

    let chunked =
        [("authorization", token.as_str()), ("transfer-encoding", "chunked"), ("content-length", "")];
    let head = post(&agents, &chunked, "").replace("content-length: \r\n", "");
    let body = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let (status, answer) = send(&agents, format!("{head}{body}").as_bytes()).await;
    assert_eq!(status, 413, "{answer}");

    let (status, answer) =
        send(&agents, post(&agents, &[("authorization", &token)], INITIALIZE).as_bytes()).await;
    assert_eq!(status, 200, "a short one passes: {answer}");
}

#[tokio::test]
async fn garbage_is_refused_and_the_listener_goes_on() {
    let agents = listening().await;
    let (session, token) = open(&agents);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies =
        ["", "{", "null", "[]", "\"text\"", "{\"jsonrpc\":\"1.0\"}", "{\"id\":1}", &deep, "\u{0}\u{1}"];
    for body in bodies {
        let request = post(&agents, &[("authorization", &token)], body);
        let (status, answer) = send(&agents, request.as_bytes()).await;
        assert!((400..500).contains(&status), "{:.40}: {answer}", body);
    }
    for request in [
        &b"\x00\x01\x02\x03\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: banana\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer \xff\xfe\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    ] {
        let (status, answer) = send(&agents, request).await;
        assert!(matches!(status, 0 | 400..=499), "{answer}");
    }
    for method in ["PUT", "PATCH", "OPTIONS", "TRACE"] {
        let request = post(&agents, &[("authorization", &token)], "{}").replacen("POST", method, 1);
        let (status, answer) = send(&agents, request.as_bytes()).await;
        assert_eq!(status, 405, "{method}: {answer}");
    }
    let elsewhere = post(&agents, &[("authorization", &token)], "{}").replacen("/mcp", "/v1/runs", 1);
    assert_eq!(send(&agents, elsewhere.as_bytes()).await.0, 404);
    assert_eq!((session.calls(), session.is_connected()), (0, false));
}

#[tokio::test]
async fn what_clients_ask_beside_the_protocol_is_answered_and_ends_nothing() {
    let agents = listening().await;
    let (_session, token) = open(&agents);
    // Some ask this before they say who they are.
    let discover = r#"{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{}}"#;
    let (status, answer) =
        send(&agents, post(&agents, &[("authorization", &token)], discover).as_bytes()).await;
    assert!((200..500).contains(&status), "{answer}");

    let (status, answer) =
        send(&agents, post(&agents, &[("authorization", &token)], INITIALIZE).as_bytes()).await;
    assert_eq!(status, 200, "{answer}");
    let (_, rest) = answer.split_once("mcp-session-id: ").expect("it names the session");
    let id = rest.lines().next().expect("a line").trim().to_owned();
    // And some say good-bye.
    let delete = |token: &str| {
        let host = authority_of(&agents);
        format!(
            "DELETE /mcp HTTP/1.1\r\nhost: {host}\r\nauthorization: {token}\r\nmcp-session-id: {id}\r\nconnection: close\r\n\r\n"
        )
    };
    let (status, answer) = send(&agents, delete("Bearer nobody").as_bytes()).await;
    assert_eq!(status, 401, "{answer}");
    let (status, answer) = send(&agents, delete(&token).as_bytes()).await;
    assert!((200..300).contains(&status), "{answer}");
    // Its session is over, and the grant is not.
    let with_session = [("authorization", token.as_str()), ("mcp-session-id", id.as_str())];
    let list = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{}}"#;
    let (status, answer) = send(&agents, post(&agents, &with_session, list).as_bytes()).await;
    assert_eq!(status, 404, "{answer}");
    let (status, answer) =
        send(&agents, post(&agents, &[("authorization", &token)], INITIALIZE).as_bytes()).await;
    assert_eq!(status, 200, "{answer}");
}
