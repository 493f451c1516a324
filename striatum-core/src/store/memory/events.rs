//! The events of a chain, where they stay when there are more of them.

use std::ops::Index;

use bytes::{Bytes, BytesMut};

use crate::{
    chain::{Position, Sealed},
    time::Timestamp,
};

/// How many events lie one behind the other.
const EVENTS: usize = 512;

/// How much memory is taken for bodies at a time.
const BYTES: usize = 64 * 1024;

/// Events and their bodies, in large pieces that are filled and never moved.
#[derive(Default)]
pub(super) struct Events {
    pieces: Vec<Vec<Sealed>>,
    /// What is free of the last piece of memory for bodies.
    free: BytesMut,
}

impl Events {
    pub(super) fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * EVENTS + last.len())
    }

    pub(super) fn get(&self, place: usize) -> Option<&Sealed> {
        self.pieces.get(place / EVENTS)?.get(place % EVENTS)
    }

    pub(super) fn last(&self) -> Option<&Sealed> {
        self.pieces.last()?.last()
    }

    /// The events from this place on.
    pub(super) fn after(&self, place: usize) -> impl Iterator<Item = &Sealed> {
        let pieces = self.pieces.get(place / EVENTS..).unwrap_or_default();
        pieces.iter().flatten().skip(place % EVENTS)
    }

    /// Seals a body behind the head; returns the new one.
    pub(super) fn seal(&mut self, head: Position, at: Timestamp, body: &[u8]) -> Position {
        // Not the bytes as they are: they may be a slice of something large that they would keep alive.
        let sealed = Sealed::seal(head, at, self.keep(body));
        let head = sealed.position();
        match self.pieces.last_mut().filter(|last| last.len() < EVENTS) {
            Some(last) => last.push(sealed),
            None => {
                let mut piece = Vec::with_capacity(EVENTS);
                piece.push(sealed);
                self.pieces.push(piece);
            }
        }
        head
    }

    fn keep(&mut self, body: &[u8]) -> Bytes {
        if self.free.capacity() < body.len() {
            self.free = BytesMut::with_capacity(BYTES.max(body.len()));
        }
        self.free.extend_from_slice(body);
        self.free.split().freeze()
    }
}

impl Index<usize> for Events {
    type Output = Sealed;

    fn index(&self, place: usize) -> &Sealed {
        &self.pieces[place / EVENTS][place % EVENTS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn events_stand_where_they_were_sealed_whatever_their_number_and_size() {
        const NUMBER: usize = 3 * EVENTS;
        let mut events = Events::default();
        let mut head = Position { seq: 0, digest: Digest::ZERO };
        let body = |place: usize| vec![place as u8; if place == 7 { 2 * BYTES } else { place % 700 }];
        for place in 0..NUMBER {
            assert_eq!(events.len(), place);
            head = events.seal(head, Timestamp::default(), &body(place));
            assert_eq!(events.last().map(Sealed::position), Some(head));
        }
        for place in 0..NUMBER {
            assert_eq!(events[place].body, body(place));
            assert_eq!(events.get(place), Some(&events[place]));
        }
        assert_eq!(events.get(NUMBER), None);
        for place in [0, 1, EVENTS - 1, EVENTS, NUMBER - 1, NUMBER, 3 * NUMBER] {
            let seqs: Vec<_> = events.after(place).map(|event| event.seq).collect();
            assert_eq!(seqs, (place as u64 + 1..=NUMBER as u64).collect::<Vec<_>>());
        }
    }
}
