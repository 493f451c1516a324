//! A model on loopback that says what a script wants, so that real agents can be tested without network or credentials.
//!
//! It speaks what agents speak to their providers: Anthropic's messages, OpenAI's responses and chat completions, Google's generated
//! content; streaming or not. What it answers is a function of the conversation as the agent sends it, so an agent that repeats a request, or asks for
//! a title on the side, does not shift the script.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use striatum_testkit::llm::{MockLlm, Reply};
//!
//! let model = MockLlm::start(|conversation| match conversation.results_since("Fix the greeting") {
//!     Some(0) => conversation.call(&[("Write", serde_json::json!({"file_path": "greeting.txt", "content": "hello"}))]),
//!     Some(_) => Reply::say("It is fixed."),
//!     None => Reply::say("A title"),
//! })
//! .await
//! .unwrap();
//! assert!(model.url().starts_with("http://127.0.0.1:"));
//! # });
//! ```

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

mod anthropic;
mod chat;
mod conversation;
mod gemini;
mod responses;
mod stream;

pub use conversation::{Conversation, Reply, Tool, Turn};

/// The longest request that is read.
const MOST: usize = 64 << 20;

/// Whose interface an agent speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// Anthropic's messages.
    Anthropic,
    /// OpenAI's responses.
    Responses,
    /// OpenAI's chat completions, which many other providers speak as well.
    Chat,
    /// Google's generated content.
    Gemini,
}

/// A request that reached the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Method and path.
    pub line: String,
    /// Its headers. Tests look here for what must not have travelled.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
}

type Script = dyn Fn(&Conversation) -> Reply + Send + Sync;

/// A model that follows a script. Dropping it ends it.
pub struct MockLlm {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    script: Box<Script>,
    asked: Mutex<Vec<Asked>>,
}

impl MockLlm {
    /// Begins to answer, on a free port of loopback.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start(script: impl Fn(&Conversation) -> Reply + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { script: Box::new(script), asked: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let server = tokio::spawn(async move {
            // It serves until it is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, shared, server })
    }

    /// Where it listens: the base URL to give to an agent, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that was asked so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for MockLlm {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl fmt::Debug for MockLlm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockLlm").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MOST).await else {
        return failure(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long");
    };
    let path = parts.uri.path().trim_end_matches('/');
    let asked = Asked {
        line: format!("{} {}", parts.method, parts.uri),
        headers: headers(&parts.headers),
        body: body.clone(),
    };
    shared.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    if path.ends_with("/models") {
        return models().into_response();
    }
    if path.ends_with("/count_tokens") || path.ends_with(":countTokens") {
        return axum::Json(json!({"input_tokens": 1000, "totalTokens": 1000})).into_response();
    }
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return failure(StatusCode::BAD_REQUEST, "the body is not JSON");
    };
    match path {
        _ if path.ends_with("/messages") => anthropic::answer(&body, &*shared.script),
        _ if path.ends_with("/chat/completions") => chat::answer(&body, &*shared.script),
        _ if path.ends_with("/responses") => responses::answer(&body, &*shared.script),
        _ if path.to_ascii_lowercase().ends_with("generatecontent") => {
            gemini::answer(path, &body, &*shared.script)
        }
        _ => failure(StatusCode::NOT_FOUND, "there is nothing here"),
    }
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// A list of models that readers of all four interfaces understand.
fn models() -> axum::Json<Value> {
    let ids = ["mock-model", "claude-sonnet-4-5-20250929", "gemini-2.5-pro"];
    let data: Vec<_> = ids
        .iter()
        .map(|id| {
            json!({"id": id, "object": "model", "type": "model", "display_name": id, "owned_by": "mock",
                         "created": 1_700_000_000, "created_at": "2025-01-01T00:00:00Z"})
        })
        .collect();
    let named: Vec<_> =
        ids.iter().map(|id| json!({"name": format!("models/{id}"), "displayName": id})).collect();
    axum::Json(json!({"object": "list", "has_more": false, "data": data, "models": named}))
}

fn failure(status: StatusCode, message: &str) -> Response {
    let body = json!({"type": "error", "error": {"type": "mock_error", "message": message}});
    (status, axum::Json(body)).into_response()
}

/// What a script refuses with.
fn refusal(status: u16, headers: &[(String, String)], body: Option<Value>) -> Response {
    let kind = match status {
        401 => "authentication_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    let body = body.unwrap_or_else(|| {
        let message = format!("the model answers {status}");
        json!({"type": "error", "error": {"type": kind, "code": kind, "message": message}})
    });
    let mut response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response
        .body(Body::from(body.to_string()))
        .unwrap_or_else(|error| failure(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))
}
