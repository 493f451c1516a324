//! A workbench that writes down what it is asked, and a session on it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use rmcp::{
    RoleClient, ServiceExt as _,
    model::{CallToolRequestParams, CallToolResult},
    service::RunningService,
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use striatum_core::{
    digest::Digest,
    id::{Fence, JobId, RunId, SessionId},
    time::Timestamp,
};
use striatum_server::{
    Refusal,
    agents::{Act, Agents, AgentsOptions, Mode, OpenSession, Receipt, Task, Workbench},
    authority::{Authority, SigningKey},
};

pub(crate) const LONG: Duration = Duration::from_secs(600);

/// Answers what it was told to, or that all is well.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) asked: Mutex<Vec<(Act, Mode)>>,
    pub(crate) answers: Mutex<VecDeque<Result<Receipt, Refusal>>>,
}

impl Recorder {
    pub(crate) fn answering(answers: impl IntoIterator<Item = Result<Receipt, Refusal>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() })
    }

    pub(crate) fn asked(&self) -> Vec<(Act, Mode)> {
        self.asked.lock().expect("nobody panicked").clone()
    }
}

#[async_trait::async_trait]
impl Workbench for Recorder {
    async fn task(&self) -> Result<Task, Refusal> {
        Ok(Task { prompt: "# Do it".to_owned(), packet: Bytes::from_static(b"{\"attempt\":1}") })
    }

    async fn read(&self, document: &Digest) -> Result<Bytes, Refusal> {
        if *document == Digest::of(b"a finding") {
            return Ok(Bytes::from_static(b"a finding"));
        }
        Err(Refusal::new("document_unknown", "the task names no such document", "read the packet"))
    }

    async fn act(&self, act: Act, mode: Mode) -> Result<Receipt, Refusal> {
        self.asked.lock().expect("nobody panicked").push((act, mode));
        let answer = self.answers.lock().expect("nobody panicked").pop_front();
        answer.unwrap_or_else(|| Ok(Receipt::goes_on("all is well")))
    }
}

pub(crate) fn fence(job: &str) -> Fence {
    Fence {
        run: RunId::from_bytes([1; 16]),
        job: JobId::new(job).expect("a name"),
        epoch: 3,
        session: SessionId::from_bytes([7; 16]),
    }
}

pub(crate) fn authority() -> Arc<Authority> {
    let key = SigningKey::generate().expect("chance");
    Arc::new(Authority::new(key, Arc::new(|| Timestamp::from_micros(1_000_000))))
}

pub(crate) async fn listening() -> Agents {
    Agents::listen(authority(), AgentsOptions::default()).await.expect("a free port")
}

pub(crate) type Client = RunningService<RoleClient, ()>;

/// An MCP client with this token.
pub(crate) async fn client(url: &str, token: &str) -> Result<Client, String> {
    let connecting = ().serve(striatum_testkit::mcp::transport(url, token).expect("a client"));
    let connected =
        tokio::time::timeout(Duration::from_secs(20), connecting).await.expect("an answer in time");
    connected.map_err(|error| error.to_string())
}

/// An MCP client of this session.
pub(crate) async fn connect(session: &OpenSession) -> Client {
    let endpoint = session.endpoint();
    client(&endpoint.url, endpoint.bearer.expose_secret()).await.expect("the session is open")
}

/// Calls a tool: what was said, and whether it was an error.
pub(crate) async fn call(client: &Client, tool: &'static str, arguments: Value) -> (String, bool) {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    let request = CallToolRequestParams::new(tool).with_arguments(arguments);
    let result: CallToolResult = client.call_tool(request).await.expect("an answer");
    let content = json!(result.content);
    (content[0]["text"].as_str().expect("a text").to_owned(), result.is_error == Some(true))
}
