//! Plain appends of 500 bytes by many producers, against a row lock that is held over round trips.

use std::{
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use striatum_core::{
    id::{ChainId, RunId, WorkflowId},
    run::RunStatus,
    store::{Batch, ChainMeta, IndexDelta, RunHead, RunRow, Store},
};
use striatum_pg::PgStore;

use super::{Server, bare::RowLock, config};
use crate::{
    Outcome,
    table::{Table, per_second},
};

const BODY: usize = 500;
const PROCESSES: usize = 4;
const EACH: usize = 16;

pub(super) async fn run(server: &mut Server, quick: bool) -> Outcome {
    let time = Duration::from_secs(if quick { 2 } else { 5 });
    let rounds = if quick { 1 } else { 3 };
    let mut table = Table::new("Postgres, appends of 500 bytes");
    for (producers, wanted) in [(8, "≥ 2.5"), (64, "≥ 12")] {
        let (mut locked, mut store) = (Figures::default(), Figures::default());
        for _ in 0..rounds {
            let lock = RowLock::open(&server.cluster.url(), producers).await?;
            locked.better(Figures::of(lock.append(&[b'x'; BODY], time).await?, time));
            let config = server.schema().await?;
            let appender = Arc::new(PgStore::connect(&config).await?);
            store.better(Figures::of(append(appender, producers, 0, time).await?, time));
        }
        table.base(&format!("row lock, {producers} clients"), per_second(locked.rate));
        table.base("  its p99", millis(locked.p99));
        table.row(
            &format!("the store, {producers} producers"),
            per_second(store.rate),
            store.rate / locked.rate,
            wanted,
        );
        let wanted = if producers == 8 { "≤ 0.25" } else { "" };
        table.row("  its p99", millis(store.p99), store.p99.as_secs_f64() / locked.p99.as_secs_f64(), wanted);
        if producers == PROCESSES * EACH {
            let config = server.schema().await?;
            drop(PgStore::connect(&config).await?);
            let schema = format!("bench_{}", server.schemas);
            let rate = processes(&server.cluster.url(), &schema, time)?;
            let what = format!("the store, {PROCESSES} processes with {EACH} producers each");
            table.row(&what, per_second(rate), rate / locked.rate, "≥ 4.5");
        }
    }
    table.print();
    Ok(())
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// Several processes on one chain: the sum of their rates.
fn processes(address: &str, schema: &str, time: Duration) -> Outcome<f64> {
    let seconds = time.as_secs().to_string();
    let spawn = |number: usize| {
        Command::new(std::env::current_exe()?)
            .args(["produce", "--address", address, "--schema", schema])
            .args(["--number", &number.to_string(), "--seconds", &seconds])
            .stdout(Stdio::piped())
            .spawn()
    };
    let children = (0..PROCESSES).map(spawn).collect::<Result<Vec<_>, _>>()?;
    let mut rate = 0.0;
    for child in children {
        let output = child.wait_with_output()?;
        let count: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
        rate += count / time.as_secs_f64();
    }
    Ok(rate)
}

/// The body of one of those processes.
pub(crate) async fn produce(address: &str, schema: &str, number: usize, time: Duration) -> Outcome {
    let store = Arc::new(PgStore::connect(&config(address, schema)?).await?);
    println!("{}", append(store, EACH, number, time).await?.len());
    Ok(())
}

#[derive(Default)]
struct Figures {
    rate: f64,
    p99: Duration,
}

impl Figures {
    fn of(mut times: Vec<Duration>, time: Duration) -> Self {
        times.sort_unstable();
        let rate = times.len() as f64 / time.as_secs_f64();
        Self { rate, p99: times.get(times.len() * 99 / 100).copied().unwrap_or_default() }
    }

    /// Keeps the faster of two.
    fn better(&mut self, other: Self) {
        if other.rate > self.rate {
            *self = other;
        }
    }
}

/// Appends one event at a time, each producer to a run of its own, until time is up; returns the time of each.
async fn append(
    store: Arc<PgStore>,
    producers: usize,
    process: usize,
    time: Duration,
) -> Outcome<Vec<Duration>> {
    let chain = ChainId::new("bench")?;
    store.open_chain(&chain, &ChainMeta::default()).await?;
    let until = Instant::now() + time;
    let tasks: Vec<_> = (0..producers)
        .map(|producer| {
            let (store, chain) = (Arc::clone(&store), chain.clone());
            let run = RunId::from_bytes((((process as u128) << 64) | (producer as u128 + 1)).to_be_bytes());
            tokio::spawn(async move {
                let mut times = Vec::new();
                let mut head = RunHead::START;
                while Instant::now() < until {
                    let begun = Instant::now();
                    head = append_one(&store, &chain, run, head).await.map_err(|error| error.to_string())?;
                    times.push(begun.elapsed());
                }
                Ok::<_, String>(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    Ok(times)
}

pub(super) async fn append_one(
    store: &PgStore,
    chain: &ChainId,
    run: RunId,
    head: RunHead,
) -> Outcome<RunHead> {
    let row = RunRow {
        status: RunStatus::Running,
        paused: false,
        room: 1,
        workflow: WorkflowId::new("w")?,
        active: true,
    };
    let body = Bytes::from_static(&[b'x'; BODY]);
    let batch = Batch::new(chain.clone(), run, head, vec![body], IndexDelta::new(row))?;
    Ok(store.append(&batch).await?)
}
