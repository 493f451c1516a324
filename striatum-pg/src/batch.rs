//! Batches as rows: one piece of memory for all bodies on their way out, as there is on their way in.

use bytes::Bytes;
use striatum_core::{chain::Sealed, digest::Digest, time::Timestamp};
use tokio_postgres::Row;

use crate::{error::Fault, row};

/// What [`Stored::of`] reads.
pub(crate) const COLUMNS: &str = "seq, at, prev, digests, ends, bodies";

/// A batch as it is stored: what it says of its size is for those to compare who go by it.
pub(crate) struct Stored<'a> {
    seq: u64,
    at: Timestamp,
    prev: Digest,
    digests: &'a [[u8; 32]],
    ends: Vec<usize>,
    bodies: Bytes,
}

impl<'a> Stored<'a> {
    /// # Errors
    /// [`Fault`] if what it holds is not a number of events.
    pub(crate) fn of(row: &'a Row) -> Result<Self, Fault> {
        let seq = row::uint(row, 0)?;
        let digests: &[u8] = row.try_get(3)?;
        let (digests, rest) = digests.as_chunks();
        let ends: Vec<i32> = row.try_get(4)?;
        let ends: Vec<usize> = ends.into_iter().map_while(|end| end.try_into().ok()).collect();
        let bodies: &[u8] = row.try_get(5)?;
        let is_whole = digests.len() == ends.len()
            && rest.is_empty()
            && ends.is_sorted()
            && ends.last() == Some(&bodies.len());
        if !is_whole {
            return Err(Fault::corrupt(format!(
                "the batch that begins with event {seq} cannot be taken apart"
            )));
        }
        let bodies = Bytes::copy_from_slice(bodies);
        Ok(Self { seq, at: row::time(row, 1)?, prev: row::digest(row, 2)?, digests, ends, bodies })
    }

    /// How many events it has.
    pub(crate) fn size(&self) -> u64 {
        self.ends.len() as u64
    }

    /// The number of its first event.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Its events, but for so many of the first.
    pub(crate) fn events(&self, skipped: u64) -> impl Iterator<Item = Sealed> {
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        (self.seq..).zip(0..self.ends.len()).skip(skipped).map(|(seq, nth)| {
            let before = nth.checked_sub(1);
            let digest = |nth: usize| Digest::from_bytes(self.digests[nth]);
            Sealed {
                seq,
                at: self.at,
                prev: before.map_or(self.prev, digest),
                digest: digest(nth),
                body: self.bodies.slice(before.map_or(0, |before| self.ends[before])..self.ends[nth]),
            }
        })
    }
}
