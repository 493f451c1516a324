//! The rows that events imply: applying a delta, forgetting a run, renewing leases, and what has come due.

use std::time::Duration;

use rusqlite::Connection;
use striatum_core::{
    id::{Fence, RunId},
    store::{Due, IndexDelta, ReadyRow, Renewal, Resource, RunHead, StoreErrorKind},
    time::Timestamp,
};

use crate::{error::Fault, row};

/// Where a run stands in its chain.
pub(crate) struct RunPlace {
    pub(crate) chain: i64,
    pub(crate) head: RunHead,
    pub(crate) at: Timestamp,
}

/// Writes the run's row and changes the others by the delta, removals before insertions.
pub(crate) fn apply(
    tx: &Connection,
    run: RunId,
    place: &RunPlace,
    delta: &IndexDelta,
    now: Timestamp,
) -> Result<(), Fault> {
    put_run(tx, run, place, delta)?;
    for job in &delta.unready {
        tx.prepare_cached("DELETE FROM ready WHERE run = ?1 AND job = ?2")?
            .execute((run.as_bytes(), job.as_str()))?;
        forget_wants(tx, run, job.as_str())?;
    }
    for Fence { job, epoch, session, .. } in &delta.ended {
        tx.prepare_cached("DELETE FROM leases WHERE run = ?1 AND job = ?2 AND epoch = ?3 AND session = ?4")?
            .execute((run.as_bytes(), job.as_str(), epoch, session.as_bytes()))?;
    }
    for timer in &delta.stopped {
        tx.prepare_cached("DELETE FROM timers WHERE run = ?1 AND job = ?2 AND epoch = ?3")?.execute((
            run.as_bytes(),
            timer.job.as_str(),
            timer.epoch,
        ))?;
    }
    for ready in &delta.ready {
        put_ready(tx, run, ready)?;
    }
    // A lease or a timer that stands there keeps its deadline: only a renewal moves it.
    for lease in &delta.granted {
        let Fence { job, epoch, session, .. } = &lease.fence;
        tx.prepare_cached(
            "INSERT INTO leases (run, job, epoch, session, deadline) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING",
        )?
        .execute((
            run.as_bytes(),
            job.as_str(),
            epoch,
            session.as_bytes(),
            row::micros(now.after(lease.term)),
        ))?;
    }
    for timer in &delta.started {
        tx.prepare_cached(
            "INSERT INTO timers (run, job, epoch, deadline) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )?
        .execute((
            run.as_bytes(),
            timer.id.job.as_str(),
            timer.id.epoch,
            row::micros(now.after(timer.after)),
        ))?;
    }
    Ok(())
}

/// Deletes all rows of a run but its own and those of the resources that it holds, which no delta names.
pub(crate) fn forget(tx: &Connection, run: RunId) -> rusqlite::Result<()> {
    for delete in [
        "DELETE FROM ready WHERE run = ?1",
        "DELETE FROM wants WHERE run = ?1",
        "DELETE FROM leases WHERE run = ?1",
        "DELETE FROM timers WHERE run = ?1",
    ] {
        tx.prepare_cached(delete)?.execute([run.as_bytes()])?;
    }
    Ok(())
}

/// Deletes what [`forget`] deletes, of every run.
pub(crate) fn forget_all(tx: &Connection) -> rusqlite::Result<()> {
    tx.execute_batch("DELETE FROM ready; DELETE FROM wants; DELETE FROM leases; DELETE FROM timers;")
}

fn put_run(tx: &Connection, run: RunId, place: &RunPlace, delta: &IndexDelta) -> rusqlite::Result<()> {
    let RunPlace { chain, head, at } = place;
    tx.prepare_cached(
        "INSERT INTO runs (run, chain, version, digest, status, paused, room, workflow, updated_at, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, (SELECT at FROM events WHERE run = ?1 AND version = 1))
         ON CONFLICT (run) DO UPDATE SET
             version = excluded.version, digest = excluded.digest, status = excluded.status,
             paused = excluded.paused, room = excluded.room, workflow = excluded.workflow,
             updated_at = excluded.updated_at",
    )?
    .execute((
        run.as_bytes(),
        chain,
        row::int(head.version),
        head.digest.as_bytes(),
        delta.run.status.as_str(),
        delta.run.paused,
        delta.run.room,
        delta.run.workflow.as_str(),
        row::micros(*at),
    ))?;
    Ok(())
}

fn put_ready(tx: &Connection, run: RunId, ready: &ReadyRow) -> Result<(), Fault> {
    let ReadyRow { job, role, lane, adapter, timer, resources } = ready;
    if timer.as_ref().is_some_and(|timer| timer.run != run) {
        let text = format!("job {job} of run {run} waits for a timer of another run");
        return Err(Fault::rule(StoreErrorKind::Other, text));
    }
    // A soft hold survives: the job was shown to somebody all the same.
    tx.prepare_cached(
        "INSERT INTO ready (run, job, role, lane, adapter, timer_job, timer_epoch) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (run, job) DO UPDATE SET
             role = excluded.role, lane = excluded.lane, adapter = excluded.adapter,
             timer_job = excluded.timer_job, timer_epoch = excluded.timer_epoch",
    )?
    .execute((
        run.as_bytes(),
        job.as_str(),
        role.as_str(),
        lane.as_str(),
        adapter,
        timer.as_ref().map(|timer| timer.job.as_str()),
        timer.as_ref().map(|timer| timer.epoch),
    ))?;
    forget_wants(tx, run, job.as_str())?;
    for Resource { scope, name, slot } in resources {
        tx.prepare_cached(
            "INSERT INTO wants (run, job, scope, name, slot) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        )?
        .execute((run.as_bytes(), job.as_str(), scope, name, slot))?;
    }
    Ok(())
}

fn forget_wants(tx: &Connection, run: RunId, job: &str) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM wants WHERE run = ?1 AND job = ?2")?.execute((run.as_bytes(), job))?;
    Ok(())
}

/// Moves deadlines to `now` plus the term, never backwards.
pub(crate) fn renew(
    tx: &Connection,
    leases: &[(Fence, Duration)],
    now: Timestamp,
) -> rusqlite::Result<Vec<Renewal>> {
    let mut update = tx.prepare_cached(
        "UPDATE leases SET deadline = max(deadline, ?5)
         WHERE run = ?1 AND job = ?2 AND epoch = ?3 AND session = ?4 RETURNING deadline",
    )?;
    let mut renewals = Vec::with_capacity(leases.len());
    for (Fence { run, job, epoch, session }, term) in leases {
        let deadline = row::micros(now.after(*term));
        let mut rows = update.query((run.as_bytes(), job.as_str(), epoch, session.as_bytes(), deadline))?;
        renewals.push(match rows.next()? {
            Some(row) => Renewal::Held(row::time(row, 0)?),
            None => Renewal::Lost,
        });
        // The change is complete only when the statement has run to its end.
        while rows.next()?.is_some() {}
    }
    Ok(renewals)
}

/// The leases and timers whose moment has passed, longest first, and how long until the next.
pub(crate) fn due(tx: &Connection, limit: usize, now: Timestamp) -> rusqlite::Result<Due> {
    let (moment, limit) = (row::micros(now), row::limit(limit));
    let lapsed = tx
        .prepare_cached(
            "SELECT run, job, epoch, session FROM leases WHERE deadline <= ?1
             ORDER BY deadline, run, job, epoch LIMIT ?2",
        )?
        .query_map((moment, limit), row::fence)?
        .collect::<Result<_, _>>()?;
    let timers = tx
        .prepare_cached(
            "SELECT run, job, epoch FROM timers WHERE deadline <= ?1
             ORDER BY deadline, run, job, epoch LIMIT ?2",
        )?
        .query_map((moment, limit), row::timer)?
        .collect::<Result<_, _>>()?;
    let next = tx
        .prepare_cached(
            "SELECT min(deadline) FROM (SELECT deadline FROM leases WHERE deadline > ?1
             UNION ALL SELECT deadline FROM timers WHERE deadline > ?1)",
        )?
        .query_row([moment], |row| match row.get_ref(0)? {
            rusqlite::types::ValueRef::Null => Ok(None),
            _ => row::time(row, 0).map(Some),
        })?;
    Ok(Due { lapsed, timers, next: next.map(|deadline| deadline.since(now)) })
}
