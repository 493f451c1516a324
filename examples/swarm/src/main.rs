//! Worker processes on one Postgres database and one repository's chain: what a team has when one machine is not enough.
//!
//!     cargo run -p swarm -- --workers 8 --runs 64 --chaos
//!
//! The workers' agents are functions; what is shown is what happens between processes. With `--chaos` workers are killed with
//! SIGKILL while they work, and others are stopped for longer than their leases last, so that they wake up with work that is
//! no longer theirs. In the end the chain is verified, and what the indexes say is compared with what the events say.
#![expect(clippy::print_stdout, reason = "a program talks to a person")]

mod keeper;
mod ledger;
mod worker;
mod workflow;

use std::{error::Error, path::PathBuf};

use clap::Parser;
use striatum::pg::Config;
use striatum_testkit::pg::Cluster;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Starts worker processes against one database, runs workflows, and prints what happened.
#[derive(Debug, Parser)]
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
    /// Who plays fate; the same number kills in the same order.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The database, as `libpq` names it. Without it a private cluster is started from the binaries on this machine.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database: Option<String>,
    /// What a worker is told by the process that starts it.
    #[command(flatten)]
    post: Post,
}

/// Where a worker works.
#[derive(Debug, Clone, clap::Args)]
struct Post {
    #[arg(long, hide = true)]
    schema: Option<String>,
    #[arg(long, hide = true)]
    blobs: Option<PathBuf>,
    #[arg(long, hide = true, default_value_t = 0)]
    number: u64,
}

#[tokio::main]
async fn main() -> Outcome {
    let args = Args::parse();
    if let (Some(database), Post { schema: Some(schema), blobs: Some(blobs), number }) =
        (&args.database, &args.post)
    {
        return worker::run(config(database, schema)?, blobs, *number).await;
    }
    let cluster = match &args.database {
        Some(_) => None,
        None => Some(Cluster::start()?),
    };
    let private = cluster.as_ref().map(Cluster::url);
    let database = args.database.clone().or(private).ok_or("no database")?;
    keeper::run(&args, &database).await
}

fn config(database: &str, schema: &str) -> Outcome<Config> {
    Ok(Config::new(database)?.schema(schema)?.connections(4))
}
