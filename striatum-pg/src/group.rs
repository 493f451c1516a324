//! A group of batches on the wire, and the answers that come back.

use deadpool_postgres::Object;
use striatum_core::{
    digest::Digest,
    store::{AppendError, Batch, Holder, Resource, RunHead},
};
use tokio_postgres::Row;

use crate::{
    delta::{Deltas, Leases},
    error::Fault,
    link::Link,
    row::{self, Id, place},
};

const APPEND: &str = "SELECT answers, new_versions, new_digests, busy, grown_to FROM append(\
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, \
    $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, \
    $42, $43, $44, $45, $46, $47, $48, $49, $50, $51)";

/// What one batch is told.
pub(crate) type Answer = Result<RunHead, AppendError>;

/// What a group is told: an answer for each of its batches, and how far the chain has grown, if it has.
pub(crate) struct Answers {
    pub(crate) each: Vec<Answer>,
    pub(crate) grown_to: Option<u64>,
}

/// Sends batches of one chain, each of another run, in one round trip.
pub(crate) async fn send(link: &Link, batches: &[&Batch]) -> Result<Answers, Fault> {
    let connection = link.connection().await?;
    let sent = send_on(link, &connection, batches).await;
    if let Err(Fault::Silent) = sent {
        // Nobody knows what is still on its way there.
        drop(Object::take(connection));
    }
    sent
}

/// The same on a connection that the caller has.
pub(crate) async fn send_on(link: &Link, connection: &Object, batches: &[&Batch]) -> Result<Answers, Fault> {
    let chain = batches.first().map(|batch| batch.chain().as_str());
    let runs: Vec<Id> = batches.iter().map(|batch| batch.run().into()).collect();
    let expected = || batches.iter().map(|batch| batch.expected());
    let versions: Vec<i64> = expected().map(|head| row::int(head.version)).collect();
    let heads: Vec<RunHead> = expected().collect();
    let digests: Vec<&[u8]> = heads.iter().map(|head| head.digest.as_bytes().as_slice()).collect();
    let sizes: Vec<i32> = batches.iter().map(|batch| place(batch.bodies().len())).collect();
    let bodies: Vec<&[u8]> = batches.iter().map(|batch| batch.bodies().text()).collect();
    let ends: Vec<i32> =
        batches.iter().flat_map(|batch| batch.bodies().ends()).map(|end| place(*end)).collect();
    let rows = || batches.iter().map(|batch| &batch.delta().run);
    let statuses: Vec<&str> = rows().map(|row| row.status.as_str()).collect();
    let pauses: Vec<bool> = rows().map(|row| row.paused).collect();
    let rooms: Vec<i64> = rows().map(|row| row.room.into()).collect();
    let workflows: Vec<&str> = rows().map(|row| row.workflow.as_str()).collect();
    let actives: Vec<bool> = rows().map(|row| row.active).collect();
    let (mut guards, mut d) = (Leases::default(), Deltas::default());
    for (nth, batch) in batches.iter().enumerate() {
        d.push(place(nth + 1), batch.delta());
        if let Some(guard) = batch.guard() {
            guards.push_guard(place(nth + 1), guard);
        }
    }
    let rows = link
        .ask(
            connection,
            APPEND,
            &[
                &chain,
                &runs,
                &versions,
                &digests,
                &sizes,
                &bodies,
                &ends,
                &statuses,
                &pauses,
                &rooms,
                &workflows,
                &actives,
                &guards.of,
                &guards.jobs,
                &guards.epochs,
                &guards.sessions,
                &d.unready.0,
                &d.unready.1,
                &d.ready.of,
                &d.ready.jobs,
                &d.ready.roles,
                &d.ready.lanes,
                &d.ready.adapters,
                &d.ready.timer_jobs,
                &d.ready.timer_epochs,
                &d.ready.wants,
                &d.ended.of,
                &d.ended.jobs,
                &d.ended.epochs,
                &d.ended.sessions,
                &d.granted.of,
                &d.granted.jobs,
                &d.granted.epochs,
                &d.granted.sessions,
                &d.terms,
                &d.stopped.of,
                &d.stopped.jobs,
                &d.stopped.epochs,
                &d.started.of,
                &d.started.jobs,
                &d.started.epochs,
                &d.waits,
                &d.freed.of,
                &d.freed.scopes,
                &d.freed.names,
                &d.freed.slots,
                &d.taken.of,
                &d.taken.scopes,
                &d.taken.names,
                &d.taken.slots,
                &d.takers,
            ],
        )
        .await?;
    match rows.as_slice() {
        [row] => answers(row),
        _ => Err(Fault::corrupt("an append has one answer")),
    }
}

fn answers(row: &Row) -> Result<Answers, Fault> {
    let words: Vec<&str> = row.try_get(0)?;
    let versions: Vec<Option<i64>> = row.try_get(1)?;
    let digests: Vec<Option<&[u8]>> = row.try_get(2)?;
    let busy: Vec<Option<&str>> = row.try_get(3)?;
    let each = words
        .iter()
        .zip(versions.iter().zip(&digests))
        .zip(&busy)
        .map(|((word, head), busy)| answer(word, head, *busy))
        .collect::<Result<_, Fault>>()?;
    let grown_to: Option<i64> = row.try_get(4)?;
    Ok(Answers { each, grown_to: grown_to.map(row::unsigned).transpose()? })
}

fn answer(word: &str, head: (&Option<i64>, &Option<&[u8]>), busy: Option<&str>) -> Result<Answer, Fault> {
    match (word, head, busy) {
        ("ok", (Some(version), Some(digest)), _) => {
            let digest: Digest = row::as_digest(digest)?;
            Ok(Ok(RunHead { version: row::unsigned(*version)?, digest }))
        }
        ("conflict", ..) => Ok(Err(AppendError::Conflict)),
        ("guard", ..) => Ok(Err(AppendError::GuardFailed)),
        ("busy", _, Some(held)) => Ok(Err(self::busy(held)?)),
        _ => Err(Fault::corrupt(format!("{word} is no answer to a batch"))),
    }
}

/// Reads `[scope, name, slot, run, job]`.
pub(crate) fn busy(held: &str) -> Result<AppendError, Fault> {
    let (scope, name, slot, run, job) =
        serde_json::from_str(held).map_err(|error| Fault::corrupt(error.to_string()))?;
    Ok(AppendError::Busy { resource: Resource { scope, name, slot }, holder: Holder { run, job } })
}
