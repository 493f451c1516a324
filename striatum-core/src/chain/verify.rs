//! Verification of a chain, one event at a time, in constant memory.

use crate::{
    chain::{Position, Sealed, link},
    digest::Digest,
    id::ChainId,
    time::Timestamp,
};

/// In which way a history is not sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainFault {
    /// The stored beginning is not the one that the chain's name gives.
    Genesis,
    /// The event's bytes, time or link do not give its digest: something in this row was changed.
    Altered,
    /// The event's digest is right for another sequence number: rows were swapped or renumbered.
    Moved,
    /// The sequence skips: one or more events are gone.
    Missing,
    /// The event is sound in itself but does not follow its predecessor: one of the two was replaced, or it was inserted.
    Unlinked,
    /// The event's time is before its predecessor's.
    Time,
    /// The stored head does not name the last event: events are gone from the tail, or stand behind the head.
    Head,
    /// The chain does not contain the position that was expected: its tail was dropped or rewritten.
    Expectation,
}

impl ChainFault {
    /// Every class.
    pub const ALL: [Self; 8] = [
        Self::Genesis,
        Self::Altered,
        Self::Moved,
        Self::Missing,
        Self::Unlinked,
        Self::Time,
        Self::Head,
        Self::Expectation,
    ];

    /// The stable code of this class.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Genesis => "chain_genesis",
            Self::Altered => "chain_altered",
            Self::Moved => "chain_moved",
            Self::Missing => "chain_missing",
            Self::Unlinked => "chain_unlinked",
            Self::Time => "chain_time",
            Self::Head => "chain_head",
            Self::Expectation => "chain_expectation",
        }
    }

    /// What this class says, for whoever meets it for the first time.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Genesis => {
                "a chain begins with a digest of its own name; the stored one is another, so the beginning was changed or the chain renamed"
            }
            Self::Altered => {
                "something in this row was changed after it was written: its text, its time, its digest or its link to the event before it"
            }
            Self::Moved => {
                "this event was written for another place: events were swapped, or one was inserted or removed and the rest renumbered"
            }
            Self::Missing => "one or more events were removed, and their numbers with them",
            Self::Unlinked => {
                "this event is whole, but it was written behind another event than the one that stands before it: one of the two was replaced, or one was inserted"
            }
            Self::Time => "this event says that it is older than the one before it, which no store writes",
            Self::Head => {
                "the store's own note of its last event does not agree with the events: events were removed from the end, added behind it, or the note was changed"
            }
            Self::Expectation => {
                "the history no longer contains the event that was noted down earlier: its end was dropped or written anew, or the note is of another store"
            }
        }
    }

    /// What to do next.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Expectation => {
                "check that the note belongs to this store and chain; if it does, keep this file for whoever investigates, and find a copy that contains the noted event"
            }
            Self::Genesis
            | Self::Altered
            | Self::Moved
            | Self::Missing
            | Self::Unlinked
            | Self::Time
            | Self::Head => {
                "stop every program that writes to this store, keep the file for whoever investigates, and restore a copy that verifies; trust nothing from the named event on"
            }
        }
    }
}

/// Where a history stops being sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} at sequence {seq}: {detail}", fault.code())]
pub struct ChainError {
    /// The class of the fault.
    pub fault: ChainFault,
    /// The first sequence number that is not as it should be.
    pub seq: u64,
    /// What was found, for a person.
    pub detail: String,
}

/// Checks that events follow one another, each tied to the one before.
///
/// ```
/// use bytes::Bytes;
/// use striatum_core::chain::{Position, Sealed, Verifier};
/// use striatum_core::{id::ChainId, time::Timestamp};
///
/// let chain = ChainId::new("demo")?;
/// let first = Sealed::seal(Position::genesis(&chain), Timestamp::from_micros(1), Bytes::from_static(b"{}"));
/// let mut verifier = Verifier::new(&chain);
/// verifier.push(&first)?;
/// assert_eq!(verifier.finish(first.position())?, first.position());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Verifier {
    last: Position,
    at: Timestamp,
    expected: Option<Position>,
}

impl Verifier {
    /// Starts at the beginning of the chain.
    pub fn new(chain: &ChainId) -> Self {
        Self { last: Position::genesis(chain), at: Timestamp::default(), expected: None }
    }

    /// Also demands that the chain contains this position, noted earlier by someone who does not trust the store: the only
    /// way to notice that a whole tail was dropped together with its head record.
    #[must_use]
    pub fn expecting(mut self, position: Position) -> Self {
        self.expected = Some(position);
        self
    }

    /// Checks the stored beginning against the one that the chain's name gives.
    ///
    /// # Errors
    /// [`ChainFault::Genesis`].
    pub fn genesis(&self, stored: Digest) -> Result<(), ChainError> {
        if self.last.seq == 0 && stored != self.last.digest {
            return Err(ChainError {
                fault: ChainFault::Genesis,
                seq: 0,
                detail: format!("stored {stored}, but the name of the chain gives {}", self.last.digest),
            });
        }
        Ok(())
    }

    /// Checks the next event, in stored order.
    ///
    /// # Errors
    /// The class of the first fault that the event shows.
    pub fn push(&mut self, event: &Sealed) -> Result<(), ChainError> {
        let expected = self.last.seq + 1;
        if let Some((fault, detail)) = self.fault(event, expected) {
            let seq = if fault == ChainFault::Missing { expected } else { event.seq };
            return Err(ChainError { fault, seq, detail });
        }
        self.last = event.position();
        self.at = event.at;
        self.meet_expectation()
    }

    fn fault(&self, event: &Sealed, expected: u64) -> Option<(ChainFault, String)> {
        if event.seq > expected {
            return Some((ChainFault::Missing, format!("the next stored event is {}", event.seq)));
        }
        if event.seq < expected {
            return Some((ChainFault::Moved, format!("expected {expected}")));
        }
        if !event.is_sound() {
            // A row that was renumbered still carries the digest of its old number. Neighbours are the likely ones.
            let old = (event.seq.saturating_sub(64)..event.seq + 64)
                .find(|seq| link(&event.prev, *seq, event.at, &event.body) == event.digest);
            return Some(match old {
                Some(old) => (ChainFault::Moved, format!("its digest was made for sequence {old}")),
                None => (ChainFault::Altered, "its stored bytes do not give its digest".to_owned()),
            });
        }
        if event.prev != self.last.digest {
            return Some((
                ChainFault::Unlinked,
                format!("it follows {}, but the event before it is {}", event.prev, self.last.digest),
            ));
        }
        (event.at < self.at)
            .then(|| (ChainFault::Time, "its time is before that of the event before it".to_owned()))
    }

    fn meet_expectation(&mut self) -> Result<(), ChainError> {
        match self.expected {
            Some(expected) if expected.seq == self.last.seq && expected != self.last => Err(ChainError {
                fault: ChainFault::Expectation,
                seq: expected.seq,
                detail: format!("expected {}, found {}", expected.digest, self.last.digest),
            }),
            _ => Ok(()),
        }
    }

    /// Ends the verification and compares with the head that the store claims; returns the last position.
    ///
    /// # Errors
    /// [`ChainFault::Head`] if the head names another event, [`ChainFault::Expectation`] if the chain ends before the
    /// expected position.
    pub fn finish(mut self, head: Position) -> Result<Position, ChainError> {
        if self.last.seq == 0 {
            self.meet_expectation()?;
        }
        if let Some(expected) = self.expected.filter(|expected| expected.seq > self.last.seq) {
            return Err(ChainError {
                fault: ChainFault::Expectation,
                seq: self.last.seq + 1,
                detail: format!("the chain ends at {}, but {} was seen before", self.last.seq, expected.seq),
            });
        }
        if head != self.last {
            return Err(ChainError {
                fault: ChainFault::Head,
                seq: head.seq.min(self.last.seq) + u64::from(head.seq != self.last.seq),
                detail: format!("the head names sequence {}, the last event is {}", head.seq, self.last.seq),
            });
        }
        Ok(self.last)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn chain() -> ChainId {
        ChainId::new("test").unwrap()
    }

    fn history(events: u64) -> Vec<Sealed> {
        let mut head = Position::genesis(&chain());
        (1..=events)
            .map(|n| {
                let sealed =
                    Sealed::seal(head, Timestamp::from_micros(n * 10), Bytes::from(format!("{{\"n\":{n}}}")));
                head = sealed.position();
                sealed
            })
            .collect()
    }

    fn verify(events: &[Sealed], head: Position) -> Result<Position, (ChainFault, u64)> {
        let mut verifier = Verifier::new(&chain());
        events
            .iter()
            .try_for_each(|event| verifier.push(event))
            .and_then(|()| verifier.finish(head))
            .map_err(|error| (error.fault, error.seq))
    }

    #[test]
    fn a_sound_history_verifies() {
        let events = history(5);
        assert_eq!(verify(&events, events[4].position()), Ok(events[4].position()));
        assert_eq!(verify(&[], Position::genesis(&chain())), Ok(Position::genesis(&chain())));
    }

    #[test]
    fn every_kind_of_tampering_is_named_with_the_first_bad_sequence() {
        type Tampering = (&'static str, fn(&mut Vec<Sealed>), ChainFault, u64);
        let tamper: [Tampering; 7] = [
            ("flipped byte", |e| e[2].body = Bytes::from_static(b"{\"n\":4}"), ChainFault::Altered, 3),
            ("changed time", |e| e[2].at = Timestamp::from_micros(31), ChainFault::Altered, 3),
            (
                "swapped rows",
                |e| {
                    e.swap(1, 2);
                    e[1].seq = 2;
                    e[2].seq = 3
                },
                ChainFault::Moved,
                2,
            ),
            (
                "dropped row",
                |e| {
                    e.remove(1);
                },
                ChainFault::Missing,
                2,
            ),
            (
                "replaced row",
                |e| {
                    let forged = Sealed::seal(e[0].position(), e[1].at, Bytes::from_static(b"{}"));
                    e[1] = forged;
                },
                ChainFault::Unlinked,
                3,
            ),
            (
                "backward time",
                |e| {
                    let late =
                        Sealed::seal(e[3].position(), Timestamp::from_micros(1), Bytes::from_static(b"{}"));
                    e[4] = late;
                },
                ChainFault::Time,
                5,
            ),
            (
                "dropped tail",
                |e| {
                    e.pop();
                },
                ChainFault::Head,
                5,
            ),
        ];
        for (name, change, fault, seq) in tamper {
            let mut events = history(5);
            let head = events[4].position();
            change(&mut events);
            assert_eq!(verify(&events, head), Err((fault, seq)), "{name}");
        }
    }

    #[test]
    fn an_expectation_catches_a_dropped_or_rewritten_tail() {
        let events = history(3);
        let check = |until: usize, expected: Position| {
            let mut verifier = Verifier::new(&chain()).expecting(expected);
            events[..until].iter().try_for_each(|event| verifier.push(event))?;
            verifier.finish(events[until - 1].position())
        };
        assert!(check(3, events[1].position()).is_ok());
        assert_eq!(check(2, events[2].position()).unwrap_err().fault, ChainFault::Expectation);
        let forged = Position { seq: 2, digest: Digest::ZERO };
        assert_eq!(check(3, forged).unwrap_err().seq, 2);
    }
}
