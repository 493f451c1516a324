//! How soon somebody is woken, and what those cost who wait.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use striatum_core::{
    id::{ChainId, RunId},
    store::{ChainMeta, Mark, RunHead, Store, Wait},
};
use striatum_pg::PgStore;

use super::{Server, bare, producers};
use crate::{Outcome, table::Table};

const CLAIMERS: usize = 16;

pub(super) async fn run(quick: bool) -> Outcome {
    // Its workers would count as transactions of somebody.
    let mut server = Server::start(&[("autovacuum", "off")])?;
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
    let idle = Duration::from_secs(if quick { 35 } else { 60 });
    let statements = idle_statements(&server, &here, &chain, idle).await?;
    let what = format!("transactions in {} s with {CLAIMERS} idle waiters", idle.as_secs());
    table.plain(&what, statements.to_string(), "≤ 10");
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

/// How many transactions the database saw while nothing happened.
async fn idle_statements(
    server: &Server,
    store: &Arc<PgStore>,
    chain: &ChainId,
    idle: Duration,
) -> Outcome<i64> {
    let from_now = Wait { chain: Some(chain.clone()), after: Mark::default() };
    let after = store.changed(&from_now).await?;
    let waiters: Vec<_> = (0..CLAIMERS)
        .map(|_| {
            let (store, wait) = (Arc::clone(store), Wait { chain: Some(chain.clone()), after });
            tokio::spawn(async move { store.changed(&wait).await })
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
    waiters.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(after - before)
}
