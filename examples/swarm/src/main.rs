//! Worker processes on one Postgres database and one git repository: what a team has when one machine is not enough.
//!
//!     cargo run -p swarm -- --workers 8 --runs 64 --chaos
//!
//! Whoever owns the database makes the schema and is not seen again: the workers may execute the store's functions and read, and
//! nothing else. Each worker is the ready orchestrator; its agents are processes, each in a git tree of its own. With `--chaos` workers are
//! killed with SIGKILL while they work, and others are stopped for longer than their leases last, so that they wake up with work
//! that is no longer theirs. In the end the chain is verified, what the indexes say is compared with what the events say, and
//! what every run delivered with what was judged.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to a person")]

mod agent;
mod keeper;
mod ledger;
mod site;
mod worker;
mod workflow;

use std::{error::Error, path::PathBuf};

use clap::{Parser, Subcommand};
use striatum::pg::{Config, Hardening};
use striatum_testkit::pg::Cluster;

use crate::site::Site;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Starts worker processes against one database and one repository, runs workflows, and prints what happened.
#[derive(Debug, Parser)]
#[command(disable_help_subcommand = true)]
struct Args {
    /// How many worker processes.
    #[arg(long, default_value_t = 4)]
    workers: usize,
    /// How many runs.
    #[arg(long, default_value_t = 16)]
    runs: usize,
    /// Kills workers while they work, and stops others for longer than their leases last.
    #[arg(long)]
    chaos: bool,
    /// Who plays fate.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The database as its owner reaches it. Without it a private cluster is started from the binaries on this machine.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database: Option<String>,
    /// The same as workers reach it: with a login that is a member of the role `striatum_runtime` and no more. Without it they
    /// log in as the owner does, and take that role.
    #[arg(long, env = "WORKER_DATABASE_URL", hide_env_values = true)]
    worker_database: Option<String>,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What else this program is.
#[derive(Debug, Subcommand)]
enum Part {
    /// A worker, started by the swarm.
    #[command(hide = true)]
    Worker { schema: String, site: PathBuf },
    /// An agent, started by a worker.
    #[command(hide = true)]
    Agent { register: PathBuf },
}

fn main() -> Outcome {
    let args = Args::parse();
    if let Some(Part::Agent { register }) = &args.part {
        return Ok(agent::play(register)?);
    }
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(swarm(&args))
}

async fn swarm(args: &Args) -> Outcome {
    if let (Some(Part::Worker { schema, site }), Some(database)) = (&args.part, &args.worker_database) {
        return worker::run(&config(database, schema)?, &Site::at(site)).await;
    }
    let cluster = match &args.database {
        Some(_) => None,
        None => Some(Cluster::start()?),
    };
    let private = cluster.as_ref().map(Cluster::url);
    let owner = args.database.clone().or(private).ok_or("no database")?;
    let worker = args.worker_database.clone().unwrap_or_else(|| with_role(&owner, "striatum_runtime"));
    keeper::run(args, &owner, &worker).await
}

/// How a store is used at work: by who may not change what is written.
fn config(database: &str, schema: &str) -> Outcome<Config> {
    Ok(Config::new(database)?.schema(schema)?.hardening(Hardening::Require).connections(4))
}

/// The address of who logs in like this and takes a role.
fn with_role(address: &str, role: &str) -> String {
    match address.contains("://") {
        true if address.contains('?') => format!("{address}&options=-c%20role%3D{role}"),
        true => format!("{address}?options=-c%20role%3D{role}"),
        false => format!("{address} options='-c role={role}'"),
    }
}
