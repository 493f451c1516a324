//! What walls cost: to open them, to work behind them, to leave them open.

use std::{
    ffi::OsString,
    fs,
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use striatum_core::{
    id::{Fence, JobId, RunId, SessionId},
    sandbox::{Access, EnvVar, Exec, Process, Sandbox, SandboxSession, SandboxSpec},
};
use striatum_sandbox::{Namespaces, NoSandbox};

use crate::{
    Outcome,
    measure::{Turns, time},
    resident::{self, megabytes},
    table::Table,
};

/// How many sessions are idle at once.
const IDLE: u64 = 8;
/// How many functions the crate has that is built.
const FUNCTIONS: usize = 1_500;

pub(crate) async fn run(folder: &Path, quick: bool) -> Outcome {
    let folder = tempfile::tempdir_in(fs::canonicalize(folder)?)?;
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output()?.stdout;
    let toolchain = fs::canonicalize(OsString::from_vec(sysroot.trim_ascii().to_vec()))?;
    let walls = Namespaces::builder().mount(&toolchain, Access::Read).probe().await?;
    println!("{}\n", walls.measured());
    let mut numbers = 0_u64..;
    let mut spec = || -> Outcome<SandboxSpec> { spec_in(folder.path(), numbers.next().unwrap_or(0)) };
    open(&walls, &mut spec, if quick { 20 } else { 100 }).await?;
    build(&walls, &toolchain, &mut spec, if quick { 3 } else { 15 }).await?;
    idle(&walls, &mut spec).await
}

/// Open and spawn of `true`, until it has ended, against bubblewrap with the same arguments.
async fn open(walls: &Namespaces, spec: &mut impl FnMut() -> Outcome<SandboxSpec>, turns: usize) -> Outcome {
    let (model, arguments) = arguments_of_bubblewrap(spec).await?;
    let mut taken = Turns::default();
    let mut closing = Duration::ZERO;
    for _ in 0..turns {
        let (bare, ended) = time(|| {
            Command::new("bwrap").args(&arguments).args(["--", "/usr/bin/true"]).stdin(Stdio::null()).status()
        });
        assert!(ended?.success(), "bubblewrap alone fails");
        let spec = spec()?;
        let begun = Instant::now();
        let mut session = walls.open(&spec).await?;
        let mut process = session.spawn(&Exec::new(["/usr/bin/true"])).await?;
        let exit = process.child.wait().await?;
        taken.take([bare, begun.elapsed()]);
        assert!(exit.is_success(), "{exit}");
        let begun = Instant::now();
        session.close().await?;
        closing += begun.elapsed();
    }
    drop(model);
    let [bare, walled] = taken.rates(1).map(|rate| format!("{:.1} ms", 1e3 / rate));
    let mut table = Table::new("Open and spawn of `true`, to its end");
    table.base("bare bubblewrap, the same arguments", bare);
    table.row("Namespaces", walled, 1.0 / taken.ratios()[1], "≤ 4");
    let turns = u32::try_from(turns)?;
    table.base("closing the session", format!("{:.1} ms", (closing / turns).as_secs_f64() * 1e3));
    table.print();
    Ok(())
}

/// With what bubblewrap is run for a session, and the session's folders, which are to stay as long as the arguments are used.
async fn arguments_of_bubblewrap(
    spec: &mut impl FnMut() -> Outcome<SandboxSpec>,
) -> Outcome<(tempfile::TempDir, Vec<OsString>)> {
    let place = tempfile::tempdir()?;
    let (script, list) = (place.path().join("bwrap"), place.path().join("arguments"));
    let text = format!("#!/bin/sh\nprintf '%s\\0' \"$@\" >'{}'\nexec bwrap \"$@\"\n", list.display());
    fs::write(&script, text.replace("exec bwrap", &format!("exec '{}'", found("bwrap")?.display())))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let recording = Namespaces::builder().bubblewrap(&script).probe().await?;
    let mut session = recording.open(&spec()?).await?;
    session.spawn(&Exec::new(["/usr/bin/true"])).await?.child.wait().await?;
    session.close().await?;
    let arguments = fs::read(&list)?;
    let arguments = arguments.split(|byte| *byte == 0).map(|argument| OsString::from_vec(argument.to_vec()));
    Ok((place, arguments.take_while(|argument| argument != "--").collect()))
}

fn found(program: &str) -> Outcome<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file());
    found.ok_or_else(|| format!("there is no {program}").into())
}

/// A crate built behind walls and outside, each time from nothing, and by turns the one or the other first: a machine that grows
/// slower is so for both.
async fn build(
    walls: &Namespaces,
    toolchain: &Path,
    spec: &mut impl FnMut() -> Outcome<SandboxSpec>,
    turns: usize,
) -> Outcome {
    let plain = NoSandbox::new("/usr/local/bin:/usr/bin:/bin".into());
    let mut taken = Turns::default();
    for turn in 0..=turns {
        let (outside, inside) = (spec()?, spec()?);
        let times = if turn % 2 == 0 {
            let outside = built(&plain, outside, toolchain).await?;
            [outside, built(walls, inside, toolchain).await?]
        } else {
            let inside = built(walls, inside, toolchain).await?;
            [built(&plain, outside, toolchain).await?, inside]
        };
        // The first fills the caches.
        if turn > 0 {
            taken.take(times);
        }
    }
    let [outside, inside] = taken.rates(1).map(|rate| format!("{:.2} s", 1.0 / rate));
    let mut table = Table::new("cargo build of a small crate");
    table.base("outside", outside);
    table.row("inside", inside, 1.0 / taken.ratios()[1], "≤ 1.05");
    table.print();
    Ok(())
}

async fn built(sandbox: &dyn Sandbox, spec: SandboxSpec, toolchain: &Path) -> Outcome<Duration> {
    fs::create_dir(spec.tree.join("src"))?;
    let manifest = "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    fs::write(spec.tree.join("Cargo.toml"), manifest)?;
    let function = |number: usize| {
        format!(
            "pub fn f{number}(x: &[u64]) -> String {{\n    let sum: u64 = x.iter().filter(|it| **it > {number}).sum();\n    \
             format!(\"{{sum}} of {{:?}}\", x.iter().rev().collect::<Vec<_>>())\n}}\n"
        )
    };
    fs::write(spec.tree.join("src/lib.rs"), (0..FUNCTIONS).map(function).collect::<String>())?;
    let mut session = sandbox.open(&spec).await?;
    let cargo = toolchain.join("bin/cargo");
    let mut exec = Exec::new([cargo.into_os_string(), "build".into(), "--offline".into(), "--quiet".into()]);
    exec.env = vec![EnvVar::new("RUSTC", toolchain.join("bin/rustc"))];
    let begun = Instant::now();
    let mut process = session.spawn(&exec).await?;
    let exit = process.child.wait().await?;
    let took = begun.elapsed();
    session.close().await?;
    if !exit.is_success() || !spec.tree.join("target/debug/libsmall.rlib").is_file() {
        return Err(format!("cargo ended with {exit} and built nothing").into());
    }
    fs::remove_dir_all(&spec.tree)?;
    Ok(took)
}

/// What sessions take in which the agent waits: of this process, and of those that stand between it and the agent.
async fn idle(walls: &Namespaces, spec: &mut impl FnMut() -> Outcome<SandboxSpec>) -> Outcome {
    let before = resident::now()?;
    let mut open: Vec<(Box<dyn SandboxSession>, Process)> = Vec::new();
    let mut helpers = 0;
    for _ in 0..IDLE {
        let spec = spec()?;
        let mut session = walls.open(&spec).await?;
        let process = session.spawn(&Exec::new(["cat"])).await?;
        open.push((session, process));
        let record: serde_json::Value = serde_json::from_slice(&fs::read(spec.folder.join("process"))?)?;
        let leader = record["pid"].as_u64().ok_or("no process on record")?;
        helpers += proportional(leader)?;
        // Behind the first process of the session stands the agent.
        for first in children(leader)? {
            helpers += proportional(first)?;
        }
    }
    let own = resident::now()?.saturating_sub(before) / IDLE;
    let helpers = helpers / IDLE;
    for (session, process) in open {
        drop(process);
        session.close().await?;
    }
    let mut table = Table::new("An idle session");
    table.base("of this process", megabytes(own));
    table.base("bubblewrap's two processes", megabytes(helpers));
    table.plain("together", megabytes(own + helpers), "≤ 10 MB");
    table.print();
    Ok(())
}

/// What a process takes, shared memory by shares.
fn proportional(pid: u64) -> Outcome<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no Pss")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

fn children(pid: u64) -> Outcome<Vec<u64>> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(text.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

fn spec_in(folder: &Path, number: u64) -> Outcome<SandboxSpec> {
    let (tree, own) = (folder.join(format!("tree-{number}")), folder.join(format!("session-{number}")));
    for folder in [&tree, &own] {
        fs::create_dir(folder)?;
    }
    let mut session = [0; 16];
    session[..8].copy_from_slice(&number.to_le_bytes());
    session[8..12].copy_from_slice(&std::process::id().to_le_bytes());
    let (run, session) = (RunId::from_bytes([0; 16]), SessionId::from_bytes(session));
    let fence = Fence { run, job: JobId::new("bench")?, epoch: 1, session };
    Ok(SandboxSpec::new(fence, tree, own))
}
