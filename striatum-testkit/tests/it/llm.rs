//! The model that follows a script, asked as agents ask theirs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use serde_json::{Value, json};
use striatum_testkit::llm::{Api, Conversation, MockLlm, Reply};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Sends a request over a connection of its own.
async fn open(model: &MockLlm, path: &str, body: &Value) -> TcpStream {
    let url = model.url();
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nx-api-key: placeholder\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    stream
}

/// Everything that is answered.
async fn ask(model: &MockLlm, path: &str, body: &Value) -> String {
    let mut answer = Vec::new();
    // An answer that is cut may end with an error.
    let _ = open(model, path, body).await.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

/// Writes a file, then says what came of it; anything without the words is a side question.
fn script(conversation: &Conversation) -> Reply {
    let Some(results) = conversation.results_since("Greet them") else { return Reply::say("A title") };
    match results {
        0 => conversation.call(&[
            ("exec_command", json!({"cmd": "echo hello > greeting", "why": "because"})),
            ("write_file", json!({"path": "greeting", "why": "because"})),
        ]),
        _ => Reply::say(format!("It says {}", conversation.last_result().unwrap())),
    }
}

/// What an agent of each interface sends: the task, and then the task with the answer of a tool.
fn tasks() -> [(Api, &'static str, Value, Value); 4] {
    let schema =
        json!({"type": "object", "properties": {"path": {"type": "string"}, "cmd": {"type": "string"}}});
    let text = "Greet them";
    let of = |mut body: Value, key: &str, more: Value| {
        let first = body.clone();
        body[key].as_array_mut().unwrap().push(more);
        (first, body)
    };
    let tools = json!([{"name": "mcp__x__write_file", "input_schema": schema}]);
    let messages = json!([{"role": "user", "content": [{"type": "text", "text": text}]}]);
    let anthropic = of(
        json!({"model": "m", "stream": true, "tools": tools, "messages": messages}),
        "messages",
        json!({"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "done"}]}]}),
    );
    let inside = json!([{"type": "function", "name": "exec_command", "parameters": schema}]);
    let tools = json!([{"type": "namespace", "name": "x", "tools": inside}]);
    let input =
        json!([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}]);
    let responses = of(
        json!({"model": "m", "stream": true, "tools": tools, "input": input}),
        "input",
        json!({"type": "function_call_output", "call_id": "call_1", "output": "done"}),
    );
    let tools = json!([{"type": "function", "function": {"name": "x_write_file", "parameters": schema}}]);
    let messages = json!([{"role": "user", "content": text}]);
    let chat = of(
        json!({"model": "m", "stream": true, "tools": tools, "messages": messages}),
        "messages",
        json!({"role": "tool", "tool_call_id": "call_1", "content": "done"}),
    );
    let tools = json!([{"functionDeclarations": [{"name": "write_file", "parameters": schema}]}]);
    let contents = json!([{"role": "user", "parts": [{"text": text}]}]);
    let gemini = of(
        json!({"tools": tools, "contents": contents}),
        "contents",
        json!({"role": "user", "parts": [{"functionResponse": {"name": "write_file", "response": {"output": "done"}}}]}),
    );
    [
        (Api::Anthropic, "/v1/messages", anthropic.0, anthropic.1),
        (Api::Responses, "/v1/responses", responses.0, responses.1),
        (Api::Chat, "/v1/chat/completions", chat.0, chat.1),
        (Api::Gemini, "/v1beta/models/m:streamGenerateContent?alt=sse", gemini.0, gemini.1),
    ]
}

#[tokio::test]
async fn every_interface_calls_a_tool_with_the_arguments_that_it_takes_and_goes_on_with_its_answer() {
    let model = MockLlm::start(script).await.unwrap();
    for (api, path, first, second) in tasks() {
        let called = ask(&model, path, &first).await;
        let name = if api == Api::Responses { "exec_command" } else { "write_file" };
        assert!(called.contains(name) && !called.contains("because"), "{api:?}: {called}");
        let whole = ["message_stop", "response.completed", "data: [DONE]", "\"finishReason\":\"STOP\""];
        assert!(whole.iter().any(|end| called.contains(end)), "{api:?}: {called}");
        let said = ask(&model, path, &second).await;
        assert!(said.contains("It says done"), "{api:?}: {said}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_streamed_is_one_document() {
    let model = MockLlm::start(script).await.unwrap();
    for (api, path, mut first, _) in tasks() {
        first["stream"] = json!(false);
        let path = path.replace("streamGenerateContent?alt=sse", "generateContent");
        let answer = ask(&model, &path, &first).await;
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let document: Value = serde_json::from_str(body).unwrap();
        assert!(document.to_string().contains("greeting"), "{api:?}: {document}");
    }
}

#[tokio::test]
async fn a_refusal_has_its_status_and_headers_and_a_side_question_no_part_in_the_script() {
    let model = MockLlm::start(|conversation| match conversation.results_since("Greet them") {
        Some(_) => Reply::limit(7),
        None => Reply::say("A title"),
    });
    let model = model.await.unwrap();
    for (api, path, first, _) in tasks() {
        let refused = ask(&model, path, &first).await;
        assert!(
            refused.starts_with("HTTP/1.1 429") && refused.contains("retry-after: 7"),
            "{api:?}: {refused}"
        );
        let aside = ask(&model, path, &json!({"stream": true})).await;
        assert!(aside.contains("A title"), "{api:?}: {aside}");
    }
    let asked = model.asked();
    assert_eq!(asked.len(), 8);
    assert!(asked[0].headers.contains(&("x-api-key".to_owned(), "placeholder".to_owned())));
}

#[tokio::test]
async fn a_stream_is_cut_or_left_open_after_its_text() {
    let model = MockLlm::start(|_| Reply::Cut("half a sen".to_owned())).await.unwrap();
    for (api, path, first, _) in tasks() {
        let answer = ask(&model, path, &first).await;
        // The last chunk, of length nothing, is missing.
        assert!(answer.contains("half a sen") && !answer.ends_with("0\r\n\r\n"), "{api:?}: {answer}");
    }
    let model = MockLlm::start(|_| Reply::Hang("let me think".to_owned())).await.unwrap();
    for (_, path, first, _) in tasks() {
        let mut stream = open(&model, path, &first).await;
        let (mut read, mut buffer) = (String::new(), [0; 1024]);
        while !read.contains("let me think") {
            let count = stream.read(&mut buffer).await.unwrap();
            assert_ne!(count, 0, "{read}");
            read.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }
}

#[tokio::test]
async fn what_is_no_request_for_an_answer_is_told_so() {
    let model = MockLlm::start(|_| Reply::say("hello")).await.unwrap();
    assert!(ask(&model, "/v1/other", &json!({})).await.starts_with("HTTP/1.1 404"));
    assert!(ask(&model, "/v1/messages/count_tokens", &json!({})).await.contains("1000"));
    assert!(ask(&model, "/v1/models", &json!({})).await.contains("mock-model"));
}
