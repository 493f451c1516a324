//! Appending: what answer a batch gets, and how its events are sealed.

use std::mem;

use rusqlite::{Connection, OptionalExtension};
use striatum_core::{
    chain::Position,
    id::{ChainId, RunId},
    store::{AppendError, Batch, ChainMeta, Guard, IndexDelta, RunHead, StoreErrorKind},
    time::{Clock, Timestamp},
};

use crate::{
    error::{Fault, Stop},
    events,
    heads::{ChainHead, Known},
    index,
    opening::Opening,
    resources, row,
    stretch::{self, Draft},
    tx::Tx,
};

/// Creates a chain if it is new; returns its head.
pub(crate) fn open_chain(tx: &mut Tx<'_>, chain: &ChainId, meta: &ChainMeta) -> Result<Position, Fault> {
    let genesis = Position::genesis(chain).digest;
    tx.prepare_cached(
        "INSERT INTO chains (name, label, genesis, head_seq, head_digest, head_at) VALUES (?1, ?2, ?3, 0, ?3, 0)
         ON CONFLICT (name) DO NOTHING",
    )?
    .execute((chain.as_str(), &meta.label, genesis.as_bytes()))?;
    tx.heads.store(&mut tx.statements)?;
    opened(tx, chain)?.ok_or_else(|| no_chain(chain))
}

/// The head of a chain that exists, if its beginning is the one that its name gives.
pub(crate) fn opened(tx: &Connection, chain: &ChainId) -> Result<Option<Position>, Fault> {
    let found = tx
        .prepare_cached("SELECT head_seq, head_digest, genesis FROM chains WHERE name = ?1")?
        .query_row([chain.as_str()], |row| {
            Ok((Position { seq: row::uint(row, 0)?, digest: row::digest(row, 1)? }, row::digest(row, 2)?))
        })
        .optional()?;
    match found {
        Some((_, genesis)) if genesis != Position::genesis(chain).digest => Err(Fault::corrupt(format!(
            "the stored beginning of chain {chain} is not the one that its name gives"
        ))),
        found => Ok(found.map(|(head, _)| head)),
    }
}

pub(crate) fn no_chain(chain: &ChainId) -> Fault {
    Fault::rule(StoreErrorKind::Other, format!("there is no chain {chain}"))
}

/// Answers a batch, in the order that the port prescribes.
pub(crate) fn append(tx: &mut Tx<'_>, clock: &dyn Clock, batch: &Batch) -> Result<RunHead, Stop> {
    let chain = tx.heads.chain(tx.connection, batch.chain())?.ok_or_else(|| no_chain(batch.chain()))?;
    let run = tx.heads.run(tx.connection, batch.run())?;
    if run.as_ref().is_some_and(|run| run.chain != chain.id) {
        let text = format!("run {} belongs to another chain than {}", batch.run(), batch.chain());
        return Err(Fault::rule(StoreErrorKind::Other, text).into());
    }
    let head = run.as_ref().map_or(RunHead::START, |run| run.head);
    if head != batch.expected() {
        return landed(tx, batch, head)?.ok_or(Stop::Answer(AppendError::Conflict));
    }
    // The clock is read inside the transaction, so no renewal can come between it and the lease's row.
    let now = row::reachable(clock.now());
    if !holds(tx, batch.guard(), now)? {
        return Err(Stop::Answer(AppendError::GuardFailed));
    }
    // Up to here nothing was written, so that an answer which refuses the batch spares the others of its group.
    resources::refuse_busy(tx, batch.run(), batch.delta())?;
    let run = run.map_or_else(|| begin(tx, chain.id, batch.run()), Ok)?;
    resources::exchange(tx, run.key, batch.delta())?;
    let (chain, mut run) = seal(tx, chain, run, batch, now)?;
    index::apply(tx, batch.run(), &mut run, batch.delta(), now)?;
    let head = run.head;
    tx.heads.advance(batch.chain(), chain, batch.run(), run);
    Ok(head)
}

/// Replaces the index rows of a run.
pub(crate) fn reindex(
    tx: &mut Tx<'_>,
    clock: &dyn Clock,
    run: RunId,
    expected: RunHead,
    delta: &IndexDelta,
) -> Result<(), Stop> {
    let known = tx.heads.run(tx.connection, run)?;
    if known.as_ref().map_or(RunHead::START, |known| known.head) != expected {
        return Err(Stop::Answer(AppendError::Conflict));
    }
    let Some(mut known) = known else {
        return Err(Fault::rule(StoreErrorKind::Other, format!("run {run} has no events")).into());
    };
    resources::forget(tx, known.key)?;
    resources::refuse_busy(tx, run, delta)?;
    resources::exchange(tx, known.key, delta)?;
    index::forget(tx, &mut known, delta)?;
    index::apply(tx, run, &mut known, delta, row::reachable(clock.now()))?;
    tx.heads.settle(run, known);
    Ok(())
}

/// A run that has no events yet.
fn begin(tx: &Connection, chain: i64, run: RunId) -> rusqlite::Result<Known> {
    let key = tx.prepare_cached("INSERT INTO run_keys (run) VALUES (?1)")?.insert([run.as_bytes()])?;
    Ok(Known { key, chain, head: RunHead::START, standing: None })
}

/// The run's head, if what stands in the run behind the head that the batch expected is exactly its events.
fn landed(tx: &Connection, batch: &Batch, head: RunHead) -> Result<Option<RunHead>, Fault> {
    let expected = batch.expected();
    if head.version.checked_sub(expected.version) != Some(batch.bodies().len() as u64)
        || events::run_digest(tx, batch.run(), expected.version)? != Some(expected.digest)
    {
        return Ok(None);
    }
    let stored = events::of_run(tx, batch.run(), expected.version, batch.bodies().len())?;
    let is_same = stored.iter().map(|event| &*event.body).eq(batch.bodies().iter());
    Ok(is_same.then_some(head))
}

fn holds(tx: &Connection, guard: Option<&Guard>, now: Timestamp) -> rusqlite::Result<bool> {
    match guard {
        None => Ok(true),
        Some(Guard::Lapsed(fence)) => tx
            .prepare_cached(
                "SELECT 1 FROM leases WHERE run = (SELECT key FROM run_keys WHERE run = ?1)
                     AND job = ?2 AND epoch = ?3 AND session = ?4 AND deadline <= ?5",
            )?
            .exists((
                fence.run.as_bytes(),
                fence.job.as_str(),
                fence.epoch,
                fence.session.as_bytes(),
                row::micros(now),
            )),
        Some(Guard::Due(timer)) => tx
            .prepare_cached(
                "SELECT 1 FROM timers WHERE run = (SELECT key FROM run_keys WHERE run = ?1)
                     AND job = ?2 AND epoch = ?3 AND deadline <= ?4",
            )?
            .exists((timer.run.as_bytes(), timer.job.as_str(), timer.epoch, row::micros(now))),
    }
}

/// Stores the events of a batch behind these heads; returns the heads behind them.
fn seal(
    tx: &mut Tx<'_>,
    chain: ChainHead,
    mut run: Known,
    batch: &Batch,
    now: Timestamp,
) -> Result<(ChainHead, Known), Fault> {
    let mut chain = ChainHead { at: chain.at.max(now), ..chain };
    let mut draft = mem::take(&mut tx.draft);
    for (nth, body) in batch.bodies().iter().enumerate() {
        if draft.is_full() {
            store(tx, &chain, &run, &mut draft)?;
        }
        if draft.is_empty() {
            draft.begin(run.head.version + 1, batch.bodies().iter().skip(nth));
        }
        let head = chain.head.next(chain.at, body);
        draft.push(&chain.head.digest, &head.digest, body);
        chain.head = head;
        run.head = RunHead { version: run.head.version + 1, digest: head.digest };
    }
    store(tx, &chain, &run, &mut draft)?;
    tx.draft = draft;
    Ok((chain, run))
}

/// Stores a row that ends where chain and run do, and empties the draft of it.
fn store(tx: &mut Tx<'_>, chain: &ChainHead, run: &Known, draft: &mut Draft) -> Result<(), Fault> {
    let Some(last) = stretch::place(chain.id, chain.head.seq) else {
        return Err(Fault::rule(StoreErrorKind::Other, "the file has no room for another event"));
    };
    let more = draft.len().saturating_sub(1);
    let Opening { lead, trail } = draft.opening();
    tx.statement(
        "INSERT INTO batches (place, at, run, version, links, cuts, bodies, lead, trail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute((
        last - row::limit(more),
        row::micros(chain.at),
        run.key,
        row::int(run.head.version - more as u64),
        &draft.links,
        &draft.cuts,
        &draft.bodies,
        row::limit(lead),
        row::limit(trail),
    ))?;
    draft.clear();
    Ok(())
}
