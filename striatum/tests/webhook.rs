//! A receiver that knows the secret knows whom a call is from.

use std::sync::Arc;

use striatum::{core::run::Intent, notify::Webhook, server::authority::SharedSecret};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::fixture::{Agent, Scene, ada, begin, draft, soon, start, workflow};

/// Takes one request, as head and body, and gives this answer.
async fn take(listener: &TcpListener, answer: &str) -> (String, String) {
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let mut text = String::new();
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.expect("a length").parse().expect("a number");
            if body.len() == length {
                let (head, body) = (head.to_owned(), body.to_owned());
                respond(&mut stream, answer).await;
                return (head, body);
            }
        }
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.expect("a request");
        assert!(read > 0, "the request breaks off: {text}");
        text += std::str::from_utf8(&part[..read]).expect("text");
    }
}

async fn respond(stream: &mut TcpStream, answer: &str) {
    let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.expect("it is sent");
}

#[tokio::test]
async fn a_call_is_signed_and_repeated_under_its_id_until_it_was_taken() {
    let scene = Scene::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let webhook = Webhook::new(&address, SharedSecret::new("our secret")).expect("an address");
    let agent = Arc::new(Agent::new(|_| None));
    let builder = scene.builder().await.adapter("test", agent).notifier(Arc::new(webhook));
    let orchestrator = builder.build().await.expect("it builds");
    let work = start(&orchestrator);
    let run = begin(&orchestrator, &workflow([draft("a")])).await.run;
    let reason = scene.blobs.put("Help.".into()).await.expect("it is kept");
    orchestrator.command(run, ada(), Intent::Escalate { job: None, reason }).await.expect("it is raised");

    let (first, _) = soon(take(&listener, "503 Service Unavailable")).await;
    let (head, body) = soon(take(&listener, "204 No Content")).await;
    let header = |head: &str, name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned).expect("a header")
    };
    let signature = SharedSecret::new("our secret").sign(body.as_bytes());
    assert_eq!(header(&head, "striatum-signature: "), format!("sha256={signature}"));
    assert_eq!(header(&head, "striatum-delivery: "), header(&first, "striatum-delivery: "));
    assert!(head.starts_with("POST /hook "), "{head}");
    assert!(body.contains(&format!("\"run\":\"{run}\"")), "{body}");
    orchestrator.stop();
    soon(work).await.expect("it ends");
}
