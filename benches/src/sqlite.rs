//! W on SQLite with `synchronous=FULL`, against bare loops that commit the same bytes on the same disk.

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use striatum_core::store::{ChainMeta, Store};
use striatum_sqlite::SqliteStore;

use crate::{
    Outcome,
    bare::{Appends, Recording, Rows},
    machine::Machine,
    measure,
    measure::{Best, Stopwatch},
    table::{Table, per_second},
    workload::{COMMANDS, Shell},
};

const AT_ONCE: usize = 64;

pub(crate) async fn run(folder: &Path, quick: bool) -> Outcome {
    let (alone, each, rounds) = if quick { (48, 8, 3) } else { (128, 32, 7) };
    println!("{}\n", Machine::describe(folder)?);
    let mut table = Table::new("SQLite, FULL");
    compare(&mut table, folder, &Load { lines: 1, runs: alone, rounds }).await?;
    compare(&mut table, folder, &Load { lines: AT_ONCE, runs: each, rounds }).await?;
    table.print();
    Ok(())
}

/// How many runs one behind the other, in how many lines at once.
struct Load {
    lines: usize,
    runs: usize,
    rounds: usize,
}

async fn compare(table: &mut Table, folder: &Path, load: &Load) -> Outcome {
    let Load { lines, runs, rounds } = *load;
    let recording = Recording::of(lines * runs).await?;
    let rows = recording.rows();
    let [mut bare, mut append, mut work] = [Best::new(); 3];
    for _ in 0..rounds {
        let folder = tempfile::tempdir_in(folder)?;
        let database = Rows::open(&folder.path().join("bare.db"))?;
        let (time, committed) = measure::time(|| database.commit(&rows, lines));
        committed?;
        bare.take(time);
        append.take(appends(&folder.path().join("appends.db"), &recording, lines).await?);
        work.take(engines(&folder.path().join("striatum.db"), load).await?);
    }
    let commands = lines * runs * COMMANDS;
    let (bare, append, work) = (bare.rate(commands), append.rate(commands), work.rate(commands));
    let (rows, wanted, fewer) = match lines {
        1 => ("bare loop, 1 row a commit".to_owned(), "≥ 0.5", "one run alone".to_owned()),
        lines => (format!("bare loop, {lines} rows a commit"), "≥ 0.4", format!("{lines} runs at once")),
    };
    table.base(&rows, per_second(bare));
    table.row(
        &format!("the store's appends without an engine, {fewer}"),
        per_second(append),
        append / bare,
        "",
    );
    table.row(&format!("W, {fewer}, commands"), per_second(work), work / bare, wanted);
    Ok(())
}

/// The store without an engine.
async fn appends(path: &Path, recording: &Recording, lines: usize) -> Outcome<Duration> {
    let store = SqliteStore::open(path).await?;
    let Some(chain) = recording.before.first().map(|batch| batch.chain()) else { return Ok(Duration::ZERO) };
    store.open_chain(chain, &ChainMeta { label: "a repository".to_owned() }).await?;
    let mut appends: Vec<Appends> = Vec::new();
    let share = recording.counted.len() / lines;
    for before in recording.before.chunks(recording.before.len() / lines) {
        let mut line = Appends::default();
        line.append(&store, before).await?;
        appends.push(line);
    }
    let mut watch = Stopwatch::default();
    let lines =
        appends.iter_mut().zip(recording.counted.chunks(share)).map(async |(line, runs)| -> Outcome {
            for run in runs {
                line.append(&store, run).await?;
            }
            Ok(())
        });
    watch.during(try_join_all(lines)).await?;
    store.close().await?;
    Ok(watch.read())
}

/// The store under an engine.
async fn engines(path: &Path, load: &Load) -> Outcome<Duration> {
    let store = Arc::new(SqliteStore::open(path).await?);
    let shell = Shell::new(store.clone(), 0).await?;
    let numbers = 1..=load.lines as u64;
    let mut lines = numbers.map(|number| shell.beside(number)).collect::<Outcome<Vec<_>>>()?;
    let mut watch = Stopwatch::default();
    // As many runs are prepared at a time as are worked off at once: an engine keeps them all in mind.
    for _ in 0..load.runs {
        let prepared = try_join_all(lines.iter_mut().map(Shell::prepare)).await?;
        let work = lines.iter_mut().zip(&prepared).map(|(line, run)| line.work(*run));
        let fences = watch.during(try_join_all(work)).await?;
        let ended = lines.iter_mut().zip(&prepared).zip(&fences);
        try_join_all(ended.map(|((line, run), fences)| line.finish(*run, fences))).await?;
    }
    store.close().await?;
    Ok(watch.read())
}
