//! Limits of a model's host, as they come to the orchestrator through the broker, whatever the agent says of them.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::mpsc,
    thread,
};

use serde_json::json;
use striatum::{
    adapter::{AcpAdapter, ModelGateway},
    core::run::JobStatus,
    sandbox::{
        broker::{Broker, Provider},
        credential::{Credential, CredentialSource},
        upstream::Upstream,
    },
};

use crate::acp::{Setting, Told};

/// Asks its model, takes whatever it says, and tells nobody of it.
const ASKS: &str = r#"curl -s -o /dev/null -H "x-api-key: $ANTHROPIC_API_KEY" -H 'content-type: application/json' \
    -d '{"model":"m","max_tokens":8,"messages":[]}' "$ANTHROPIC_BASE_URL/v1/messages" </dev/null
    answer "$line" '{"stopReason":"end_turn"}'"#;

/// A host that gives these answers, one to each request; and the credentials that it is asked with.
fn host(answers: Vec<(&'static str, serde_json::Value)>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (tell, asked) = mpsc::channel();
    thread::spawn(move || {
        for (head, body) in answers {
            let (stream, _) = listener.accept().expect("a broker");
            let mut reader = BufReader::new(&stream);
            let (mut length, mut key) = (0, String::new());
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a head");
                match line.trim_end().split_once(": ") {
                    Some(("content-length", value)) => length = value.parse().expect("a number"),
                    Some(("x-api-key", value)) => key = value.to_owned(),
                    _ if line.trim_end().is_empty() => break,
                    _ => {}
                }
            }
            reader.read_exact(&mut vec![0; length]).expect("a body");
            let body = body.to_string();
            let text = format!(
                "HTTP/1.1 {head}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            (&stream).write_all(text.as_bytes()).expect("it listens");
            let _gone = tell.send(key);
        }
    });
    (url, asked)
}

async fn told(url: &str) -> Told {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    std::fs::write(&key, "sk-real").expect("a file");
    let broker = Broker::of(Provider::Anthropic, Credential::new(CredentialSource::File(key)));
    let upstream = Upstream::at(url, None).expect("a URL");
    let broker = broker.upstream(upstream).models(["*"]).build().expect("a broker");
    let gateway = ModelGateway::new(broker, "ANTHROPIC_API_KEY").announced("ANTHROPIC_BASE_URL", "http://{}");
    let adapter = AcpAdapter::default().gateway(std::sync::Arc::new(gateway));
    Setting { turn: ASKS, adapter, ..Setting::default() }.played().await
}

fn limited() -> serde_json::Value {
    json!({"type": "error", "error": {"type": "rate_limit_error", "message": "later"}})
}

#[tokio::test]
async fn a_limit_that_the_broker_saw_is_waited_for_as_long_as_the_host_says() {
    let answer = json!({"type": "message", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}});
    let (url, asked) = host(vec![("429 Too Many Requests\r\nretry-after: 1", limited()), ("200 OK", answer)]);
    let told = told(&url).await;
    assert_eq!(told.log, ["prompt", "prompt"], "it goes on with the same agent: {}", told.reasons);
    assert!(told.said.contains("is not to be had: waiting for"), "{}", told.said);
    assert_eq!(asked.iter().collect::<Vec<_>>(), ["sk-real", "sk-real"]);
    // The limit is over, so what it did not do counts again.
    assert!(told.reasons.contains("never asked for the tools"), "{}", told.reasons);
}

#[tokio::test]
async fn a_limit_that_the_broker_saw_and_that_lasts_is_for_a_person_at_once() {
    let (url, _asked) = host(vec![("429 Too Many Requests\r\nretry-after: 100000", limited())]);
    let told = told(&url).await;
    assert_eq!((told.status, told.log.len()), (JobStatus::Blocked, 1), "{}", told.reasons);
    assert!(told.reasons.contains("a limit of the model's host is not lifted for"), "{}", told.reasons);
}
