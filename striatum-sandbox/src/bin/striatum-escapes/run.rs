//! The list of attempts, and how they are made.

use std::{
    env,
    io::{self, BufRead as _, Write as _},
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{calls, files, git, lures::Lures, network, processes, raw, resources};

/// An attempt: succeeds if it could do what its name says.
pub(crate) struct Attempt {
    pub(crate) name: &'static str,
    /// Where it must succeed without walls, so that its failure behind them proves something.
    pub(crate) real: Real,
    pub(crate) make: fn(&Lures) -> io::Result<()>,
}

/// Where an attempt succeeds without walls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Real {
    /// Everywhere.
    Always,
    /// For the administrator.
    Root,
    /// It depends on the host's settings or kernel.
    Host,
}

impl Attempt {
    pub(crate) const fn new(name: &'static str, real: Real, make: fn(&Lures) -> io::Result<()>) -> Self {
        Self { name, real, make }
    }
}

/// No attempt takes longer; one that hangs could not.
const PATIENCE: Duration = Duration::from_secs(20);

fn attempts() -> impl Iterator<Item = &'static Attempt> {
    [
        files::ATTEMPTS,
        git::ATTEMPTS,
        processes::ATTEMPTS,
        calls::ATTEMPTS,
        network::ATTEMPTS,
        resources::ATTEMPTS,
    ]
    .into_iter()
    .flatten()
}

pub(crate) fn run(arguments: &[&str]) -> io::Result<ExitCode> {
    match arguments {
        ["victim", secret, file, key] => processes::victim(secret, file, key),
        ["attempt", name] => {
            let attempt = attempts().find(|attempt| attempt.name == *name);
            let attempt = attempt.ok_or_else(|| io::Error::other(format!("no attempt {name:?}")))?;
            let lures = serde_json::from_str(&env::var("ESCAPE_LURES").map_err(io::Error::other)?)?;
            Ok(match (attempt.make)(&lures) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    raw::say(&error.to_string());
                    ExitCode::FAILURE
                }
            })
        }
        ["all"] => {
            let mut out = io::stdout().lock();
            for attempt in attempts() {
                let (could, why) = make_apart(attempt)?;
                let why = why.lines().next().unwrap_or_default();
                writeln!(
                    out,
                    "{}\t{:?}\t{}\t{why}",
                    attempt.name,
                    attempt.real,
                    if could { "could" } else { "could not" }
                )?;
            }
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            thread::spawn(thread::park);
            striatum_sandbox::shim::main_if_shim();
            Err(io::Error::other("usage: attempt NAME | all | victim SECRET FILE KEY"))
        }
    }
}

/// In a process of its own: some attempts change their process for good, and some end it.
fn make_apart(attempt: &Attempt) -> io::Result<(bool, String)> {
    let mut child = Command::new(env::current_exe()?)
        .args(["attempt", attempt.name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if begun.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            break None;
        }
        thread::sleep(Duration::from_millis(1));
    };
    let mut why = String::new();
    if let Some(stderr) = child.stderr.take() {
        // What a grandchild holds open is not waited for.
        io::BufReader::new(stderr).read_line(&mut why)?;
    }
    Ok(match status {
        Some(status) if status.success() => (true, why),
        Some(status) if why.is_empty() => (false, status.to_string()),
        Some(_) => (false, why),
        None => (false, "it hung".to_owned()),
    })
}
