//! The hash chain: every event of a repository, sealed in one gapless order that anyone can verify offline.
//!
//! ```text
//! digest(0) = SHA-256("striatum.chain.v1" ‖ 0x00 ‖ chain id, UTF-8)
//! digest(n) = SHA-256(digest(n−1) ‖ be64(n) ‖ be64(at, µs since the Unix epoch) ‖ body)
//! ```
//!
//! The body is hashed as the bytes that were stored; nothing is ever serialised again. `docs/formats.md` gives the format
//! with test vectors.

use std::{fmt, str::FromStr};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{digest::Digest, id::ChainId, time::Timestamp};

mod verify;

pub use verify::{ChainError, ChainFault, Verifier};

const DOMAIN: &[u8] = b"striatum.chain.v1\0";

/// A place in a chain: the sequence number of an event and its digest.
///
/// It serves as the head of a chain and as a reader's cursor. The digest makes a cursor safe: after a restore from an older
/// copy the store answers that the history changed, where a bare number would silently skip or repeat events.
///
/// It is written as `seq:digest`, short enough to be noted down outside the store.
///
/// ```
/// use striatum_core::{chain::Position, digest::Digest};
///
/// let head = Position { seq: 7, digest: Digest::ZERO };
/// assert_eq!(head.to_string().parse(), Ok(head));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The number of the event; 0 stands for the beginning, before the first event.
    pub seq: u64,
    /// The digest of that event.
    pub digest: Digest,
}

impl Position {
    /// The beginning of a chain: sequence 0 and the digest that the chain's name gives.
    ///
    /// ```
    /// use striatum_core::{chain::Position, id::ChainId};
    ///
    /// let genesis = Position::genesis(&ChainId::new("demo")?);
    /// assert_eq!(genesis.seq, 0);
    /// let expected = "39d75ef29121d27e0aef5a2db526acaf1fbd66f0f14664e993db21fa5303b3f6";
    /// assert_eq!(genesis.digest.to_string(), expected);
    /// # Ok::<(), striatum_core::id::IdError>(())
    /// ```
    pub fn genesis(chain: &ChainId) -> Self {
        Self { seq: 0, digest: Digest::of_parts(&[DOMAIN, chain.as_str().as_bytes()]) }
    }

    /// The place of the event that is sealed behind this one with a body.
    pub fn next(self, at: Timestamp, body: &[u8]) -> Self {
        let seq = self.seq + 1;
        Self { seq, digest: link(&self.digest, seq, at, body) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.digest)
    }
}

/// The text is not a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a position (a sequence number, a colon, and 64 lower-case hexadecimal digits)")]
pub struct InvalidPosition(String);

impl FromStr for Position {
    type Err = InvalidPosition;
    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (seq, digest) = text.split_once(':').unwrap_or_default();
        // The standard parser would also take a sign.
        let seq = if seq.starts_with('+') { None } else { seq.parse().ok() };
        seq.zip(digest.parse().ok())
            .map(|(seq, digest)| Self { seq, digest })
            .ok_or_else(|| InvalidPosition(text.to_owned()))
    }
}

/// One event as the store holds it: its body, its place, its time, and what ties it to its predecessor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The number of the event in its chain, from 1, without gaps.
    pub seq: u64,
    /// When the store sealed it; never earlier than its predecessor.
    pub at: Timestamp,
    /// The digest of the predecessor.
    pub prev: Digest,
    /// The digest of this event.
    pub digest: Digest,
    /// The bytes that were hashed.
    pub body: Bytes,
}

impl Sealed {
    /// Seals a body behind `head`.
    pub fn seal(head: Position, at: Timestamp, body: Bytes) -> Self {
        let Position { seq, digest } = head.next(at, &body);
        Self { seq, at, prev: head.digest, digest, body }
    }

    /// Whether the digest is the one that the other fields give. That `prev` is really the predecessor's digest is for the
    /// [`Verifier`] to say, which sees both.
    pub fn is_sound(&self) -> bool {
        self.digest == link(&self.prev, self.seq, self.at, &self.body)
    }

    /// The place of this event.
    pub fn position(&self) -> Position {
        Position { seq: self.seq, digest: self.digest }
    }
}

fn link(prev: &Digest, seq: u64, at: Timestamp, body: &[u8]) -> Digest {
    // The first block as one piece: a hash takes whole blocks as they are, and has to put together what comes in parts.
    const FRONT: usize = 48;
    let mut block = [0; 64];
    let (start, rest) = body.split_at(body.len().min(block.len() - FRONT));
    block[..32].copy_from_slice(prev.as_bytes());
    block[32..40].copy_from_slice(&seq.to_be_bytes());
    block[40..FRONT].copy_from_slice(&at.as_micros().to_be_bytes());
    block[FRONT..FRONT + start.len()].copy_from_slice(start);
    Digest::of_parts(&[&block[..FRONT + start.len()], rest])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_the_digest_of_its_parts_whatever_the_length_of_the_body() {
        let (prev, seq, at) = (Digest::of(b"before"), 0x0102_0304_0506_0708_u64, Timestamp::from_micros(9));
        let body: Vec<u8> = (0..200).collect();
        for length in 0..=body.len() {
            let parts: [&[u8]; 4] =
                [prev.as_bytes(), &seq.to_be_bytes(), &at.as_micros().to_be_bytes(), &body[..length]];
            assert_eq!(link(&prev, seq, at, &body[..length]), Digest::of(&parts.concat()));
        }
    }
}
