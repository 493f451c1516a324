//! Batches as rows: one piece of memory for all bodies, on their way in and out.

use std::error::Error;

use bytes::{BufMut, Bytes, BytesMut};
use striatum_core::{chain::Sealed, digest::Digest, time::Timestamp};
use tokio_postgres::{
    Row,
    types::{IsNull, ToSql, Type, accepts, to_sql_checked},
};

use crate::{error::Fault, row};

/// What [`Stored::of`] reads.
pub(crate) const COLUMNS: &str = "seq, at, prev, digests, ends, bodies";

/// Bodies, one behind the other.
#[derive(Debug)]
pub(crate) struct Joined<'a>(pub(crate) &'a [Bytes]);

impl Joined<'_> {
    /// Where each of them ends.
    pub(crate) fn ends(&self) -> impl Iterator<Item = i32> {
        self.0.iter().scan(0, |end: &mut usize, body| {
            *end += body.len();
            Some(row::place(*end))
        })
    }
}

impl ToSql for Joined<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.iter().for_each(|body| out.put_slice(body));
        Ok(IsNull::No)
    }

    accepts!(BYTEA);
    to_sql_checked!();
}

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
