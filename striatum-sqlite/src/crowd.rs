//! How long a commit is held back for those who are about to ask.
//!
//! Those who were answered together ask again at about the same time, each after it has decided. Who finds the commit begun
//! waits for a whole flush, and a crowd falls into two halves of which one always waits for the other. So a group waits a
//! moment for those who were answered last, as long as they keep coming. Who was answered alone waits for nobody.

use std::time::Duration;

/// Those who were answered together, and how long commits take.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Crowd {
    size: usize,
    last: Duration,
    flush: Duration,
}

/// The wait for a crowd to be complete again.
#[derive(Debug)]
pub(crate) struct Gathering {
    crowd: Crowd,
    waited: Duration,
}

/// Which part of a flush the next of them is waited for. In all it is one flush at most, which is what is to be spared.
const PART: u32 = 8;

impl Crowd {
    /// Notes a commit. Of two the shorter counts: one that folded in the log, or met a busy disk, says little of the next.
    pub(crate) fn committed(&mut self, size: usize, took: Duration) {
        *self = Self { size, last: took, flush: took.min(self.last) };
    }

    pub(crate) fn gather(self) -> Gathering {
        Gathering { crowd: self, waited: Duration::ZERO }
    }
}

impl Gathering {
    /// How long to wait for one more, if it is worth it; `present` are there.
    pub(crate) fn patience(&self, present: usize) -> Option<Duration> {
        let Crowd { size, flush, .. } = self.crowd;
        let left = flush.saturating_sub(self.waited).min(flush / PART);
        (present < size && !left.is_zero()).then_some(left)
    }

    /// Notes that so much time went by; whoever came.
    pub(crate) fn waited(&mut self, time: Duration) {
        self.waited += time;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLUSH: Duration = Duration::from_micros(800);

    fn crowd(size: usize, took: [Duration; 2]) -> Crowd {
        let mut crowd = Crowd::default();
        took.into_iter().for_each(|took| crowd.committed(size, took));
        crowd
    }

    #[test]
    fn who_was_answered_alone_waits_for_nobody() {
        assert_eq!(Crowd::default().gather().patience(1), None);
        assert_eq!(crowd(1, [FLUSH, FLUSH]).gather().patience(1), None);
    }

    #[test]
    fn one_slow_commit_makes_nobody_wait_longer() {
        for took in [[FLUSH, FLUSH * 100], [FLUSH * 100, FLUSH]] {
            assert_eq!(crowd(2, took).gather().patience(1), Some(FLUSH / 8));
        }
    }

    #[test]
    fn a_crowd_waits_a_moment_for_each_that_is_missing_and_a_flush_at_most() {
        let mut gathering = crowd(64, [FLUSH, FLUSH]).gather();
        assert_eq!(gathering.patience(64), None);
        assert_eq!(gathering.patience(63), Some(Duration::from_micros(100)));
        gathering.waited(Duration::from_micros(750));
        assert_eq!(gathering.patience(63), Some(Duration::from_micros(50)));
        gathering.waited(Duration::from_micros(60));
        assert_eq!(gathering.patience(63), None);
    }
}
