//! Several processes that work on one SQLite file at the same time.
//!
//! Each is this program again, with an engine and a cache of its own. What is wrong with what they leave is an error, so that
//! `./check full` can run this as a test: nobody was told that the file is locked, its structure is sound, the chain is one
//! line that holds everything, and nobody was left behind.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use striatum_core::{
    id::InstanceId,
    store::{ReadyQuery, Store, StoreExt},
};
use striatum_sqlite::SqliteStore;

use crate::{
    Outcome,
    table::{Table, per_second, thousands},
    workload::{COMMANDS, Shell},
};

const PROCESSES: u64 = 8;
/// How many runs each of them works on at once.
const LINES: u64 = 4;
/// What a child is told by its environment: the file, its number and how many milliseconds it has.
const TOLD: [&str; 3] = ["STRIATUM_BENCH_FILE", "STRIATUM_BENCH_NUMBER", "STRIATUM_BENCH_TIME"];

pub(crate) async fn run(folder: &Path, quick: bool) -> Outcome {
    let time = if quick { Duration::from_secs(5) } else { Duration::from_secs(60) };
    let folder = tempfile::tempdir_in(folder)?;
    let path = folder.path().join("striatum.db");
    let mut children =
        (0..PROCESSES).map(|number| spawn(&path, number, time)).collect::<Outcome<Vec<_>>>()?;
    // They begin together, once all have opened the file.
    for (_, said) in &mut children {
        said.read_line(&mut String::new())?;
    }
    for (child, _) in &mut children {
        drop(child.stdin.take());
    }
    let mut shares = Vec::new();
    for (mut child, mut said) in children {
        let mut share = String::new();
        said.read_to_string(&mut share)?;
        if !child.wait()?.success() {
            return Err("a process failed; it said why above".into());
        }
        shares.push(share.trim().parse::<u64>()?);
    }

    let store = SqliteStore::open(&path).await?;
    store.integrity_check().await?;
    let mut events = 0;
    for info in store.chains().await? {
        events += store.verify(&info.chain, Some(info.head), |_| {}).await?.seq;
    }
    store.close().await?;

    let commands: u64 = shares.iter().sum();
    let equal = commands as f64 / PROCESSES as f64;
    let [least, most] =
        [shares.iter().min(), shares.iter().max()].map(|share| share.map_or(0, |share| *share));
    let mut table = Table::new(&format!("{PROCESSES} processes on one SQLite file, {} s", time.as_secs()));
    table.base("commands of all together", per_second(commands as f64 / time.as_secs_f64()));
    table.base("events in the one chain, verified", thousands(events as f64));
    table.row("the smallest share, to an equal one", thousands(least as f64), least as f64 / equal, "≥ 0.5");
    table.row("the largest", thousands(most as f64), most as f64 / equal, "");
    table.print();
    if (least as f64) < equal / 2.0 {
        return Err(format!("the shares are not fair: {shares:?}").into());
    }
    Ok(())
}

fn spawn(path: &Path, number: u64, time: Duration) -> Outcome<(Child, BufReader<ChildStdout>)> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("share")
        .env(TOLD[0], path)
        .env(TOLD[1], number.to_string())
        .env(TOLD[2], time.as_millis().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let said = child.stdout.take().ok_or("its output is piped")?;
    Ok((child, BufReader::new(said)))
}

/// The body of a child.
pub(crate) async fn share() -> Outcome {
    let [path, number, time] = TOLD.map(|name| std::env::var(name).unwrap_or_default());
    let (number, time) = (number.parse::<u64>()?, Duration::from_millis(time.parse()?));
    let store = Arc::new(SqliteStore::open(path).await?);
    let shell = Shell::new(store.clone(), 0).await?;
    let lines = (1..=LINES).map(|line| shell.beside(number * LINES + line)).collect::<Outcome<Vec<_>>>()?;
    println!("open");
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;

    let end = Instant::now() + time;
    let caller = InstanceId::from_bytes(u128::from(number).to_be_bytes());
    let work = lines.into_iter().map(async |mut line| -> Outcome<usize> {
        let mut commands = 0;
        while Instant::now() < end {
            let run = line.prepare().await?;
            let fences = line.work(run).await?;
            line.finish(run, &fences).await?;
            store.ready(&ReadyQuery { hold: Duration::from_millis(1), ..ReadyQuery::all(caller, 4) }).await?;
            commands += COMMANDS;
        }
        Ok(commands)
    });
    let commands: usize = try_join_all(work).await?.into_iter().sum();
    store.close().await?;
    println!("{commands}");
    Ok(())
}
