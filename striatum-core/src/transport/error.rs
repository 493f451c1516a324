//! What can go wrong between us and an agent.

use std::error::Error;

/// What kind of failure a transport met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The connection or the process is gone.
    Closed,
    /// The agent said something that its protocol does not allow.
    Protocol,
    /// The agent cannot do what was asked.
    Unsupported,
    /// The agent lacks credentials, or they are refused.
    Unauthenticated,
    /// The agent did not answer in time.
    Late,
    /// Anything else.
    Other,
}

impl TransportErrorKind {
    /// The stable code of this kind.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Closed => "agent_closed",
            Self::Protocol => "agent_protocol",
            Self::Unsupported => "agent_unsupported",
            Self::Unauthenticated => "agent_unauthenticated",
            Self::Late => "agent_late",
            Self::Other => "agent_error",
        }
    }
}

/// A failure of a conversation with an agent.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub struct TransportError {
    /// What kind of failure this is.
    pub kind: TransportErrorKind,
    /// What was being done.
    pub doing: &'static str,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl TransportError {
    /// A failure without a deeper cause.
    pub const fn new(kind: TransportErrorKind, doing: &'static str) -> Self {
        Self { kind, doing, source: None }
    }

    /// The same with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
