//! What history costs: appends and claims after many events and finished runs, and verifying all of it.
//!
//! A short history and a long one take turns at each single append and each single claim, so that a flush that is slow for a while
//! is slow for both. A slice of them has percentiles and ratios of its own, and the median of the slices counts: the 99th
//! percentile of all together is the slowest few flushes of the whole time, and whom they happened to meet.

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
    measure::Turns,
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
}

/// How many appends and claims of each store are a slice: enough for the 99th percentile not to be the slowest.
const SLICE: usize = 200;

/// What is compared of a slice.
const FIGURES: [&str; 4] = ["append, p50", "append, p99", "ready and claim, p50", "ready and claim, p99"];

pub(super) async fn run(server: &mut Server, quick: bool) -> Outcome {
    let (many, slices) = if quick { (5_000, 3) } else { (110_000, 15) };
    let (mut small, mut large) = (Place::open(server).await?, Place::open(server).await?);
    small.fill(100).await?;
    large.fill(many).await?;
    let mut table = Table::new("Postgres, growth");
    let described = [small.describe().await?, large.describe().await?];
    let mut figures = FIGURES.map(|what| (what, Turns::default()));
    for _ in 0..slices {
        let [small, large] = slice(&mut small, &mut large).await?;
        for (times, (_, turns)) in small.into_iter().zip(large).zip(&mut figures) {
            turns.take(times.into());
        }
    }
    for (what, turns) in figures {
        let [small, large] = turns.rates(1).map(|rate| format!("{:.2} ms", 1e3 / rate));
        table.base(&format!("{what}, {}", described[0]), small);
        table.row(&format!("{what}, {}", described[1]), large, turns.ratio(0, 1), "≤ 1.25");
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
        Ok(Self { store, lines, runs: 0, run, head: RunHead::START })
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

    /// How long an append takes.
    async fn append(&mut self) -> Outcome<Duration> {
        let begun = Instant::now();
        self.head = producers::append_one(&self.store, self.lines[0].chain(), self.run, self.head).await?;
        Ok(begun.elapsed())
    }

    /// How long it takes to find a job and claim it.
    async fn claim(&mut self) -> Outcome<Duration> {
        let line = &mut self.lines[0];
        let run = line.prepare().await?;
        line.start(run).await?;
        let query = ReadyQuery {
            hold: Duration::from_secs(5),
            chain: Some(line.chain().clone()),
            ..ReadyQuery::all(InstanceId::from_bytes([9; 16]), 4)
        };
        let begun = Instant::now();
        let found = self.store.ready(&query).await?;
        let fence = line.grab(run).await?;
        let taken = begun.elapsed();
        if !found.iter().any(|ready| ready.run == run) {
            return Err("the run that was started is not ready".into());
        }
        line.end(run, fence).await?;
        Ok(taken)
    }
}

/// The [figures](FIGURES) of both over one slice.
async fn slice(small: &mut Place, large: &mut Place) -> Outcome<[[Duration; 4]; 2]> {
    let mut places = [small, large];
    let (mut appends, mut claims) = <([Vec<Duration>; 2], [Vec<Duration>; 2])>::default();
    for _ in 0..SLICE {
        for (place, times) in places.iter_mut().zip(&mut appends) {
            times.push(place.append().await?);
        }
    }
    for _ in 0..SLICE {
        for (place, times) in places.iter_mut().zip(&mut claims) {
            times.push(place.claim().await?);
        }
    }
    let ([append_small, append_large], [claim_small, claim_large]) =
        (appends.map(percentiles), claims.map(percentiles));
    let both = |[a, b]: [Duration; 2], [c, d]: [Duration; 2]| [a, b, c, d];
    Ok([both(append_small, claim_small), both(append_large, claim_large)])
}

/// The median and the 99th percentile.
fn percentiles(mut times: Vec<Duration>) -> [Duration; 2] {
    times.sort_unstable();
    [times[times.len() / 2], times[times.len() * 99 / 100]]
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
