//! What a turn cost, from what agents say of it.

use serde_json::Value;
use striatum_core::transport::Spend;

use crate::UsageMeaning;

/// What the answer to a prompt says of tokens. Several agents say it beside the protocol.
pub(super) fn told(answer: &Value) -> Option<Spend> {
    let mut places = ["/usage", "/_meta/quota/token_count", "/_meta/usage"].iter();
    places.find_map(|at| in_words_of(answer.pointer(at)?))
}

/// What an account of tokens says, in the words that all agents share.
pub(super) fn in_words_of(usage: &Value) -> Option<Spend> {
    let number = |name: &str| usage.get(name).and_then(Value::as_u64);
    let output = number("outputTokens");
    // Whether what came from a cache stands in the input differs; it does in the sum.
    let input = match (number("totalTokens"), output) {
        (Some(total), Some(output)) if total >= output => Some(total - output),
        _ => number("inputTokens"),
    };
    let spend = Spend { input_tokens: input, output_tokens: output };
    (spend != Spend::default()).then_some(spend)
}

/// What was told before, and what it meant.
#[derive(Debug)]
pub(crate) struct Meter {
    /// `None` if nobody knows what the session had cost before.
    before: Option<Spend>,
}

impl Default for Meter {
    fn default() -> Self {
        Self { before: Some(Spend::default()) }
    }
}

impl Meter {
    /// For a session that was begun earlier: its first sum tells what it had cost by then, and nothing of one turn.
    pub(super) fn of_earlier() -> Self {
        Self { before: None }
    }

    /// What a turn cost that ended with these numbers.
    pub(super) fn read(&mut self, told: Spend, meaning: UsageMeaning) -> Spend {
        match meaning {
            // The last call is the least that it can have cost.
            UsageMeaning::Turn | UsageMeaning::LastCall => told,
            UsageMeaning::Session => {
                let Some(before) = self.before.replace(told) else { return Spend::default() };
                let less = |now: Option<u64>, before: Option<u64>| {
                    // A sum that shrinks was begun anew.
                    now.map(|now| now.checked_sub(before.unwrap_or(0)).unwrap_or(now))
                };
                Spend {
                    input_tokens: less(told.input_tokens, before.input_tokens),
                    output_tokens: less(told.output_tokens, before.output_tokens),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spend(input: u64, output: u64) -> Spend {
        Spend { input_tokens: Some(input), output_tokens: Some(output) }
    }

    #[test]
    fn what_came_from_a_cache_is_counted_once() {
        let claude = json!({"usage": {"inputTokens": 1201, "outputTokens": 37, "cachedReadTokens": 400,
            "cachedWriteTokens": 50, "totalTokens": 1688}});
        assert_eq!(told(&claude), Some(spend(1651, 37)));
        let gemini = json!({"_meta": {"quota": {"token_count": {"inputTokens": 9, "outputTokens": 1}}}});
        assert_eq!(told(&gemini), Some(spend(9, 1)));
        for nothing in [json!({}), json!({"usage": null}), json!({"usage": {}})] {
            assert_eq!(told(&nothing), None);
        }
    }

    #[test]
    fn a_sum_over_the_session_is_taken_apart() {
        let mut meter = Meter::default();
        let mut read = |told| meter.read(told, UsageMeaning::Session);
        assert_eq!(read(spend(10, 1)), spend(10, 1));
        assert_eq!(read(spend(25, 4)), spend(15, 3));
        assert_eq!(read(spend(5, 4)), spend(5, 0));
        let mut earlier = Meter::of_earlier();
        let mut read = |told| earlier.read(told, UsageMeaning::Session);
        assert_eq!(read(spend(1_000, 100)), Spend::default(), "nobody knows which part of it was this turn");
        assert_eq!(read(spend(1_010, 101)), spend(10, 1));
        for meaning in [UsageMeaning::Turn, UsageMeaning::LastCall] {
            assert_eq!(Meter::of_earlier().read(spend(25, 4), meaning), spend(25, 4));
        }
    }
}
