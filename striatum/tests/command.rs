//! Agents that are plain commands, over the command transport.

use std::{pin::Pin, task::Context, time::Duration};

use async_trait::async_trait;
use futures_util::{
    AsyncRead, FutureExt,
    io::Cursor,
    task::{Poll, noop_waker},
};
use striatum::command::CommandTransport;
use striatum_core::{
    id::{Fence, JobId, RunId, SessionId},
    sandbox::{Child, Exec, Exit, Process, Sandbox, SandboxError, SandboxSession, SandboxSpec},
    transport::{
        AgentSession, AgentTransport, AgentUpdate, Answer, Prompt, RequestId, SessionSpec, Stream,
        TransportErrorKind,
    },
};
use striatum_sandbox::NoSandbox;
use tempfile::TempDir;

/// Only ever reached by a test that hangs.
const HANG: Duration = Duration::from_secs(60);

struct Place {
    root: TempDir,
    sandbox: Box<dyn SandboxSession>,
    agent: Box<dyn AgentSession>,
}

impl Place {
    /// An agent that is a shell script; `number` tells sessions of tests that run at the same time apart.
    async fn running(script: &str, number: u8) -> Self {
        let root = TempDir::new().expect("a folder");
        let fence = fence(number);
        let folder = root.path().join("session");
        std::fs::create_dir(&folder).expect("a folder");
        let spec = SandboxSpec::new(fence.clone(), root.path(), folder);
        let mut sandbox = NoSandbox::new("/usr/bin:/bin".into()).open(&spec).await.expect("a session");
        let argv = ["sh", "-c", script];
        let process = sandbox.spawn(&Exec::new(argv)).await.expect("it starts");
        let agent = connect(process).await;
        Self { root, sandbox, agent }
    }

    async fn prompt(&mut self, text: &str) {
        soon(self.agent.prompt(&Prompt { text: text.to_owned() })).await.expect("it is taken");
    }

    /// All that it says on standard output, and its end.
    async fn finish(&mut self) -> (String, Exit) {
        let mut said = String::new();
        loop {
            match soon(self.agent.next()).await.expect("an update") {
                Some(AgentUpdate::Output { stream: Stream::Out, text }) => said.push_str(&text),
                Some(AgentUpdate::Ended(exit)) => {
                    assert_eq!(soon(self.agent.next()).await.expect("no update"), None);
                    return (said, exit);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn fence(number: u8) -> Fence {
    // The process number keeps test programs apart that run at the same time.
    let mut session = [number; 16];
    session[..4].copy_from_slice(&std::process::id().to_be_bytes());
    let job = JobId::new("draft").expect("a name");
    Fence { run: RunId::from_bytes([1; 16]), job, epoch: 1, session: SessionId::from_bytes(session) }
}

async fn connect(process: Process) -> Box<dyn AgentSession> {
    let spec = SessionSpec::new(fence(0), "/");
    CommandTransport::new().connect(process, &spec).await.expect("a session")
}

async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(HANG, future).await.expect("this hangs")
}

#[tokio::test]
async fn the_task_arrives_whole_and_then_its_end() {
    let mut place = Place::running("cat; exit 3", 1).await;
    assert!(place.agent.agent().is_empty());
    let task = "Write a sonnet, bitte schön. €\n".repeat(40_000);
    place.prompt(&task).await;
    assert_eq!(place.finish().await, (task, Exit::Code(3)));
    place.sandbox.close().await.expect("nothing is left");
}

#[tokio::test]
async fn an_agent_that_does_not_read_its_task_is_not_at_fault() {
    let mut place = Place::running("echo busy", 2).await;
    place.prompt(&"x".repeat(10 << 20)).await;
    assert_eq!(place.finish().await, ("busy\n".to_owned(), Exit::Code(0)));
}

#[tokio::test]
async fn a_task_is_read_by_an_agent_that_has_closed_its_outputs() {
    let mut place = Place::running("exec >&- 2>&-; wc -c >count; exit 4", 3).await;
    place.prompt(&"x".repeat(1 << 20)).await;
    assert_eq!(place.finish().await, (String::new(), Exit::Code(4)));
    let count = std::fs::read_to_string(place.root.path().join("count")).expect("a file");
    assert_eq!(count.trim(), (1 << 20).to_string());
}

#[tokio::test]
async fn there_is_one_task_and_no_answer() {
    let mut place = Place::running("cat", 4).await;
    place.prompt("first").await;
    let refused = place.agent.prompt(&Prompt { text: "second".to_owned() }).await.expect_err("one task");
    assert_eq!(refused.kind, TransportErrorKind::Unsupported);
    let refused = place.agent.answer(RequestId(1), Answer::Allow).await.expect_err("it cannot ask");
    assert_eq!(refused.kind, TransportErrorKind::Unsupported);
    assert_eq!(place.finish().await, ("first".to_owned(), Exit::Code(0)));
}

#[tokio::test]
async fn the_outputs_are_told_apart() {
    let mut place = Place::running("echo out; echo err >&2", 5).await;
    let mut said = Vec::new();
    while let Some(AgentUpdate::Output { stream, text }) = soon(place.agent.next()).await.expect("an update")
    {
        said.push((stream == Stream::Err, text));
    }
    said.sort();
    assert_eq!(said, [(false, "out\n".to_owned()), (true, "err\n".to_owned())]);
}

#[tokio::test]
async fn an_agent_that_is_cancelled_ends() {
    let mut place = Place::running("echo here; sleep 1000", 6).await;
    let here = AgentUpdate::Output { stream: Stream::Out, text: "here\n".to_owned() };
    assert_eq!(soon(place.agent.next()).await.expect("an update"), Some(here));
    soon(place.agent.cancel()).await.expect("it ends");
    assert_eq!(place.finish().await, (String::new(), Exit::Signal(15)));
    soon(place.agent.close()).await.expect("it has ended");
}

/// Gives one byte at every second look, and its end at the last.
struct Slow {
    bytes: Cursor<Vec<u8>>,
    waits: bool,
}

impl AsyncRead for Slow {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<std::io::Result<usize>> {
        let this = self.get_mut();
        this.waits = !this.waits;
        if this.waits {
            return Poll::Pending;
        }
        Pin::new(&mut this.bytes).poll_read(cx, &mut buf[..1])
    }
}

/// Is asked for its end several times before it has one.
#[derive(Debug)]
struct Lingering(u8);

#[async_trait]
impl Child for Lingering {
    async fn wait(&mut self) -> Result<Exit, SandboxError> {
        while self.0 > 0 {
            self.0 -= 1;
            futures_util::pending!();
        }
        Ok(Exit::Code(9))
    }

    async fn kill(&mut self) -> Result<(), SandboxError> {
        Ok(())
    }
}

#[tokio::test]
async fn whoever_stops_waiting_for_the_next_update_loses_nothing() {
    let text = "zwölf Boxkämpfer €";
    let slow = || Slow { bytes: Cursor::new(text.as_bytes().to_vec()), waits: false };
    let mut agent = connect(Process {
        stdin: None,
        stdout: Some(Box::pin(slow())),
        stderr: Some(Box::pin(slow())),
        child: Box::new(Lingering(5)),
        listeners: Vec::new(),
    })
    .await;
    let waker = noop_waker();
    let mut cx = Context::from_waker(&waker);
    let (mut out, mut err, mut given_up) = (String::new(), String::new(), 0);
    loop {
        // A new future each time: the last one was dropped while it waited.
        match agent.next().poll_unpin(&mut cx) {
            Poll::Pending => given_up += 1,
            Poll::Ready(Ok(Some(AgentUpdate::Output { stream: Stream::Out, text }))) => out.push_str(&text),
            Poll::Ready(Ok(Some(AgentUpdate::Output { stream: Stream::Err, text }))) => err.push_str(&text),
            Poll::Ready(Ok(Some(AgentUpdate::Ended(exit)))) => {
                assert_eq!(exit, Exit::Code(9));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((out.as_str(), err.as_str()), (text, text));
    assert!(given_up > 5, "{given_up}");
    assert!(matches!(agent.next().await, Ok(None)));
}
