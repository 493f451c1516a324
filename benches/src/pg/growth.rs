//! What history costs: appends and claims after many events and finished runs, and verifying all of it.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use striatum_core::{
    chain::Position,
    id::{InstanceId, RunId},
    store::{ReadyQuery, RunHead, Store, StoreExt},
};
use striatum_pg::PgStore;

use super::{Server, producers};
use crate::{
    Outcome,
    table::{Table, per_second, thousands},
    workload::Shell,
};

const LINES: u64 = 64;
const PAGE: usize = 1024;

pub(super) async fn run(server: &mut Server, quick: bool) -> Outcome {
    let (few, many) = if quick { (100, 5_000) } else { (100, 100_000) };
    let config = server.schema().await?;
    let store = Arc::new(PgStore::connect(&config).await?);
    let shell = Shell::new(store.clone() as Arc<dyn Store>, 0).await?;
    let mut lines = (1..=LINES).map(|number| shell.beside(number)).collect::<Outcome<Vec<_>>>()?;
    let mut table = Table::new("Postgres, growth");
    let mut filled = 0;
    let mut first: Option<Costs> = None;
    for runs in [few, many] {
        while filled < runs {
            try_join_all(lines.iter_mut().map(Shell::fill)).await?;
            filled += lines.len();
        }
        let costs =
            Costs::take(&store, &mut lines[0], u8::from(first.is_some()), if quick { 300 } else { 2_000 })
                .await?;
        let events = store.head(shell.chain()).await?.seq;
        let place = format!("{} runs, {} events", thousands(filled as f64), thousands(events as f64));
        for (nth, what) in
            ["append, p50", "append, p99", "ready and claim, p50", "ready and claim, p99"].iter().enumerate()
        {
            let figure = format!("{:.2} ms", costs.0[nth].as_secs_f64() * 1e3);
            match &first {
                None => table.base(&format!("{what}, {place}"), figure),
                Some(before) => {
                    let ratio = costs.0[nth].as_secs_f64() / before.0[nth].as_secs_f64();
                    table.row(&format!("{what}, {place}"), figure, ratio, "≤ 1.25");
                }
            }
        }
        first.get_or_insert(costs);
    }
    verify(&mut table, &store, &shell).await?;
    table.print();
    Ok(())
}

/// The medians and 99th percentiles of an append, and of finding and claiming a job.
struct Costs([Duration; 4]);

impl Costs {
    async fn take(store: &Arc<PgStore>, line: &mut Shell, number: u8, times: usize) -> Outcome<Self> {
        let (run, mut head) = (RunId::from_bytes([0xf0 + number; 16]), RunHead::START);
        let (mut appends, mut claims) = (Vec::new(), Vec::new());
        for _ in 0..times {
            let begun = Instant::now();
            head = producers::append_one(store, line.chain(), run, head).await?;
            appends.push(begun.elapsed());
        }
        for _ in 0..times / 10 {
            let run = line.prepare().await?;
            line.start(run).await?;
            let query = ReadyQuery {
                hold: Duration::from_secs(5),
                chain: Some(line.chain().clone()),
                ..ReadyQuery::all(InstanceId::from_bytes([9; 16]), 4)
            };
            let begun = Instant::now();
            let found = store.ready(&query).await?;
            let fence = line.grab(run).await?;
            claims.push(begun.elapsed());
            if !found.iter().any(|ready| ready.run == run) {
                return Err("the run that was started is not ready".into());
            }
            line.end(run, fence).await?;
        }
        let pick = |mut times: Vec<Duration>| {
            times.sort_unstable();
            [times[times.len() / 2], times[times.len() * 99 / 100]]
        };
        let ([a, b], [c, d]) = (pick(appends), pick(claims));
        Ok(Self([a, b, c, d]))
    }
}

async fn verify(table: &mut Table, store: &PgStore, shell: &Shell) -> Outcome {
    let head = store.head(shell.chain()).await?;
    // What was written last is not on its pages' final form until somebody has read it.
    read_all(store, shell, &head).await?;
    let before = resident()?;
    let begun = Instant::now();
    read_all(store, shell, &head).await?;
    let read = head.seq as f64 / begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let mut most = before;
    store
        .verify(shell.chain(), None, |event| {
            if event.seq.is_multiple_of(10_000) {
                most = most.max(resident().unwrap_or_default());
            }
        })
        .await?;
    let verified = head.seq as f64 / begun.elapsed().as_secs_f64();
    table.base(&format!("reading {} events", thousands(head.seq as f64)), per_second(read));
    table.row("verifying them", per_second(verified), verified / read, "≥ 0.7");
    table.plain("  memory that it takes", format!("{:.1} MB", (most - before) as f64 / 1e6), "≤ 64 MB");
    Ok(())
}

async fn read_all(store: &PgStore, shell: &Shell, head: &Position) -> Outcome {
    let mut at = Position::genesis(shell.chain());
    while at.seq < head.seq {
        let page = store.read(shell.chain(), at, PAGE).await?;
        at = page.last().ok_or("the chain ends before its head")?.position();
    }
    Ok(())
}

fn resident() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = status.split_whitespace().nth(1).ok_or("no resident pages")?.parse()?;
    Ok(pages * 4096)
}
