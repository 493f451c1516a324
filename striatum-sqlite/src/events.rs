//! The table of batches. It lies in the order of its chains, since a row's key is the chain and the number of its first event in
//! one; and a run finds its rows by the version of their first events.

use rusqlite::{Connection, OptionalExtension, Params};
use striatum_core::{
    chain::{Position, Sealed},
    digest::Digest,
    id::RunId,
};

use crate::{
    error::Fault,
    heads::Known,
    row,
    stretch::{LAST, Stretch, place},
};

/// A query of rows, as [`Stretch::of`] reads them, from the table `b`.
macro_rules! select_rows {
    ($from:literal) => {
        concat!("SELECT b.place, b.at, b.version, b.links, b.cuts, b.bodies, b.lead, b.trail FROM ", $from)
    };
}

/// Looks at the row that a query finds, if there is one.
fn look<T>(
    tx: &Connection,
    sql: &str,
    values: impl Params,
    look: impl FnOnce(&Stretch<'_>) -> T,
) -> Result<Option<T>, Fault> {
    let mut select = tx.prepare_cached(sql)?;
    let mut rows = select.query(values)?;
    rows.next()?.map(|row| Stretch::of(row).map(|stretch| look(&stretch))).transpose()
}

/// Looks at the last row of a chain that begins no later than there.
fn look_back<T>(
    tx: &Connection,
    chain: i64,
    seq: u64,
    then: impl FnOnce(&Stretch<'_>, i64) -> T,
) -> Result<Option<T>, Fault> {
    let (Some(beginning), Some(place)) = (place(chain, 0), place(chain, seq)) else { return Ok(None) };
    let sql = select_rows!("batches b WHERE b.place > ?1 AND b.place <= ?2 ORDER BY b.place DESC LIMIT 1");
    look(tx, sql, (beginning, place), |stretch| then(stretch, place))
}

/// The digest of a chain's event.
pub(crate) fn digest(tx: &Connection, chain: i64, seq: u64) -> Result<Option<Digest>, Fault> {
    let found = look_back(tx, chain, seq, |stretch, place| stretch.digest(distance(stretch.place, place)))?;
    Ok(found.flatten())
}

/// The last event of a chain, if it has one.
pub(crate) fn end(tx: &Connection, chain: i64) -> Result<Option<Position>, Fault> {
    look_back(tx, chain, LAST, |stretch, _| stretch.position())
}

/// How many events stand from one place to another behind it.
fn distance(from: i64, to: i64) -> usize {
    usize::try_from(to.saturating_sub(from)).unwrap_or_default()
}

// With a second bound from below SQLite might seek the other one, and then a page would cost the whole chain.
const CHAIN: &str = select_rows!("batches b WHERE b.place >= ?1 AND b.place <= ?2 ORDER BY b.place");

/// Events of a chain behind one that is there, as they are stored.
pub(crate) fn of_chain(tx: &Connection, chain: i64, after: u64, limit: usize) -> Result<Vec<Sealed>, Fault> {
    let (Some(beginning), Some(after), Some(last)) =
        (place(chain, 0), place(chain, after), place(chain, LAST))
    else {
        return Ok(Vec::new());
    };
    // One row more than is needed, so that the first one that is cannot lie over it unseen.
    let first: Option<i64> = tx
        .prepare_cached(
            "SELECT place FROM batches WHERE place > ?1 AND place <= ?2 ORDER BY place DESC LIMIT 1 OFFSET 1",
        )?
        .query_row((beginning, after), |row| row.get(0))
        .optional()?;
    let mut select = tx.prepare_cached(CHAIN)?;
    let mut rows = select.query((first.unwrap_or(beginning + 1), last))?;
    let (mut events, mut end) = (Vec::new(), beginning);
    while events.len() < limit
        && let Some(row) = rows.next()?
    {
        let stretch = Stretch::of(row)?;
        if stretch.place < end {
            return Err(Fault::corrupt(format!("event {} stands in two rows", stretch.place - beginning)));
        }
        end = stretch.end();
        events.extend(stretch.events(distance(stretch.place, after + 1), limit - events.len()));
    }
    Ok(events)
}

/// Where a run stands by its events; no index is asked.
pub(crate) fn last(tx: &Connection, run: RunId) -> Result<Option<Known>, Fault> {
    let key = tx
        .prepare_cached("SELECT key FROM run_keys WHERE run = ?1")?
        .query_row([run.as_bytes()], |row| row.get(0))
        .optional()?;
    let Some(key) = key else { return Ok(None) };
    let sql = select_rows!("batches b WHERE b.run = ?1 ORDER BY b.version DESC LIMIT 1");
    look(tx, sql, [key], |stretch| Known {
        key,
        chain: stretch.chain(),
        head: stretch.head(),
        standing: None,
    })
}

/// The digest of a run's event; of version 0, the one that stands for "nothing yet".
pub(crate) fn run_digest(tx: &Connection, run: RunId, version: u64) -> Result<Option<Digest>, Fault> {
    if version == 0 {
        return Ok(Some(Digest::ZERO));
    }
    let sql = select_rows!(
        "run_keys k CROSS JOIN batches b ON b.run = k.key
         WHERE k.run = ?1 AND b.version <= ?2 ORDER BY b.version DESC LIMIT 1"
    );
    let found = look(tx, sql, (run.as_bytes(), row::int(version)), |stretch| {
        stretch.digest(usize::try_from(version.saturating_sub(stretch.version)).unwrap_or(usize::MAX))
    })?;
    Ok(found.flatten())
}

const RUN: &str = select_rows!(
    "run_keys k CROSS JOIN batches b ON b.run = k.key
     WHERE k.run = ?1
         AND b.version >= coalesce((SELECT max(f.version) FROM batches f
                                    WHERE f.run = k.key AND f.version <= ?2), 0)
     ORDER BY b.version"
);

/// Events of a run behind one that is there. Each is the next of the run and gives its digest.
pub(crate) fn of_run(tx: &Connection, run: RunId, after: u64, limit: usize) -> Result<Vec<Sealed>, Fault> {
    let mut select = tx.prepare_cached(RUN)?;
    let mut rows = select.query((run.as_bytes(), row::int(after)))?;
    let (mut events, mut before) = (Vec::new(), None);
    while events.len() < limit
        && let Some(row) = rows.next()?
    {
        let stretch = Stretch::of(row)?;
        let wanted = after + events.len() as u64 + 1;
        let skip = wanted.checked_sub(stretch.version).and_then(|skip| usize::try_from(skip).ok());
        // Only the first row may hold events that are not wanted. The others follow, in the same chain.
        let skip = skip.filter(|skip| match before {
            None => *skip <= stretch.len(),
            Some((end, chain)) => *skip == 0 && end <= stretch.place && chain == stretch.chain(),
        });
        let Some(skip) = skip else {
            return Err(Fault::corrupt(format!(
                "event {} stands where event {wanted} of run {run} should",
                stretch.version
            )));
        };
        before = Some((stretch.end(), stretch.chain()));
        for event in stretch.events(skip, limit - events.len()) {
            if !event.is_sound() {
                return Err(Fault::corrupt(format!(
                    "event {} of run {run} does not give its digest",
                    event.seq
                )));
            }
            events.push(event);
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rusqlite::StatementStatus;
    use striatum_core::{id::ChainId, time::Timestamp};

    use super::*;
    use crate::{schema, stretch::Draft};

    #[test]
    fn a_page_costs_the_same_wherever_it_begins() {
        const EVENTS: u64 = 1_000;
        let db = Connection::open_in_memory().unwrap();
        schema::prepare(&db, Timestamp::default()).unwrap();
        let run = RunId::from_bytes([1; 16]);
        db.execute("INSERT INTO run_keys (run) VALUES (?1)", [run.as_bytes()]).unwrap();
        let mut head = Position::genesis(&ChainId::new("demo").unwrap());
        let mut insert = db.prepare("INSERT INTO batches VALUES (?1, 0, 1, ?2, ?3, '', ?4, 0, 0)").unwrap();
        for _ in 0..EVENTS {
            let event = Sealed::seal(head, Timestamp::default(), Bytes::from_static(b"{}"));
            head = event.position();
            let mut draft = Draft::default();
            draft.push(&event.prev, &event.digest, &event.body);
            insert.execute((place(1, event.seq), row::int(event.seq), draft.links, draft.bodies)).unwrap();
        }
        let steps = |sql| db.prepare_cached(sql).unwrap().reset_status(StatementStatus::VmStep);
        let costs = [2, EVENTS / 2, EVENTS - 3].map(|after| {
            assert_eq!(of_chain(&db, 1, after, 3).unwrap().len(), 3);
            assert_eq!(of_run(&db, run, after, 3).unwrap().len(), 3);
            (steps(CHAIN), steps(RUN))
        });
        assert!(costs[0].0 > 0 && costs[0].1 > 0);
        assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
    }
}
