//! W and plain appends on Postgres, with `fsync` and `synchronous_commit` on, against what anybody would write first.

use std::{sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use striatum_core::store::Store;
use striatum_pg::{Config, PgStore};
use striatum_testkit::pg::Cluster;

use crate::{
    Outcome,
    bare::{Recording, Replay},
    machine::Machine,
    measure::{Stopwatch, Turns},
    table::{Table, per_second},
    workload::{COMMANDS, Shell},
};

mod bare;
pub(crate) mod cpu;
mod growth;
pub(crate) mod producers;
pub(crate) mod waiting;

use bare::Rows;
use cpu::{Burnt, Cpu};

/// A cluster, and schemas in it that nobody has used.
pub(crate) struct Server {
    cluster: Cluster,
    schemas: u32,
}

impl Server {
    fn start(settings: &[(&str, &str)]) -> Outcome<Self> {
        Ok(Self { cluster: Cluster::start_with(settings)?, schemas: 0 })
    }

    /// The configuration of a new store.
    async fn schema(&mut self) -> Outcome<Config> {
        self.schemas += 1;
        let config = config(&self.cluster.url(), &format!("bench_{}", self.schemas))?;
        PgStore::migrate(&config).await?;
        Ok(config)
    }
}

pub(crate) fn config(address: &str, schema: &str) -> Outcome<Config> {
    Ok(Config::new(address)?.schema(schema)?.connections(16))
}

pub(crate) async fn run(folder: &std::path::Path, quick: bool) -> Outcome {
    println!("{}\n", Machine::describe(folder)?);
    let mut server = Server::start(&[])?;
    let mut table = Table::new("Postgres, W");
    let rounds = if quick { 3 } else { 15 };
    for (lines, runs) in [(1, 64), (8, 32), (64, 16)] {
        let runs = if quick { runs / 2 } else { runs };
        compare(&mut table, &mut server, &Load { lines, runs, rounds }).await?;
    }
    table.print();
    producers::run(&mut server, quick).await?;
    waiting::run(quick).await?;
    growth::run(&mut server, quick).await
}

/// W and nothing else, in turns with W fused: something to point a profiler at.
pub(crate) async fn repeat(lines: usize, quick: bool) -> Outcome {
    let mut server = Server::start(&[])?;
    let load = Load { lines, runs: 1024 / lines.clamp(16, 64), rounds: if quick { 3 } else { 10 } };
    let runs = load.lines * load.runs;
    let mut turns = Turns::default();
    for _ in 0..load.rounds {
        let mut times = [Duration::ZERO; 2];
        for (way, taken) in [Way::Plain, Way::Fused].into_iter().zip(&mut times) {
            (*taken, _) = engines(&mut server, &load, way, Meter::Time).await?;
            let (_, burnt) = engines(&mut server, &load, way, Meter::Processors).await?;
            let Burnt { client, server } = burnt.each(u32::try_from(runs)?);
            let rate = per_second((runs * COMMANDS) as f64 / taken.as_secs_f64());
            println!("{way:?}: {rate}, CPU per run: client {client:.0?}, server {server:.0?}");
        }
        turns.take(times);
    }
    println!("fused against plain, the median of the turns: {:.2}", turns.ratio(1, 0));
    Ok(())
}

/// How many runs one behind the other, in how many lines at once.
struct Load {
    lines: usize,
    runs: usize,
    rounds: usize,
}

/// How many runs of each line are not counted.
const WARM_UP: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Plain,
    Fused,
}

/// What is measured. To look at the processors takes a while itself, and leaves cold caches to what is timed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Meter {
    Time,
    Processors,
}

async fn compare(table: &mut Table, server: &mut Server, load: &Load) -> Outcome {
    let Load { lines, runs, rounds } = *load;
    let recording = Recording::of(lines * (runs + WARM_UP)).await?;
    let rows = recording.rows();
    let mut turns = Turns::default();
    let mut cpu: Option<Burnt> = None;
    for _ in 0..rounds {
        let bare = appends(server, &recording, load).await?;
        let (plain, _) = engines(server, load, Way::Plain, Meter::Time).await?;
        let (fused, _) = engines(server, load, Way::Fused, Meter::Time).await?;
        let rows =
            Rows::open(&server.cluster.url(), lines).await?.commit(&rows[..lines * runs * COMMANDS]).await?;
        turns.take([bare, plain, fused, rows]);
        let (_, burnt) = engines(server, load, Way::Plain, Meter::Processors).await?;
        let each = burnt.each(u32::try_from(lines * runs)?);
        cpu = Some(cpu.filter(|best| best.both() < each.both()).unwrap_or(each));
    }
    let [bare, plain, fused, rows] = turns.rates(lines * runs * COMMANDS);
    let [_, plain_ratio, _, rows_ratio] = turns.ratios();
    table.base(
        &format!("bare loop: the store's appends without an engine, {lines} in flight"),
        per_second(bare),
    );
    table.row(&format!("W, {lines} in flight, commands"), per_second(plain), plain_ratio, "≥ 0.6");
    table.row(
        &format!("W fused, {lines} in flight, commands, against W"),
        per_second(fused),
        turns.ratio(2, 1),
        "≥ 1.5",
    );
    table.row(
        &format!("rows in a table, each its own commit, {lines} connections"),
        per_second(rows),
        rows_ratio,
        "",
    );
    let wanted = if lines == 64 { "< 0.8 ms" } else { "" };
    let cpu = cpu.unwrap_or_default();
    let millis = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    table.plain(&format!("CPU of client and server per run, {lines} in flight"), millis(cpu.both()), wanted);
    table.plain("  the server's part of it", millis(cpu.server), "");
    Ok(())
}

/// The store without an engine: how long its appends of the same bytes took.
async fn appends(server: &mut Server, recording: &Recording, load: &Load) -> Outcome<Duration> {
    let config = server.schema().await?;
    let store = Arc::new(PgStore::connect(&config).await?);
    let mut replay = Replay::open(store, recording, load.lines).await?;
    replay.turn(WARM_UP).await?;
    replay.turn(load.runs).await
}

/// The store under an engine: how long it took, and how much of the processors.
async fn engines(server: &mut Server, load: &Load, way: Way, meter: Meter) -> Outcome<(Duration, Burnt)> {
    let config = server.schema().await?;
    let store = Arc::new(PgStore::connect(&config).await?);
    let shell = Shell::new(store.clone() as Arc<dyn Store>, 0).await?;
    let numbers = 1..=load.lines as u64;
    let mut lines = numbers.map(|number| shell.beside(number)).collect::<Outcome<Vec<_>>>()?;
    // Each connection of the server plans its statements once.
    for _ in 0..WARM_UP {
        try_join_all(lines.iter_mut().map(Shell::fill)).await?;
        let prepared = try_join_all(lines.iter_mut().map(Shell::prepare)).await?;
        try_join_all(lines.iter_mut().zip(&prepared).map(|(line, run)| line.work(*run))).await?;
    }
    let (mut watch, mut burnt) = (Stopwatch::default(), Burnt::default());
    for _ in 0..load.runs {
        let prepared = try_join_all(lines.iter_mut().map(Shell::prepare)).await?;
        let look = meter == Meter::Processors;
        let cpu = look.then(|| Cpu::start(&server.cluster)).transpose()?;
        let work = lines.iter_mut().zip(&prepared).map(async |(line, run)| match way {
            Way::Plain => line.work(*run).await,
            Way::Fused => line.work_fused(*run).await,
        });
        let fences = watch.during(try_join_all(work)).await?;
        if let Some(cpu) = cpu {
            burnt += cpu.used(&server.cluster)?;
        }
        let ended = lines.iter_mut().zip(&prepared).zip(&fences);
        try_join_all(ended.map(|((line, run), fences)| line.finish(*run, fences))).await?;
    }
    Ok((watch.read(), burnt))
}
