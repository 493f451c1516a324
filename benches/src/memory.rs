//! W on the memory store, on one core.

use std::time::Duration;

use crate::{
    Outcome,
    measure::{Best, Effort, Turns},
    table::{Table, per_second, thousands},
    workload::{COMMANDS, Shell},
};

/// How many runs are worked off for one figure.
const RUNS: usize = 512;

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
    let rounds = if quick { 10 } else { 600 };
    let (mut single, mut fused) = (Best::new(), Best::new());
    for round in 0..rounds {
        let mut shell = Shell::in_memory(round).await?;
        single.take(work(&mut shell, Way::Single).await?);
        let mut shell = Shell::in_memory(round).await?;
        fused.take(work(&mut shell, Way::Fused).await?);
    }
    let commands = RUNS * COMMANDS;
    let mut table = Table::new("Memory store, one core");
    table.plain("W, commands", per_second(single.rate(commands)), "≥ 300,000/s");
    table.row(
        "W fused, commands",
        per_second(fused.rate(commands)),
        fused.rate(commands) / single.rate(commands),
        "",
    );
    after_many(&mut table, quick).await?;
    long_run(&mut table, quick).await?;
    table.print();
    Ok(())
}

/// The same work in a store with many finished runs and in empty ones, in turns: a machine is not as fast one minute as the next.
///
/// A store that grows writes into memory that the process has not used before, however much it holds already. So what counts is an
/// empty store of which the same is true: those of all turns are kept, and none finds memory that another gave back. What is
/// left between the two is what finished runs make dearer: looking up in more of them, in caches that they fill. The other empty
/// store writes where the one of the turn before did, which no store does that keeps what it is given; it shows what new memory costs.
async fn after_many(table: &mut Table, quick: bool) -> Outcome {
    let (finished, rounds) = if quick { (10_000, 11) } else { (100_000, 45) };
    let mut full = Shell::in_memory(1_000).await?;
    for _ in 0..finished {
        full.fill().await?;
    }
    let mut turns = Turns::default();
    let (mut kept, mut again) = (Vec::new(), None);
    for round in 0..rounds {
        let mut new = Shell::in_memory(round).await?;
        let in_new = work(&mut new, Way::Single).await?;
        kept.push(new);
        let in_full = work(&mut full, Way::Single).await?;
        // Only now, so that nobody else takes its memory.
        drop(again.take());
        let mut used = Shell::in_memory(round).await?;
        let in_used = work(&mut used, Way::Single).await?;
        again = Some(used);
        turns.take([in_full, in_new, in_used]);
    }
    let [in_full, in_new, in_used] = turns.rates(RUNS * COMMANDS).map(micros);
    let [_, new, used] = turns.ratios();
    table.base("a command in an empty store", in_new);
    let what = format!("a command after {} finished runs", thousands(finished as f64));
    table.row(&what, in_full, new, "≤ 1.1 × empty");
    table.row("an empty store where another was, and the same against it", in_used, used, "");
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
async fn work(shell: &mut Shell, way: Way) -> Outcome<Duration> {
    let mut effort = Effort::default();
    for _ in 0..RUNS / PREPARED {
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
