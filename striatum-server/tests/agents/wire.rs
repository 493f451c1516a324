//! Requests as bytes, for what no client would send.

use std::time::Duration;

use striatum_server::agents::Agents;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

pub(crate) const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"raw","version":"1"}}}"#;

/// The host and port of a listener.
pub(crate) fn authority_of(agents: &Agents) -> String {
    let rest = agents.url().strip_prefix("http://").expect("http");
    rest.split('/').next().expect("an authority").to_owned()
}

/// A `POST` of JSON with these headers, and the usual ones where they are not among them.
pub(crate) fn post(agents: &Agents, headers: &[(&str, &str)], body: &str) -> String {
    let mut lines = vec!["POST /mcp HTTP/1.1".to_owned()];
    let (authority, length) = (authority_of(agents), body.len().to_string());
    let usual = [
        ("host", authority.as_str()),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("content-length", &length),
        ("connection", "close"),
    ];
    let is_given = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let usual = usual.into_iter().filter(|(name, _)| !is_given(name));
    lines.extend(headers.iter().copied().chain(usual).map(|(name, value)| format!("{name}: {value}")));
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

/// Sends bytes and reads what comes, at least up to the end of the first line. The status is 0 if there is none.
pub(crate) async fn send(agents: &Agents, request: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(authority_of(agents)).await.expect("a listener");
    // Who refuses early may close before it has read everything.
    let _ = stream.write_all(request).await;
    let answer = read_headers_and_some(&mut stream).await;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    (status, answer)
}

async fn read_headers_and_some(stream: &mut TcpStream) -> String {
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read =
            timeout(Duration::from_secs(20), stream.read(&mut buffer)).await.expect("an answer in time");
        match read {
            Ok(0) | Err(_) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
        }
        let text = String::from_utf8_lossy(&answer);
        // A stream of events goes on for ever; its first event is enough.
        if text.contains("text/event-stream") && text.contains("data: {") {
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}
