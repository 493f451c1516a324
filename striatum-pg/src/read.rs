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
    let (seq, limit) = (row::int(after.seq), row::limit(limit));
    let found = "SELECT c.genesis, e.digest FROM chains c LEFT JOIN events e ON e.chain = c.id AND e.seq = $2
                 WHERE c.name = $1";
    let events = "SELECT seq, at, prev, digest, body FROM events
                  WHERE chain = (SELECT id FROM chains WHERE name = $1) AND seq > $2 ORDER BY seq LIMIT $3";
    let found_at: [&(dyn ToSql + Sync); 2] = [&name, &seq];
    let events_of: [&(dyn ToSql + Sync); 3] = [&name, &seq, &limit];
    let (found, events) = both(link, READ, (found, &found_at), (events, &events_of)).await?;
    let check = || {
        let found = found.first().ok_or_else(|| no_chain(chain))?;
        let digest = match after.seq {
            0 => Some(row::digest(found, 0)?),
            _ => optional_digest(found, 1)?,
        };
        same_history(digest, after.digest, || format!("chain {chain} at {}", after.seq))?;
        events.iter().map(row::sealed).collect::<Result<_, _>>()
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
    let events = "SELECT seq, at, prev, digest, body, version, run, last FROM run_events($1, $2, $3)";
    let found_at: [&(dyn ToSql + Sync); 2] = [&id, &version];
    let events_of: [&(dyn ToSql + Sync); 3] = [&id, &version, &most];
    let (found, events) = both(link, READ, (found, &found_at), (events, &events_of)).await?;
    let check = || {
        let digest = match after.version {
            0 => Some(Digest::ZERO),
            _ => found.first().map(|row| optional_digest(row, 0)).transpose()?.flatten(),
        };
        same_history(digest, after.digest, || format!("run {run} at {}", after.version))?;
        next_of_run(run, after.version, &events, limit)
    };
    check().map_err(|fault: Fault| fault.reading(READ))
}

/// Checks that each of these events is the next of its run and gives its digest, and that none lacks at the end.
fn next_of_run(run: RunId, mut version: u64, rows: &[Row], limit: usize) -> Result<Vec<Sealed>, Fault> {
    let (mut events, mut last) = (Vec::with_capacity(rows.len()), version);
    for row in rows {
        let event = row::sealed(row)?;
        version += 1;
        last = row::uint(row, 7)?;
        if row::uint(row, 5)? != version || row::run(row, 6)? != run {
            let seq = event.seq;
            return Err(Fault::corrupt(format!(
                "event {seq} stands where event {version} of run {run} should"
            )));
        }
        if !event.is_sound() {
            return Err(Fault::corrupt(format!("event {} of run {run} does not give its digest", event.seq)));
        }
        events.push(event);
    }
    if events.len() < limit && version != last {
        return Err(Fault::corrupt(format!("event {} of run {run} is missing", version + 1)));
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
