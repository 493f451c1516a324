//! What an agent has used, and what is left of its budget.

use striatum_core::{
    run::Usage,
    transport::{Spend, TurnEnd},
};

use super::{Conversation, Turn};
use crate::adapter::{End, Finished, acp::finished};

impl Conversation<'_> {
    /// Adds what a turn cost. What the agent says of the whole says more than what was seen of it.
    pub(super) fn charge(&mut self, end: &TurnEnd) {
        let is_told = end.spend != Spend::default();
        self.spent = self.spent.plus(if is_told { end.spend } else { self.seen() });
        self.context = 0;
        self.account();
        if self.turns == 1
            && self.used().is_none()
            && let Some(bound) = self.bound()
        {
            self.note(&format!(
                "the agent tells nothing of its tokens: nobody sees when the {bound} of its budget are used"
            ));
        }
    }

    /// What was used, as far as it is known. What was seen of it counts before what the agent says.
    pub(super) fn used(&self) -> Option<Spend> {
        let said = || Some(self.spent.plus(self.seen())).filter(|spend| *spend != Spend::default());
        self.passages.seen().spend.or_else(said)
    }

    /// What this turn took so far, by the size of its context.
    fn seen(&self) -> Spend {
        Spend { input_tokens: Some(self.context).filter(|tokens| *tokens > 0), output_tokens: None }
    }

    /// Tells what was used.
    pub(super) fn account(&self) {
        let Spend { input_tokens, output_tokens } = self.used().unwrap_or_default();
        self.assignment.account.spend(Usage {
            wall_ms: 0,
            input_tokens,
            output_tokens,
            turns: Some(self.turns),
        });
    }

    /// The tokens that it may use.
    pub(super) fn bound(&self) -> Option<u64> {
        self.assignment.packet.budget.and_then(|budget| budget.tokens)
    }

    /// The end of an agent that has used all the tokens that it may.
    pub(super) fn is_spent(&self) -> Option<Finished> {
        let bound = self.bound()?;
        let used = self.used().unwrap_or_default().tokens();
        let reason = format!("the agent has used {used} tokens of the {bound} that were left of its budget");
        (used >= bound).then(|| finished(End::Spent).because(reason))
    }

    /// The same for turns, one of which would be the next.
    pub(super) fn no_more_turns(&self) -> Option<Finished> {
        let bound = self.assignment.packet.budget.and_then(|budget| budget.turns);
        match bound.filter(|bound| self.turns >= *bound) {
            Some(bound) => {
                let reason = format!("the agent has taken the {bound} turns that were left of its budget");
                Some(finished(End::Spent).because(reason))
            }
            None => self.is_spent(),
        }
    }

    /// What is seen of its tokens may be more than they are while it works.
    pub(super) fn spent_in_mid_turn(&self) -> Option<Turn> {
        self.bound()?;
        self.account();
        self.is_spent().map(Turn::Over)
    }
}
