//! Which leases have lapsed, and when to look again.

use rusqlite::Connection;
use striatum_core::{id::ChainId, store::Due, time::Timestamp};

use crate::row;

/// The leases whose deadline has passed, longest first, and how long until the next deadline or timer.
pub(crate) fn due(
    tx: &Connection,
    chain: Option<&ChainId>,
    limit: usize,
    now: Timestamp,
) -> rusqlite::Result<Due> {
    let (chain, moment) = (chain.map(ChainId::as_str), row::micros(now));
    let lapsed = tx
        .prepare_cached(
            "SELECT k.run, l.job, l.epoch, l.session FROM leases l CROSS JOIN run_keys k ON k.key = l.run
             WHERE l.deadline <= ?1
                 AND (?2 IS NULL OR EXISTS (SELECT 1 FROM runs r JOIN chains c ON c.id = r.chain
                                            WHERE r.key = l.run AND c.name = ?2))
             ORDER BY l.deadline, k.run, l.job, l.epoch LIMIT ?3",
        )?
        .query_map((moment, chain, row::limit(limit)), row::fence)?
        .collect::<Result<_, _>>()?;
    let next = tx
        .prepare_cached(
            "SELECT min(deadline) FROM (SELECT run, deadline FROM leases WHERE deadline > ?1
                                        UNION ALL SELECT run, deadline FROM timers WHERE deadline > ?1) d
             WHERE ?2 IS NULL OR EXISTS (SELECT 1 FROM runs r JOIN chains c ON c.id = r.chain
                                         WHERE r.key = d.run AND c.name = ?2)",
        )?
        .query_row((moment, chain), |row| match row.get_ref(0)? {
            rusqlite::types::ValueRef::Null => Ok(None),
            _ => row::time(row, 0).map(Some),
        })?;
    Ok(Due { lapsed, next: next.map(|deadline| deadline.since(now)) })
}
