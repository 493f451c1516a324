//! The port to agents: how a packet reaches one, and how its work is followed.
//!
//! A transport speaks over the streams of a [`Process`] and knows nothing of where it runs.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::sandbox::{Exit, Process};

mod error;
mod outcome;
mod session;

pub use error::{TransportError, TransportErrorKind};
pub use outcome::{Advice, Outcome, Reset, Spend, TurnEnd};
pub use session::{Bridge, Choices, Secret, SessionSpec, ToolAddress, ToolServer};

/// Connects to agents.
#[async_trait]
pub trait AgentTransport: fmt::Debug + Send + Sync + 'static {
    /// Opens a session with the agent behind a process. The session owns the process and ends it.
    ///
    /// # Errors
    /// [`TransportError`] if the agent does not answer as its protocol says.
    async fn connect(
        &self,
        process: Process,
        spec: &SessionSpec,
    ) -> Result<Box<dyn AgentSession>, TransportError>;
}

/// A conversation with one agent. Dropping it kills the agent.
#[async_trait]
pub trait AgentSession: fmt::Debug + Send {
    /// What the agent says it is. Empty for one that does not say.
    fn agent(&self) -> &AgentIdentity;

    /// What the agent calls this conversation, where it can go on with it [later](SessionSpec::resume).
    fn conversation(&self) -> Option<&str>;

    /// Hands the agent its task and returns when it was taken, not when it is done.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn prompt(&mut self, prompt: &Prompt) -> Result<(), TransportError>;

    /// The next thing that the agent does; `None` once the session is over. Cancel-safe.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn next(&mut self) -> Result<Option<AgentUpdate>, TransportError>;

    /// Answers a request of the agent.
    ///
    /// # Errors
    /// [`TransportError`] if there is no such open request.
    async fn answer(&mut self, request: RequestId, answer: Answer) -> Result<(), TransportError>;

    /// Asks the agent to stop what it is doing.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn cancel(&mut self) -> Result<(), TransportError>;

    /// Ends the session and the process.
    ///
    /// # Errors
    /// [`TransportError`] if the process could not be ended.
    async fn close(self: Box<Self>) -> Result<(), TransportError>;
}

/// A task, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What the agent is told.
    pub text: String,
}

/// What an agent says it is, or what was said of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AgentIdentity {
    /// The name of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The model behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl AgentIdentity {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.version.is_none() && self.model.is_none()
    }
}

/// Something that an agent did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentUpdate {
    /// It wrote something: at most a few kilobytes at a time, decoded leniently.
    Output {
        /// Where.
        stream: Stream,
        /// What.
        text: String,
    },
    /// It asks for leave; the session goes on meanwhile.
    Permission {
        /// To be named in the answer.
        request: RequestId,
        /// What it wants to do, for a person.
        title: String,
    },
    /// Its model has this many tokens before it. That is no sum of what was spent, but no less was.
    Context(u64),
    /// Its turn is over, and it can be given another task. An agent without turns never says so.
    TurnEnded(TurnEnd),
    /// Its process ended.
    Ended(Exit),
}

/// Where an agent wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, or a message.
    Out,
    /// Standard error.
    Err,
}

/// Names an open request of an agent within its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(pub u64);

/// The answer to a request of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Leave for this once.
    Allow,
    /// No.
    Reject,
}
