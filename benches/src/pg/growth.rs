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

/// One run of so many is worked off, 27 events; the others are canceled as soon as they begin.
const WHOLE: usize = 4;

/// A store with a history.
struct Place {
    store: Arc<PgStore>,
    lines: Vec<Shell>,
    runs: usize,
    /// A run that the appends go to.
    run: RunId,
    head: RunHead,
    costs: Costs,
}

/// How long an append took, and finding and claiming a job.
#[derive(Default)]
struct Costs {
    appends: Vec<Duration>,
    claims: Vec<Duration>,
}

pub(super) async fn run(server: &mut Server, quick: bool) -> Outcome {
    let (many, turns) = if quick { (5_000, 4) } else { (110_000, 10) };
    let (mut small, mut large) = (Place::open(server).await?, Place::open(server).await?);
    small.fill(100).await?;
    large.fill(many).await?;
    let mut table = Table::new("Postgres, growth");
    let described = [small.describe().await?, large.describe().await?];
    for _ in 0..turns {
        for place in [&mut small, &mut large] {
            place.measure().await?;
        }
    }
    let rows = small.costs.percentiles().into_iter().zip(large.costs.percentiles());
    for (what, (small, large)) in
        ["append, p50", "append, p99", "ready and claim, p50", "ready and claim, p99"].iter().zip(rows)
    {
        let millis = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
        table.base(&format!("{what}, {}", described[0]), millis(small));
        let ratio = large.as_secs_f64() / small.as_secs_f64();
        table.row(&format!("{what}, {}", described[1]), millis(large), ratio, "≤ 1.25");
    }
    verify(&mut table, &large.store, &large.lines[0]).await?;
    table.print();
    Ok(())
}

impl Place {
    async fn open(server: &mut Server) -> Outcome<Self> {
        let store = Arc::new(PgStore::connect(&server.schema().await?).await?);
        let shell = Shell::new(store.clone() as Arc<dyn Store>, 0).await?;
        let lines = (1..=LINES).map(|number| shell.beside(number)).collect::<Outcome<Vec<_>>>()?;
        let run = RunId::from_bytes([0xff; 16]);
        Ok(Self { store, lines, runs: 0, run, head: RunHead::START, costs: Costs::default() })
    }

    async fn fill(&mut self, runs: usize) -> Outcome {
        while self.runs < runs {
            let fill = self.lines.iter_mut().enumerate().map(async |(number, line)| {
                if number.is_multiple_of(WHOLE) { line.fill().await } else { line.fill_short().await }
            });
            try_join_all(fill).await?;
            self.runs += self.lines.len();
        }
        Ok(())
    }

    async fn describe(&self) -> Outcome<String> {
        let events = self.store.head(self.lines[0].chain()).await?.seq;
        Ok(format!("{} runs, {} events", thousands(self.runs as f64), thousands(events as f64)))
    }

    /// One turn: appends one behind the other, then claims.
    async fn measure(&mut self) -> Outcome {
        let Self { store, lines, run, head, costs, .. } = self;
        let line = &mut lines[0];
        for _ in 0..200 {
            let begun = Instant::now();
            *head = producers::append_one(store, line.chain(), *run, *head).await?;
            costs.appends.push(begun.elapsed());
        }
        for _ in 0..60 {
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
            costs.claims.push(begun.elapsed());
            if !found.iter().any(|ready| ready.run == run) {
                return Err("the run that was started is not ready".into());
            }
            line.end(run, fence).await?;
        }
        Ok(())
    }
}

impl Costs {
    /// The medians and 99th percentiles of both.
    fn percentiles(&mut self) -> [Duration; 4] {
        let pick = |times: &mut Vec<Duration>| {
            times.sort_unstable();
            [times[times.len() / 2], times[times.len() * 99 / 100]]
        };
        let ([a, b], [c, d]) = (pick(&mut self.appends), pick(&mut self.claims));
        [a, b, c, d]
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
