//! How a turn of an agent ends, and what follows from it.

use std::time::Duration;

use crate::time::Timestamp;

/// The end of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TurnEnd {
    /// In which way.
    pub outcome: Outcome,
    /// What the agent said of it, for a person: at most a kilobyte.
    pub reason: Option<String>,
    /// What the turn cost, as far as the agent says.
    pub spend: Spend,
}

/// Tokens that were paid for. What an agent does not say is not known, and is not nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spend {
    /// Read, from a cache as well.
    pub input_tokens: Option<u64>,
    /// Written.
    pub output_tokens: Option<u64>,
}

impl Spend {
    /// The sum of both. What only one of them says counts alone.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let sum = |one: Option<u64>, two: Option<u64>| match (one, two) {
            (Some(one), Some(two)) => Some(one.saturating_add(two)),
            (one, two) => one.or(two),
        };
        Self {
            input_tokens: sum(self.input_tokens, other.input_tokens),
            output_tokens: sum(self.output_tokens, other.output_tokens),
        }
    }

    /// Tokens read and written.
    pub fn tokens(&self) -> u64 {
        self.input_tokens.unwrap_or(0).saturating_add(self.output_tokens.unwrap_or(0))
    }
}

impl TurnEnd {
    /// An end of which nothing more is known.
    pub const fn new(outcome: Outcome) -> Self {
        Self { outcome, reason: None, spend: Spend { input_tokens: None, output_tokens: None } }
    }

    /// The same with what it cost.
    #[must_use]
    pub fn costing(self, spend: Spend) -> Self {
        Self { spend, ..self }
    }

    /// The same with what the agent said.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

/// In which way a turn ended. None of these is proof of success: that is what the agent recorded by its tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The agent says that it is done.
    Finished,
    /// The agent says that it is done, and has said and done nothing.
    Idle,
    /// The model will not do it.
    Refused,
    /// The turn used up what one turn may take.
    OutOfTurns,
    /// It was cancelled.
    Cancelled,
    /// The agent lacks credentials, or they are refused.
    AuthNeeded,
    /// A quota or a rate limit is used up.
    RateLimited(Option<Reset>),
    /// The model's host is overloaded or failing.
    Overloaded,
    /// The task does not fit into the model's window, or its answer into the limit on tokens.
    ContextOverflow,
    /// A failure of no known kind, as the agent reports it.
    Failed,
    /// The agent broke its protocol.
    Protocol,
    /// The agent's process ended during the turn.
    Process,
}

impl Outcome {
    /// The stable name.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Idle => "idle",
            Self::Refused => "refused",
            Self::OutOfTurns => "out_of_turns",
            Self::Cancelled => "cancelled",
            Self::AuthNeeded => "auth_needed",
            Self::RateLimited(_) => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::ContextOverflow => "context_overflow",
            Self::Failed => "failed",
            Self::Protocol => "protocol",
            Self::Process => "process",
        }
    }

    /// What may help.
    pub const fn advice(self) -> Advice {
        match self {
            Self::Finished | Self::Cancelled => Advice::Conclude,
            Self::RateLimited(_) | Self::Overloaded => Advice::Wait,
            Self::Refused | Self::AuthNeeded => Advice::Checkpoint,
            Self::Idle
            | Self::OutOfTurns
            | Self::ContextOverflow
            | Self::Failed
            | Self::Protocol
            | Self::Process => Advice::Retry,
        }
    }
}

/// When a limit is lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reset {
    /// That long after the answer that told of it.
    In(Duration),
    /// Then.
    At(Timestamp),
}

/// What may help after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Advice {
    /// Nothing need help: see what was recorded.
    Conclude,
    /// Try again in a new session.
    Retry,
    /// Try again later.
    Wait,
    /// Ask a person.
    Checkpoint,
}
