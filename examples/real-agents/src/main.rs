//! Real coding agents, driven through reviewed changes.
//!
//! Their model is a server on loopback that follows a script, so they need neither a network nor credentials, and what they do is
//! what they really do: edit files, call tools, ask for leave, fail. `./check agents` installs them and runs this.
#![expect(clippy::print_stdout, reason = "a program talks to a person")]

mod agents;
mod failures;
mod scan;
mod scene;
mod script;
mod secrecy;
mod success;
mod walled;

use std::{error::Error, path::PathBuf, process::ExitCode, time::Instant};

use clap::Parser;
use striatum_testkit::llm::Reply;

use agents::{Agent, Installed};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Drives real coding agents through reviewed changes, with a model on loopback that follows a script.
#[derive(Debug, Parser)]
struct Args {
    /// Where npm installed the agents, each into a folder of its own name, and Node into `node22`.
    #[arg(long, value_name = "DIR")]
    agents: PathBuf,
    /// Play only scenarios whose names contain this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Leave what the scenarios make in this folder.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

fn main() -> Outcome<ExitCode> {
    // The walls around agents are built by this program too, once more.
    striatum::sandbox::shim::main_if_shim();
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()?.block_on(play())
}

async fn play() -> Outcome<ExitCode> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let args = Args::parse();
    let installed = Installed::at(&args.agents, args.keep)?;
    let mut failed = 0;

    macro_rules! play {
        ($($name:literal => $scenario:expr,)*) => {$(
            if $name.contains(&args.only) {
                let begun = Instant::now();
                let outcome: Outcome<String> = $scenario.await;
                let took = begun.elapsed();
                match outcome {
                    Ok(summary) => println!("ok      {:5.1?}  {}: {summary}", took, $name),
                    Err(error) => {
                        failed += 1;
                        println!("FAILED  {:5.1?}  {}: {error}", took, $name);
                    }
                }
            }
        )*};
    }

    play! {
        "nothing is missing" => success::nothing_is_missing(&installed),
        "claude writes, codex reviews" => success::reviewed(&installed, [Agent::Claude, Agent::Codex, Agent::Claude]),
        "codex writes, claude reviews, gemini finishes" => success::reviewed(&installed, [Agent::Codex, Agent::Claude, Agent::Gemini]),
        "behind walls claude writes, codex reviews, and no credential gets in" => secrecy::kept(&installed, [Agent::Claude, Agent::Codex, Agent::Claude]),
        "behind walls codex writes, claude reviews, gemini finishes, and no credential gets in" => secrecy::kept(&installed, [Agent::Codex, Agent::Claude, Agent::Gemini]),
        "claude is not let in (401)" => failures::not_let_in(&installed, Agent::Claude),
        "codex is not let in (401)" => failures::not_let_in(&installed, Agent::Codex),
        "claude is limited for a while (429)" => failures::recovers(&installed, Agent::Claude, Reply::limit(1)),
        "codex is limited for a while (429)" => failures::recovers(&installed, Agent::Codex, Reply::limit(1)),
        "the model of claude is broken once (500)" => failures::recovers(&installed, Agent::Claude, Reply::refuse(500)),
        "the model of codex is broken once (500)" => failures::recovers(&installed, Agent::Codex, Reply::refuse(500)),
        "claude is stopped in a turn" => failures::stopped(&installed, Agent::Claude),
        "codex is stopped in a turn" => failures::stopped(&installed, Agent::Codex),
        "claude is killed in a turn" => failures::killed(&installed, Agent::Claude),
        "codex is killed in a turn" => failures::killed(&installed, Agent::Codex),
    }
    println!("{failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Ends a scenario that does not go as it should.
fn ensure(holds: bool, what: impl FnOnce() -> String) -> Outcome<()> {
    if holds { Ok(()) } else { Err(what().into()) }
}
