//! The main job: a reviewed change on a real repository, in one command.
//!
//! ```text
//! cargo run -p quickstart                 in a demonstration repository, with scripted agents
//! cargo run -p quickstart -- --help       in yours, with yours
//! cargo run -p quickstart -- --check FILE judges a document and plays it to its ends
//! ```
mod agent;
mod args;
mod cast;
mod check;
#[cfg(feature = "acp")]
mod coding;
mod demo;
mod failure;
mod generate;
mod help;
mod live;
#[cfg(feature = "acp")]
mod model;
mod notify;
mod operate;
#[cfg(feature = "acp")]
mod outside;
mod report;
mod scene;
#[cfg(feature = "acp")]
mod serve;
mod story;
mod walls;
mod work;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};

use crate::{
    args::{Args, Verb},
    failure::Failure,
    scene::Scene,
};

fn main() -> ExitCode {
    // The walls around agents are built by this program too, once more.
    striatum::sandbox::shim::main_if_shim();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    if args.verb.is_some() && !args.check.is_empty() {
        Args::command().error(ErrorKind::ArgumentConflict, "--check stands alone").exit();
    }
    // What needs no runtime and no store. An agent of the demonstration is this program once more.
    match &args.verb {
        Some(Verb::Agent { part, script }) => return agent::play(part, script),
        #[cfg(feature = "acp")]
        Some(Verb::Bridge) => return coding::bridge(),
        Some(Verb::Generate(wanted)) => return generate::generate(wanted).unwrap_or_else(Failure::explain),
        None if !args.check.is_empty() => return check::check(&args).unwrap_or_else(Failure::explain),
        _ => {}
    }
    let filter = tracing_subscriber::EnvFilter::try_from_env("STRIATUM_LOG").unwrap_or_else(|_| "off".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new("no_runtime", error.to_string(), "check the host").explain(),
    };
    runtime.block_on(perform(args)).unwrap_or_else(Failure::explain)
}

async fn perform(args: Args) -> Result<ExitCode, Failure> {
    let scene = Scene::open(&args).await?;
    match &args.verb {
        None => work::main_job(&scene, &args).await,
        #[cfg(feature = "acp")]
        Some(Verb::Serve { port, pull_port, .. }) => {
            let (port, pull_port) = (*port, *pull_port);
            serve::serve(scene, args, port, pull_port).await
        }
        Some(verb) => operate::perform(&scene, &args, verb).await,
    }
}
