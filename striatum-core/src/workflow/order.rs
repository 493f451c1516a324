//! Who comes before whom, near or far, asked many times.

use crate::workflow::Graph;

/// A graph with every job's whole upstream as a set of bits: however many questions a document raises, each has a short
/// answer.
#[derive(Debug)]
pub(in crate::workflow) struct Order {
    graph: Graph,
    words: usize,
    before: Vec<u64>,
}

impl Order {
    pub(in crate::workflow) fn of(graph: Graph, jobs: usize) -> Self {
        let words = jobs.div_ceil(64);
        let mut before = vec![0; words * jobs];
        for &job in graph.order() {
            for &up in graph.upstream(job) {
                for word in 0..words {
                    before[job * words + word] |= before[up * words + word];
                }
                before[job * words + up / 64] |= 1 << (up % 64);
            }
        }
        Self { graph, words, before }
    }

    pub(in crate::workflow) const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Whether one job must be completed before the other can start.
    pub(in crate::workflow) fn is_before(&self, first: usize, then: usize) -> bool {
        self.before[then * self.words + first / 64] & (1 << (first % 64)) != 0
    }

    /// Every job that must be completed before this one can start.
    pub(in crate::workflow) fn before(&self, job: usize) -> impl Iterator<Item = usize> {
        let words = &self.before[job * self.words..(job + 1) * self.words];
        words.iter().enumerate().flat_map(|(place, word)| bits(place, *word))
    }

    /// Some jobs, and every job that must be completed before one of them can start, each once.
    pub(in crate::workflow) fn with_all_before(&self, jobs: &[usize]) -> impl Iterator<Item = usize> {
        let mut union = vec![0; self.words];
        for &job in jobs {
            let before = &self.before[job * self.words..(job + 1) * self.words];
            union.iter_mut().zip(before).for_each(|(word, more)| *word |= more);
            union[job / 64] |= 1 << (job % 64);
        }
        union.into_iter().enumerate().flat_map(|(place, word)| bits(place, word))
    }
}

/// The numbers of the bits that are set in a word of a longer row.
fn bits(place: usize, word: u64) -> impl Iterator<Item = usize> {
    let mut left = word;
    std::iter::from_fn(move || {
        let bit = left.trailing_zeros();
        left &= left.wrapping_sub(1);
        (bit < 64).then(|| place * 64 + bit as usize)
    })
}
