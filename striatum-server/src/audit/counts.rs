//! What is counted and not written down one by one.

use std::{
    collections::HashMap,
    hash::Hash,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::row::What;
use crate::authority::TokenId;

/// How many askers are told apart between two looks.
const APART: usize = 1024;
/// Everybody beyond.
const OTHERS: &str = "others";

#[derive(Debug, Default)]
pub(super) struct Counts {
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    reads: HashMap<TokenId, u64>,
    strangers: HashMap<String, u64>,
}

impl Counts {
    pub(super) fn read(&self, token: TokenId) {
        // Those who read have tokens, which somebody issued: they are few.
        *self.counted().reads.entry(token).or_insert(0) += 1;
    }

    pub(super) fn stranger(&self, source: &str) {
        count(&mut self.counted().strangers, source);
    }

    /// Takes what was counted since the last time.
    pub(super) fn take(&self) -> Vec<What> {
        let Counted { reads, strangers } = mem::take(&mut *self.counted());
        let reads = sorted(reads).into_iter().map(|(token, count)| What::Reads { token, count });
        let strangers =
            sorted(strangers).into_iter().map(|(source, count)| What::Strangers { source, count });
        reads.chain(strangers).collect()
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(counted: &mut HashMap<String, u64>, source: &str) {
    let key = if counted.len() < APART || counted.contains_key(source) { source } else { OTHERS };
    *counted.entry(key.to_owned()).or_insert(0) += 1;
}

fn sorted<K: Ord + Hash>(counted: HashMap<K, u64>) -> Vec<(K, u64)> {
    let mut counted: Vec<_> = counted.into_iter().collect();
    counted.sort_unstable();
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_strangers_are_one_from_some_number_on() {
        let counts = Counts::default();
        (0..APART + 10).for_each(|n| counts.stranger(&n.to_string()));
        counts.stranger("7");
        let taken = counts.take();
        let of = |wanted: &str| {
            taken.iter().find_map(|what| match what {
                What::Strangers { source, count } if source == wanted => Some(*count),
                _ => None,
            })
        };
        assert_eq!((of("7"), of(OTHERS), of("1030")), (Some(2), Some(10), None));
        assert!(counts.take().is_empty());
    }
}
