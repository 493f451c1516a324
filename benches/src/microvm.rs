//! How long it takes until a process runs in a machine of its own.
//!
//! A first process is one of a session that has just been opened: its machine is started, and the process in it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use striatum_core::{
    id::{Fence, JobId, RunId, SessionId},
    sandbox::{Exec, Sandbox, SandboxSession, SandboxSpec},
};
use striatum_sandbox::MicroVm;

use crate::{Outcome, table::Table};

/// What is wanted where machines are emulated; elsewhere they are ten times as fast.
const WANTED: Duration = Duration::from_secs(6);

pub(crate) async fn run(folder: &Path, quick: bool) -> Outcome {
    let rounds = if quick { 2 } else { 10 };
    let folder = tempfile::tempdir_in(folder)?;
    let begun = Instant::now();
    let sandbox = MicroVm::builder().cache(folder.path().join("cache")).probe().await?;
    let probed = begun.elapsed();
    let (mut first, mut next) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let begun = Instant::now();
        let mut session = sandbox.open(&spec(folder.path(), round)?).await?;
        start(session.as_mut()).await?;
        first.push(begun.elapsed());
        let begun = Instant::now();
        start(session.as_mut()).await?;
        next.push(begun.elapsed());
        session.close().await?;
    }
    first.sort_unstable();
    next.sort_unstable();
    let seconds = |time: Option<&Duration>| format!("{:.2} s", time.unwrap_or(&Duration::ZERO).as_secs_f64());
    let mut table = Table::new(&sandbox.measured().made_with);
    let wanted = format!("≤ {} s", WANTED.as_secs());
    table.base("probe, with the kernel to be unpacked", seconds(Some(&probed)));
    table.plain("first process of a session, at best", seconds(first.first()), &wanted);
    table.plain("at worst", seconds(first.last()), &wanted);
    table.base("next process of the session, at best", seconds(next.first()));
    table.print();
    match first.first() {
        Some(best) if *best > WANTED => Err("it took too long".into()),
        _ => Ok(()),
    }
}

/// Runs a process that ends at once, and learns of its end.
async fn start(session: &mut dyn SandboxSession) -> Outcome {
    let mut process = session.spawn(&Exec::new(["true"])).await?;
    match process.child.wait().await?.is_success() {
        true => Ok(()),
        false => Err("true is false".into()),
    }
}

fn spec(within: &Path, round: u8) -> Outcome<SandboxSpec> {
    let (tree, folder) = (within.join(format!("tree{round}")), within.join(format!("session{round}")));
    std::fs::create_dir(&tree)?;
    std::fs::create_dir(&folder)?;
    let (run, session) = (RunId::from_bytes([0; 16]), SessionId::from_bytes([round; 16]));
    let fence = Fence { run, job: JobId::new("true")?, epoch: 1, session };
    Ok(SandboxSpec::new(fence, tree, folder))
}
