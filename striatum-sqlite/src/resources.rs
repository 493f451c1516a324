//! Resources, of which there is a limited number across runs.

use rusqlite::{Connection, OptionalExtension};
use striatum_core::{
    id::RunId,
    store::{AppendError, Holder, IndexDelta, Resource, Taken},
};

use crate::{error::Stop, row};

/// Names the first of the resources, in key order, that a job of the run wants and another holds.
pub(crate) fn refuse_busy(tx: &Connection, run: RunId, delta: &IndexDelta) -> Result<(), Stop> {
    for Taken { resource, job } in &delta.taken {
        let is_own = |holder: &Holder| {
            holder.run == run && (holder.job == *job || delta.freed.binary_search(resource).is_ok())
        };
        if let Some(holder) = holder(tx, resource)?.filter(|holder| !is_own(holder)) {
            return Err(Stop::Answer(AppendError::Busy { resource: resource.clone(), holder }));
        }
    }
    Ok(())
}

/// Frees what a run gives back, then takes what its jobs want.
pub(crate) fn exchange(tx: &Connection, key: i64, delta: &IndexDelta) -> rusqlite::Result<()> {
    for Resource { scope, name, slot } in &delta.freed {
        tx.prepare_cached("DELETE FROM resources WHERE scope = ?1 AND name = ?2 AND slot = ?3 AND run = ?4")?
            .execute((scope, name, slot, key))?;
    }
    for Taken { resource, job } in &delta.taken {
        let Resource { scope, name, slot } = resource;
        tx.prepare_cached(
            "INSERT INTO resources (scope, name, slot, run, job) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (scope, name, slot) DO UPDATE SET run = excluded.run, job = excluded.job",
        )?
        .execute((scope, name, slot, key, job.as_str()))?;
    }
    Ok(())
}

fn holder(tx: &Connection, Resource { scope, name, slot }: &Resource) -> rusqlite::Result<Option<Holder>> {
    tx.prepare_cached(
        "SELECT k.run, r.job FROM resources r JOIN run_keys k ON k.key = r.run
         WHERE r.scope = ?1 AND r.name = ?2 AND r.slot = ?3",
    )?
    .query_row((scope, name, slot), |row| Ok(Holder { run: row::run(row, 0)?, job: row::text(row, 1)? }))
    .optional()
}

/// Frees all that a run holds.
pub(crate) fn forget(tx: &Connection, key: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM resources WHERE run = ?1")?.execute([key])?;
    Ok(())
}
