//! A conversation, as the port has it.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use striatum_core::{
    sandbox::{Child, SandboxError},
    transport::{
        AgentIdentity, AgentSession, AgentUpdate, Answer, Prompt, RequestId, TransportError,
        TransportErrorKind,
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    AcpError, AcpLimits, Failure,
    item::{Item, Reply},
    permission::Leave,
    stderr::Tail,
    translate::Connection,
};

/// Dropping it aborts its tasks, and the child that it holds kills the process.
#[derive(Debug)]
pub(crate) struct AcpSession {
    pub(crate) agent: AgentIdentity,
    pub(crate) name: String,
    /// Whether the agent can go on with it another time.
    pub(crate) remembers: bool,
    pub(crate) child: Box<dyn Child>,
    pub(crate) connection: Connection,
    pub(crate) items: mpsc::Receiver<Item>,
    /// For the turns: they tell of their end. Weak, so that the queue ends with the connection.
    pub(crate) queue: mpsc::WeakSender<Item>,
    pub(crate) tasks: JoinSet<()>,
    pub(crate) stderr: Tail,
    pub(crate) limits: AcpLimits,
    pub(crate) turn: Option<OpenTurn>,
    pub(crate) asked: HashMap<RequestId, oneshot::Sender<Reply>>,
    pub(crate) requests: u64,
    pub(crate) phase: Phase,
}

/// How far the end has come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Phase {
    /// The connection is open.
    Open,
    /// It is not, and the process has until then.
    Ending(Instant),
    /// The end was told.
    Over,
}

#[derive(Debug)]
pub(crate) struct OpenTurn {
    /// `None` once it was cancelled.
    cancel: Option<oneshot::Sender<()>>,
}

impl AcpSession {
    fn failure(&self, doing: &'static str, error: AcpError) -> TransportError {
        Failure::doing(doing, error, self.stderr.text())
    }

    fn is_cancelled(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.cancel.is_none())
    }

    fn withdraw_requests(&mut self) {
        for (_, reply) in self.asked.drain() {
            // An agent that does not wait any more needs no answer.
            let _ = reply.send(Reply::Withdrawn);
        }
    }

    /// The process, once the connection is closed.
    async fn end(&mut self, by: Instant) -> Result<AgentUpdate, TransportError> {
        let exit = match timeout_at(by, self.child.wait()).await {
            Ok(exit) => exit,
            Err(_) => {
                self.child.kill().await.map_err(|e| failed("end the agent", e))?;
                self.child.wait().await
            }
        };
        let exit = exit.map_err(|e| failed("learn how the agent ended", e))?;
        self.phase = Phase::Over;
        Ok(AgentUpdate::Ended(exit))
    }
}

fn failed(doing: &'static str, error: SandboxError) -> TransportError {
    TransportError::new(TransportErrorKind::Other, doing).because(error)
}

#[async_trait]
impl AgentSession for AcpSession {
    fn agent(&self) -> &AgentIdentity {
        &self.agent
    }

    fn conversation(&self) -> Option<&str> {
        self.remembers.then_some(&*self.name)
    }

    async fn prompt(&mut self, prompt: &Prompt) -> Result<(), TransportError> {
        const DOING: &str = "give the agent a task";
        if self.turn.is_some() {
            let doing = "give the agent a second task while it works on the first";
            return Err(TransportError::new(TransportErrorKind::Unsupported, doing));
        }
        let (Phase::Open, Some(queue)) = (self.phase, self.queue.upgrade()) else {
            return Err(self.failure(DOING, AcpError::Gone));
        };
        let (cancel, cancelled) = oneshot::channel();
        self.turn = Some(OpenTurn { cancel: Some(cancel) });
        self.tasks.spawn(self.connection.prompt(&prompt.text, cancelled, queue));
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<AgentUpdate>, TransportError> {
        // Whatever is begun here is kept in the session, so whoever stops waiting loses nothing.
        loop {
            match self.phase {
                Phase::Over => return Ok(None),
                Phase::Ending(by) => return self.end(by).await.map(Some),
                Phase::Open => {}
            }
            match self.items.recv().await {
                None => self.phase = Phase::Ending(Instant::now() + self.limits.end),
                Some(Item::Broken(error)) => {
                    self.phase = Phase::Ending(Instant::now());
                    self.turn = None;
                    self.asked.clear();
                    return Err(self.failure("understand the agent", error));
                }
                Some(Item::Session(name)) => self.name = name,
                Some(Item::Model(model)) => self.agent.model = Some(model),
                Some(Item::Asked { reply, .. }) if self.is_cancelled() => {
                    let _ = reply.send(Reply::Withdrawn);
                }
                Some(Item::Asked { title, reply }) => {
                    let request = RequestId(self.requests);
                    self.requests += 1;
                    self.asked.insert(request, reply);
                    return Ok(Some(AgentUpdate::Permission { request, title }));
                }
                Some(item @ Item::Turn(_)) => {
                    self.turn = None;
                    self.withdraw_requests();
                    return Ok(item.into_update());
                }
                Some(item @ (Item::Said { .. } | Item::Context(_))) => return Ok(item.into_update()),
            }
        }
    }

    async fn answer(&mut self, request: RequestId, answer: Answer) -> Result<(), TransportError> {
        let Some(reply) = self.asked.remove(&request) else {
            let doing = "answer a request that is not open";
            return Err(TransportError::new(TransportErrorKind::Unsupported, doing));
        };
        let leave = match answer {
            Answer::Allow => Leave::Once,
            _ => Leave::No,
        };
        let late = "answer a request in time";
        reply.send(Reply::Decided(leave)).map_err(|_| TransportError::new(TransportErrorKind::Late, late))
    }

    async fn cancel(&mut self) -> Result<(), TransportError> {
        let Some(cancel) = self.turn.as_mut().and_then(|turn| turn.cancel.take()) else { return Ok(()) };
        let _ = cancel.send(());
        let told = self.connection.cancel();
        self.withdraw_requests();
        match told {
            // There is nothing left to cancel, and whoever listens is told of the end.
            Ok(()) | Err(AcpError::Gone) => Ok(()),
            Err(error) => Err(self.failure("cancel the turn", error)),
        }
    }

    async fn close(mut self: Box<Self>) -> Result<(), TransportError> {
        /// Beyond the grace that the sandbox gives by itself.
        const SOON: Duration = Duration::from_secs(60);
        match timeout(SOON, self.child.kill()).await {
            Ok(ended) => ended.map_err(|e| failed("end the agent", e)),
            Err(late) => Err(TransportError::new(TransportErrorKind::Late, "end the agent").because(late)),
        }
    }
}
