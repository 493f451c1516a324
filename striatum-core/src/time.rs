//! Time as a value. The core never reads a clock: whoever calls it says what time it is.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// A moment, in microseconds since the Unix epoch, UTC.
///
/// Timestamps are for people to read. Order is the sequence number of an event; no rule compares two timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment this many microseconds after the Unix epoch.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This moment moved forward; the far end of time if the sum does not fit.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this moment is; zero if it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Tells the time. Any `Fn() -> Timestamp` is a clock.
///
/// ```
/// use striatum_core::time::{Clock, Timestamp};
///
/// let stopped = || Timestamp::from_micros(42);
/// assert_eq!(Clock::now(&stopped).as_micros(), 42);
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The present moment. Two calls need not be in order.
    fn now(&self) -> Timestamp;
}

impl<F: Fn() -> Timestamp + Send + Sync + 'static> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

impl fmt::Debug for dyn Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
