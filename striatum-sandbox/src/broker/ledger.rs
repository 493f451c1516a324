//! What a session has used, and how its model's host takes it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use striatum_core::transport::{Outcome, Reset, Spend};
use tokio::time::Instant;

use super::{Budget, refusal::Refusal};

/// What a session has used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Observed {
    /// Requests that were let through to the model.
    pub requests: u64,
    /// Tokens that it read, those from a cache as well; for answers that did not say, by the length of the request.
    pub input_tokens: u64,
    /// Tokens that it wrote; for answers that did not say, by their length.
    pub output_tokens: u64,
    /// How the model's host refuses the session, as long as nothing was answered since: a limit with its reset, an overload, a
    /// credential that is not accepted or not there.
    pub trouble: Option<Outcome>,
}

/// Keeps count. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    observed: Observed,
    /// When the trouble was met.
    met: Option<Instant>,
    /// The tokens that requests under way will at least use.
    underway: u64,
}

/// About how many bytes of a request make a token, where nobody says.
const BYTES_PER_TOKEN: u64 = 4;

impl Ledger {
    pub(super) fn observed(&self) -> Observed {
        let entries = self.entries();
        let mut observed = entries.observed;
        // By when it is told the reset is nearer than when it was met.
        if let (Some(Outcome::RateLimited(Some(Reset::In(time)))), Some(met)) =
            (observed.trouble, entries.met)
        {
            let left = time.saturating_sub(met.elapsed());
            observed.trouble = Some(Outcome::RateLimited(Some(Reset::In(left))));
        }
        observed
    }

    /// Lets a request of this length through to the model, if the budget does.
    pub(super) fn admit(&self, budget: &Budget, bytes: usize) -> Result<Charge, Refusal> {
        let mut entries = self.entries();
        let Observed { requests, input_tokens, output_tokens, .. } = entries.observed;
        if let Some(most) = budget.requests.filter(|most| requests >= *most) {
            return Err(Refusal::Requests(most));
        }
        let used = input_tokens.saturating_add(output_tokens).saturating_add(entries.underway);
        if let Some(most) = budget.tokens.filter(|most| used >= *most) {
            return Err(Refusal::Tokens(most));
        }
        let expected = bytes as u64 / BYTES_PER_TOKEN;
        entries.observed.requests += 1;
        entries.underway = entries.underway.saturating_add(expected);
        Ok(Charge { ledger: self.clone(), expected, is_due: false })
    }

    pub(super) fn trouble(&self, trouble: Outcome) {
        let mut entries = self.entries();
        entries.observed.trouble = Some(trouble);
        entries.met = Some(Instant::now());
    }

    pub(super) fn answered(&self) {
        self.entries().observed.trouble = None;
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that was let through.
#[derive(Debug)]
pub(super) struct Charge {
    ledger: Ledger,
    expected: u64,
    is_due: bool,
}

impl Charge {
    /// It is on its way to the model's host: from here on it costs something, even if nobody waits for the answer.
    pub(super) const fn sent(&mut self) {
        self.is_due = true;
    }

    /// It was not answered by a model.
    pub(super) const fn waive(&mut self) {
        self.is_due = false;
    }

    /// Books what an answer told that came to its end.
    pub(super) fn settle(&mut self, told: Spend) {
        if std::mem::take(&mut self.is_due) {
            self.book(told);
        }
    }

    /// Books what is known of an answer that told nothing or was cut off: its length counts, so that an agent which hangs up in time
    /// does not read for nothing.
    pub(super) fn guess(&mut self, told: Option<Spend>, written: u64) {
        let told = told.unwrap_or_default();
        let input_tokens = told.input_tokens.or(Some(self.expected));
        self.settle(Spend { input_tokens, output_tokens: told.output_tokens.max(Some(written)) });
    }

    fn book(&self, spend: Spend) {
        let observed = &mut self.ledger.entries().observed;
        let add = |sum: &mut u64, tokens: Option<u64>| *sum = sum.saturating_add(tokens.unwrap_or(0));
        add(&mut observed.input_tokens, spend.input_tokens);
        add(&mut observed.output_tokens, spend.output_tokens);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.guess(None, 0);
        let mut entries = self.ledger.entries();
        entries.underway = entries.underway.saturating_sub(self.expected);
    }
}
