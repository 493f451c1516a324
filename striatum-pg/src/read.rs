//! Reading events, heads and lists.

use std::collections::HashMap;

use futures_util::try_join;
use striatum_core::{
    chain::{Position, Sealed},
    digest::Digest,
    id::{ChainId, RunId},
    store::{ChainInfo, Page, PageToken, RunHead, RunQuery, RunRow, RunSummary, StoreError, StoreErrorKind},
};
use tokio_postgres::{Row, types::ToSql};

use crate::{
    batch::{COLUMNS, Stored},
    error::Fault,
    link::{Effect, Link},
    row::{self, Id},
};

/// Which chains there are, and how many events each has.
pub(crate) const HEADS: &str = "SELECT name, head_seq FROM chains";

/// The chains, by the bytes of their names: the column has no locale.
pub(crate) async fn chains(link: &Link) -> Result<Vec<ChainInfo>, StoreError> {
    const LIST: &str = "list the chains";
    let select = "SELECT name, label, genesis, head_seq, head_digest FROM chains ORDER BY name";
    let rows = link.rows(LIST, Effect::Reads, select, &[]).await?;
    let info = |row: &Row| {
        Ok(ChainInfo {
            chain: row::text(row, 0)?,
            label: row.try_get(1)?,
            genesis: row::digest(row, 2)?,
            head: Position { seq: row::uint(row, 3)?, digest: row::digest(row, 4)? },
        })
    };
    rows.iter().map(info).collect::<Result<_, Fault>>().map_err(|fault| fault.reading(LIST))
}

/// The head of a chain.
pub(crate) async fn head(link: &Link, chain: &ChainId) -> Result<Position, StoreError> {
    const HEAD: &str = "read the head of a chain";
    let select = "SELECT head_seq, head_digest FROM chains WHERE name = $1";
    let rows = link.rows(HEAD, Effect::Reads, select, &[&chain.as_str()]).await?;
    let row = rows.first().ok_or_else(|| no_chain(chain).reading(HEAD))?;
    let position = |row| Ok(Position { seq: row::uint(row, 0)?, digest: row::digest(row, 1)? });
    position(row).map_err(|fault: Fault| fault.reading(HEAD))
}

/// The number of events of each chain.
pub(crate) async fn heads(link: &Link) -> Result<HashMap<String, u64>, StoreError> {
    const WAIT: &str = "wait for the store to grow";
    let rows = link.rows(WAIT, Effect::Reads, HEADS, &[]).await?;
    let heads = rows.iter().map(|row| Ok((row.try_get(0)?, row::uint(row, 1)?)));
    heads.collect::<Result<_, Fault>>().map_err(|fault| fault.reading(WAIT))
}

pub(crate) fn no_chain(chain: &ChainId) -> Fault {
    Fault::rule(StoreErrorKind::Other, format!("there is no chain {chain}"))
}

/// Events of a chain as they are stored: whether they are sound is for the verifier to say.
pub(crate) async fn chain(
    link: &Link,
    chain: &ChainId,
    after: Position,
    limit: usize,
) -> Result<Vec<Sealed>, StoreError> {
    const READ: &str = "read a chain";
    let name = chain.as_str();
    let (seq, until, most) =
        (row::int(after.seq), row::int(after.seq.saturating_add(limit as u64)), row::limit(limit));
    let found = "SELECT c.genesis, (SELECT CASE WHEN $2 < b.seq + cardinality(b.ends)
                                           THEN substr(b.digests, ($2 - b.seq)::integer * 32 + 1, 32) END
                                    FROM batches b WHERE b.chain = c.id AND b.seq <= $2 ORDER BY b.seq DESC LIMIT 1)
                 FROM chains c WHERE c.name = $1";
    // Where events lack, the page goes on behind the gap.
    let batches = format!(
        "WITH home AS MATERIALIZED (SELECT id FROM chains WHERE name = $1)
         SELECT {COLUMNS} FROM batches WHERE chain = (SELECT id FROM home) AND seq + cardinality(ends) - 1 > $2
             AND seq >= coalesce((SELECT max(f.seq) FROM batches f WHERE f.chain = (SELECT id FROM home) AND f.seq <= $2), 0)
             AND seq <= greatest($3, (SELECT min(f.seq) FROM batches f WHERE f.chain = (SELECT id FROM home) AND f.seq > $2))
         ORDER BY seq LIMIT $4"
    );
    let found_at: [&(dyn ToSql + Sync); 2] = [&name, &seq];
    let batches_of: [&(dyn ToSql + Sync); 4] = [&name, &seq, &until, &most];
    let (found, batches) = both(link, READ, (found, &found_at), (&batches, &batches_of)).await?;
    let check = || {
        let found = found.first().ok_or_else(|| no_chain(chain))?;
        let digest = match after.seq {
            0 => Some(row::digest(found, 0)?),
            _ => optional_digest(found, 1)?,
        };
        same_history(digest, after.digest, || format!("chain {chain} at {}", after.seq))?;
        let mut events = Vec::new();
        for row in &batches {
            let batch = Stored::of(row)?;
            let seen = (after.seq + 1).saturating_sub(batch.seq());
            events.extend(batch.events(seen).take(limit - events.len()));
        }
        Ok(events)
    };
    check().map_err(|fault: Fault| fault.reading(READ))
}

/// Events of a run, each of which gives its digest.
pub(crate) async fn run(
    link: &Link,
    run: RunId,
    after: RunHead,
    limit: usize,
) -> Result<Vec<Sealed>, StoreError> {
    const READ: &str = "read a run";
    let (id, version, most) = (Id::from(run), row::int(after.version), row::limit(limit));
    let found = "SELECT run_digest($1, $2)";
    let batches = format!("SELECT {COLUMNS}, version, size, run FROM run_batches($1, $2, $3)");
    let found_at: [&(dyn ToSql + Sync); 2] = [&id, &version];
    let batches_of: [&(dyn ToSql + Sync); 3] = [&id, &version, &most];
    let (found, batches) = both(link, READ, (found, &found_at), (&batches, &batches_of)).await?;
    let check = || {
        let digest = match after.version {
            0 => Some(Digest::ZERO),
            _ => found.first().map(|row| optional_digest(row, 0)).transpose()?.flatten(),
        };
        same_history(digest, after.digest, || format!("run {run} at {}", after.version))?;
        next_of_run(run, after.version, &batches, limit)
    };
    check().map_err(|fault: Fault| fault.reading(READ))
}

/// Checks that the events of these batches are the next of their run, without a gap, and that each gives its digest.
fn next_of_run(run: RunId, after: u64, rows: &[Row], limit: usize) -> Result<Vec<Sealed>, Fault> {
    let (mut events, mut version) = (Vec::new(), after);
    for row in rows {
        let batch = Stored::of(row)?;
        let (first, size) = (row::uint(row, 6)?, row.try_get::<_, i32>(7)?);
        if u64::try_from(size) != Ok(batch.size()) {
            let (seq, held) = (batch.seq(), batch.size());
            return Err(Fault::corrupt(format!(
                "{held} of {size} events of run {run} begin with event {seq}"
            )));
        }
        // Only the first may have begun before what is wanted.
        let seen = (version + 1).checked_sub(first).filter(|seen| *seen == 0 || version == after);
        let Some(seen) = seen.filter(|_| row::run(row, 8).is_ok_and(|owner| owner == run)) else {
            let (seq, version) = (batch.seq(), version + 1);
            return Err(Fault::corrupt(format!(
                "event {seq} stands where event {version} of run {run} should"
            )));
        };
        for event in batch.events(seen).take(limit - events.len()) {
            if !event.is_sound() {
                return Err(Fault::corrupt(format!(
                    "event {} of run {run} does not give its digest",
                    event.seq
                )));
            }
            events.push(event);
        }
        version = first + batch.size() - 1;
    }
    Ok(events)
}

type Query<'a> = (&'a str, &'a [&'a (dyn ToSql + Sync)]);

/// Sends two questions at once, on one connection and so in one round trip. What the first finds, the second cannot miss:
/// events are never taken away.
async fn both(
    link: &Link,
    doing: &'static str,
    one: Query<'_>,
    other: Query<'_>,
) -> Result<(Vec<Row>, Vec<Row>), StoreError> {
    let mut patience = link.patience();
    loop {
        let attempt = async {
            let connection = link.connection().await?;
            let work = async {
                let (first, second) =
                    try_join!(connection.prepare_cached(one.0), connection.prepare_cached(other.0))?;
                Ok(try_join!(connection.query(&first, one.1), connection.query(&second, other.1))?)
            };
            link.within(work).await
        };
        let fault = match attempt.await {
            Ok(rows) => return Ok(rows),
            Err(fault) => fault,
        };
        if !patience.bears(fault.remedy()).await {
            return Err(fault.reading(doing));
        }
    }
}

fn optional_digest(row: &Row, column: usize) -> Result<Option<Digest>, Fault> {
    row.try_get::<_, Option<&[u8]>>(column)?.map(row::as_digest).transpose()
}

fn same_history(found: Option<Digest>, seen: Digest, place: impl FnOnce() -> String) -> Result<(), Fault> {
    let changed = |text| Err(Fault::rule(StoreErrorKind::HistoryChanged, text));
    match found {
        Some(digest) if digest == seen => Ok(()),
        Some(digest) => changed(format!("{} was {seen}, is {digest}", place())),
        None => changed(format!("{} is no longer there", place())),
    }
}

/// Runs, newest first.
pub(crate) async fn runs(link: &Link, query: &RunQuery) -> Result<Page<RunSummary>, StoreError> {
    const LIST: &str = "list runs";
    let RunQuery { chain, statuses, active, after, limit } = query;
    // The conditions that are not wanted are left out: the planner would plan for them as well.
    let state = if *active { "r.active" } else { "true" };
    let behind = if after.is_some() {
        "(r.created_at, r.run) < ($2, $3)"
    } else {
        "$2::bigint IS NULL AND $3::uuid IS NULL"
    };
    let within = if chain.is_some() { "c.name = $4" } else { "$4::text IS NULL" };
    let wanted = if statuses.is_empty() { "cardinality($5::text[]) = 0" } else { "r.status = ANY ($5)" };
    let select = format!(
        "SELECT r.run, c.name, r.version, r.digest, r.status, r.paused, r.room, r.workflow, r.active,
                r.created_at, r.updated_at
         FROM runs r JOIN chains c ON c.id = r.chain
         WHERE {state} AND {behind} AND {within} AND {wanted}
         ORDER BY r.created_at DESC, r.run DESC LIMIT $1"
    );
    let statuses: Vec<&str> = statuses.iter().map(|status| status.as_str()).collect();
    let time = after.map(|token| row::int(token.created_at.as_micros()));
    let run = after.map(|token| Id::from(token.run));
    let chain = chain.as_ref().map(ChainId::as_str);
    // One more than wanted tells whether there is more.
    let most = row::limit(limit.saturating_add(1));
    let rows = link.rows(LIST, Effect::Reads, &select, &[&most, &time, &run, &chain, &statuses]).await?;
    let items = rows.iter().take(*limit).map(summary).collect::<Result<Vec<_>, Fault>>();
    let items = items.map_err(|fault| fault.reading(LIST))?;
    let last = items.last().map(|last| PageToken { created_at: last.created_at, run: last.run });
    let next = if rows.len() > *limit { last.or(*after) } else { None };
    Ok(Page { items, next })
}

fn summary(row: &Row) -> Result<RunSummary, Fault> {
    Ok(RunSummary {
        run: row::run(row, 0)?,
        chain: row::text(row, 1)?,
        head: RunHead { version: row::uint(row, 2)?, digest: row::digest(row, 3)? },
        row: RunRow {
            status: row::text(row, 4)?,
            paused: row.try_get(5)?,
            room: row::small(row.try_get(6)?)?,
            workflow: row::text(row, 7)?,
            active: row.try_get(8)?,
        },
        created_at: row::time(row, 9)?,
        updated_at: row::time(row, 10)?,
    })
}
