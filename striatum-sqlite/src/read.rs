//! Reading events, heads and lists. Every function here is given one transaction.

use std::iter;

use rusqlite::{Connection, OptionalExtension, params_from_iter, types::Value};
use striatum_core::{
    chain::{Position, Sealed},
    digest::Digest,
    id::{ChainId, RunId},
    store::{ChainInfo, Mark, Page, PageToken, RunHead, RunQuery, RunRow, RunSummary, StoreErrorKind},
    time::Timestamp,
};

use crate::{append, error::Fault, events, row};

/// The chains, by the bytes of their names: SQLite compares texts so, unless told otherwise.
pub(crate) fn chains(tx: &Connection) -> rusqlite::Result<Vec<ChainInfo>> {
    tx.prepare_cached("SELECT name, label, genesis, head_seq, head_digest FROM chains ORDER BY name")?
        .query_map([], |row| {
            Ok(ChainInfo {
                chain: row::text(row, 0)?,
                label: row.get(1)?,
                genesis: row::digest(row, 2)?,
                head: Position { seq: row::uint(row, 3)?, digest: row::digest(row, 4)? },
            })
        })?
        .collect()
}

/// The head of a chain.
pub(crate) fn head(tx: &Connection, chain: &ChainId) -> Result<Position, Fault> {
    tx.prepare_cached("SELECT head_seq, head_digest FROM chains WHERE name = ?1")?
        .query_row([chain.as_str()], |row| {
            Ok(Position { seq: row::uint(row, 0)?, digest: row::digest(row, 1)? })
        })
        .optional()?
        .ok_or_else(|| append::no_chain(chain))
}

/// How far a chain, or everything, has grown: one more than its events, so that the default mark is behind an empty chain.
pub(crate) fn mark(tx: &Connection, chain: Option<&ChainId>) -> Result<Mark, Fault> {
    let events = match chain {
        Some(chain) => head(tx, chain)?.seq,
        None => tx
            .prepare_cached("SELECT coalesce(sum(head_seq), 0) FROM chains")?
            .query_row([], |row| row::uint(row, 0))?,
    };
    Ok(Mark(events.saturating_add(1)))
}

/// Events of a chain as they are stored: whether they are sound is for the verifier to say.
pub(crate) fn chain(
    tx: &Connection,
    chain: &ChainId,
    after: Position,
    limit: usize,
) -> Result<Vec<Sealed>, Fault> {
    let (id, genesis): (i64, Digest) = tx
        .prepare_cached("SELECT id, genesis FROM chains WHERE name = ?1")?
        .query_row([chain.as_str()], |row| Ok((row.get(0)?, row::digest(row, 1)?)))
        .optional()?
        .ok_or_else(|| append::no_chain(chain))?;
    let found = match after.seq {
        0 => Some(genesis),
        seq => events::digest(tx, id, seq)?,
    };
    same_history(found, after.digest, || format!("chain {chain} at {}", after.seq))?;
    events::of_chain(tx, id, after.seq, limit)
}

/// Events of a run, each of which gives its digest.
pub(crate) fn run(tx: &Connection, run: RunId, after: RunHead, limit: usize) -> Result<Vec<Sealed>, Fault> {
    let found = events::run_digest(tx, run, after.version)?;
    same_history(found, after.digest, || format!("run {run} at {}", after.version))?;
    events::of_run(tx, run, after.version, limit)
}

fn same_history(found: Option<Digest>, seen: Digest, place: impl FnOnce() -> String) -> Result<(), Fault> {
    match found {
        Some(digest) if digest == seen => Ok(()),
        Some(digest) => {
            Err(Fault::rule(StoreErrorKind::HistoryChanged, format!("{} was {seen}, is {digest}", place())))
        }
        None => Err(Fault::rule(StoreErrorKind::HistoryChanged, format!("{} is no longer there", place()))),
    }
}

/// Runs, newest first.
pub(crate) fn runs(tx: &Connection, query: &RunQuery) -> Result<Page<RunSummary>, Fault> {
    let RunQuery { chain, statuses, active, after, limit } = query;
    let (time, run) = match after {
        Some(PageToken { created_at, run }) => {
            (row::micros(*created_at), Value::Blob(run.as_bytes().to_vec()))
        }
        None => (0, Value::Null),
    };
    let wanted = match statuses.len() {
        0 => String::new(),
        count => format!("AND r.status IN ({})", placeholders(5, count)),
    };
    // The planner is told which: it would take the other for the order, and then read past every finished run.
    let (indexed, state) = if *active { ("runs_active", "r.active = 1") } else { ("runs_by_age", "true") };
    let behind = if after.is_some() { "(r.created_at, r.run) < (?1, ?2)" } else { "true" };
    let sql = format!(
        "SELECT r.run, c.name, e.version + length(e.links) / 32 - 2, substr(e.links, -32), r.status, r.paused,
                max(r.parallel - (SELECT count(*) FROM leases l WHERE l.run = r.key), 0),
                r.workflow, r.active, r.created_at, e.at
         FROM runs r INDEXED BY {indexed} CROSS JOIN chains c ON c.id = r.chain
             LEFT JOIN batches e ON e.place = (SELECT b.place FROM batches b WHERE b.run = r.key
                                               ORDER BY b.version DESC LIMIT 1)
         WHERE {state} AND {behind} AND (?3 IS NULL OR c.name = ?3) {wanted}
         ORDER BY r.created_at DESC, r.run DESC LIMIT ?4",
    );
    let name = chain.as_ref().map_or(Value::Null, |chain| Value::Text(chain.to_string()));
    // One more than wanted tells whether there is more.
    let rows = Value::Integer(row::limit(limit.saturating_add(1)));
    let parameters = [Value::Integer(time), run, name, rows]
        .into_iter()
        .chain(statuses.iter().map(|status| Value::Text(status.as_str().to_owned())));
    let mut items: Vec<RunSummary> = tx
        .prepare_cached(&sql)?
        .query_map(params_from_iter(parameters), summary)?
        .collect::<Result<_, _>>()?;
    let more = items.len() > *limit;
    items.truncate(*limit);
    let last = items.last().map(|last| PageToken { created_at: last.created_at, run: last.run });
    Ok(Page { items, next: if more { last.or(*after) } else { None } })
}

/// `?n, ?n+1, …`
pub(crate) fn placeholders(first: usize, count: usize) -> String {
    let mut numbers = first..first.saturating_add(count);
    let head = numbers.next().map(|number| format!("?{number}"));
    iter::once(head.unwrap_or_default()).chain(numbers.map(|number| format!(", ?{number}"))).collect()
}

fn summary(row: &rusqlite::Row<'_>) -> rusqlite::Result<RunSummary> {
    let created_at: Timestamp = row::time(row, 9)?;
    Ok(RunSummary {
        run: row::run(row, 0)?,
        chain: row::text(row, 1)?,
        head: RunHead { version: row::uint(row, 2)?, digest: row::digest(row, 3)? },
        row: RunRow {
            status: row::text(row, 4)?,
            paused: row.get(5)?,
            room: row.get(6)?,
            workflow: row::text(row, 7)?,
            active: row.get(8)?,
        },
        created_at,
        updated_at: row::time(row, 10)?,
    })
}
