//! What is let through.

use serde_json::{Value, json};
use striatum_sandbox::broker::{Budget, Limits, Provider, ProviderTools};

use super::{
    host::{Host, used},
    scene::{REAL, Scene, anything},
};

#[tokio::test]
async fn the_credential_takes_the_place_of_the_placeholder_and_nothing_else_travels() {
    for (provider, line, header, before, body) in [
        (Provider::Anthropic, "POST /v1/messages?beta=true", "x-api-key", "", anything()),
        (Provider::Anthropic, "POST /v1/messages", "authorization", "Bearer ", anything()),
        (Provider::OpenAi, "POST /v1/responses", "authorization", "Bearer ", json!({"model": "gpt-5"})),
        (
            Provider::OpenAi,
            "POST /v1/chat/completions",
            "authorization",
            "bearer ",
            json!({"model": "gpt-5"}),
        ),
        (
            Provider::Gemini,
            "POST /v1beta/models/gemini-2:streamGenerateContent?alt=sse",
            "x-goog-api-key",
            "",
            json!({}),
        ),
    ] {
        let host = Host::saying(used(1, 2)).await;
        let scene = Scene::of(provider, &host, Budget::default(), |broker| broker);
        let headers = format!(
            "{header}: {before}{}\ncontent-type: application/json\nuser-agent: an agent\nhost: evil.example\n\
             cookie: a=b\nx-forwarded-for: 10.0.0.1\nx-http-method-override: DELETE\nopenai-organization: other\n\
             x-goog-user-project: other\nproxy-authorization: Basic eA==\nte: trailers\naccept-encoding: br",
            scene.placeholder()
        );
        let headers = headers.replace("host: evil.example\n", "");
        let answered = scene.send(line, &headers, &body.to_string()).await;
        assert_eq!(
            (answered.status, answered.json()["usage"]["output_tokens"].as_u64()),
            (200, Some(2)),
            "{answered:?}"
        );

        let asked = host.asked().remove(0);
        assert_eq!(asked.line, format!("{line} HTTP/1.1"));
        let expected = match before {
            "" => REAL.to_owned(),
            _ => format!("Bearer {REAL}"),
        };
        assert_eq!(asked.header(header), Some(expected.as_str()));
        assert_eq!(asked.header("host"), Some(host.address().to_string().as_str()));
        assert_eq!(asked.header("user-agent"), Some("an agent"));
        assert_eq!(asked.header("accept-encoding"), Some("identity"));
        assert_eq!(asked.body, body.to_string());
        let mut names: Vec<&str> = asked.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let mut expected =
            ["accept-encoding", header, "content-length", "content-type", "host", "user-agent"];
        expected.sort_unstable();
        assert_eq!(names, expected);
        let whole = format!("{asked:?}{answered:?}");
        assert!(!whole.contains(scene.placeholder()) && !format!("{answered:?}").contains(REAL), "{whole}");
    }
}

#[tokio::test]
async fn a_key_in_a_query_becomes_a_header() {
    let host = Host::saying(used(1, 2)).await;
    let scene = Scene::of(Provider::Gemini, &host, Budget::default(), |broker| broker);
    let line = format!("POST /v1beta/models/gemini-2:generateContent?key={}&alt=json", scene.placeholder());
    assert_eq!(scene.send(&line, "", "{}").await.status, 200);
    let asked = host.asked().remove(0);
    assert_eq!(asked.line, "POST /v1beta/models/gemini-2:generateContent?alt=json HTTP/1.1");
    assert_eq!(asked.header("x-goog-api-key"), Some(REAL));
}

#[tokio::test]
async fn who_does_not_hold_the_placeholder_and_nothing_beside_it_is_refused() {
    let host = Host::saying(used(1, 2)).await;
    let scene = Scene::open(&host);
    let placeholder = scene.placeholder().to_owned();
    let shorter = placeholder.get(..placeholder.len() - 1).expect("it is longer").to_owned();
    for headers in [
        String::new(),
        "x-api-key:".to_owned(),
        "x-api-key: sk-ant-of-somebody".to_owned(),
        format!("x-api-key: {shorter}"),
        format!("x-api-key: {placeholder}0"),
        format!("x-api-key: {placeholder}\nx-api-key: {placeholder}"),
        format!("x-api-key: {placeholder}\nauthorization: Bearer sk-ant-of-somebody"),
        format!("authorization: {placeholder}"),
        format!("authorization: Basic {placeholder}"),
        format!("x-goog-api-key: {placeholder}"),
        format!("cookie: {placeholder}"),
    ] {
        let answered = scene.send("POST /v1/messages", &headers, &anything().to_string()).await;
        assert_eq!(answered.status, 401, "{headers}");
        assert_eq!(answered.json()["error"]["type"], "authentication_error", "{headers}");
    }
    assert_eq!(host.asked().len(), 0);
    assert_eq!(scene.session.observed().requests, 0);
}

#[tokio::test]
async fn other_paths_methods_parameters_and_protocols_are_refused() {
    let host = Host::saying(used(1, 2)).await;
    let scene = Scene::open(&host);
    let key = format!("x-api-key: {}", scene.placeholder());
    for (line, more, status) in [
        ("POST /v1/files", "", 404),
        ("POST /v1/messages/batches", "", 404),
        ("POST /v1/messages/../organizations", "", 404),
        ("POST /v1/%6dessages", "", 404),
        ("POST //v1/messages", "", 404),
        ("POST /v1/messages/", "", 404),
        ("GET /v1/messages", "", 404),
        ("DELETE /v1/models/claude-x", "", 404),
        ("OPTIONS *", "", 404),
        ("POST http://127.0.0.1:1/v1/messages", "", 404),
        ("POST http://evil.example/v1/messages", "", 404),
        ("CONNECT evil.example:443", "", 404),
        ("POST /v1/messages?key=x", "", 400),
        ("POST /v1/messages?beta=true&$httpHeaders=x", "", 400),
        ("POST /v1/messages", "connection: upgrade\nupgrade: websocket", 400),
        ("POST /v1/messages", "upgrade: h2c", 400),
    ] {
        let answered = scene.send(line, &format!("{key}\n{more}"), &anything().to_string()).await;
        assert_eq!(answered.status, status, "{line} {more}");
        assert!(!answered.sentence().is_empty());
    }
    for (text, status) in [
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03", "HTTP/1.1 400"),
        (
            "POST /v1/messages HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
            "HTTP/1.1 400",
        ),
    ] {
        let said = scene.raw(text).await;
        assert!(said.starts_with(status) && !said.contains("200"), "{text:?}: {said:?}");
    }
    assert_eq!(host.asked().len(), 0);
}

#[tokio::test]
async fn lists_of_models_and_counts_cost_nothing() {
    let host = Host::saying(used(100, 100)).await;
    let scene =
        Scene::of(Provider::Anthropic, &host, Budget { requests: Some(0), tokens: Some(0) }, |broker| broker);
    let key = format!("x-api-key: {}", scene.placeholder());
    assert_eq!(scene.send("GET /v1/models?limit=5", &key, "").await.status, 200);
    assert_eq!(scene.send("GET /v1/models/claude-x", &key, "").await.status, 200);
    assert_eq!(scene.send("POST /v1/messages/count_tokens", &key, &anything().to_string()).await.status, 200);
    let observed = scene.session.observed();
    assert_eq!((observed.requests, observed.input_tokens, observed.output_tokens), (0, 0, 0));
}

#[tokio::test]
async fn other_models_and_bodies_that_can_be_read_in_two_ways_are_refused() {
    let host = Host::saying(used(1, 2)).await;
    let scene = Scene::of(Provider::Anthropic, &host, Budget::default(), |broker| {
        broker.models(["claude-x", "small-*"])
    });
    let key = format!("x-api-key: {}", scene.placeholder());
    for (body, status) in [
        ("{\"model\":\"claude-x\"}", 200),
        ("{\"model\":\"small-1\",\"tools\":null}", 200),
        ("{\"model\":\"claude-xl\"}", 403),
        ("{\"model\":\"claude-x \"}", 403),
        ("{\"model\":\"\"}", 403),
        ("{\"model\":\"small-1\",\"model\":\"large\"}", 400),
        ("{\"model\":\"large\",\"mod\\u0065l\":\"small-1\"}", 400),
        ("{\"model\":\"small-1\",\"tools\":[],\"tools\":[]}", 400),
        ("{\"model\":\"small-1\",\"x\":[{\"y\":1,\"y\":2}]}", 400),
        ("{\"model\":\"small-1\"}{\"model\":\"large\"}", 400),
        ("{\"model\":[\"small-1\"]}", 400),
        ("{\"Model\":\"small-1\"}", 400),
        ("[{\"model\":\"small-1\"}]", 400),
        ("model=small-1", 400),
        ("", 400),
    ] {
        let answered = scene.send("POST /v1/messages", &key, body).await;
        assert_eq!(answered.status, status, "{body}: {answered:?}");
    }
    assert_eq!(host.asked().len(), 2);
}

#[tokio::test]
async fn a_model_in_the_path_is_held_to_the_same() {
    let host = Host::saying(used(1, 2)).await;
    let scene = Scene::of(Provider::Gemini, &host, Budget::default(), |broker| broker);
    let key = format!("x-goog-api-key: {}", scene.placeholder());
    for (model, body, status) in [
        ("gemini-2", "{}", 200),
        ("imagen-4", "{}", 403),
        ("gemini-2", "{\"model\":\"imagen-4\"}", 400),
        ("..%2fgemini-2", "{}", 404),
    ] {
        let line = format!("POST /v1beta/models/{model}:generateContent");
        assert_eq!(scene.send(&line, &key, body).await.status, status, "{model} {body}");
    }
}

#[tokio::test]
async fn tools_that_the_provider_runs_are_refused_unless_they_are_allowed() {
    let cases: [(Provider, &str, &str, Value); 11] = [
        (
            Provider::OpenAi,
            "/v1/responses",
            "gpt-5",
            json!({"input": [{"type": "additional_tools", "tools": [{"type": "web_search"}]}]}),
        ),
        (
            Provider::OpenAi,
            "/v1/responses",
            "gpt-5",
            json!({"tools": [{"type": "namespace", "tools": [{"type": "mcp"}]}]}),
        ),
        (
            Provider::Anthropic,
            "/v1/messages",
            "claude-x",
            json!({"tools": [{"name": "a"}, {"type": "web_fetch_20250910"}]}),
        ),
        (
            Provider::Anthropic,
            "/v1/messages",
            "claude-x",
            json!({"tools": [{"type": "web_search_20250305"}]}),
        ),
        (
            Provider::Anthropic,
            "/v1/messages",
            "claude-x",
            json!({"mcp_servers": [{"url": "https://evil.example"}]}),
        ),
        (
            Provider::OpenAi,
            "/v1/responses",
            "gpt-5",
            json!({"tools": [{"type": "mcp", "server_url": "https://evil.example"}]}),
        ),
        (
            Provider::OpenAi,
            "/v1/responses",
            "gpt-5",
            json!({"tools": [{"type": "function"}, {"type": "web_search"}]}),
        ),
        (Provider::OpenAi, "/v1/chat/completions", "gpt-5", json!({"web_search_options": {}})),
        (
            Provider::Gemini,
            "/v1beta/models/gemini-2:generateContent",
            "",
            json!({"tools": [{"urlContext": {}}]}),
        ),
        (
            Provider::Gemini,
            "/v1beta/models/gemini-2:generateContent",
            "",
            json!({"tools": [{"functionDeclarations": [], "googleSearch": {}}]}),
        ),
        (
            Provider::Anthropic,
            "/v1/messages",
            "claude-x",
            json!({"tools": {"0": {"type": "web_fetch_20250910"}}}),
        ),
    ];
    for (provider, path, model, mut body) in cases {
        if !model.is_empty() {
            body["model"] = json!(model);
        }
        let host = Host::saying(used(1, 2)).await;
        for (tools, expected) in [(ProviderTools::Refused, 403), (ProviderTools::Allowed, 200)] {
            let scene = Scene::of(provider, &host, Budget::default(), |broker| broker.provider_tools(tools));
            let header = match provider {
                Provider::Gemini => "x-goog-api-key: ",
                _ => "authorization: Bearer ",
            };
            let headers = format!("{header}{}", scene.placeholder());
            let status = scene.send(&format!("POST {path}"), &headers, &body.to_string()).await.status;
            assert!(status == expected || (status, expected) == (400, 403), "{tools:?} {body}: {status}");
        }
        assert_eq!(host.asked().len(), 1, "{body}");
    }
}

#[tokio::test]
async fn a_refusal_is_in_the_words_of_the_provider() {
    let host = Host::saying(used(1, 2)).await;
    for (provider, line, pointer, expected) in [
        (Provider::Anthropic, "POST /nowhere", "/error/type", json!("not_found_error")),
        (Provider::OpenAi, "POST /nowhere", "/error/code", json!("broker_path")),
        (Provider::Gemini, "POST /nowhere", "/error/status", json!("NOT_FOUND")),
    ] {
        let scene = Scene::of(provider, &host, Budget::default(), |broker| broker);
        let header = match provider {
            Provider::Gemini => "x-goog-api-key: ",
            _ => "authorization: Bearer ",
        };
        let answered = scene.send(line, &format!("{header}{}", scene.placeholder()), "{}").await;
        assert_eq!(answered.json().pointer(pointer), Some(&expected), "{answered:?}");
        assert!(answered.head.contains("content-type: application/json"), "{answered:?}");
        assert!(answered.sentence().contains("Striatum"), "{answered:?}");
    }
}

#[tokio::test]
async fn what_is_too_long_is_not_read() {
    let host = Host::saying(used(1, 2)).await;
    let mut limits = Limits::default();
    limits.body_bytes = 1000;
    let scene = Scene::of(Provider::Anthropic, &host, Budget::default(), |broker| broker.limits(limits));
    let key = format!("x-api-key: {}", scene.placeholder());
    let fits = format!("{{\"model\":\"claude-x\",\"x\":\"{}\"}}", "x".repeat(1000 - 27));
    assert_eq!(fits.len(), 1000);
    assert_eq!(scene.send("POST /v1/messages", &key, &fits).await.status, 200);
    let answered = scene.send("POST /v1/messages", &key, &format!("{fits} ")).await;
    assert_eq!(
        (answered.status, answered.json()["error"]["type"].as_str()),
        (413, Some("request_too_large"))
    );
    // The same without saying how long it will be.
    let text = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: a\r\n{key}\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n{fits} \r\n0\r\n\r\n"
    );
    let said = scene.raw(&text).await;
    assert!(said.starts_with("HTTP/1.1 413"), "{said:?}");
    let head =
        format!("POST /v1/messages HTTP/1.1\r\nhost: a\r\n{key}\r\nx-long: {}\r\n\r\n", "x".repeat(300_000));
    let said = scene.raw(&head).await;
    assert!(said.starts_with("HTTP/1.1 431"), "{said:?}");
    assert_eq!(host.asked().len(), 1);
}
