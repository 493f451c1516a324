//! What work costs.

use serde::{Deserialize, Serialize};

use crate::workflow::Budget;

/// What an agent used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// How long it worked, in milliseconds.
    pub wall_ms: u64,
    /// Tokens read, if it says.
    pub input_tokens: Option<u64>,
    /// Tokens written, if it says.
    pub output_tokens: Option<u64>,
    /// Turns taken, if they are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
}

impl Usage {
    /// Adds what something else used. What one of them does not say counts as nothing.
    pub(crate) fn add(&mut self, other: &Self) {
        let sum = |one: Option<u64>, two: Option<u64>| match (one, two) {
            (Some(one), Some(two)) => Some(one.saturating_add(two)),
            (one, two) => one.or(two),
        };
        self.wall_ms = self.wall_ms.saturating_add(other.wall_ms);
        self.input_tokens = sum(self.input_tokens, other.input_tokens);
        self.output_tokens = sum(self.output_tokens, other.output_tokens);
        self.turns = sum(self.turns, other.turns);
    }

    /// Tokens read and written.
    pub fn tokens(&self) -> u64 {
        self.input_tokens.unwrap_or(0).saturating_add(self.output_tokens.unwrap_or(0))
    }

    /// What this leaves of a budget.
    pub(crate) fn left_of(&self, budget: &Budget) -> Budget {
        let left = |bound: Option<u64>, used: u64| bound.map(|bound| bound.saturating_sub(used));
        Budget {
            turns: left(budget.turns, self.turns.unwrap_or(0)),
            wall_seconds: left(budget.wall_seconds, self.wall_ms / 1000),
            tokens: left(budget.tokens, self.tokens()),
        }
    }

    /// Whether this uses up so many of these budgets.
    pub(crate) fn spends(&self, budget: &Budget, times: u64) -> bool {
        let over =
            |used: u64, bound: Option<u64>| bound.is_some_and(|bound| used >= bound.saturating_mul(times));
        over(self.wall_ms / 1000, budget.wall_seconds)
            || over(self.tokens(), budget.tokens)
            || over(self.turns.unwrap_or(0), budget.turns)
    }
}
