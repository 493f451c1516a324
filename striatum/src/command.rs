//! Agents that are plain commands: the task goes to standard input, what they say comes from their outputs, and their end is
//! their answer.
//!
//! Such an agent speaks no protocol, so it asks nothing while it works. What it concluded stands in a file, which may be a question
//! that a person answers for whoever goes on: [`report`] reads it.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use async_trait::async_trait;
use futures_util::future::poll_fn;
use striatum_core::{
    sandbox::{Child, Process},
    transport::{
        AgentIdentity, AgentSession, AgentTransport, AgentUpdate, Answer, Prompt, RequestId, SessionSpec,
        Stream, TransportError, TransportErrorKind,
    },
};

use self::{
    speech::Speech,
    task::{Task, Told},
};

pub mod report;
mod speech;
mod task;

/// Speaks to agents that are plain commands.
///
/// - [`prompt`](AgentSession::prompt) writes the task to standard input and closes it. It returns at once, and the writing goes
///   on during [`next`](AgentSession::next). An agent that ends without having read its task is not at fault.
/// - [`next`](AgentSession::next) yields what the agent writes, at most 4 KiB at a time and never half a character, then
///   [`AgentUpdate::Ended`] once.
/// - [`cancel`](AgentSession::cancel) ends the process.
/// - There is one task for each process, and [`answer`](AgentSession::answer) is
///   [`Unsupported`](TransportErrorKind::Unsupported).
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct CommandTransport;

impl CommandTransport {
    /// The transport.
    pub const fn new() -> Self {
        Self
    }
}

#[async_trait]
impl AgentTransport for CommandTransport {
    async fn connect(
        &self,
        process: Process,
        _spec: &SessionSpec,
    ) -> Result<Box<dyn AgentSession>, TransportError> {
        Ok(Box::new(CommandSession::new(process, Box::new(|| {}))))
    }
}

pub(crate) struct CommandSession {
    agent: AgentIdentity,
    child: Box<dyn Child>,
    task: Task,
    /// The one that is asked first comes first.
    speeches: [Speech; 2],
    is_over: bool,
}

impl CommandSession {
    /// A session that calls `told` once the agent was given its whole task.
    pub(crate) fn new(process: Process, told: Told) -> Self {
        Self {
            agent: AgentIdentity::default(),
            child: process.child,
            task: Task::new(process.stdin, told),
            speeches: [Speech::new(Stream::Out, process.stdout), Speech::new(Stream::Err, process.stderr)],
            is_over: false,
        }
    }

    /// What the agent says next; `None` once both outputs have ended.
    fn poll_speech(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<AgentUpdate>>> {
        let mut answer = Poll::Ready(None);
        for speech in &mut self.speeches {
            match speech.poll_text(cx) {
                Poll::Ready(Some(text)) => {
                    let stream = speech.stream;
                    // An agent that floods one output shall not silence the other.
                    self.speeches.swap(0, 1);
                    return Poll::Ready(Some(text.map(|text| AgentUpdate::Output { stream, text })));
                }
                Poll::Ready(None) => {}
                Poll::Pending => answer = Poll::Pending,
            }
        }
        answer
    }
}

#[async_trait]
impl AgentSession for CommandSession {
    fn agent(&self) -> &AgentIdentity {
        &self.agent
    }

    fn conversation(&self) -> Option<&str> {
        None
    }

    async fn prompt(&mut self, prompt: &Prompt) -> Result<(), TransportError> {
        self.task.give(&prompt.text)?;
        // What fits into the pipe goes now; the rest whenever `next` is waiting.
        poll_fn(|cx| {
            self.task.poll_deliver(cx);
            Poll::Ready(())
        })
        .await;
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<AgentUpdate>, TransportError> {
        if self.is_over {
            return Ok(None);
        }
        // All that is begun here is kept in the session, so whoever stops waiting loses nothing.
        let said = poll_fn(|cx| {
            self.task.poll_deliver(cx);
            self.poll_speech(cx)
        });
        if let Some(update) = said.await {
            return update.map(Some).map_err(|e| {
                TransportError::new(TransportErrorKind::Other, "read what the agent writes").because(e)
            });
        }
        let Self { child, task, .. } = self;
        let mut end = child.wait();
        let exit = poll_fn(|cx| {
            // An agent may have closed its outputs and still be reading.
            task.poll_deliver(cx);
            Pin::new(&mut end).poll(cx)
        });
        let exit = exit.await.map_err(|e| {
            TransportError::new(TransportErrorKind::Other, "learn how the agent ended").because(e)
        })?;
        self.is_over = true;
        Ok(Some(AgentUpdate::Ended(exit)))
    }

    async fn answer(&mut self, _request: RequestId, _answer: Answer) -> Result<(), TransportError> {
        Err(TransportError::new(TransportErrorKind::Unsupported, "answer an agent that cannot ask"))
    }

    async fn cancel(&mut self) -> Result<(), TransportError> {
        self.child
            .kill()
            .await
            .map_err(|e| TransportError::new(TransportErrorKind::Other, "stop the agent").because(e))
    }

    async fn close(mut self: Box<Self>) -> Result<(), TransportError> {
        self.child
            .kill()
            .await
            .map_err(|e| TransportError::new(TransportErrorKind::Other, "end the agent").because(e))
    }
}

impl fmt::Debug for CommandSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandSession").field("child", &self.child).finish_non_exhaustive()
    }
}
