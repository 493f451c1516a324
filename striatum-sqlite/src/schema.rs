//! The format of the file: whose it is, which version it has, and how it gets there.

use rusqlite::Connection;
use striatum_core::{digest::Digest, store::StoreErrorKind, time::Timestamp};

use crate::{error::Fault, row};

/// `STRM`, in the header of the file.
const APPLICATION_ID: i64 = 0x5354_524d;

struct Migration {
    name: &'static str,
    sql: &'static str,
}

/// Forward only. A released migration is never edited: its checksum stands in every file that it made.
const MIGRATIONS: &[Migration] = &[
    Migration { name: "initial", sql: include_str!("../migrations/0001_initial.sql") },
    Migration { name: "places", sql: include_str!("../migrations/0002_places.sql") },
    Migration { name: "standings", sql: include_str!("../migrations/0003_standings.sql") },
    Migration { name: "batches", sql: include_str!("../migrations/0004_batches.sql") },
    Migration { name: "openings", sql: include_str!("../migrations/0005_openings.sql") },
];

/// Checks that the file is ours or empty, and brings it to the version of this crate in one transaction.
///
/// Nothing is written before the file is known to be ours.
pub(crate) fn prepare(connection: &Connection, now: Timestamp) -> Result<(), Fault> {
    let present = check(connection)?;
    if present == MIGRATIONS.len() {
        return Ok(());
    }
    connection.execute_batch("BEGIN EXCLUSIVE")?;
    let migrated = migrate(connection, present, now).and_then(|()| Ok(connection.execute_batch("COMMIT")?));
    if migrated.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    migrated
}

/// Checks that the file is ours and has exactly the version of this crate.
pub(crate) fn check_current(connection: &Connection) -> Result<(), Fault> {
    let present = check(connection)?;
    if present == MIGRATIONS.len() {
        return Ok(());
    }
    Err(Fault::rule(
        StoreErrorKind::Schema,
        format!(
            "the file has version {present} of the format; open it for writing once to bring it to {}",
            { MIGRATIONS.len() }
        ),
    ))
}

fn migrate(connection: &Connection, present: usize, now: Timestamp) -> Result<(), Fault> {
    for (version, migration) in numbered().skip(present) {
        connection.execute_batch(migration.sql)?;
        connection.execute(
            "INSERT INTO migrations (version, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)",
            (version, migration.name, checksum(migration).as_bytes(), row::micros(now)),
        )?;
        connection.pragma_update(None, "user_version", version)?;
    }
    Ok(connection.pragma_update(None, "application_id", APPLICATION_ID)?)
}

/// How many migrations the file has seen; zero for an empty file.
fn check(connection: &Connection) -> Result<usize, Fault> {
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if (application, version, tables) == (0, 0, 0) {
        return Ok(0);
    }
    let refuse = |text: String| Err(Fault::rule(StoreErrorKind::Schema, text));
    if application != APPLICATION_ID {
        return refuse(format!("the file is a database of another application ({application:#x})"));
    }
    let newest = row::limit(MIGRATIONS.len());
    if version > newest {
        return refuse(format!("the file has version {version} of the format, this program knows {newest}"));
    }
    let applied: Vec<(i64, [u8; 32])> = connection
        .prepare("SELECT version, checksum FROM migrations ORDER BY version")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let known = numbered().map(|(version, migration)| (version, *checksum(migration).as_bytes()));
    if row::limit(applied.len()) != version || !applied.iter().copied().eq(known.take(applied.len())) {
        return refuse("the migrations that made the file are not those of this program".to_owned());
    }
    Ok(applied.len())
}

fn numbered() -> impl Iterator<Item = (i64, &'static Migration)> {
    (1..).zip(MIGRATIONS)
}

fn checksum(migration: &Migration) -> Digest {
    Digest::of(migration.sql.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_migration_is_never_edited() {
        let released = [
            "4c74685fa359b143b123ffcfca6e8d3799a64d808fe8d52bec1f1394ecaf95cc",
            "ff697f2edf3a98b9f8a3cc7062eda8a5a3de24973f7f20d89d19be915be89256",
            "c3beee4e96e15c5f4e8243fc9334f0a4513209ec768873465e63bf5bb5255736",
            "adfd194e09c7bfa050375921844b35e72e0bba1aee45e3e720baedea1a97d428",
            "a4ea5c93eec592199e022fe666012d3aa7ddb968d1c8a7607cb4546594df924c",
        ];
        let found: Vec<String> = MIGRATIONS.iter().map(|m| checksum(m).to_string()).collect();
        assert_eq!(found, released);
    }
}
