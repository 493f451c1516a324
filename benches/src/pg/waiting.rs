//! How soon somebody is woken, and what those cost who wait.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use striatum_core::{
    id::{ChainId, InstanceId, RunId},
    store::{ChainMeta, Mark, ReadyQuery, RunHead, Store, StoreError, Wait},
};
use striatum_pg::PgStore;

use super::{Server, bare, producers};
use crate::{Outcome, table::Table};

const CLAIMERS: u32 = 16;
/// So many statements of all of them together in a minute are few.
const MOST: i64 = 10;
/// Its own workers would count as transactions of somebody.
const ALONE: &[(&str, &str)] = &[("autovacuum", "off")];

pub(super) async fn run(quick: bool) -> Outcome {
    let mut server = Server::start(ALONE)?;
    let mut table = Table::new("Postgres, waiting");
    let config = server.schema().await?;
    let (here, there) =
        (Arc::new(PgStore::connect(&config).await?), Arc::new(PgStore::connect(&config).await?));
    let chain = ChainId::new("bench")?;
    here.open_chain(&chain, &ChainMeta::default()).await?;
    let times = if quick { 100 } else { 1_000 };
    let same = wake(&here, &here, &chain, 1, times).await?;
    let other = wake(&here, &there, &chain, 2, times).await?;
    for (what, p99, wanted) in
        [("in the same process", same, "≤ 10 ms"), ("through the server", other, "≤ 50 ms")]
    {
        let figure = format!("{:.2} ms", p99.as_secs_f64() * 1e3);
        table.plain(&format!("from a commit to the end of a wait, {what}, p99"), figure, wanted);
    }
    let statements = idle_statements(&server, &here, &chain, time(quick)).await?;
    table.plain(&what(quick), statements.to_string(), "≤ 10");
    table.print();
    Ok(())
}

/// The 99th percentile of the time from the answer to an append to the end of a wait.
async fn wake(
    waits: &Arc<PgStore>,
    appends: &PgStore,
    chain: &ChainId,
    run: u8,
    times: usize,
) -> Outcome<Duration> {
    let mut head = RunHead::START;
    let mut delays = Vec::with_capacity(times);
    let from_now = Wait { chain: Some(chain.clone()), after: Mark::default() };
    let mut mark = waits.changed(&from_now).await?;
    for _ in 0..times {
        let wait = Wait { chain: Some(chain.clone()), after: mark };
        let waiter = Arc::clone(waits);
        let waiting =
            tokio::spawn(async move { waiter.changed(&wait).await.map(|mark| (mark, Instant::now())) });
        // It is asleep by the time something happens.
        tokio::time::sleep(Duration::from_millis(2)).await;
        head = producers::append_one(appends, chain, RunId::from_bytes([run; 16]), head).await?;
        let committed = Instant::now();
        let (seen, woken) = tokio::time::timeout(Duration::from_secs(60), waiting).await???;
        mark = seen;
        delays.push(woken.saturating_duration_since(committed));
    }
    delays.sort_unstable();
    Ok(delays[times * 99 / 100])
}

/// Fails if those who find nothing to do ask the server more than a few times.
pub(crate) async fn idle(quick: bool) -> Outcome {
    let mut server = Server::start(ALONE)?;
    let config = server.schema().await?;
    let store = Arc::new(PgStore::connect(&config).await?);
    let chain = ChainId::new("bench")?;
    store.open_chain(&chain, &ChainMeta::default()).await?;
    let statements = idle_statements(&server, &store, &chain, time(quick)).await?;
    let mut table = Table::new("Postgres, idle");
    table.plain(&what(quick), statements.to_string(), "≤ 10");
    table.print();
    if statements > MOST {
        Err(format!("{statements} statements while nothing happened").into())
    } else {
        Ok(())
    }
}

fn time(quick: bool) -> Duration {
    Duration::from_secs(if quick { 35 } else { 60 })
}

fn what(quick: bool) -> String {
    format!("statements in {} s with {CLAIMERS} idle claimers", time(quick).as_secs())
}

/// How many statements the server was sent while nothing happened: each is a transaction of its own.
async fn idle_statements(
    server: &Server,
    store: &Arc<PgStore>,
    chain: &ChainId,
    idle: Duration,
) -> Outcome<i64> {
    let claimers: Vec<_> = (1..=CLAIMERS)
        .map(|number| {
            let caller = InstanceId::from_bytes(u128::from(number).to_be_bytes());
            tokio::spawn(claim_in_vain(Arc::clone(store), chain.clone(), caller))
        })
        .collect();
    // The watcher looks from another database, so that it does not count itself.
    let watcher = bare::connect(&server.cluster.url().replace("dbname=postgres", "dbname=template1")).await?;
    let count = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'postgres'";
    // A backend reports when it goes idle, and at most once a second.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let before: i64 = watcher.query_one(count, &[]).await?.try_get(0)?;
    tokio::time::sleep(idle).await;
    let after: i64 = watcher.query_one(count, &[]).await?.try_get(0)?;
    for claimer in claimers {
        if claimer.is_finished() {
            return Err(format!("a claimer gave up: {:?}", claimer.await).into());
        }
        claimer.abort();
    }
    Ok(after - before)
}

/// What a worker does that finds nothing: it asks what is ready and what is due, and sleeps until that may be otherwise.
async fn claim_in_vain(
    store: Arc<PgStore>,
    chain: ChainId,
    caller: InstanceId,
) -> Result<Infallible, StoreError> {
    let query = ReadyQuery { chain: Some(chain.clone()), ..ReadyQuery::all(caller, 4) };
    let mut mark = Mark::default();
    loop {
        let due = store.due(Some(&chain), 64).await?;
        store.ready(&query).await?;
        let wait = Wait { chain: Some(chain.clone()), after: mark };
        match due.next {
            None => mark = store.changed(&wait).await?,
            Some(next) => {
                if let Ok(seen) = tokio::time::timeout(next, store.changed(&wait)).await {
                    mark = seen?;
                }
            }
        }
    }
}
