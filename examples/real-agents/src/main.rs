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
mod written;

use std::{error::Error, path::PathBuf, process::ExitCode, time::Instant};

use clap::Parser;
use striatum_testkit::llm::Reply;

use agents::{Agent, Installed};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Drives real coding agents through reviewed changes, with a model on loopback that follows a script.
#[derive(Debug, Parser)]
struct Args {
    /// Where the agents were installed, each into a folder of its own name, and Node into `node22`.
    #[arg(long, value_name = "DIR")]
    agents: PathBuf,
    /// Play only scenarios whose names contain this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Leave what the scenarios make in this folder.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Let each of these play every part, in place of claude, codex and gemini together.
    #[arg(value_name = "AGENT")]
    named: Vec<String>,
}

fn main() -> Outcome<ExitCode> {
    // The walls around agents are built by this program too, once more.
    striatum::sandbox::shim::main_if_shim();
    let is_bridge = std::env::args().nth(1).is_some_and(|first| first == scene::BRIDGE);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()?;
    if is_bridge {
        return runtime.block_on(scene::bridge());
    }
    runtime.block_on(play())
}

async fn play() -> Outcome<ExitCode> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let Args { agents, only, keep, named } = Args::parse();
    let mut stage = Stage { only, failed: 0 };
    if named.is_empty() {
        let known = ["claude", "codex", "gemini"].map(Agent::named);
        let [claude, codex, gemini] = known;
        let known = [claude?, codex?, gemini?];
        stage.three(&Installed::at(&agents, &known, keep)?, known).await;
    } else {
        for name in named {
            let agent = Agent::named(&name)?;
            stage.one(&Installed::at(&agents, &[agent], keep.clone())?, agent).await;
        }
    }
    println!("{} failed", stage.failed);
    Ok(if stage.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where scenarios are played, one after the other.
struct Stage {
    only: String,
    failed: usize,
}

impl Stage {
    async fn play(&mut self, name: &str, scenario: impl Future<Output = Outcome<String>>) {
        if !name.contains(&self.only) {
            return;
        }
        let begun = Instant::now();
        let outcome = scenario.await;
        let took = begun.elapsed();
        match outcome {
            Ok(summary) => println!("ok      {took:5.1?}  {name}: {summary}"),
            Err(error) => {
                self.failed += 1;
                println!("FAILED  {took:5.1?}  {name}: {error}");
            }
        }
    }

    /// What is always played: three agents together, and what may befall two of them.
    async fn three(&mut self, installed: &Installed, [claude, codex, gemini]: [Agent; 3]) {
        let (short, long) = ([claude, codex, claude], [codex, claude, gemini]);
        self.play("nothing is missing", success::nothing_is_missing(installed)).await;
        self.play("claude writes, codex reviews", success::reviewed(installed, short)).await;
        self.play("codex writes, claude reviews, gemini finishes", success::reviewed(installed, long)).await;
        let name = "behind walls claude writes, codex reviews, and no credential gets in";
        self.play(name, secrecy::kept(installed, short)).await;
        let name = "behind walls codex writes, claude reviews, gemini finishes, and no credential gets in";
        self.play(name, secrecy::kept(installed, long)).await;
        for agent in [claude, codex] {
            let name = agent.name();
            self.play(&format!("{name} is not let in (401)"), failures::not_let_in(installed, agent)).await;
            let limit = failures::recovers(installed, agent, Reply::limit(1));
            self.play(&format!("{name} is limited for a while (429)"), limit).await;
            let broken = failures::recovers(installed, agent, Reply::refuse(500));
            self.play(&format!("the model of {name} is broken once (500)"), broken).await;
            self.play(&format!("{name} is silent in a turn"), failures::stalled(installed, agent)).await;
            self.interrupted(installed, agent).await;
        }
    }

    /// What any agent can be asked to show: that it writes, reviews and finishes, and that nothing of it is left.
    async fn one(&mut self, installed: &Installed, agent: Agent) {
        let name = agent.name();
        self.play(&format!("{name} lacks nothing"), success::nothing_is_missing(installed)).await;
        let reviewed = success::reviewed(installed, [agent; 3]);
        self.play(&format!("{name} writes, reviews and finishes"), reviewed).await;
        if agent.can_be_led() {
            let kept = secrecy::kept(installed, [agent; 3]);
            let title =
                format!("behind walls {name} writes, reviews and finishes, and no credential gets in");
            self.play(&title, kept).await;
        }
        self.interrupted(installed, agent).await;
    }

    async fn interrupted(&mut self, installed: &Installed, agent: Agent) {
        let name = agent.name();
        self.play(&format!("{name} is stopped in a turn"), failures::stopped(installed, agent)).await;
        self.play(&format!("{name} is killed in a turn"), failures::killed(installed, agent)).await;
    }
}

/// Ends a scenario that does not go as it should.
fn ensure(holds: bool, what: impl FnOnce() -> String) -> Outcome<()> {
    if holds { Ok(()) } else { Err(what().into()) }
}
