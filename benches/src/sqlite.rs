//! W on SQLite with `synchronous=FULL`, against bare loops that commit the same bytes on the same disk.

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use striatum_sqlite::SqliteStore;

use crate::{
    Outcome,
    bare::{Recording, Replay, Rows},
    machine::Machine,
    measure::{self, Stopwatch, Turns},
    table::{Table, per_second},
    workload::{COMMANDS, Shell},
};

const AT_ONCE: usize = 64;

pub(crate) async fn run(folder: &Path, quick: bool) -> Outcome {
    let turns = if quick { 5 } else { 45 };
    println!("{}\n", Machine::describe(folder)?);
    let mut table = Table::new("SQLite, FULL");
    compare(&mut table, folder, &Load { lines: 1, runs: 32, turns }).await?;
    compare(&mut table, folder, &Load { lines: AT_ONCE, runs: 8, turns }).await?;
    table.print();
    Ok(())
}

/// How many runs one behind the other in each turn, in how many lines at once: so many that the log is folded in within
/// every turn.
struct Load {
    lines: usize,
    runs: usize,
    turns: usize,
}

impl Load {
    fn commands(&self) -> usize {
        self.lines * self.runs * COMMANDS
    }
}

async fn compare(table: &mut Table, folder: &Path, load: &Load) -> Outcome {
    let folder = tempfile::tempdir_in(folder)?;
    let recording = Recording::of(load.lines * load.runs * load.turns).await?;
    let rows = recording.rows();
    let database = Rows::open(&folder.path().join("bare.db"))?;
    let store = Arc::new(SqliteStore::open(&folder.path().join("appends.db")).await?);
    let mut replay = Replay::open(store.clone(), &recording, load.lines).await?;
    let mut engines = Engines::open(&folder.path().join("striatum.db"), load.lines).await?;
    let mut turns = Turns::default();
    for rows in rows.chunks(load.commands()) {
        let (bare, committed) = measure::time(|| database.commit(rows, load.lines));
        committed?;
        turns.take([bare, replay.turn(load.runs).await?, engines.turn(load).await?]);
    }
    store.close().await?;
    engines.store.close().await?;

    let [bare, append, work] = turns.rates(load.commands());
    let [_, append_ratio, work_ratio] = turns.ratios();
    let (rows, wanted, fewer) = match load.lines {
        1 => ("bare loop, 1 row a commit".to_owned(), "≥ 0.5", "one run alone".to_owned()),
        lines => (format!("bare loop, {lines} rows a commit"), "≥ 0.4", format!("{lines} runs at once")),
    };
    table.base(&rows, per_second(bare));
    let appends = format!("the store's appends without an engine, {fewer}");
    table.row(&appends, per_second(append), append_ratio, "");
    table.row(&format!("W, {fewer}, commands"), per_second(work), work_ratio, wanted);
    Ok(())
}

/// The store under an engine.
struct Engines {
    store: Arc<SqliteStore>,
    lines: Vec<Shell>,
}

impl Engines {
    async fn open(path: &Path, lines: usize) -> Outcome<Self> {
        let store = Arc::new(SqliteStore::open(path).await?);
        let shell = Shell::new(store.clone(), 0).await?;
        let lines = (1..=lines as u64).map(|number| shell.beside(number)).collect::<Outcome<Vec<_>>>()?;
        Ok(Self { store, lines })
    }

    async fn turn(&mut self, load: &Load) -> Outcome<Duration> {
        let mut watch = Stopwatch::default();
        let lines = &mut self.lines;
        // As many runs are prepared at a time as are worked off at once: an engine keeps them all in mind.
        for _ in 0..load.runs {
            let prepared = try_join_all(lines.iter_mut().map(Shell::prepare)).await?;
            let work = lines.iter_mut().zip(&prepared).map(|(line, run)| line.work(*run));
            let fences = watch.during(try_join_all(work)).await?;
            let ended = lines.iter_mut().zip(&prepared).zip(&fences);
            try_join_all(ended.map(|((line, run), fences)| line.finish(*run, fences))).await?;
        }
        Ok(watch.read())
    }
}
