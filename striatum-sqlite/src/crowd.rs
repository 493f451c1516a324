//! How long a commit is held back for those who are about to ask.
//!
//! Those who were answered together ask again at about the same time, each after it has decided. Who finds the commit begun
//! waits for a whole flush, and a crowd falls into two halves of which one always waits for the other. So a group waits a
//! moment for those who were answered last, as long as they keep coming. Who was answered alone waits for nobody.
//!
//! Whoever waits for a crowd stays awake for it. A thread that sleeps is woken on the processor of those who ask, and gets to run
//! when nearly all of them have asked: then one works while the other waits.

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

/// Whether it is worth staying awake. Who offers its processor to others and gets it back late is on one that is wanted, where those
/// who sleep come first.
#[derive(Debug, Default)]
pub(crate) struct Vigil {
    asleep: u32,
}

/// Which part of a flush the next of them is waited for. In all it is one flush at most, which is what is to be spared.
const PART: u32 = 8;

/// How long one stays awake at most. A quick flush is hardly longer, and behind a slow one it counts little who is woken late, but a
/// processor that does nothing else does.
const AWAKE: Duration = Duration::from_micros(250);

/// How many waits are slept through once a processor came back late.
const ASLEEP: u32 = 256;

impl Crowd {
    /// Notes a commit. Of two the shorter counts: one that folded in the log, or met a busy disk, says little of the next.
    pub(crate) fn committed(&mut self, size: usize, took: Duration) {
        *self = Self { size, last: took, flush: took.min(self.last) };
    }

    /// How long those who were answered may take until the first of them asks again.
    pub(crate) fn pause(self) -> Duration {
        if self.size > 1 { self.flush } else { Duration::ZERO }
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

impl Vigil {
    /// How much of a wait to stay awake for.
    pub(crate) fn awake(&mut self, wait: Duration) -> Duration {
        if self.asleep > 0 {
            self.asleep -= 1;
            return Duration::ZERO;
        }
        wait.min(AWAKE)
    }

    /// Notes how long one was awake who offered the processor in between.
    pub(crate) fn ended(&mut self, took: Duration) {
        if took > AWAKE * 2 {
            self.asleep = ASLEEP;
        }
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
    fn a_crowd_is_given_a_flush_until_its_first_asks_again_and_one_alone_nothing() {
        assert_eq!(crowd(2, [FLUSH, FLUSH]).pause(), FLUSH);
        assert_eq!(crowd(1, [FLUSH, FLUSH]).pause(), Duration::ZERO);
        assert_eq!(Crowd::default().pause(), Duration::ZERO);
    }

    #[test]
    fn a_wait_is_spent_awake_unless_it_is_long_or_the_processor_is_wanted() {
        let mut vigil = Vigil::default();
        assert_eq!(vigil.awake(AWAKE / 2), AWAKE / 2);
        assert_eq!(vigil.awake(FLUSH * 100), AWAKE);
        vigil.ended(AWAKE * 2);
        assert_eq!(vigil.awake(AWAKE), AWAKE);
        vigil.ended(AWAKE * 3);
        assert!((0..ASLEEP).all(|_| vigil.awake(AWAKE).is_zero()));
        assert_eq!(vigil.awake(AWAKE), AWAKE);
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
