//! The rows that events imply: applying a delta, forgetting a run, renewing leases.

use std::{collections::HashSet, time::Duration};

use rusqlite::Connection;
use striatum_core::{
    id::{Fence, RunId},
    store::{IndexDelta, ReadyRow, Renewal, Resource, RunHead, RunRow, TimerId},
    time::Timestamp,
};

use crate::row;

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
) -> rusqlite::Result<()> {
    put_run(tx, run, place, &delta.run)?;
    for job in &delta.unready {
        tx.prepare_cached("DELETE FROM ready WHERE run = ?1 AND job = ?2")?
            .execute((run.as_bytes(), job.as_str()))?;
        forget_wants(tx, run, job.as_str())?;
    }
    for fence in &delta.ended {
        end_lease(tx, fence)?;
    }
    for timer in &delta.stopped {
        stop_timer(tx, timer)?;
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

/// Deletes all rows of a run but its own, and but the leases and timers that are in the index anew: their deadlines stay.
pub(crate) fn forget(tx: &Connection, run: RunId, index: &IndexDelta) -> rusqlite::Result<()> {
    for delete in ["DELETE FROM ready WHERE run = ?1", "DELETE FROM wants WHERE run = ?1"] {
        tx.prepare_cached(delete)?.execute([run.as_bytes()])?;
    }
    let kept: HashSet<_> = index.granted.iter().map(|lease| &lease.fence).collect();
    let leases: Vec<Fence> = tx
        .prepare_cached("SELECT run, job, epoch, session FROM leases WHERE run = ?1")?
        .query_map([run.as_bytes()], row::fence)?
        .collect::<Result<_, _>>()?;
    leases.iter().filter(|fence| !kept.contains(fence)).try_for_each(|fence| end_lease(tx, fence))?;
    let kept: HashSet<_> = index.started.iter().map(|timer| &timer.id).collect();
    let timers: Vec<TimerId> = tx
        .prepare_cached("SELECT run, job, epoch FROM timers WHERE run = ?1")?
        .query_map([run.as_bytes()], row::timer)?
        .collect::<Result<_, _>>()?;
    timers.iter().filter(|timer| !kept.contains(timer)).try_for_each(|timer| stop_timer(tx, timer))
}

/// Deletes what an index says of every run but its own row.
pub(crate) fn forget_all(tx: &Connection) -> rusqlite::Result<()> {
    tx.execute_batch(
        "DELETE FROM ready; DELETE FROM wants; DELETE FROM leases; DELETE FROM timers; DELETE FROM resources;",
    )
}

fn end_lease(tx: &Connection, Fence { run, job, epoch, session }: &Fence) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM leases WHERE run = ?1 AND job = ?2 AND epoch = ?3 AND session = ?4")?
        .execute((run.as_bytes(), job.as_str(), epoch, session.as_bytes()))?;
    Ok(())
}

fn stop_timer(tx: &Connection, TimerId { run, job, epoch }: &TimerId) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM timers WHERE run = ?1 AND job = ?2 AND epoch = ?3")?.execute((
        run.as_bytes(),
        job.as_str(),
        epoch,
    ))?;
    Ok(())
}

fn put_run(tx: &Connection, run: RunId, place: &RunPlace, row: &RunRow) -> rusqlite::Result<()> {
    let RunPlace { chain, head, at } = place;
    let RunRow { status, paused, room, workflow, active } = row;
    let row = (
        run.as_bytes(),
        row::int(head.version),
        head.digest.as_bytes(),
        status.as_str(),
        paused,
        room,
        workflow.as_str(),
        active,
        row::micros(*at),
    );
    let updated = tx
        .prepare_cached(
            "UPDATE runs SET version = ?2, digest = ?3, status = ?4, paused = ?5, room = ?6, workflow = ?7,
                 active = ?8, updated_at = ?9 WHERE run = ?1",
        )?
        .execute(row)?;
    if updated == 0 {
        tx.prepare_cached(
            "INSERT INTO runs (run, version, digest, status, paused, room, workflow, active, updated_at, chain, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
                 (SELECT at FROM events WHERE run = ?1 AND version = 1))",
        )?
        .execute((row.0, row.1, row.2, row.3, row.4, row.5, row.6, row.7, row.8, chain))?;
    }
    Ok(())
}

fn put_ready(tx: &Connection, run: RunId, ready: &ReadyRow) -> rusqlite::Result<()> {
    let ReadyRow { job, role, lane, adapter, timer, resources } = ready;
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
