//! The table of events. It lies in the order of its chains, since a row's key is the chain and the number of the event in one. A
//! run is found batch by batch: the events of a batch stand one behind the other, in their run as in their chain.

use rusqlite::{Connection, OptionalExtension, Row};
use striatum_core::{
    chain::Sealed,
    digest::Digest,
    id::RunId,
    store::{RunHead, StoreErrorKind},
};

use crate::{error::Fault, heads::Known, row};

/// How many bits of a place are the number of the event. The others number the chain.
const BITS: u32 = 40;

/// Where an event stands in the table. Numbers that no event can have stand nowhere.
pub(crate) fn place(chain: i64, seq: u64) -> Option<i64> {
    let seq = i64::try_from(seq).ok().filter(|seq| *seq < 1 << BITS)?;
    Some(begin(chain)? | seq)
}

/// Where a chain begins: before its first event, and behind the last of the chain before.
fn begin(chain: i64) -> Option<i64> {
    (0..1 << (i64::BITS - 1 - BITS)).contains(&chain).then_some(chain << BITS)
}

/// Reads `place, at, prev, digest, body`.
fn sealed(row: &Row<'_>) -> rusqlite::Result<Sealed> {
    let mut event = row::sealed(row)?;
    event.seq &= (1 << BITS) - 1;
    Ok(event)
}

/// The digest of a chain's event.
pub(crate) fn digest(tx: &Connection, chain: i64, seq: u64) -> rusqlite::Result<Option<Digest>> {
    let Some(place) = place(chain, seq) else { return Ok(None) };
    tx.prepare_cached("SELECT digest FROM events WHERE place = ?1")?
        .query_row([place], |row| row::digest(row, 0))
        .optional()
}

/// Events of a chain behind one that is there, as they are stored.
pub(crate) fn of_chain(
    tx: &Connection,
    chain: i64,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Sealed>> {
    let (Some(after), Some(end)) = (place(chain, after), place(chain, (1 << BITS) - 1)) else {
        return Ok(Vec::new());
    };
    tx.prepare_cached(
        "SELECT place, at, prev, digest, body FROM events WHERE place > ?1 AND place <= ?2 ORDER BY place LIMIT ?3",
    )?
    .query_map((after, end, row::limit(limit)), sealed)?
    .collect()
}

/// Where a run stands by its events; no index is asked.
pub(crate) fn last(tx: &Connection, run: RunId) -> rusqlite::Result<Option<Known>> {
    // A batch without its last event is no head: the digest is missing then, which is an error.
    tx.prepare_cached(
        "SELECT b.run, b.place >> 40, b.version + b.size - 1, e.digest
         FROM run_keys k CROSS JOIN events b ON b.run = k.key AND b.size IS NOT NULL
             LEFT JOIN events e ON e.place = b.place + b.size - 1 AND e.run = b.run
         WHERE k.run = ?1 ORDER BY b.version DESC LIMIT 1",
    )?
    .query_row([run.as_bytes()], |row| {
        let head = RunHead { version: row::uint(row, 2)?, digest: row::digest(row, 3)? };
        Ok(Known { key: row.get(0)?, chain: row.get(1)?, head, standing: None })
    })
    .optional()
}

/// The digest of a run's event; of version 0, the one that stands for "nothing yet".
pub(crate) fn run_digest(tx: &Connection, run: RunId, version: u64) -> rusqlite::Result<Option<Digest>> {
    if version == 0 {
        return Ok(Some(Digest::ZERO));
    }
    tx.prepare_cached(
        "SELECT e.digest FROM events b CROSS JOIN events e ON e.place = b.place + (?2 - b.version)
         WHERE b.place = (SELECT f.place FROM run_keys k CROSS JOIN events f ON f.run = k.key AND f.size IS NOT NULL
                          WHERE k.run = ?1 AND f.version <= ?2 ORDER BY f.version DESC LIMIT 1)
             AND e.run = b.run AND e.version = ?2",
    )?
    .query_row((run.as_bytes(), row::int(version)), |row| row::digest(row, 0))
    .optional()
}

/// Events of a run behind one that is there. Each is the next of the run and gives its digest.
pub(crate) fn of_run(tx: &Connection, run: RunId, after: u64, limit: usize) -> Result<Vec<Sealed>, Fault> {
    let mut select = tx.prepare_cached(
        "SELECT e.place, e.at, e.prev, e.digest, e.body, e.version, e.run = b.run, b.version + b.size - 1
         FROM run_keys k CROSS JOIN events b ON b.run = k.key AND b.size IS NOT NULL
             CROSS JOIN events e ON e.place >= b.place AND e.place < b.place + b.size
         WHERE k.run = ?1 AND e.version > ?2
             AND b.version >= coalesce((SELECT max(f.version) FROM events f
                                        WHERE f.run = k.key AND f.version <= ?2 AND f.size IS NOT NULL), 0)
         ORDER BY b.version, e.place LIMIT ?3",
    )?;
    let mut rows = select.query((run.as_bytes(), row::int(after), row::limit(limit)))?;
    let corrupt = |text: String| Err(Fault::rule(StoreErrorKind::Corrupt, text));
    let (mut events, mut version, mut end) = (Vec::new(), after, after);
    while let Some(row) = rows.next()? {
        let event = sealed(row)?;
        version += 1;
        end = row::uint(row, 7)?;
        if row::uint(row, 5)? != version || !row.get::<_, bool>(6)? {
            return corrupt(format!("event {} stands where event {version} of run {run} should", event.seq));
        }
        if !event.is_sound() {
            return corrupt(format!("event {} of run {run} does not give its digest", event.seq));
        }
        events.push(event);
    }
    if events.len() < limit && version != end {
        return corrupt(format!("event {} of run {run} is missing", version + 1));
    }
    Ok(events)
}
