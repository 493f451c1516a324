//! W on the memory store, on one core.

use std::time::Duration;

use crate::{
    Outcome,
    measure::{Best, Effort},
    table::{Table, per_second, thousands},
    workload::{COMMANDS, Shell},
};

/// How many runs are prepared before they are worked off: fewer than an engine keeps in mind.
const PREPARED: usize = 64;

/// W and nothing else, not even a clock: some tools that count instructions do not know it.
pub(crate) async fn repeat(quick: bool) -> Outcome {
    let rounds = if quick { 8 } else { 400 };
    for round in 0..rounds {
        let mut shell = Shell::in_memory(round).await?;
        for _ in 0..PREPARED {
            let run = shell.prepare().await?;
            let fences = shell.work(run).await?;
            shell.finish(run, &fences).await?;
        }
    }
    Ok(())
}

pub(crate) async fn run(quick: bool) -> Outcome {
    let (runs, rounds) = if quick { (512, 10) } else { (512, 600) };
    let unused = in_unused_memory(runs, rounds.min(30)).await?;
    let (mut single, mut fused) = (Best::new(), Best::new());
    for round in 0..rounds {
        let mut shell = Shell::in_memory(round).await?;
        single.take(work(&mut shell, runs, Way::Single).await?);
        let mut shell = Shell::in_memory(round).await?;
        fused.take(work(&mut shell, runs, Way::Fused).await?);
    }
    let commands = runs * COMMANDS;
    let mut table = Table::new("Memory store, one core");
    table.plain("W, commands", per_second(single.rate(commands)), "≥ 300,000/s");
    table.row(
        "W fused, commands",
        per_second(fused.rate(commands)),
        fused.rate(commands) / single.rate(commands),
        "",
    );
    after_many(&mut table, unused.rate(commands), quick).await?;
    long_run(&mut table, quick).await?;
    table.print();
    Ok(())
}

/// W in empty stores, before this process held anything. They are kept to the end, so that each writes into memory that the
/// process has not used before, as a store that has grown does.
async fn in_unused_memory(runs: usize, rounds: u64) -> Outcome<Best> {
    let mut best = Best::new();
    let mut kept = Vec::new();
    for round in 0..rounds {
        let mut empty = Shell::in_memory(round).await?;
        best.take(work(&mut empty, runs, Way::Single).await?);
        kept.push(empty);
    }
    Ok(best)
}

/// The same work in an empty store and in one with many finished runs.
///
/// Two empty stores, both in memory that is new to the process, as it is to the full one: in a process that held nothing yet, at
/// `before` commands a second, which is what counts; and one beside the full store.
async fn after_many(table: &mut Table, before: f64, quick: bool) -> Outcome {
    let (finished, runs, rounds) = if quick { (10_000, 512, 10) } else { (100_000, 512, 40) };
    let mut full = Shell::in_memory(1_000).await?;
    for _ in 0..finished {
        full.fill().await?;
    }
    let (mut in_empty, mut in_full) = (Best::new(), Best::new());
    // Kept to the end, so that the empty ones write into new memory, as the full one has to.
    let mut kept = Vec::new();
    for round in 0..rounds {
        let mut empty = Shell::in_memory(round).await?;
        in_empty.take(work(&mut empty, runs, Way::Single).await?);
        kept.push(empty);
        in_full.take(work(&mut full, runs, Way::Single).await?);
    }
    let [beside, full] = [in_empty, in_full].map(|best| best.rate(runs * COMMANDS));
    table.base("a command of W above, in an empty store", micros(before));
    let what = format!("a command after {} finished runs", thousands(finished as f64));
    table.row(&what, micros(full), before / full, "≤ 1.1 × empty");
    table.row("the same, against an empty store beside it", micros(beside), beside / full, "");
    Ok(())
}

/// The first and the last jobs of a run of many.
async fn long_run(table: &mut Table, quick: bool) -> Outcome {
    const SAMPLE: usize = 200;
    let (jobs, rounds) = if quick { (10_000, 1) } else { (10_000, 3) };
    let (mut first, mut last, mut end) = (Best::new(), Best::new(), Best::new());
    for round in 0..rounds {
        let mut shell = Shell::in_memory(round).await?.in_line(jobs)?;
        let run = shell.prepare().await?;
        shell.start(run).await?;
        let mut times = Vec::with_capacity(jobs);
        for number in 0..jobs {
            let mut effort = Effort::default();
            effort.during(shell.step(run, number)).await?;
            times.push(effort.read());
        }
        // The very last ends the run, with a record of all of its jobs.
        let (last_one, times) = times.split_last().ok_or("there are no jobs")?;
        let sum = |times: &[Duration]| times.iter().sum::<Duration>();
        first.take(sum(&times[..SAMPLE]));
        last.take(sum(&times[times.len() - SAMPLE..]));
        end.take(*last_one);
    }
    let (first, last) = (first.rate(SAMPLE * 3), last.rate(SAMPLE * 3));
    table.base("a command of the first jobs of a 10,000-job run", micros(first));
    table.row("a command of its last jobs", micros(last), first / last, "≤ 2 × the first");
    table.base("the last job, which ends the run with its record", micros(end.rate(1)));
    Ok(())
}

fn micros(rate: f64) -> String {
    format!("{:.2} µs", 1e6 / rate)
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Single,
    Fused,
}

/// How long the counted commands of many runs take.
async fn work(shell: &mut Shell, runs: usize, way: Way) -> Outcome<Duration> {
    let mut effort = Effort::default();
    for _ in 0..runs / PREPARED {
        let mut prepared = Vec::with_capacity(PREPARED);
        for _ in 0..PREPARED {
            prepared.push(shell.prepare().await?);
        }
        for run in prepared {
            let fences = match way {
                Way::Single => effort.during(shell.work(run)).await?,
                Way::Fused => effort.during(shell.work_fused(run)).await?,
            };
            shell.finish(run, &fences).await?;
        }
    }
    Ok(effort.read())
}
