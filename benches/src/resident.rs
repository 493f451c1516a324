//! Resident memory on SQLite.

use std::{fs, path::Path, sync::Arc};

use futures_util::future::try_join_all;
use striatum_sqlite::SqliteStore;

use crate::{
    Outcome,
    table::{Table, thousands},
    workload::Shell,
};

const IN_FLIGHT: u64 = 64;

pub(crate) async fn run(folder: &Path, quick: bool) -> Outcome {
    let finished: u64 = if quick { 20_000 } else { 100_000 };
    let folder = tempfile::tempdir_in(folder)?;
    let store = Arc::new(SqliteStore::open(folder.path().join("striatum.db")).await?);
    let shell = Shell::new(store.clone(), 0).await?;
    let mut shells = (1..=IN_FLIGHT).map(|number| shell.beside(number)).collect::<Outcome<Vec<_>>>()?;
    let mut table = Table::new("Resident memory, SQLite");
    table.base("the process with an open store", megabytes(now()?));

    let begun = shells.iter_mut().map(async |shell| -> Outcome<u64> {
        let mut most = 0;
        for _ in 0..8 {
            let run = shell.prepare().await?;
            let fences = shell.work(run).await?;
            most = most.max(now()?);
            shell.finish(run, &fences).await?;
        }
        Ok(most)
    });
    let most = try_join_all(begun).await?.into_iter().max().unwrap_or(0);
    table.plain("64 runs in flight, the most", megabytes(most), "≤ 15 MB");

    let filled = shells.iter_mut().map(async |shell| -> Outcome {
        for _ in 0..finished / IN_FLIGHT {
            shell.fill().await?;
        }
        Ok(())
    });
    try_join_all(filled).await?;
    let what = format!("after {} finished runs", thousands(finished as f64));
    table.plain(&what, megabytes(now()?), "< 100 MB");
    table.print();
    store.close().await?;
    Ok(())
}

/// How many bytes of this process are in memory.
pub(crate) fn now() -> Outcome<u64> {
    of_status("VmRSS:")
}

/// How many bytes of this process were in memory at the most.
pub(crate) fn peak() -> Outcome<u64> {
    of_status("VmHWM:")
}

fn of_status(what: &str) -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)).ok_or("no such line in the status")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024)
}

/// `12.3 MB`
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
