//! Documents that were made to hurt: how long they take to be judged, and how much memory.
//!
//! Each is judged in a process of its own. One that takes a second, or more memory than the bound, is an error, so that `./check full`
//! can run this as a test.

use std::{
    io::{Read as _, Write as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use striatum_core::workflow::{Rules, Workflow};

use crate::{
    Outcome,
    resident::{megabytes, peak},
    table::Table,
};

// Those of the tests, which look at the answers.
#[path = "../../striatum-core/tests/workflow/hostile/documents.rs"]
mod documents;

const LIMIT: Duration = Duration::from_secs(1);
/// What a process may have in memory that was given a document of 4 MiB.
const MEMORY: u64 = 128_000_000;

pub(crate) fn run() -> Outcome {
    let mut table = Table::new("Documents that were made to hurt, each in less than 1 s and 128 MB");
    let mut refused = Vec::new();
    for (name, json) in documents::all() {
        let (time, memory) = judged(&json)?;
        let figure = format!("{:.0} ms, {}", time.as_secs_f64() * 1e3, megabytes(memory));
        table.plain(name, figure, "");
        if time >= LIMIT || memory > MEMORY {
            refused.push(name);
        }
    }
    table.print();
    if refused.is_empty() { Ok(()) } else { Err(format!("these take too much: {refused:?}").into()) }
}

/// Has a document judged by a child.
fn judged(json: &str) -> Outcome<(Duration, u64)> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("judge")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().ok_or("its input is piped")?.write_all(json.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err("the child failed; it said why above".into());
    }
    let said = String::from_utf8(output.stdout)?;
    let (micros, memory) =
        said.lines().last().and_then(|line| line.split_once(' ')).ok_or("a child says two numbers")?;
    Ok((Duration::from_micros(micros.parse()?), memory.parse()?))
}

/// The body of a child.
pub(crate) fn judge() -> Outcome {
    let mut json = Vec::new();
    std::io::stdin().read_to_end(&mut json)?;
    let begun = Instant::now();
    let judged = Workflow::parse(&json, &Rules::default());
    let took = begun.elapsed();
    drop(judged);
    println!("{} {}", took.as_micros(), peak()?);
    Ok(())
}
