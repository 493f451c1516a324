//! What can go wrong with an agent that speaks the protocol, or should.

use std::time::Duration;

use striatum_core::transport::{Advice, Outcome, TransportError, TransportErrorKind};

use crate::Version;

/// What an agent did wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcpError {
    /// A line is too long.
    #[error("the agent wrote a line of more than {limit} bytes")]
    LineTooLong {
        /// The limit.
        limit: usize,
    },
    /// Too many lines that are no messages.
    #[error("the agent wrote {count} lines that are no messages")]
    Garbage {
        /// How many.
        count: usize,
    },
    /// An answer to what nobody asked.
    #[error("the agent answered request {id}, which nobody sent")]
    UnknownId {
        /// The id that it named.
        id: String,
    },
    /// A second answer.
    #[error("the agent answered request {id} twice")]
    AnsweredTwice {
        /// The id.
        id: String,
    },
    /// A request under the id of one that is still open.
    #[error("the agent used the id {id} for two requests at once")]
    ReusedId {
        /// The id.
        id: String,
    },
    /// More open requests than are kept.
    #[error("the agent has more than {limit} requests open")]
    TooManyRequests {
        /// The limit.
        limit: usize,
    },
    /// A message on another session than the one that was opened.
    #[error("the agent spoke of a session that is not its own")]
    ForeignSession,
    /// Another version of the protocol.
    #[error("the agent speaks version {version} of the protocol, not 1")]
    Version {
        /// The version.
        version: String,
    },
    /// The agent itself is too old.
    #[error("the agent is of version {found}; {at_least} or later is needed")]
    TooOld {
        /// What it says it is.
        found: Version,
        /// The oldest that will do.
        at_least: Version,
    },
    /// The agent has no such mode, model or option, or not this value of it.
    #[error("the agent offers no {what} {wanted:?}, {}", instead(offered))]
    NotOffered {
        /// `mode`, `model` or `option`.
        what: &'static str,
        /// What was asked for.
        wanted: String,
        /// What there is instead: at most 64 names.
        offered: Vec<String>,
    },
    /// The agent cannot be given its tools.
    #[error(
        "the agent reaches the tools of {server:?} only through a program that it starts, and there is none"
    )]
    NoBridge {
        /// What the server is called.
        server: String,
    },
    /// An answer that is not of the form that its request has.
    #[error("the agent's answer to {method} has another form")]
    Malformed {
        /// The request.
        method: &'static str,
    },
    /// The agent answered with an error.
    #[error("the agent answered {method} with error {code}: {message}")]
    Refused {
        /// The request.
        method: &'static str,
        /// The code.
        code: i32,
        /// Its words: at most a kilobyte.
        message: String,
        /// What that amounts to.
        outcome: Outcome,
    },
    /// No answer in time.
    #[error("the agent did not answer {method} within {} s", after.as_secs())]
    Late {
        /// The request.
        method: &'static str,
        /// How long it had.
        after: Duration,
    },
    /// What is written to the agent is not read.
    #[error("the agent does not read its input")]
    Deaf,
    /// The connection is gone.
    #[error("the agent closed the connection")]
    Gone,
}

impl AcpError {
    /// What this amounts to, where it ends a turn.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Refused { outcome, .. } => *outcome,
            Self::Gone => Outcome::Process,
            Self::Late { .. }
            | Self::Deaf
            | Self::TooOld { .. }
            | Self::NotOffered { .. }
            | Self::NoBridge { .. } => Outcome::Failed,
            Self::LineTooLong { .. }
            | Self::Garbage { .. }
            | Self::UnknownId { .. }
            | Self::AnsweredTwice { .. }
            | Self::ReusedId { .. }
            | Self::TooManyRequests { .. }
            | Self::ForeignSession
            | Self::Version { .. }
            | Self::Malformed { .. } => Outcome::Protocol,
        }
    }

    /// What may help, where it ends a session.
    pub const fn advice(&self) -> Advice {
        match self {
            // The next session would be told the same.
            Self::TooOld { .. } | Self::NotOffered { .. } | Self::NoBridge { .. } | Self::Version { .. } => {
                Advice::Checkpoint
            }
            _ => self.outcome().advice(),
        }
    }

    const fn kind(&self) -> TransportErrorKind {
        match self {
            Self::Refused { outcome: Outcome::AuthNeeded, .. } => TransportErrorKind::Unauthenticated,
            Self::Refused { .. } => TransportErrorKind::Other,
            Self::TooOld { .. } | Self::NotOffered { .. } | Self::NoBridge { .. } => {
                TransportErrorKind::Unsupported
            }
            Self::Gone => TransportErrorKind::Closed,
            Self::Late { .. } | Self::Deaf => TransportErrorKind::Late,
            _ => TransportErrorKind::Protocol,
        }
    }
}

fn instead(offered: &[String]) -> String {
    if offered.is_empty() { "and no other".to_owned() } else { format!("but {}", offered.join(", ")) }
}

/// An error, with the end of what the agent wrote to its standard error: the source of a [`TransportError`] of this crate.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// What went wrong.
    pub error: AcpError,
    /// At most the last 64 KiB. Agents write whatever they like there: it is not part of the message.
    pub stderr: String,
}

impl Failure {
    pub(crate) fn doing(doing: &'static str, error: AcpError, stderr: String) -> TransportError {
        TransportError::new(error.kind(), doing).because(Self { error, stderr })
    }
}
