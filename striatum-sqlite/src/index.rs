//! The rows that events imply: applying a delta, forgetting a run, renewing leases.

use std::{collections::HashSet, time::Duration};

use rusqlite::Connection;
use serde_json::{Value, json};
use striatum_core::{
    id::{Fence, RunId},
    store::{IndexDelta, ReadyRow, Renewal, Resource, RunRow, TimerId},
    time::Timestamp,
};

use crate::{
    heads::{Known, Standing},
    row,
    tx::Tx,
};

/// Changes the rows by the delta, removals before insertions, and the run's own if the run is no longer where that says.
pub(crate) fn apply(
    tx: &mut Tx<'_>,
    run: RunId,
    known: &mut Known,
    delta: &IndexDelta,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let key = known.key;
    let (mut granted, mut ended) = (0, 0);
    for job in &delta.unready {
        tx.statement("DELETE FROM ready WHERE run = ?1 AND job = ?2")?.execute((key, job.as_str()))?;
    }
    for fence in &delta.ended {
        ended += end_lease(tx, key, fence)?;
    }
    for timer in &delta.stopped {
        stop_timer(tx, key, timer)?;
    }
    for ready in &delta.ready {
        put_ready(tx, key, ready)?;
    }
    // A lease or a timer that stands there keeps its deadline: only a renewal moves it.
    for lease in &delta.granted {
        let Fence { job, epoch, session, .. } = &lease.fence;
        granted += tx
            .statement(
                "INSERT INTO leases (run, job, epoch, session, deadline) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO NOTHING",
            )?
            .execute((key, job.as_str(), epoch, session.as_bytes(), row::micros(now.after(lease.term))))?;
    }
    for timer in &delta.started {
        let TimerId { job, epoch, .. } = &timer.id;
        tx.prepare_cached(
            "INSERT INTO timers (run, job, epoch, deadline) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )?
        .execute((key, job.as_str(), epoch, row::micros(now.after(timer.after))))?;
    }
    let leases = match &known.standing {
        Some(before) => before.leases + row::limit(granted) - row::limit(ended),
        None => leases(tx, key)?,
    };
    let standing = Standing { row: delta.run.clone(), leases };
    // Most events leave the run's row as it is: its head is that of its last batch, and its room what its leases leave.
    if known.standing.as_ref().is_none_or(|before| before.differs(&standing)) {
        put_run(tx, run, known, &standing)?;
    }
    known.standing = Some(standing);
    Ok(())
}

/// How many leases a run has.
fn leases(tx: &Connection, key: i64) -> rusqlite::Result<i64> {
    tx.prepare_cached("SELECT count(*) FROM leases WHERE run = ?1")?.query_row([key], |row| row.get(0))
}

/// Deletes all rows of a run but its own, and but the leases and timers that are in the index anew: their deadlines stay.
pub(crate) fn forget(tx: &mut Tx<'_>, known: &mut Known, index: &IndexDelta) -> rusqlite::Result<()> {
    let key = known.key;
    known.standing = None;
    tx.prepare_cached("DELETE FROM ready WHERE run = ?1")?.execute([key])?;
    let kept: HashSet<_> = index.granted.iter().map(|lease| &lease.fence).collect();
    let leases: Vec<Fence> = tx
        .prepare_cached(
            "SELECT k.run, l.job, l.epoch, l.session FROM leases l JOIN run_keys k ON k.key = l.run WHERE l.run = ?1",
        )?
        .query_map([key], row::fence)?
        .collect::<Result<_, _>>()?;
    for fence in leases.iter().filter(|fence| !kept.contains(fence)) {
        end_lease(tx, key, fence)?;
    }
    let kept: HashSet<_> = index.started.iter().map(|timer| &timer.id).collect();
    let timers: Vec<TimerId> = tx
        .prepare_cached(
            "SELECT k.run, t.job, t.epoch FROM timers t JOIN run_keys k ON k.key = t.run WHERE t.run = ?1",
        )?
        .query_map([key], row::timer)?
        .collect::<Result<_, _>>()?;
    timers.iter().filter(|timer| !kept.contains(timer)).try_for_each(|timer| stop_timer(tx, key, timer))
}

/// Deletes what an index says of every run but its own row.
pub(crate) fn forget_all(tx: &mut Tx<'_>) -> rusqlite::Result<()> {
    tx.heads.unsettle();
    tx.execute_batch("DELETE FROM ready; DELETE FROM leases; DELETE FROM timers; DELETE FROM resources;")
}

/// Says how many there were, one or none.
fn end_lease(
    tx: &mut Tx<'_>,
    key: i64,
    Fence { job, epoch, session, .. }: &Fence,
) -> rusqlite::Result<usize> {
    tx.statement("DELETE FROM leases WHERE run = ?1 AND job = ?2 AND epoch = ?3 AND session = ?4")?.execute((
        key,
        job.as_str(),
        epoch,
        session.as_bytes(),
    ))
}

fn stop_timer(tx: &Connection, key: i64, TimerId { job, epoch, .. }: &TimerId) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM timers WHERE run = ?1 AND job = ?2 AND epoch = ?3")?.execute((
        key,
        job.as_str(),
        epoch,
    ))?;
    Ok(())
}

fn put_run(tx: &mut Tx<'_>, run: RunId, known: &Known, standing: &Standing) -> rusqlite::Result<()> {
    let RunRow { status, paused, room: _, workflow, active } = &standing.row;
    let (status, parallel) = (status.as_str(), standing.parallel());
    if let Some(before) = &known.standing {
        // What SQLite is not told to set leaves the indexes alone that are made of it.
        if before.row.active == *active && before.row.workflow == *workflow {
            tx.statement("UPDATE runs SET status = ?2, paused = ?3, parallel = ?4 WHERE key = ?1")?
                .execute((known.key, status, paused, parallel))?;
        } else {
            tx.statement(
                "UPDATE runs SET status = ?2, paused = ?3, parallel = ?4, workflow = ?5, active = ?6 WHERE key = ?1",
            )?
            .execute((known.key, status, paused, parallel, workflow.as_str(), active))?;
        }
        return Ok(());
    }
    tx.statement(
        "INSERT INTO runs (key, status, paused, parallel, workflow, active, run, chain, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, (SELECT at FROM batches WHERE run = ?1 AND version = 1))
         ON CONFLICT (key) DO UPDATE SET
             status = ?2, paused = ?3, parallel = ?4, workflow = ?5, active = ?6
         WHERE (status, paused, parallel, workflow, active) <> (?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((
        known.key,
        status,
        paused,
        parallel,
        workflow.as_str(),
        active,
        run.as_bytes(),
        known.chain,
    ))?;
    Ok(())
}

fn put_ready(tx: &mut Tx<'_>, key: i64, ready: &ReadyRow) -> rusqlite::Result<()> {
    let ReadyRow { job, role, lane, adapter, timer, resources } = ready;
    // A soft hold survives: the job was shown to somebody all the same.
    tx.statement(
        "INSERT INTO ready (run, job, role, lane, adapter, timer_job, timer_epoch, wants)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (run, job) DO UPDATE SET
             role = excluded.role, lane = excluded.lane, adapter = excluded.adapter,
             timer_job = excluded.timer_job, timer_epoch = excluded.timer_epoch, wants = excluded.wants",
    )?
    .execute((
        key,
        job.as_str(),
        role.as_str(),
        lane.as_str(),
        adapter,
        timer.as_ref().map(|timer| timer.job.as_str()),
        timer.as_ref().map(|timer| timer.epoch),
        wants(resources),
    ))?;
    Ok(())
}

/// A JSON array of `[scope, name, slot]`; nothing for nothing.
fn wants(resources: &[Resource]) -> Option<String> {
    let rows = || resources.iter().map(|Resource { scope, name, slot }| json!([scope, name, slot]));
    (!resources.is_empty()).then(|| rows().collect::<Value>().to_string())
}

/// Moves deadlines to `now` plus the term, never backwards.
pub(crate) fn renew(
    tx: &Connection,
    leases: &[(Fence, Duration)],
    now: Timestamp,
) -> rusqlite::Result<Vec<Renewal>> {
    let mut update = tx.prepare_cached(
        "UPDATE leases SET deadline = max(deadline, ?5)
         WHERE run = (SELECT key FROM run_keys WHERE run = ?1) AND job = ?2 AND epoch = ?3 AND session = ?4
         RETURNING deadline",
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
