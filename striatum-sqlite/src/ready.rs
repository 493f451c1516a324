//! Jobs that may be claimed: one of each run, then a second of each.

use rusqlite::{Connection, params_from_iter, types::Value};
use striatum_core::{
    id::{JobId, RunId},
    store::{ReadyJob, ReadyQuery},
    time::Timestamp,
};

use crate::{read::placeholders, row};

/// Selects what a query may be shown. Jobs that the caller was shown and still holds come last, so that one whose claims are
/// refused gets to see the others. Jobs that others hold keep their turn, so that the next caller goes on with the next run.
pub(crate) fn select(tx: &Connection, query: &ReadyQuery, now: Timestamp) -> rusqlite::Result<Vec<ReadyJob>> {
    let ReadyQuery { caller, chain, run, role, lane, adapters, except, limit, hold: _ } = query;
    let one_of = match adapters.len() {
        0 => String::new(),
        count => format!("AND j.adapter IN ({})", placeholders(9, count)),
    };
    let sql = format!(
        "WITH candidates AS (
             SELECT r.key, r.run, c.name AS chain, j.job, j.role, j.lane, j.adapter,
                    j.held_until > ?1 AS held, j.held_by IS ?2 AS own,
                    row_number() OVER (PARTITION BY r.run ORDER BY j.job) AS turn
             FROM runs r INDEXED BY runs_open
             CROSS JOIN chains c ON c.id = r.chain
             CROSS JOIN ready j ON j.run = r.key
             WHERE r.status = 'running' AND r.paused = 0
               AND r.parallel > (SELECT count(*) FROM leases l WHERE l.run = r.key)
               AND (?4 IS NULL OR c.name = ?4) AND (?5 IS NULL OR r.run = ?5)
               AND (?6 IS NULL OR j.role = ?6) AND (?7 IS NULL OR j.lane = ?7) {one_of}
               AND lower(hex(r.run)) || '/' || j.job NOT IN (SELECT value FROM json_each(?8))
               AND NOT EXISTS (SELECT 1 FROM timers t WHERE t.run = j.run AND t.job = j.timer_job
                                                        AND t.epoch = j.timer_epoch AND t.deadline > ?1)
               AND NOT EXISTS (SELECT 1 FROM json_each(j.wants) w CROSS JOIN resources x
                               ON x.scope = w.value ->> 0 AND x.name = w.value ->> 1 AND x.slot = w.value ->> 2))
         SELECT run, chain,
                (SELECT b.version + length(b.links) / 32 - 2 FROM batches b WHERE b.run = key
                 ORDER BY b.version DESC LIMIT 1),
                job, role, lane, adapter
         FROM candidates
         WHERE NOT held OR own ORDER BY held, turn, chain, run LIMIT ?3",
    );
    let text = |text: Option<&str>| text.map_or(Value::Null, |text| Value::Text(text.to_owned()));
    let parameters = [
        Value::Integer(row::micros(now)),
        Value::Blob(caller.as_bytes().to_vec()),
        Value::Integer(row::limit(*limit)),
        text(chain.as_ref().map(|chain| chain.as_str())),
        run.as_ref().map_or(Value::Null, |run| Value::Blob(run.as_bytes().to_vec())),
        text(role.as_ref().map(|role| role.as_str())),
        text(lane.as_ref().map(|lane| lane.as_str())),
        Value::Text(refused(except)),
    ];
    let adapters = adapters.iter().map(|adapter| Value::Text(adapter.clone()));
    tx.prepare_cached(&sql)?
        .query_map(params_from_iter(parameters.into_iter().chain(adapters)), |row| {
            Ok(ReadyJob {
                run: row::run(row, 0)?,
                chain: row::text(row, 1)?,
                version: row::uint(row, 2)?,
                job: row::text(row, 3)?,
                role: row::text(row, 4)?,
                lane: row::text(row, 5)?,
                adapter: row.get(6)?,
            })
        })?
        .collect()
}

/// A JSON array of `run/job`: one parameter, however many there are. Neither identities nor names have what JSON escapes.
fn refused(except: &[(RunId, JobId)]) -> String {
    let jobs: Vec<_> = except.iter().map(|(run, job)| format!("\"{run}/{job}\"")).collect();
    format!("[{}]", jobs.join(","))
}

/// Selects, and withholds what is shown from other callers for a while.
pub(crate) fn select_and_hold(
    tx: &Connection,
    query: &ReadyQuery,
    now: Timestamp,
) -> rusqlite::Result<Vec<ReadyJob>> {
    let jobs = select(tx, query, now)?;
    let mut hold = tx.prepare_cached(
        "UPDATE ready SET held_by = ?3, held_until = ?4
                           WHERE run = (SELECT key FROM run_keys WHERE run = ?1) AND job = ?2",
    )?;
    let until = row::micros(now.after(query.hold));
    for ReadyJob { run, job, .. } in &jobs {
        hold.execute((run.as_bytes(), job.as_str(), query.caller.as_bytes(), until))?;
    }
    Ok(jobs)
}
