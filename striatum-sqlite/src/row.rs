//! Values on their way into rows and out of them.

use std::{error::Error, str::FromStr};

use rusqlite::{Row, types::Type};
use striatum_core::{
    digest::Digest,
    id::{Fence, RunId, SessionId},
    store::TimerId,
    time::Timestamp,
};

/// SQLite's integers are signed. What does not fit is the far end of time, or of a page.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number of rows.
pub(crate) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// A moment as it can be stored; one beyond the year 294,000 is brought back into reach before it is hashed.
pub(crate) fn reachable(at: Timestamp) -> Timestamp {
    at.min(Timestamp::from_micros(i64::MAX.unsigned_abs()))
}

pub(crate) fn micros(at: Timestamp) -> i64 {
    int(at.as_micros())
}

pub(crate) fn uint(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

pub(crate) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    uint(row, column).map(Timestamp::from_micros)
}

pub(crate) fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    row.get(column).map(Digest::from_bytes)
}

pub(crate) fn run(row: &Row<'_>, column: usize) -> rusqlite::Result<RunId> {
    row.get(column).map(RunId::from_bytes)
}

/// A text that must be a name, or a status.
pub(crate) fn text<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    let text = row.get_ref(column)?.as_str()?;
    text.parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

/// Reads `run, job, epoch, session`.
pub(crate) fn fence(row: &Row<'_>) -> rusqlite::Result<Fence> {
    let session = row.get(3).map(SessionId::from_bytes)?;
    Ok(Fence { run: run(row, 0)?, job: text(row, 1)?, epoch: row.get(2)?, session })
}

/// Reads `run, job, epoch`.
pub(crate) fn timer(row: &Row<'_>) -> rusqlite::Result<TimerId> {
    Ok(TimerId { run: run(row, 0)?, job: text(row, 1)?, epoch: row.get(2)? })
}
