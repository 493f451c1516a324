//! An agent that does what a test says, in the same process.

use std::{future::Future, path::Path, time::Duration};

use serde_json::{Value, json};
use striatum_acp::{AcpError, AcpOptions, AcpTransport, Failure};
use striatum_core::{
    id::{Fence, JobId, RunId, SessionId},
    sandbox::{Exit, Process},
    transport::{
        AgentSession, AgentTransport, AgentUpdate, Prompt, SessionSpec, Stream, TransportError, TurnEnd,
    },
};
use striatum_testkit::transport::child;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, duplex},
    time::timeout,
};
use tokio_util::compat::{TokioAsyncReadCompatExt, TokioAsyncWriteCompatExt};

/// The name that agents here give their session.
pub(crate) const SESSION: &str = "s-1";

/// The agent's side.
pub(crate) struct Agent {
    lines: Lines<BufReader<DuplexStream>>,
    out: DuplexStream,
    pub(crate) err: DuplexStream,
}

impl Agent {
    /// The next message; `None` once nobody speaks any more.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        let line = self.lines.next_line().await.expect("a line")?;
        Some(serde_json::from_str(&line).expect("a message"))
    }

    /// The next message, which has this method.
    pub(crate) async fn expect(&mut self, method: &str) -> Value {
        let message = self.hear().await.expect("a message");
        assert_eq!(message["method"], method, "{message}");
        message
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.write(format!("{message}\n").as_bytes()).await;
    }

    /// Whether somebody reads it does not matter.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        drop(self.out.write_all(bytes).await);
    }

    pub(crate) async fn answer(&mut self, to: &Value, result: Value) {
        self.say(json!({"jsonrpc": "2.0", "id": to["id"], "result": result})).await;
    }

    pub(crate) async fn refuse(&mut self, to: &Value, error: Value) {
        self.say(json!({"jsonrpc": "2.0", "id": to["id"], "error": error})).await;
    }

    pub(crate) async fn update(&mut self, update: Value) {
        let params = json!({"sessionId": SESSION, "update": update});
        self.say(json!({"jsonrpc": "2.0", "method": "session/update", "params": params})).await;
    }

    pub(crate) async fn text(&mut self, text: &str) {
        let content = json!({"type": "text", "text": text});
        self.update(json!({"sessionUpdate": "agent_message_chunk", "content": content})).await;
    }

    /// Sends a request and hears its answer.
    pub(crate) async fn ask(&mut self, id: u64, method: &str, mut params: Value) -> Value {
        params["sessionId"] = json!(SESSION);
        self.say(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        let answer = self.hear().await.expect("an answer");
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// Says what it is and opens a session.
    pub(crate) async fn greet(&mut self) {
        let hello = self.expect("initialize").await;
        let info = json!({"name": "scripted", "version": "1.2.3"});
        self.answer(&hello, json!({"protocolVersion": 1, "agentInfo": info})).await;
        let new = self.expect("session/new").await;
        self.answer(&new, json!({"sessionId": SESSION})).await;
    }

    /// The same, and takes the first task.
    pub(crate) async fn begin(&mut self) -> Value {
        self.greet().await;
        self.expect("session/prompt").await
    }

    pub(crate) async fn end_turn(&mut self, task: &Value, reason: &str) {
        self.answer(task, json!({"stopReason": reason})).await;
    }

    /// Lives until its input ends.
    pub(crate) async fn linger(&mut self) {
        while self.hear().await.is_some() {}
    }
}

/// Starts an agent. It ends with status 0 when its script does, and with 101 if that panics.
pub(crate) fn start<F: Future<Output = ()> + Send + 'static>(
    script: impl FnOnce(Agent) -> F + Send + 'static,
) -> Process {
    let (stdin, heard) = duplex(4096);
    let (out, stdout) = duplex(4096);
    let (err, stderr) = duplex(4096);
    let script = script(Agent { lines: BufReader::new(heard).lines(), out, err });
    let task = tokio::spawn(async move {
        script.await;
        Exit::Code(0)
    });
    Process {
        stdin: Some(Box::pin(stdin.compat_write())),
        stdout: Some(Box::pin(stdout.compat())),
        stderr: Some(Box::pin(stderr.compat())),
        child: child(task),
        listeners: Vec::new(),
    }
}

/// Fails where something hangs.
pub(crate) async fn soon<T>(act: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(1_000_000), act).await.expect("it hangs")
}

pub(crate) async fn connect<F: Future<Output = ()> + Send + 'static>(
    options: AcpOptions,
    tree: &Path,
    script: impl FnOnce(Agent) -> F + Send + 'static,
) -> Result<Box<dyn AgentSession>, TransportError> {
    let mut spec = spec();
    tree.clone_into(&mut spec.tree);
    soon(AcpTransport::new(options).connect(start(script), &spec)).await
}

/// A session for some grant.
pub(crate) fn spec() -> SessionSpec {
    let job = JobId::new("draft").expect("a name");
    let session = SessionId::from_bytes([2; 16]);
    SessionSpec::new(Fence { run: RunId::from_bytes([1; 16]), job, epoch: 1, session }, "/tree")
}

/// Connects with the default options.
pub(crate) async fn open<F: Future<Output = ()> + Send + 'static>(
    spec: SessionSpec,
    script: impl FnOnce(Agent) -> F + Send + 'static,
) -> Result<Box<dyn AgentSession>, TransportError> {
    soon(AcpTransport::default().connect(start(script), &spec)).await
}

/// Connects and gives a task.
pub(crate) async fn work<F: Future<Output = ()> + Send + 'static>(
    options: AcpOptions,
    script: impl FnOnce(Agent) -> F + Send + 'static,
) -> Box<dyn AgentSession> {
    let mut session = connect(options, Path::new("/tree"), script).await.expect("a session");
    soon(session.prompt(&Prompt { text: "Work.".to_owned() })).await.expect("it is taken");
    session
}

/// All that happens until the end of the process.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Story {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) turns: Vec<TurnEnd>,
    pub(crate) errors: Vec<AcpError>,
    pub(crate) exit: Option<Exit>,
}

pub(crate) async fn listen(session: &mut dyn AgentSession) -> Story {
    let mut story = Story::default();
    loop {
        match soon(session.next()).await {
            Ok(Some(AgentUpdate::Output { stream: Stream::Out, text })) => story.out.push_str(&text),
            Ok(Some(AgentUpdate::Output { stream: Stream::Err, text })) => story.err.push_str(&text),
            Ok(Some(AgentUpdate::TurnEnded(end))) => story.turns.push(end),
            Ok(Some(AgentUpdate::Ended(exit))) => story.exit = Some(exit),
            Ok(Some(other)) => panic!("nobody expects {other:?}"),
            Ok(None) => return story,
            Err(error) => story.errors.push(cause(&error)),
        }
    }
}

/// What the agent did wrong.
pub(crate) fn cause(error: &TransportError) -> AcpError {
    let source = error.source.as_ref().expect("a cause");
    source.downcast_ref::<Failure>().expect("a failure of the agent").error.clone()
}
