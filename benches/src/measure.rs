//! Taking times.

use std::time::{Duration, Instant};

/// The shortest of several times. Whatever else runs on the machine only ever adds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Best(Duration);

impl Best {
    pub(crate) const fn new() -> Self {
        Self(Duration::MAX)
    }

    pub(crate) fn take(&mut self, time: Duration) {
        self.0 = self.0.min(time);
    }

    /// How many of `count` things were done in a second.
    pub(crate) fn rate(self, count: usize) -> f64 {
        count as f64 / self.0.as_secs_f64()
    }
}

/// Counts the time between start and stop, however often.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch(Duration);

impl Stopwatch {
    /// The time that `work` takes is added.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let done = work.await;
        self.0 += begun.elapsed();
        done
    }

    pub(crate) fn read(&self) -> Duration {
        self.0
    }
}

/// How long `work` takes.
pub(crate) fn time<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begun = Instant::now();
    let done = work();
    (begun.elapsed(), done)
}
