//! Values on their way into statements and out of rows.

use std::{error::Error, str::FromStr, time::Duration};

use bytes::{BufMut, BytesMut};
use striatum_core::{
    digest::Digest,
    id::{InstanceId, RunId, SessionId},
    time::Timestamp,
};
use tokio_postgres::{
    Row,
    types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked},
};

use crate::error::Fault;

/// Longer than any store lasts, in microseconds, and still so when the present is added.
const FOREVER: u64 = 4_000_000_000_000_000_000;

/// An identity in a column of type `uuid`, which Postgres also compares by its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id([u8; 16]);

impl From<RunId> for Id {
    fn from(id: RunId) -> Self {
        Self(*id.as_bytes())
    }
}

impl From<SessionId> for Id {
    fn from(id: SessionId) -> Self {
        Self(*id.as_bytes())
    }
}

impl From<InstanceId> for Id {
    fn from(id: InstanceId) -> Self {
        Self(*id.as_bytes())
    }
}

impl From<Id> for RunId {
    fn from(Id(bytes): Id) -> Self {
        Self::from_bytes(bytes)
    }
}

impl From<Id> for SessionId {
    fn from(Id(bytes): Id) -> Self {
        Self::from_bytes(bytes)
    }
}

impl ToSql for Id {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    accepts!(UUID);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Id {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw.try_into()?))
    }

    accepts!(UUID);
}

/// Postgres' integers are signed. What does not fit is the far end of a page.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A place in an array, or a length. There are fewer than a thousand million of anything here.
pub(crate) fn place(nth: usize) -> i32 {
    i32::try_from(nth).unwrap_or(i32::MAX)
}

/// A number of rows.
pub(crate) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// A length of time in microseconds, to which the database can add its clock.
pub(crate) fn term(duration: Duration) -> i64 {
    int(u64::try_from(duration.as_micros()).unwrap_or(FOREVER).min(FOREVER))
}

pub(crate) fn uint(row: &Row, column: usize) -> Result<u64, Fault> {
    unsigned(row.try_get(column)?)
}

pub(crate) fn unsigned(value: i64) -> Result<u64, Fault> {
    u64::try_from(value).map_err(|_| Fault::corrupt(format!("{value} is below zero")))
}

/// An epoch, or a slot.
pub(crate) fn small(value: i64) -> Result<u32, Fault> {
    u32::try_from(value).map_err(|_| Fault::corrupt(format!("{value} is out of range")))
}

pub(crate) fn time(row: &Row, column: usize) -> Result<Timestamp, Fault> {
    uint(row, column).map(Timestamp::from_micros)
}

pub(crate) fn digest(row: &Row, column: usize) -> Result<Digest, Fault> {
    as_digest(row.try_get(column)?)
}

pub(crate) fn as_digest(bytes: &[u8]) -> Result<Digest, Fault> {
    let wrong = |_| Fault::corrupt(format!("a digest of {} bytes", bytes.len()));
    bytes.try_into().map(Digest::from_bytes).map_err(wrong)
}

pub(crate) fn run(row: &Row, column: usize) -> Result<RunId, Fault> {
    Ok(row.try_get::<_, Id>(column)?.into())
}

/// A text that must be a name, or a status.
pub(crate) fn text<T>(row: &Row, column: usize) -> Result<T, Fault>
where
    T: FromStr<Err: Error>,
{
    name(row.try_get(column)?)
}

pub(crate) fn name<T>(text: &str) -> Result<T, Fault>
where
    T: FromStr<Err: Error>,
{
    text.parse().map_err(|error: T::Err| Fault::corrupt(error.to_string()))
}
