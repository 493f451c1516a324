//! Takes the figures of Striatum. `README.md` beside it says how, and what came out.
//!
//! Every figure is a ratio of two measurements of one process, made in turns: absolute numbers belong to a machine.
#![expect(clippy::print_stdout, reason = "a program talks to a person")]

mod bare;
#[cfg(feature = "broker")]
mod broker;
#[cfg(feature = "egress")]
mod egress;
mod hostile;
#[cfg(feature = "job")]
mod job;
mod machine;
mod measure;
mod memory;
#[cfg(feature = "microvm")]
mod microvm;
#[cfg(feature = "pg")]
mod pg;
mod processes;
#[cfg(feature = "pulling")]
mod pulling;
mod recorder;
mod resident;
#[cfg(feature = "sandbox")]
mod sandbox;
#[cfg(any(feature = "job", feature = "takeover"))]
mod site;
mod sqlite;
#[cfg(feature = "stream")]
mod stream;
mod table;
#[cfg(feature = "takeover")]
mod takeover;
#[cfg(any(feature = "broker", feature = "egress"))]
mod tls;
mod verify;
mod workload;

use std::{error::Error, path::PathBuf, process::Command};

use clap::{Parser, ValueEnum};

use machine::Machine;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Takes the figures of Striatum. Build it with `--release`.
#[derive(Debug, Parser)]
struct Args {
    /// What to measure.
    section: Section,
    #[cfg(feature = "pg")]
    #[command(flatten)]
    share: Share,
    /// Takes a tenth of the time or less; good for comparing two builds, not for the record.
    #[arg(long)]
    quick: bool,
    /// Where the databases are written: on the disk that is to be measured.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
}

/// What one of several producing processes is told by the one that measures.
#[cfg(feature = "pg")]
#[derive(Debug, clap::Args)]
struct Share {
    #[arg(long, hide = true, default_value = "")]
    address: String,
    #[arg(long, hide = true, default_value = "")]
    schema: String,
    #[arg(long, hide = true, default_value_t = 0)]
    number: usize,
    #[arg(long, hide = true, default_value_t = 1)]
    seconds: u64,
    /// How many runs `pg-workload` has in flight.
    #[arg(long, default_value_t = 64)]
    lines: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Verifying and auditing a chain, against SHA-256 alone.
    Verify,
    /// The workload on the memory store, on one core.
    Memory,
    /// The workload alone, again and again: something to point a profiler at.
    Workload,
    /// The workload on SQLite, against bare commit loops.
    Sqlite,
    /// Resident memory on SQLite.
    Resident,
    /// The workload, appends, waiting and growth on Postgres.
    #[cfg(feature = "pg")]
    Pg,
    /// The workload on Postgres alone, again and again.
    #[cfg(feature = "pg")]
    PgWorkload,
    /// Sixteen claimers on Postgres that find nothing; fails if they ask often.
    #[cfg(feature = "pg")]
    Idle,
    /// One process of several that append.
    #[cfg(feature = "pg")]
    #[value(hide = true)]
    Produce,
    /// Eight processes on one SQLite file for a minute; fails if anything is wrong with what they leave.
    Processes,
    /// Documents that were made to hurt; fails if one takes a second, or much memory.
    Hostile,
    /// Two hundred agents that wait for work over HTTP.
    #[cfg(feature = "pulling")]
    Pulling,
    /// Fifty readers of a thousand events a second, who miss none.
    #[cfg(feature = "stream")]
    Stream,
    /// A whole job with its agent, against git and the agent alone.
    #[cfg(feature = "job")]
    Job,
    /// A new TLS session through the proxy for agents.
    #[cfg(feature = "egress")]
    Egress,
    /// What a broker adds between an agent and its model.
    #[cfg(feature = "broker")]
    Broker,
    /// Sessions behind walls, against bare bubblewrap and plain processes.
    #[cfg(feature = "sandbox")]
    Sandbox,
    /// Until the job of a killed worker is handed out again.
    #[cfg(feature = "takeover")]
    Takeover,
    /// Until a process runs in a machine of its own.
    #[cfg(feature = "microvm")]
    Microvm,
    /// Judges one document.
    #[value(hide = true)]
    Judge,
    /// What one of the eight processes does.
    #[value(hide = true)]
    Share,
    /// What the worker does that is killed.
    #[cfg(feature = "takeover")]
    #[value(hide = true)]
    Worker,
    /// All of it that was built in, each section in a process of its own.
    All,
}

fn main() -> Outcome {
    #[cfg(feature = "sandbox")]
    striatum_sandbox::shim::main_if_shim();
    #[cfg(feature = "job")]
    if let Some(played) = job::main_if_agent() {
        return played;
    }
    let args = Args::parse();
    if cfg!(debug_assertions) {
        println!("This is a debug build: its figures mean nothing. Use cargo run --release.\n");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match args.section {
        Section::Verify => runtime.block_on(verify::run(args.quick)),
        Section::Memory => runtime.block_on(memory::run(args.quick)),
        Section::Workload => runtime.block_on(memory::repeat(args.quick)),
        Section::Sqlite => runtime.block_on(sqlite::run(&args.folder, args.quick)),
        Section::Resident => runtime.block_on(resident::run(&args.folder, args.quick)),
        #[cfg(feature = "pg")]
        Section::Pg => runtime.block_on(pg::run(&args.folder, args.quick)),
        #[cfg(feature = "pg")]
        Section::PgWorkload => runtime.block_on(pg::repeat(args.share.lines, args.quick)),
        #[cfg(feature = "pg")]
        Section::Idle => runtime.block_on(pg::waiting::idle(args.quick)),
        #[cfg(feature = "pg")]
        Section::Produce => {
            let Share { address, schema, number, seconds, .. } = &args.share;
            let time = std::time::Duration::from_secs(*seconds);
            runtime.block_on(pg::producers::produce(address, schema, *number, time))
        }
        Section::Processes => runtime.block_on(processes::run(&args.folder, args.quick)),
        #[cfg(feature = "pulling")]
        Section::Pulling => runtime.block_on(pulling::run(&args.folder, args.quick)),
        #[cfg(feature = "stream")]
        Section::Stream => runtime.block_on(stream::run(&args.folder, args.quick)),
        #[cfg(feature = "job")]
        Section::Job => runtime.block_on(job::run(&args.folder, args.quick)),
        #[cfg(feature = "egress")]
        Section::Egress => runtime.block_on(egress::run(&args.folder, args.quick)),
        #[cfg(feature = "broker")]
        Section::Broker => runtime.block_on(broker::run(&args.folder, args.quick)),
        #[cfg(feature = "sandbox")]
        Section::Sandbox => runtime.block_on(sandbox::run(&args.folder, args.quick)),
        #[cfg(feature = "takeover")]
        Section::Takeover => runtime.block_on(takeover::run(&args.folder, args.quick)),
        #[cfg(feature = "microvm")]
        Section::Microvm => runtime.block_on(microvm::run(&args.folder, args.quick)),
        Section::Hostile => hostile::run(),
        Section::Judge => hostile::judge(),
        Section::Share => runtime.block_on(processes::share()),
        #[cfg(feature = "takeover")]
        Section::Worker => runtime.block_on(takeover::worker()),
        Section::All => all(&args),
    }
}

/// Each section in a process of its own, so that none finds the memory that another left behind.
fn all(args: &Args) -> Outcome {
    println!("{}\n", Machine::describe(&args.folder)?);
    let sections = [
        Section::Verify,
        Section::Memory,
        Section::Sqlite,
        Section::Resident,
        Section::Processes,
        Section::Hostile,
        #[cfg(feature = "pulling")]
        Section::Pulling,
        #[cfg(feature = "stream")]
        Section::Stream,
        #[cfg(feature = "job")]
        Section::Job,
        #[cfg(feature = "egress")]
        Section::Egress,
        #[cfg(feature = "broker")]
        Section::Broker,
        #[cfg(feature = "sandbox")]
        Section::Sandbox,
        #[cfg(feature = "takeover")]
        Section::Takeover,
        #[cfg(feature = "microvm")]
        Section::Microvm,
        #[cfg(feature = "pg")]
        Section::Pg,
    ];
    for section in sections {
        let name = section.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(&name).arg("--folder").arg(&args.folder);
        if args.quick {
            command.arg("--quick");
        }
        if !command.status()?.success() {
            return Err(format!("{name} failed").into());
        }
    }
    Ok(())
}
