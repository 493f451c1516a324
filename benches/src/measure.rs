//! Taking times.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

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

/// Times of several contestants that took turns; the first is the one that the others are compared with.
///
/// A turn's ratios are taken within it and their median counts, since a disk that is slow for a while is slow for all of them.
#[derive(Debug, Default)]
pub(crate) struct Turns<const N: usize>(Vec<[Duration; N]>);

impl<const N: usize> Turns<N> {
    pub(crate) fn take(&mut self, times: [Duration; N]) {
        self.0.push(times);
    }

    /// How many of the `count` things of a turn each of them did in a second.
    pub(crate) fn rates(&self, count: usize) -> [f64; N] {
        std::array::from_fn(|of| count as f64 / median(self.0.iter().map(|turn| turn[of].as_secs_f64())))
    }

    /// How fast each of them is, compared with the first.
    pub(crate) fn ratios(&self) -> [f64; N] {
        std::array::from_fn(|of| self.ratio(of, 0))
    }

    /// How fast one of them is, compared with another.
    pub(crate) fn ratio(&self, of: usize, to: usize) -> f64 {
        median(self.0.iter().map(|turn| turn[to].as_secs_f64() / turn[of].as_secs_f64()))
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
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

/// Counts the time that a processor works for this thread: what else runs on the machine is not in it.
#[derive(Debug, Default)]
pub(crate) struct Effort(Duration);

impl Effort {
    /// What is done for `work` is added.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let begun = Self::so_far();
        let done = work.await;
        self.0 += Self::so_far().saturating_sub(begun);
        done
    }

    pub(crate) fn read(&self) -> Duration {
        self.0
    }

    fn so_far() -> Duration {
        told_by(ClockId::ThreadCPUTime)
    }
}

fn told_by(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// The time that processors have worked for this process so far, in all of its threads and for it in the system.
#[cfg(feature = "broker")]
pub(crate) fn effort_of_all() -> Duration {
    told_by(ClockId::ProcessCPUTime)
}

/// How long `work` takes.
pub(crate) fn time<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begun = Instant::now();
    let done = work();
    (begun.elapsed(), done)
}
